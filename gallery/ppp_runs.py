"""What the scripts on the PPP paper's figures share: their settings, training, grids, numbers.

Presets, by ``--preset NAME`` or the variable PRESET: ``quick`` trains two networks an activation
for 13 epochs on scikit-learn's digits, ``digits`` five for 50 epochs; ``fashion`` has the paper's
settings but for the data, which are Fashion-MNIST, ``fashion-30`` three networks and 30 epochs of
it; ``paper`` has exactly the paper's. Networks are kept in the folder named by the variable RUNS
(default ``gallery/runs``); what is there is not trained again, and an interrupted training goes on
where it stopped.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import ppp_claims
import torch
from filelock import FileLock
from presets import choose, keep, show

import hooks
import ppp
from isotropic.campaign import Campaign
from ppp.table import Table

TANH = ("tanh", "isotropic-tanh")
LEAKY = ("leaky-relu", "isotropic-leaky-relu")
#: What a preset changes; ``data`` None keeps the paper's, ``shown`` None all snapshots of it.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"data": "digits", "epochs": 13, "repeats": 2, "nulls": 39, "shown": (0, 1, 4, 13)},
    "digits": {
        "data": "digits",
        "epochs": 50,
        "repeats": 5,
        "nulls": 99,
        "shown": (0, 1, 4, 13, 24, 50),
    },
    "fashion": {"data": "fashion-mnist", "epochs": 125, "repeats": 5, "nulls": 99, "shown": None},
    "fashion-30": {
        "data": "fashion-mnist",
        "epochs": 30,
        "repeats": 3,
        "nulls": 99,
        "shown": (0, 1, 4, 8, 13, 18, 30),
    },
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
    return choose(PRESETS)


def trained(setting: Setting) -> dict[str, list[Path]]:
    """Return the stores of a setting's networks by activation, training what is not there."""
    name, changes = preset()
    out = Path(os.environ.get("RUNS", "gallery/runs")) / name
    campaign = _campaign(setting, setting.activations)
    stores = {
        activation: [campaign.store(out, activation, seed) for seed in range(changes["repeats"])]
        for activation in setting.activations
    }
    out.mkdir(parents=True, exist_ok=True)
    # Several scripts, run side by side, want the same networks: the first trains them.
    with FileLock(campaign.checkpoint(out).with_suffix(".lock")):
        lacking = tuple(a for a, paths in stores.items() if not all(p.exists() for p in paths))
        if lacking:
            _campaign(setting, lacking).run(out, progress=sys.stderr.isatty())
    return stores


def _campaign(setting: Setting, activations: tuple[str, ...]) -> Campaign:
    _, changes = preset()
    return Campaign.prepare(
        changes["data"] or setting.data,
        activations,
        width=setting.width,
        blocks=setting.blocks,
        repeats=changes["repeats"],
        epochs=changes["epochs"],
        standardise=setting.standardise,
        snapshots=changes["shown"],
    )


