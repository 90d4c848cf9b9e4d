"""What the scripts on the PPP paper's figures share: their settings, training, grids, numbers.

Presets, by ``--preset NAME`` or the variable PRESET: ``quick`` trains two networks an activation
for 13 epochs on scikit-learn's digits; ``fashion`` has the paper's settings but for the data, which
are Fashion-MNIST; ``paper`` has exactly the paper's. Networks are kept in the folder named by the
variable RUNS (default ``gallery/runs``); what is there is not trained again, and an interrupted
training goes on where it stopped.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import hooks
import ppp
from isotropic.campaign import Campaign
from ppp.table import Table

TANH = ("tanh", "isotropic-tanh")
LEAKY = ("leaky-relu", "isotropic-leaky-relu")
#: What a preset changes; ``data`` None keeps the paper's.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"data": "digits", "epochs": 13, "repeats": 2, "nulls": 39, "shown": (0, 1, 4, 13)},
    "fashion": {"data": "fashion-mnist", "epochs": 125, "repeats": 5, "nulls": 99, "shown": None},
    "paper": {"data": None, "epochs": 125, "repeats": 5, "nulls": 99, "shown": None},
}
#: Numbers shown of every network: its value against random frames.
SHOWN = ("kappa", "log_q", "a4", "combined")


@dataclass(frozen=True)
class Setting:
    """One figure's networks.

    Parameters
    ----------
    data : str
        The paper's data set.
    standardise : bool
        "norm" or "raw".
    width, blocks : int
        n and L.
    activations : tuple of str
        Rows from the top, five networks each.
    """

    data: str = "cifar-10"
    standardise: bool = True
    width: int = 18
    blocks: int = 0
    activations: tuple[str, ...] = TANH


def preset() -> tuple[str, dict[str, Any]]:
    """Return the chosen preset and what it changes."""
    name = os.environ.get("PRESET", "quick")
    if "--preset" in sys.argv[:-1]:
        name = sys.argv[sys.argv.index("--preset") + 1]
    if name not in PRESETS:
        raise SystemExit(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return name, PRESETS[name]


def trained(setting: Setting) -> dict[str, list[Path]]:
    """Return the stores of a setting's networks by activation, training what is not there."""
    name, changes = preset()
    out = Path(os.environ.get("RUNS", "gallery/runs")) / name
    campaign = Campaign.prepare(
        changes["data"] or setting.data,
        setting.activations,
        width=setting.width,
        blocks=setting.blocks,
        repeats=changes["repeats"],
        epochs=changes["epochs"],
        standardise=setting.standardise,
    )
    stores = {
        activation: [campaign.store(out, activation, seed) for seed in range(changes["repeats"])]
        for activation in setting.activations
    }
    lacking = tuple(a for a, paths in stores.items() if not all(p.exists() for p in paths))
    if lacking:
        Campaign.prepare(
            changes["data"] or setting.data,
            lacking,
            width=setting.width,
            blocks=setting.blocks,
            repeats=changes["repeats"],
            epochs=changes["epochs"],
            standardise=setting.standardise,
        ).run(out, progress=sys.stderr.isatty())
    return stores


def histories(stores: dict[str, list[Path]], field: str) -> tuple[list[int], dict[str, np.ndarray]]:
    """Return snapshot epochs and a quantity at them, (networks, epochs); NaN after a divergence."""
    found = {
        activation: [
            {
                about["epoch"]: about[field]
                for about in hooks.ActivationStore(path).snapshots.values()
            }
            for path in paths
        ]
        for activation, paths in stores.items()
    }
    epochs = sorted({epoch for runs in found.values() for run in runs for epoch in run})
    return epochs, {
        activation: np.array([[run.get(epoch, np.nan) for epoch in epochs] for run in runs])
        for activation, runs in found.items()
    }


def analysed(stores: dict[str, list[Path]], layer: str) -> dict[str, dict[int, ppp.PPPResult]]:
    """Project every snapshot; rows are networks, columns epochs."""
    _, changes = preset()
    rows: dict[str, dict[int, ppp.PPPResult]] = {}
    for activation, paths in stores.items():
        for seed, path in enumerate(paths):
            snapshots = hooks.ActivationStore(path).snapshots
            last = max(about["epoch"] for about in snapshots.values())
            rows[f"{activation} {seed}"] = {
                about["epoch"]: ppp.analyze_store(
                    path,
                    layer,
                    snapshot=key,
                    epsilon=0.75,
                    # Only the last column's numbers are shown: the others need no null.
                    null="rotation" if about["epoch"] == last else None,
                    null_repeats=changes["nulls"],
                    null_draws=1,
                    progress=False,
                )
                for key, about in snapshots.items()
                if changes["shown"] is None or about["epoch"] in (*changes["shown"], last)
            }
    return rows


def numbers(rows: dict[str, dict[int, ppp.PPPResult]]) -> Table:
    """Return one line a network: how much is kept at first and last, and the last statistics."""
    lines = []
    for network, columns in rows.items():
        first, last = columns[min(columns)], columns[max(columns)]
        cells: list[Any] = [network, first.hits, last.hits, last.expected]
        for name in SHOWN[:-1]:
            found = last.statistics[name]
            cells += [found.value, found.p]
        lines.append((*cells, last.statistics["combined"].p))
    heads = [part for name in SHOWN[:-1] for part in (name, f"p_{name}")]
    columns_ = ("network", "kept_first", "kept_last", "expected", *heads, "p_combined")
    return Table(columns_, tuple(lines))


