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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims import Rows, dicts, grouped
from filelock import FileLock
from ppp_claims import of_figure
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
    campaign, out = campaign_of(setting, setting.activations), folder()
    stores = stores_of(campaign, out)
    # Several scripts, run side by side, want the same networks: the first trains them.
    with FileLock(campaign.checkpoint(out).with_suffix(".lock")):
        lacking = tuple(a for a, paths in stores.items() if not all(p.exists() for p in paths))
        if lacking:
            campaign_of(setting, lacking).run(out, progress=sys.stderr.isatty())
    return stores


def folder() -> Path:
    """Return where the networks of the preset are kept."""
    name, _ = preset()
    out = Path(os.environ.get("RUNS", "gallery/runs")) / name
    out.mkdir(parents=True, exist_ok=True)
    return out


def stores_of(campaign: Campaign, out: Path) -> dict[str, list[Path]]:
    """Return where the networks' activations go, by activation."""
    return {
        activation: [campaign.store(out, activation, seed) for seed in range(campaign.repeats)]
        for activation in campaign.activations
    }


def campaign_of(setting: Setting, activations: tuple[str, ...]) -> Campaign:
    """Return the training of a setting's networks with some of its activations."""
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


def latents(setting: Setting, k: int = 0) -> dict[str, Any]:
    """Return latent layer k of every network as it stood at last, by network."""
    found = {}
    for activation, paths in trained(setting).items():
        for seed, path in enumerate(paths):
            store = hooks.ActivationStore(path)
            found[f"{activation} {seed}"] = store[layer_name(k), list(store.snapshots)[-1]]
    return found


def analysed(
    stores: dict[str, list[Path]],
    layer: str,
    pairs: str = "combination",
    *,
    nulls: int | None = None,
    only_last: bool = False,
    pictures: bool = True,
) -> Rows:
    """Project the snapshots that the preset shows; rows are networks, columns epochs.

    The paper's claims are about the first and the last column: these have the preset's number of
    random frames, the others none, unless ``nulls`` says how many all of them have. ``only_last``
    leaves the last alone. Without ``pictures`` results have the smallest grid there is and no full
    draw: their numbers are the same, and the rows that the tests run on are all that they hold.
    """
    _, changes = preset()
    rows: Rows = {}
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
                    null="rotation" if nulls or epoch in (0, last) else None,
                    null_repeats=nulls or changes["nulls"],
                    null_draws=int(pictures),
                    bins=1024 if pictures else 4,
                )
                for epoch, key in keys.items()
                if epoch == last or (epoch in shown and not only_last)
            }
    return rows


def numbers(rows: Rows) -> Table:
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


def caption(setting: Setting, k: int = 0, over: Sequence[int] = (), *, narrow: bool = False) -> str:
    """Say which networks a figure beside the paper's shows: preset, data, network, layer.

    ``over`` are the epochs that it shows, where they are more than the last; ``narrow`` figures
    take it in two lines.
    """
    name, changes = preset()
    kind = "standardised" if setting.standardise else "raw"
    epochs = f"epochs {min(over)} to {max(over)}" if over else f"after {changes['epochs']} epochs"
    parts = (
        f"{changes['data'] or setting.data} {kind}, n = {setting.width}, L = {setting.blocks},",
        f"latent layer {k}, {epochs}, preset {name}",
    )
    return ("\n" if narrow else " ").join(parts)


def _diverged(rows: Rows, epochs: int) -> str:
    """Return a line on the rows that diverged, and the epoch of their last snapshot."""
    lost = {network: max(columns) for network, columns in rows.items() if max(columns) < epochs}
    if not lost:
        return ""
    said = ", ".join(f"{list(rows).index(network) + 1} ({at})" for network, at in lost.items())
    return f"\ndiverged, in rows (epoch of the last snapshot): {said}"


def draw(rows: Rows, title: str) -> Any:
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
    faint = f", colours to {level:.0%} of the usual" if level < 1 else ""
    grid = draw(rows, title + faint + _diverged(rows, changes["epochs"]))
    if level < 1:
        for image in (image for ax in grid.axes for image in ax.images):
            image.set_clim(0, level * image.get_clim()[1])
    show(f"fig{number:02d}", name)
    print(title, numbers(rows), sep="\n")
    groups = {
        group: [columns[max(columns)] for columns in members]
        for group, members in grouped(rows).items()
    }
    if len(groups) > 1:
        print(ppp.compare(groups, paired=True).summary())
    for network, columns in rows.items():
        if max(columns) < changes["epochs"]:
            print(f"{network} diverged: its last snapshot is of epoch {max(columns)}")
    claims = of_figure(rows)
    print("\nWhat the paper claims, on these data:", *claims, sep="\n")
    keep(f"fig{number:02d}", name, dicts(claims))
