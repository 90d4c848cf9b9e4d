"""
Diagonalising a layer
=====================

Figure 1 of the adaptive-topology paper in numbers: the matrices of a trained network before, after
left-partial and after full diagonalisation of the middle layer, and with every second layer
diagonal. All four compute the same function.
"""

# %%
# A small network on the digits
# -----------------------------
import copy

import matplotlib.pyplot as plt
import torch
from adaptive_tools import accuracy, load, train
from presets import show

import isotropic
from isotropic import adapt

split = load("digits")
torch.manual_seed(0)
net = isotropic.MLP([64, 24, 24, 24, 10])
train(net, split, 15)
net.double()
inputs = split.test_inputs.double()
before = net(inputs).detach()

versions = {"trained": net}
for kind in ("left", "full"):
    versions[f"layer 1, {kind}"] = twin = copy.deepcopy(net)
    adapt.diagonalise(twin, 1, kind)
versions["sparsified, triangular"] = adapt.sparsify(net, triangular=True)

# %%
# The function stays
# ------------------
for name, version in versions.items():
    change = float((version(inputs) - before).detach().abs().max())
    print(
        f"{name:>24}: largest change of a logit {change:.1e}, "
        f"{adapt.count_parameters(version)} parameters, "
        f"{adapt.nonzero_parameters(version)} beyond 1e-4"
    )
print(f"test accuracy {accuracy(net.float(), split):.4f}")

# %%
# The matrices
# ------------
fig, axes = plt.subplots(4, 4, figsize=(9, 9), layout="constrained")
for row, (name, version) in zip(axes, versions.items(), strict=True):
    for index, (ax, layer) in enumerate(zip(row, version.layers, strict=True)):
        ax.imshow(layer.matrix().detach().abs(), cmap="magma", aspect="auto", vmin=0)
        ax.set(xticks=[], yticks=[])
        if index == 0:
            ax.set_ylabel(name)
        ax.set_title(f"layer {index}", fontsize=9)
fig.suptitle("digits, 64-24-24-24-10, isotropic tanh, 15 epochs: size of every entry of W")
show("adaptive-diagonalisation", "quick")

# %%
# What the paper claims, and what is seen
# ---------------------------------------
# A layer becomes diagonal and the network computes the same: seen, to rounding.
