"""
From one width to another while training
========================================

Table 2 of the adaptive-topology paper: a ``[inputs, n, n, 10]`` network trains at its starting
width, is led to its final width at a linear rate, and settles there. Does it matter where it
started?
"""

# %%
# Settings
# --------
import matplotlib.pyplot as plt
import numpy as np
import torch
from adaptive_tools import Runs, accuracy, load, optimiser, spread, train
from presets import choose, show

import isotropic
from isotropic import adapt

PRESETS = {
    "quick": {
        "data": "digits",
        "limit": None,
        "widths": (4, 10, 25),
        "phases": (1, 4, 1),
        "repeats": 1,
    },
    "fashion": {
        "data": "fashion-mnist",
        "limit": 5_000,
        "widths": (4, 10, 25),
        "phases": (2, 6, 2),
        "repeats": 2,
    },
    "paper": {
        "data": "cifar-10",
        "limit": None,
        "widths": (7, 10, 25, 50, 75, 100),
        "phases": (15, 75, 10),
        "repeats": 4,
    },
}
preset, settings = choose(PRESETS)
split = load(settings["data"], settings["limit"])
warm, linear, settle = settings["phases"]
runs = Runs("table2", preset, settings)


# %%
# One network
# -----------
def run(start, end, seed):
    """Train through the three phases; the second hidden layer changes before the first."""
    torch.manual_seed(seed)
    net = isotropic.MLP([split.inputs.shape[1], start, start, 10])
    generator = torch.Generator().manual_seed(seed)
    held = {"opt": None}

    def adjust(epoch):
        share = min(max((epoch - warm) / linear, 0.0), 1.0)
        width = round(start + share * (end - start))
        if held["opt"] is not None and width != net.widths[1]:
            for layer in (1, 0):
                adapt.resize(net, layer, width, held["opt"], generator=generator)

    held["opt"] = optimiser(net)
    train(net, split, sum(settings["phases"]), seed=seed, opt=held["opt"], on_epoch=adjust)
    assert net.widths[1:3] == [end, end]
    return accuracy(net, split)


results = {
    f"{start} {end}": [runs(run, start, end, seed) for seed in range(settings["repeats"])]
    for start in settings["widths"]
    for end in settings["widths"]
}

# %%
# Test accuracy, starting width downwards, final width rightwards
# ---------------------------------------------------------------
print(f"{settings}, {runs}")
print(f"{'start':>6}" + "".join(f"{end:>18}" for end in settings["widths"]))
for start in settings["widths"]:
    cells = [spread([100 * v for v in results[f"{start} {end}"]]) for end in settings["widths"]]
    print(f"{start:>6}" + "".join(f"{cell:>18}" for cell in cells))
table = np.array(
    [[np.mean(results[f"{s} {e}"]) for e in settings["widths"]] for s in settings["widths"]]
)
print("spread over final widths (std of column means):", f"{table.mean(0).std():.4f}")
print("spread over starting widths (mean std within a column):", f"{table.std(0).mean():.4f}")

# %%
# The picture: one line a final width
# -----------------------------------
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for end, column in zip(settings["widths"], table.T, strict=True):
    ax.plot(settings["widths"], 100 * column, "o-", ms=3, label=f"to {end}")
ax.set(xscale="log", xlabel="starting width", ylabel="test accuracy, per cent")
ax.set_xticks(settings["widths"], settings["widths"])
ax.minorticks_off()
ax.set_title(
    f"{split.name}, preset {preset}, {sum(settings['phases'])} epochs, "
    f"means over networks: {settings['repeats']}",
    fontsize=10,
)
ax.legend(fontsize=8)
show("adaptive-abundance", preset)

# %%
# What the paper claims, and what is seen
# ---------------------------------------
# The paper: the final width decides, the starting width does not. Seen for widths that suffice;
# a start from a handful of neurons is not quite made up for in a training as short as these.
