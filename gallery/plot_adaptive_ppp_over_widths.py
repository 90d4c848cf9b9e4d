"""
Planes of a network whose width changes
=======================================

An adapting network is captured while it trains and its hidden width changes from snapshot to
snapshot; each is projected onto the planes of its own neurons, and swept through them. An isotropic
network has no frame of its own, but adaptation leaves every layer in the basis of its singular
vectors, and data need not be isotropic in that basis: what shows is the weights' frame, found by
the null of random bases.
"""

# %%
# Train on the digits, adapting after every fourth epoch
# ------------------------------------------------------
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from adaptive_tools import accuracy, load, optimiser, train
from claims import Claim, dicts
from network_tests import LEVEL
from presets import choose, keep, ours, show

import hooks
import isotropic
import ppp
import srm
from isotropic import adapt

PRESETS = {
    "quick": {"data": "digits", "limit": None, "epochs": 24, "draws": 4, "nulls": 39},
    "fashion": {"data": "fashion-mnist", "limit": 10_000, "epochs": 24, "draws": 8, "nulls": 99},
}
PRESETS["paper"] = PRESETS["fashion"]  # the paper has no such experiment
preset, settings = choose(PRESETS)
split = load(settings["data"], settings["limit"])
shown = [round(settings["epochs"] * share) for share in (0, 1 / 6, 1 / 3, 2 / 3, 1)]
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "adapting.h5"
torch.manual_seed(0)
net = isotropic.MLP([split.inputs.shape[1], 40, 10])
opt = optimiser(net)
adapter = adapt.NeuroAdapter(net, opt, 0.95, 5, schedule=4)
loader = list(zip(split.test_inputs.split(100), split.test_targets.split(100), strict=True))
with hooks.Recorder(path) as recorder:

    def after(epoch):
        if epoch:
            adapter.step()
        if epoch in shown:
            attrs = {"epoch": epoch, "width": net.widths[1], "accuracy": accuracy(net, split)}
            recorder.record(
                net,
                loader,
                ["activations.0"],
                snapshot=f"epoch-{epoch:03d}",
                attrs=attrs,
                labels=True,
            )

    train(net, split, settings["epochs"], opt=opt, on_epoch=after)

# %%
# One store, several widths
# -------------------------
store = hooks.ActivationStore(path)
columns, curves, numbers = {}, {}, []
for key, about in store.snapshots.items():
    result = ppp.analyze_store(
        path,
        "activations.0",
        snapshot=key,
        null_draws=settings["draws"],
        null_repeats=settings["nulls"],
        progress=False,
    )
    name = f"epoch {about['epoch']}, width {about['width']}"
    columns[name] = result
    curves[name] = srm.sweep(
        store["activations.0", key],
        epsilon=result.rule.epsilon,
        angles=72,
        null_repeats=settings["nulls"],
    )
    kappa = result.statistics["kappa"]
    numbers.append(
        {
            "epoch": int(about["epoch"]),
            "width": int(about["width"]),
            "accuracy": float(about["accuracy"]),
            "planes": len(result.kept),
            "kept": int(result.kept.sum()),
            "expected": float(result.expected),
            "epsilon": float(result.rule.epsilon),
            "kappa": float(kappa.value),
            "p": float(kappa.p),
            "srm on the axes / expected": float(curves[name].pooled[0] / curves[name].expected),
            "srm p": float(curves[name].test().rotation.p),
        }
    )
    cells = ", ".join(f"{key} {value:.4g}" for key, value in numbers[-1].items())
    print(cells)

# %%
# The picture: training rightwards, widths in the titles, a random basis last
# ---------------------------------------------------------------------------
caption = f"{split.name}, {ours(preset)}:\nan isotropic-tanh classifier that adapts"
ppp.plot_grid({"isotropic-tanh": columns}, draws=1, title=caption)
show("adaptive-planes", preset)

# %%
# The sweep of every snapshot, over what isotropy expects at its own width and epsilon
# ------------------------------------------------------------------------------------
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for name, curve in curves.items():
    ax.plot(np.degrees(curve.angles), curve.pooled / curve.expected, label=name)
ax.axhline(1, color="0.5", zorder=0)
ax.set(yscale="log", ylabel="seen / expected under isotropy")
ax.set(xlabel="degrees from the stronger neuron's axis (0) towards the weaker one's (90)")
ax.set_xticks(np.arange(0, 361, 45))
ax.set_title(caption, fontsize=10)
fig.legend(loc="outside right center", fontsize=8)
show("adaptive-sweeps", preset)

# %%
# Does adaptation single the axes out?
# ------------------------------------
# Nothing in the paper claims this. Adaptation leaves a layer along the singular vectors of its
# weights, the more the stronger the neuron: random bases should tell it then, and not before.
before, *after = numbers
told = [row["p"] <= LEVEL and row["srm p"] <= LEVEL for row in after]
claim = Claim(
    "adaptation singles out the neurons' axes, of which the activation has none",
    f"kappa {before['kappa']:.2f} before (p {before['p']:.2g}, spotlight {before['srm p']:.2g}); "
    + ", ".join(f"{row['kappa']:.2f} (p {row['p']:.2g}, {row['srm p']:.2g})" for row in after),
    f"{settings['nulls']} random bases of each snapshot, by kappa and by spotlight; one network",
    "no, they were before"
    if min(before["p"], before["srm p"]) <= LEVEL
    else "yes, in this network"
    if all(told)
    else f"in {sum(told)} of {len(told)} snapshots",
)
print(claim)
keep("adaptive-planes", preset, {"numbers": numbers, "claims": dicts([claim])})
