"""The demo: a tanh and an isotropic-tanh autoencoder on digits, drawn beside their null.

Run by `make demo`. Trains both networks from one initialisation and one batch order, keeps the
latent layer right after the encoder at several snapshots, projects it onto the planes of the
neurons' axes, and writes

- ``figure.png``: rows are networks, columns training, the last column a random basis (null);
- ``null.png``: the trained networks beside eight random bases;
- ``numbers.csv``: the statistics of every panel with their p against 99 random bases;
- one store and one saved result a network.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt

import hooks
import isotropic
import ppp
from ppp.table import Table

ACTIVATIONS = ("tanh", "isotropic-tanh")
LAYER = "encoder"
#: Snapshots shown, of the seventeen that the store keeps.
EPOCHS = (0, 1, 4, 13, 40, 125)
SHOWN = ("log_q", "a4", "b4", "kappa", "combined")


def train(out: Path, width: int, seed: int) -> dict[str, Path]:
    """Train one network an activation and keep its snapshots; return the stores."""
    from isotropic.data import digits

    stores = {}
    for activation in ACTIVATIONS:
        path = out / f"{activation}.h5"
        path.unlink(missing_ok=True)
        isotropic.train_autoencoder(
            digits(),
            activation,
            width=width,
            protocol=isotropic.Protocol(epochs=EPOCHS[-1], seed=seed, standardise=False),
            store=path,
            progress=True,
        )
        stores[activation] = path
    return stores


def analyse(stores: dict[str, Path]) -> dict[str, dict[str, ppp.PPPResult]]:
    """Project the latent layer of every snapshot; rows are networks, columns epochs."""
    rows = {}
    for activation, path in stores.items():
        store = hooks.ActivationStore(path)
        rows[activation] = {
            f"epoch {about['epoch']}": ppp.analyze_store(
                path, LAYER, snapshot=key, null_draws=8, progress=False
            )
            for key, about in store.snapshots.items()
            if about["epoch"] in EPOCHS
        }
    return rows


def table_of(rows: dict[str, dict[str, ppp.PPPResult]]) -> Table:
    """Return one line a network and snapshot."""
    lines = []
    for network, columns in rows.items():
        for snapshot, result in columns.items():
            found = [result.statistics[name] for name in SHOWN]
            values = [one.value for one in found[:-1]]
            counts = (result.rule.epsilon, result.hits, result.expected)
            lines.append((network, snapshot, *counts, *values, *(one.p for one in found)))
    columns = ("network", "snapshot", "epsilon", "kept", "expected", *SHOWN[:-1])
    return Table(columns + tuple(f"p_{name}" for name in SHOWN), tuple(lines))


def main() -> None:
    """Train, analyse, draw, print, say where."""
    parser = argparse.ArgumentParser(description="Train a pair on digits and draw it.")
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--width", type=int, default=18)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    started = time.perf_counter()
    asked.out.mkdir(parents=True, exist_ok=True)

    rows = analyse(train(asked.out, asked.width, asked.seed))
    last = {network: list(columns.values())[-1] for network, columns in rows.items()}
    title = f"Digits (scikit-learn), latent layer 0 of 64-{asked.width}-64 autoencoders"
    ppp.plot_grid(rows, draws=1, title=title).savefig(asked.out / "figure.png", dpi=150)
    ppp.plot_with_null(last, title=title).savefig(asked.out / "null.png", dpi=150)
    plt.close("all")
    table = table_of(rows)
    (asked.out / "numbers.csv").write_text(table.to_csv())
    for network, result in last.items():
        result.save(str(asked.out / f"{network}-result.h5"))
        print(f"\n{network}, after {EPOCHS[-1]} epochs\n{result.summary()}")
    print(f"\n{table}\n")
    print(f"figure        {asked.out / 'figure.png'}")
    print(f"null control  {asked.out / 'null.png'}")
    print(f"numbers       {asked.out / 'numbers.csv'}")
    print(f"activations   {', '.join(str(asked.out / f'{name}.h5') for name in ACTIVATIONS)}")
    print(f"took          {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
