"""Fashion-MNIST, groups of networks: which statistics tell activation functions apart, and when.

Train first (two hours on one core; the store of a network takes 160 MB)::

    ppp-train --data fashion-mnist --activation tanh isotropic-tanh leaky-relu --width 18 \\
        --blocks 0 --epochs 125 --repeats 5 --out runs

then ``python gallery/fashion_groups.py runs --out docs/images`` draws the figures of
``docs/fashion.md`` and prints its tables. Results are kept in ``runs/results`` as they end: an
interrupted script goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
from pages import markdown

import hooks
import ppp
from ppp.table import Table

matplotlib.use("agg")

EPOCHS = (0, 1, 4, 8, 18, 30, 60, 90, 125)
SHOWN = (0, 1, 8, 30, 125)
GROUPS = ("tanh", "isotropic-tanh", "leaky-relu")
PAIRS = (("tanh", "isotropic-tanh"), ("leaky-relu", "isotropic-tanh"))
REPEATS = 99

Results = dict[str, list[dict[int, ppp.PPPResult]]]


def analyse(runs: Path) -> Results:
    """Return results by group, network and epoch, from files where they are done."""
    folder = runs / "results"
    folder.mkdir(exist_ok=True)
    found: Results = {}
    for group in GROUPS:
        found[group] = []
        for seed, path in enumerate(sorted((runs / group).glob("*.h5"))):
            keys = {
                about["epoch"]: key for key, about in hooks.ActivationStore(path).snapshots.items()
            }
            found[group].append({})
            for epoch in EPOCHS:
                kept = folder / f"{group}-{seed}-{epoch}.h5"
                if not kept.exists():
                    ppp.analyze_store(
                        path, "encoder", snapshot=keys[epoch], epsilon=0.75,
                        null_repeats=REPEATS, null_draws=1, progress=False,
                    ).save(str(kept))  # fmt: skip
                found[group][-1][epoch] = ppp.PPPResult.load(str(kept))
    return found


def comparison(found: Results, pair: tuple[str, str], epoch: int) -> ppp.Comparison:
    """Compare two groups at one epoch; their networks share seeds one by one."""
    return ppp.compare({group: [each[epoch] for each in found[group]] for group in pair})


def separated(found: Results, pair: tuple[str, str]) -> Table:
    """Return difference and exact p of every statistic, one line an epoch."""
    lines = []
    for epoch in EPOCHS:
        differences = comparison(found, pair, epoch).differences
        cells = [
            "–" if d.value is None or d.p is None
            else f"{d.value:+.2f} ({d.p:.2g}){' **' if d.separated else ''}"
            for d in differences
        ]  # fmt: skip
        least = min(d.p_adjusted for d in differences if d.p_adjusted is not None)
        lines.append((f"epoch {epoch}", *cells, least))
    names = [f"{d.statistic} (p)" for d in differences]
    return Table(("snapshot", *names, "least adjusted p"), tuple(lines))


def networks(found: Results, epoch: int) -> Table:
    """Return what each network shows against its own rotations."""
    lines = []
    for group, members in found.items():
        for seed, each in enumerate(members):
            result = each[epoch]
            statistics = result.statistics
            values = [statistics[name].value for name in ("log_q", "kappa", "a4", "b4")]
            lines.append((f"{group} {seed}", result.hits, *values, statistics["combined"].p,
                          result.verdict.kind))  # fmt: skip
    return Table(("network", "kept", "log_q", "kappa", "a4", "b4", "p", "verdict"), tuple(lines))


def draw(found: Results, out: Path) -> None:
    """Draw networks over training, statistics over training, and a dot a network."""
    rows = {f"{group} {seed}": each for group, all_ in found.items()
            for seed, each in enumerate(all_)}  # fmt: skip
    grid = {name: {f"epoch {e}": each[e] for e in SHOWN} for name, each in rows.items()}
    title = "Fashion-MNIST, latent layer 0 of 784-18-784"
    ppp.plot_grid(grid, size=128, panel=1.0, title=title, draws=1).savefig(
        out / "fashion-networks.png", dpi=75
    )
    curves = {name: {f"epoch {e}": each[e] for e in EPOCHS} for name, each in rows.items()}
    groups = {name: name.rsplit(" ", 1)[0] for name in rows}
    ppp.plot_training(curves, groups=groups, title=title).savefig(
        out / "fashion-training.png", dpi=80
    )
    for pair in PAIRS:
        figure = comparison(found, pair, EPOCHS[-1]).plot(
            title=f"{pair[0]} beside {pair[1]}, epoch {EPOCHS[-1]}, one dot a network"
        )
        figure.savefig(out / f"fashion-{pair[0]}.png", dpi=80)


def main() -> None:
    """Analyse, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    asked = parser.parse_args()
    found = analyse(asked.runs)
    draw(found, asked.out)
    for pair in PAIRS:
        print(f"\n{pair[0]} minus {pair[1]}\n\n{markdown(separated(found, pair))}\n")
        for epoch in EPOCHS:
            made = comparison(found, pair, epoch)
            print(epoch, dict(made.consistency), dict(made.consistency_p))
    print(f"\n{markdown(networks(found, EPOCHS[-1]))}")
    print(comparison(found, PAIRS[0], EPOCHS[-1]).summary())


if __name__ == "__main__":
    main()
