"""Held-out errors over training: figures 31 to 36 of the PPP paper."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from claims import dicts
from filelock import FileLock
from ppp_claims import errors
from ppp_runs import Setting, campaign_of, folder, preset, stores_of
from presets import keep, show

from isotropic.campaign import Campaign

#: The paper's colours: standardised or raw, elementwise or isotropic.
COLOURS = {
    (True, True): "tab:orange",
    (True, False): "tab:blue",
    (False, True): "tab:red",
    (False, False): "tab:green",
}


def histories(setting: Setting, field: str) -> dict[str, np.ndarray]:
    """Return a loss after every epoch, (networks, epochs + 1); NaN after a divergence.

    Networks that no figure has asked for yet are trained for their losses alone.
    """
    campaign, out = campaign_of(setting, setting.activations), folder()
    files = {
        a: [path.with_suffix(".weights.pt") for path in paths]
        for a, paths in stores_of(campaign, out).items()
    }
    if all(path.exists() for paths in files.values() for path in paths):
        entries = {
            activation: [torch.load(path, weights_only=True)["history"] for path in paths]
            for activation, paths in files.items()
        }
    else:
        path = out / f"{campaign.checkpoint(out).stem}-losses.json"
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                fresh = path.with_suffix(".new")
                fresh.write_text(json.dumps(_losses(campaign, path.with_suffix(".pt"))))
                fresh.replace(path)
        entries = json.loads(path.read_text())
    found = {}
    for activation, networks in entries.items():
        found[activation] = np.full((len(networks), campaign.protocol.epochs + 1), np.nan)
        for row, network in zip(found[activation], networks, strict=True):
            for entry in network:
                row[entry["epoch"]] = entry[field]
    return found


def _losses(campaign: Campaign, checkpoint: Path) -> dict[str, list[Any]]:
    """Train without keeping activations; return the networks' losses by activation."""
    found: dict[str, list[Any]] = {}
    for run in campaign.train(checkpoint=checkpoint, progress=sys.stderr.isatty()):
        found.setdefault(run.activation, []).append(run.history)
    return found


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
            for activation, curves in histories(setting, "test_loss_standardised").items():
                last[_where(setting, activation)] = curves[:, -1]
                _curve(ax, curves, setting, activation)
    for ax in axes[-1]:
        ax.set_xlabel("epochs")
        ax.xaxis.get_major_locator().set_params(integer=True)
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
    claim = errors(last)
    print("\nWhat the paper claims, on these data:", claim, sep="\n")
    keep(f"fig{number:02d}", name, dicts([claim]))


def _where(setting: Setting, activation: str) -> str:
    kind = "norm" if setting.standardise else "raw"
    return f"n {setting.width} L {setting.blocks} {kind} {activation}"


def _curve(ax: Any, values: np.ndarray, setting: Setting, activation: str) -> None:
    epochs = np.arange(values.shape[1])
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
