"""The README's figure and numbers: tanh beside isotropic tanh on Fashion-MNIST.

Train first (ten minutes on one quiet core)::

    ppp-train --data fashion-mnist --activation tanh isotropic-tanh --width 18 --blocks 0 \\
        --epochs 30 --repeats 2 --out runs

then ``python gallery/readme_figure.py runs`` draws ``docs/images/fashion.png`` and prints the
second table of ``docs/fashion.md``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pages import markdown

import hooks
import ppp
from ppp.table import Table, readable

EPOCHS = (0, 1, 4, 8, 13, 18, 30)
ACTIVATIONS = ("tanh", "isotropic-tanh")
SHOWN = ("log_q", "a4", "b4", "kappa", "combined")
REPEATS = 199


def analyse(runs: Path) -> dict[str, dict[str, ppp.PPPResult]]:
    """Return results by network and epoch."""
    rows: dict[str, dict[str, ppp.PPPResult]] = {}
    for activation in ACTIVATIONS:
        for number, path in enumerate(sorted((runs / activation).glob("*.h5"))):
            snapshots = hooks.ActivationStore(path).snapshots
            wanted = {about["epoch"]: key for key, about in snapshots.items()}
            rows[f"{activation} {number}"] = {
                f"epoch {epoch}": ppp.analyze_store(
                    path,
                    "encoder",
                    snapshot=wanted[epoch],
                    epsilon=0.75,
                    null_repeats=REPEATS,
                    null_draws=1,
                    progress=False,
                )
                for epoch in EPOCHS
            }
    return rows


def table_of(rows: dict[str, dict[str, ppp.PPPResult]]) -> Table:
    """Return one line a network and epoch."""
    lines = []
    for network, columns in rows.items():
        for epoch, result in columns.items():
            found = [result.statistics[name] for name in SHOWN]
            cells = [f"{readable(one.value)} ({readable(one.p)})" for one in found[:-1]]
            lines.append((network, epoch, result.hits, *cells, found[-1].p))
    names = [f"{name} (p)" for name in SHOWN[:-1]]
    return Table(("network", "snapshot", "kept", *names, "combined p"), tuple(lines))


def main() -> None:
    """Analyse, draw, print."""
    parser = argparse.ArgumentParser(description="Draw the README's figure from trained runs.")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    asked = parser.parse_args()
    rows = analyse(asked.runs)
    first = next(iter(next(iter(rows.values())).values()))
    title = (
        f"Fashion-MNIST ({first.tally.rows:,} training images, standardised), latent layer 0 of "
        "784-18-784 autoencoders"
    )
    (asked.docs / "images").mkdir(parents=True, exist_ok=True)
    ppp.plot_grid(rows, draws=1, title=title).savefig(asked.docs / "images/fashion.png", dpi=110)
    print(markdown(table_of(rows)))


if __name__ == "__main__":
    main()