def histories(stores: dict[str, list[Path]], field: str) -> tuple[list[int], dict[str, np.ndarray]]:
    """Return epochs and a loss after each, (networks, epochs); NaN after a divergence."""
    found = {
        activation: [
            {
                entry["epoch"]: entry[field]
                for entry in torch.load(path.with_suffix(".weights.pt"), weights_only=True)[
                    "history"
                ]
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


def analysed(
    stores: dict[str, list[Path]],
    layer: str,
    pairs: str = "combination",
    *,
    every: bool = False,
    only_last: bool = False,
) -> ppp_claims.Rows:
    """Project the snapshots that the preset shows; rows are networks, columns epochs.

    The paper's claims are about the first and the last column: the others have no null, unless
    ``every`` asks for it. ``only_last`` leaves the last alone.
    """
    _, changes = preset()
    rows: ppp_claims.Rows = {}
    for activation, paths in stores.items():
        for seed, path in enumerate(paths):
            store = hooks.ActivationStore(
                path
            )  # opened once: opening reads every snapshot's record
            keys = {about["epoch"]: key for key, about in store.snapshots.items()}
            last = max(keys)
            shown = set(keys if changes["shown"] is None else changes["shown"])
            rows[f"{activation} {seed}"] = {
                epoch: ppp.project(
                    store[layer, key],
                    epsilon=0.75,
                    pairs=pairs,
                    null="rotation" if every or epoch in (0, last) else None,
                    null_repeats=changes["nulls"],
                    null_draws=1,
                )
                for epoch, key in keys.items()
                if epoch == last or (epoch in shown and not only_last)
            }
    return rows


def numbers(rows: ppp_claims.Rows) -> Table:
    """Return one line a network: how much is kept at first and last, and the last statistics."""
    lines = []
    for network, columns in rows.items():
        first, last = columns[min(columns)], columns[max(columns)]
        cells: list[Any] = [network, max(columns), first.hits, last.hits, last.expected]
        for name in SHOWN[:-1]:
            found = last.statistics[name]
            cells += [found.value, found.p]
        lines.append((*cells, last.statistics["combined"].p))
    heads = [part for name in SHOWN[:-1] for part in (name, f"p_{name}")]
    columns_ = ("network", "epoch", "kept_first", "kept_last", "expected", *heads, "p_combined")
    return Table(columns_, tuple(lines))


def layer_name(k: int) -> str:
    """Return the module whose output is latent layer k."""
    return "encoder" if k == 0 else f"hidden.{k - 1}"


def heading(number: int, setting: Setting, k: int) -> str:
    """Say what a figure shows: the paper's number, preset, data, network, layer."""
    name, changes = preset()
    kind = "standardised" if setting.standardise else "raw"
    return (
        f"As the paper's figure {number}, preset {name}: {changes['data'] or setting.data} {kind}\n"
        f"n = {setting.width}, L = {setting.blocks}, latent layer {k}"
    )


def draw(rows: ppp_claims.Rows, title: str) -> Any:
    """Draw the paper's grid: networks downwards, snapshots rightwards, one null column."""
    name, changes = preset()
    # The last snapshot of a network that diverged may be of an epoch that no other shows.
    labelled = {
        network: {
            f"epoch {epoch}": result
            for epoch, result in columns.items()
            if changes["shown"] is None or epoch in changes["shown"]
        }
        for network, columns in rows.items()
    }
    return ppp.plot_grid(labelled, title=title, thinned=name == "paper", draws=1)


def figure(
    number: int, setting: Setting, k: int = 0, pairs: str = "combination", level: float = 1.0
) -> None:
    """Draw one of the paper's grids and print what its claims come to on these data.

    ``level`` below 1 ends the colours at that share of the usual: what is faint then shows.
    """
    name, changes = preset()
    title = heading(number, setting, k) + (f", {pairs}" if pairs != "combination" else "")
    rows = analysed(trained(setting), layer_name(k), pairs)
    grid = draw(rows, title + (f", colours to {level:.0%} of the usual" if level < 1 else ""))
    if level < 1:
        for image in (image for ax in grid.axes for image in ax.images):
            image.set_clim(0, level * image.get_clim()[1])
    show(f"fig{number:02d}", name)
    print(title, numbers(rows), sep="\n")
    groups = {
        group: [columns[max(columns)] for columns in members]
        for group, members in ppp_claims.grouped(rows).items()
    }
    if len(groups) > 1:
        print(ppp.compare(groups, paired=True).summary())
    for network, columns in rows.items():
        if max(columns) < changes["epochs"]:
            print(f"{network} diverged: its last snapshot is of epoch {max(columns)}")
    claims = ppp_claims.of_figure(rows)
    print("\nWhat the paper claims, on these data:", *claims, sep="\n")
    keep(f"fig{number:02d}", name, ppp_claims.dicts(claims))


#: The paper's colours: standardised or raw, elementwise or isotropic.
COLOURS = {
    (True, True): "tab:orange",
    (True, False): "tab:blue",
    (False, True): "tab:red",
    (False, False): "tab:green",
}


def error_figure(number: int, settings: dict[tuple[int, int], list[Setting]]) -> None:
    """Draw held-out reconstruction errors over epochs and print the last ones.

    ``settings[row, column]`` lists the panels' networks. Raw networks' errors are taken on the
    standardised scale, as in the paper. Networks that diverged are counted, not averaged.
    """
    name, changes = preset()
    high, wide = (1 + max(place[axis] for place in settings) for axis in (0, 1))
    sheet, axes = plt.subplots(
        high,
        wide,
        figsize=(max(2.9 * wide, 6), 2.4 * high + 1.6),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    last: dict[str, np.ndarray] = {}
    for place, panel in sorted(settings.items()):
        ax = axes[place]
        ax.set_title(f"n = {panel[0].width}, L = {panel[0].blocks}", fontsize=10)
        for setting in panel:
            epochs, curves = histories(trained(setting), "test_loss_standardised")
            for activation in setting.activations:
                last[_where(setting, activation)] = curves[activation][:, -1]
                _curve(ax, epochs, curves[activation], setting, activation)
    for ax in axes[-1]:
        ax.set_xlabel("epochs")
    for ax in axes[:, 0]:
        ax.set_ylabel("held-out error,\nstandardised scale")
    ends = np.concatenate([values[np.isfinite(values)] for values in last.values()])
    if ends.max() > 10 * ends.min():
        axes[0, 0].set_yscale("log")
    handles = {
        label: handle
        for ax in axes.flat
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    sheet.legend(handles.values(), handles, loc="outside lower center", ncols=2, fontsize=8)
    data = changes["data"] or next(iter(settings.values()))[0].data
    title = f"As the paper's figure {number}, preset {name}: {data}"
    sheet.suptitle(
        f"{title}\nlines: networks, bands: mean ± standard deviation of {changes['repeats']}",
        fontsize=11,
    )
    show(f"fig{number:02d}", name)
    print(title)
    for where, values in last.items():
        alive = values[np.isfinite(values)]
        shown = f"{alive.mean():.4f} +- {alive.std():.4f}" if len(alive) else "none left"
        print(f"{where:<44} {shown}; {len(values) - len(alive)} of {len(values)} diverged")
    claim = ppp_claims.errors(last)
    print("\nWhat the paper claims, on these data:", claim, sep="\n")
    keep(f"fig{number:02d}", name, ppp_claims.dicts([claim]))


def _where(setting: Setting, activation: str) -> str:
    kind = "norm" if setting.standardise else "raw"
    return f"n {setting.width} L {setting.blocks} {kind} {activation}"


def _curve(
    ax: Any, epochs: list[int], values: np.ndarray, setting: Setting, activation: str
) -> None:
    plain = not activation.startswith("isotropic")
    colour = COLOURS[setting.standardise, plain]
    kind = "standardised" if setting.standardise else "raw"
    ax.plot(epochs, values.T, color=colour, alpha=0.3, lw=0.7)
    alive = values[np.isfinite(values[:, -1])]
    lost = len(values) - len(alive)
    if len(alive):
        mean, spread = alive.mean(0), alive.std(0)
        ax.plot(epochs, mean, color=colour, label=f"{activation}, {kind}")
        low = np.maximum(mean - spread, alive.min(0))  # a logarithmic axis has no room below zero
        ax.fill_between(epochs, low, mean + spread, color=colour, alpha=0.15)
    if lost:
        said = f"{lost} of {len(values)} {activation}, {kind}: diverged"
        taken = len(ax.texts)
        ax.text(0.97, 0.95 - 0.09 * taken, said, transform=ax.transAxes, ha="right", fontsize=6.5)
