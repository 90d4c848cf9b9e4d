"""
Invariance under a change of width
==================================

Tables 1 and 4 of the adaptive-topology paper: a trained ``[inputs, 100, 100, 10]`` network has the
width of its second layer changed in one step, without training afterwards, for each way of treating
omega (squared intrinsic length) and psi. Shown is the mean distance between logits before and
after, over the test set; mean and standard deviation over repeats.

Row 0 is given twice: a left-partial and a full diagonalisation (the text says one, the author's
notebook does the other).
"""

# %%
# Settings
# --------
# ``paper`` has the paper's: CIFAR-10, 50 epochs, 20 repeats. ``quick`` runs Fashion-MNIST.
import copy

import matplotlib.pyplot as plt
import numpy as np
import torch
from adaptive_tools import Clock, accuracy, choose, keep, load, mean_std, train

import isotropic
from isotropic import adapt

PRESETS = {
    "quick": {"data": "fashion-mnist", "limit": 20_000, "epochs": 5, "repeats": 3},
    "paper": {"data": "cifar-10", "limit": None, "epochs": 50, "repeats": 20},
}
CONFIGURATIONS = {
    "omega none, psi decay": ("absent", "decay"),
    "omega constant, psi decay": ("fixed", "decay"),
    "omega trained, psi decay": ("trainable", "decay"),
    "omega trained, psi none": ("trainable", "absent"),
    "omega trained, psi constant": ("trainable", "constant"),
    "omega trained, psi trained": ("trainable", "trainable"),
    "omega trained, expectation": ("trainable", "expectation"),
}
CHANGES = (75, 50, 25, 5, 1, 0, -1, -5, -25, -50, -75)
preset, settings = choose(PRESETS)
split = load(settings["data"], settings["limit"])
clock = Clock()


# %%
# One network, all changes
# ------------------------
def distances(net):
    """Mean logit distance and accuracy after each change of the second layer."""
    if net.psi_kind != "absent":
        net.measure(split.inputs)  # expectations over the training set
    with torch.no_grad():
        before = net(split.test_inputs)
    rows = {}
    for change in ("full", *CHANGES):
        twin = copy.deepcopy(net)
        if change == "full":
            adapt.diagonalise(twin, 1, "full")
        else:
            adapt.resize(twin, 1, 100 + change, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            moved = (twin(split.test_inputs) - before).norm(dim=1).mean()
        rows[str(change)] = {
            "distance": float(moved),
            "accuracy": accuracy(twin, split),
            "sum": float(adapt.singular_values(twin, 1).sum()),
        }
    return rows


results = {}
for name, (omega, psi) in CONFIGURATIONS.items():
    results[name] = []
    for seed in range(settings["repeats"]):
        torch.manual_seed(seed)
        net = isotropic.MLP([split.inputs.shape[1], 100, 100, 10], omega=omega, psi=psi)
        train(net, split, settings["epochs"], seed=seed)
        rows = distances(net)
        rows["baseline"] = {
            "accuracy": accuracy(net, split),
            "sum": float(adapt.singular_values(net, 1).sum()),
            "omega": net.activations[1].omega,
        }
        results[name].append(rows)
keep("table1", preset, results)

# %%
# The table
# ---------
order = ["75", "50", "25", "5", "1", "full", "0", "-1", "-5", "-25", "-50", "-75"]
print(f"{settings}, {clock}")
print(f"{'change':>8}" + "".join(f"{name.replace('omega ', 'o '):>24}" for name in CONFIGURATIONS))
for change in order:
    cells = []
    for runs in results.values():
        mean, std = mean_std([run[change]["distance"] for run in runs])
        cells.append(f"{mean:.2e} ± {std:.0e}")
    print(f"{change:>8}" + "".join(f"{cell:>24}" for cell in cells))
for what in ("accuracy", "sum"):
    print(f"\n{what}: before, then after each change")
    for name, runs in results.items():
        base = np.mean([run["baseline"][what] for run in runs])
        after = [np.mean([run[change][what] for run in runs]) for change in order]
        print(f"{name:>28} {base:.4f} | " + " ".join(f"{value:.4f}" for value in after))

# %%
# The picture
# -----------
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, runs in results.items():
    means = [np.mean([run[str(change)]["distance"] for run in runs]) for change in CHANGES]
    ax.plot(CHANGES, means, "o-", ms=3, label=name)
ax.set(yscale="log", xlabel="change of width", ylabel="mean logit distance")
ax.legend(fontsize=7)
plt.show()
