"""
Isotropic against elementwise tanh
==================================

Experiment six of the adaptive-topology paper: test accuracies of equal architectures with either
activation, over data sets and depths, without omega and psi. Pairs share initialisation and batch
order. The paper warns that one instance says little of either form.
"""

# %%
# Settings
# --------
# ``paper``: six data sets, brought along or fetched as `isotropic.data` says.
import matplotlib.pyplot as plt
import numpy as np
import torch
from adaptive_tools import Clock, accuracy, choose, keep, load, train

import isotropic

PRESETS = {
    "quick": {
        "data": (("digits", None), ("fashion-mnist", 10_000)),
        "widths": (100,),
        "hidden": (2, 3, 4, 5),
        "epochs": 5,
        "repeats": 2,
    },
    "paper": {
        "data": (
            ("mnist", None),
            ("emnist-a-j", None),
            ("fashion-mnist", None),
            ("cifar-10", None),
            ("cifar-100", None),
            ("caltech-256", None),
        ),
        "widths": (500, 1000),
        "hidden": (2, 3, 4, 5),
        "epochs": 50,
        "repeats": 4,
    },
}
preset, settings = choose(PRESETS)
clock = Clock()

# %%
# Train all
# ---------
results = {}
for name, limit in settings["data"]:
    split = load(name, limit)
    for width in settings["widths"]:
        for hidden in settings["hidden"]:
            for activation in ("tanh", "isotropic-tanh"):
                runs = results.setdefault(f"{name} {width}x{hidden}", {}).setdefault(activation, [])
                for seed in range(settings["repeats"]):
                    torch.manual_seed(seed)
                    sizes = [split.inputs.shape[1], *[width] * hidden, split.classes]
                    net = isotropic.MLP(sizes, activation, omega="absent", psi="absent")
                    train(net, split, settings["epochs"], seed=seed)
                    runs.append(accuracy(net, split))
keep("experiment6", preset, results)

# %%
# The table
# ---------
print(f"{settings}, {clock}")
print(f"{'':>24}{'elementwise':>18}{'isotropic':>18}{'difference':>12}")
for name, pair in results.items():
    cells = [(np.mean(pair[a]), np.std(pair[a], ddof=1)) for a in ("tanh", "isotropic-tanh")]
    print(
        f"{name:>24}"
        + "".join(f"{100 * m:>10.2f} ± {100 * s:.2f} " for m, s in cells)
        + f"{100 * (cells[1][0] - cells[0][0]):>+10.2f}"
    )

# %%
# The trend with depth
# --------------------
fig, axes = plt.subplots(1, len(settings["data"]), figsize=(9, 3.5), layout="constrained")
for ax, (name, _) in zip(np.atleast_1d(axes), settings["data"], strict=True):
    for width, style in zip(settings["widths"], ("-", "--"), strict=False):
        for activation, colour in (("tanh", "C1"), ("isotropic-tanh", "C0")):
            means = [
                np.mean(results[f"{name} {width}x{d}"][activation]) for d in settings["hidden"]
            ]
            label = f"{activation}, {width}"
            ax.plot(settings["hidden"], means, style, color=colour, marker="o", label=label)
    ax.set(title=name, xlabel="hidden layers", ylabel="test accuracy")
ax.legend(fontsize=7)
plt.show()