def early_and_late(rows: dict[str, dict[int, ppp.PPPResult]]) -> dict[str, tuple[float, float]]:
    """Correlate angular histograms: early with late in one network, and late between networks.

    Directions that are set early and refined make the first larger than the second.
    """
    found = {}
    for group in dict.fromkeys(name.rsplit(" ", 1)[0] for name in rows):
        members = [columns for name, columns in rows.items() if name.rsplit(" ", 1)[0] == group]
        epochs = sorted(set.intersection(*(set(columns) for columns in members)))
        early, late = epochs[len(epochs) // 2], epochs[-1]
        angles = [(c[early].tally.angle, c[late].tally.angle) for c in members]
        same = [_correlation(a, b) for a, b in angles]
        other = [
            _correlation(angles[i][1], angles[j][1]) for i in range(len(angles)) for j in range(i)
        ]
        found[group] = (float(np.mean(same)), float(np.mean(other)))
    return found


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if not one.std() or not other.std():
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def figure(number: int, setting: Setting, k: int = 0, note: str = "") -> None:
    """Draw one of the paper's grids and print what its claims come to on these data."""
    name, changes = preset()
    layer = "encoder" if k == 0 else f"hidden.{k - 1}"
    stores = trained(setting)
    rows = analysed(stores, layer)
    data = changes["data"] or setting.data
    kind = "standardised" if setting.standardise else "raw"
    title = (
        f"As the paper's figure {number}, preset {name}: {data} {kind}, n = {setting.width}, "
        f"L = {setting.blocks}, latent layer {k}"
    )
    labelled = {
        network: {f"epoch {epoch}": result for epoch, result in columns.items()}
        for network, columns in rows.items()
    }
    ppp.plot_grid(labelled, title=title, thinned=name == "paper", draws=1)
    plt.show()
    print(title, note, numbers(rows), sep="\n")
    groups = {
        activation: [
            columns[max(columns)]
            for network, columns in rows.items()
            if network.rsplit(" ", 1)[0] == activation
        ]
        for activation in setting.activations
    }
    if len(groups) > 1:
        print(ppp.compare(groups, paired=True).summary())
    for network, columns in rows.items():
        if max(columns) < changes["epochs"]:
            print(f"{network} diverged: its last snapshot is of epoch {max(columns)}")
    for group, (same, other) in early_and_late(rows).items():
        print(
            f"{group}: directions early and late correlate {same:.2f} in one network; "
            f"late ones {other:.2f} between networks"
        )


def error_figure(
    number: int, settings: dict[tuple[int, int], list[Setting]], quantity: str, note: str = ""
) -> None:
    """Draw held-out reconstruction errors over epochs and print the last ones.

    ``settings[row, column]`` lists the panels' networks. Colours are the paper's: orange and red
    for elementwise, blue and green for isotropic, standardised and raw. Networks that diverged are
    counted and left out of the mean.
    """
    name, changes = preset()
    high, wide = (1 + max(place[axis] for place in settings) for axis in (0, 1))
    _, axes = plt.subplots(
        high,
        wide,
        figsize=(3.2 * wide, 2.6 * high),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for place, panel in sorted(settings.items()):
        ax = axes[place]
        ax.set_title(f"n = {panel[0].width}, L = {panel[0].blocks}")
        for setting in panel:
            epochs, curves = histories(trained(setting), quantity)
            for activation in setting.activations:
                plain = not activation.startswith("isotropic")
                colour = {
                    (True, True): "tab:orange",
                    (True, False): "tab:blue",
                    (False, True): "tab:red",
                    (False, False): "tab:green",
                }[setting.standardise, plain]
                kind = "norm" if setting.standardise else "raw"
                values = curves[activation]
                lost = int(np.isnan(values[:, -1]).sum())
                alive = values[~np.isnan(values[:, -1])]
                if not len(alive):
                    print(f"n {setting.width}  L {setting.blocks}  {activation}: all diverged")
                    continue
                mean, spread = alive.mean(0), alive.std(0)
                ax.plot(epochs, values.T, color=colour, alpha=0.2, lw=0.7)
                ax.plot(epochs, mean, color=colour, label=f"{activation}, {kind}")
                ax.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.15)
                print(
                    f"n {setting.width}  L {setting.blocks}  {kind:<4}  {activation:<22} "
                    f"{mean[-1]:.4f} +- {spread[-1]:.4f} after {epochs[-1]} epochs; {lost} diverged"
                )
    for ax in axes[-1]:
        ax.set_xlabel("epochs")
    for ax in axes[:, 0]:
        ax.set_ylabel("held-out error")
    axes[0, 0].legend(fontsize=7)
    data = changes["data"] or next(iter(settings.values()))[0].data
    axes[0, 0].figure.suptitle(f"As the paper's figure {number}, preset {name}: {data}")
    plt.show()
    print(note)
