"""
Spectra over training
=====================

Figures 2, 4 and 5 of the adaptive-topology paper: singular values and biases of every layer of a
static ``[inputs, 100, 100, 10]`` network while it trains, pooled over repeats; isotropic tanh above
elementwise tanh. Orthogonal initialisation starts every singular value at 1.
"""

# %%
# Settings
# --------
import matplotlib.pyplot as plt
import numpy as np
import torch
from adaptive_tools import Clock, accuracy, choose, keep, load, mean_std, train

import isotropic
from isotropic import adapt

PRESETS = {
    "quick": {"data": "fashion-mnist", "limit": 10_000, "epochs": 20, "repeats": 3},
    "paper": {"data": "cifar-10", "limit": None, "epochs": 40, "repeats": 40},
}
BINS = 24
preset, settings = choose(PRESETS)
split = load(settings["data"], settings["limit"])
clock = Clock()

# %%
# Train with a learning rate of .05, as the paper does here to bring the trend out
# --------------------------------------------------------------------------------
# ``values[activation][layer]`` is (repeats, epochs + 1, neurons).
values, biases, accuracies = {}, {}, {}
for activation in ("isotropic-tanh", "tanh"):
    runs_values, runs_biases = [], []
    accuracies[activation] = []
    for seed in range(settings["repeats"]):
        torch.manual_seed(seed)
        net = isotropic.MLP([split.inputs.shape[1], 100, 100, 10], activation)
        seen_values, seen_biases = [], []

        def look(epoch, net=net, seen_values=seen_values, seen_biases=seen_biases):
            spectra = [adapt.singular_values(net, i).numpy() for i in range(3)]
            seen_values.append(spectra)
            seen_biases.append([layer.bias.detach().numpy().copy() for layer in net.layers])

        train(net, split, settings["epochs"], lr=5e-2, seed=seed, on_epoch=look)
        runs_values.append(seen_values)
        runs_biases.append(seen_biases)
        accuracies[activation].append(accuracy(net, split))
    values[activation] = [
        np.array([[epoch[i] for epoch in run] for run in runs_values]) for i in range(3)
    ]
    biases[activation] = [
        np.array([[epoch[i] for epoch in run] for run in runs_biases]) for i in range(3)
    ]

# %%
# Numbers: how far the spectrum spreads
# -------------------------------------
print(f"{settings}, {clock}")
summary = {}
for activation, layers in values.items():
    mean, std = mean_std(accuracies[activation])
    print(f"{activation}: accuracy {mean:.4f} ± {std:.4f}")
    for index, layer in enumerate(layers):
        last = layer[:, -1].ravel()
        row = {
            "below .95": float((last <= 0.95).mean()),
            "below .5": float((last <= 0.5).mean()),
            "median": float(np.median(last)),
            "largest": float(last.max()),
        }
        summary[f"{activation} layer {index}"] = row
        print(f"  layer {index}: " + ", ".join(f"{k} {v:.3g}" for k, v in row.items()))
keep("fig2", preset, {"spectra": summary, "accuracy": accuracies})

# %%
# Heat maps: epochs rightwards, value upwards, one histogram a column
# -------------------------------------------------------------------
fig, axes = plt.subplots(4, 3, figsize=(10, 10), layout="constrained")
for row, (name, source) in enumerate((("singular values", values), ("biases", biases))):
    for half, activation in enumerate(("isotropic-tanh", "tanh")):
        for index in range(3):
            ax = axes[2 * half + row, index]
            layer = source[activation][index]
            low, high = min(0.0, layer.min()), layer.max()
            edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
            image = np.array([np.histogram(layer[:, e], edges)[0] for e in range(layer.shape[1])])
            ax.imshow(
                np.log1p(image.T),
                origin="lower",
                aspect="auto",
                extent=(-0.5, layer.shape[1] - 0.5, edges[0], edges[-1]),
                cmap="magma",
            )
            ax.set(title=f"{activation}, layer {index}", xlabel="epoch", ylabel=name)
plt.show()

# %%
# Ridges: the same singular values, one curve an epoch
# ----------------------------------------------------
fig, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
for index, ax in enumerate(axes):
    layer = values["isotropic-tanh"][index]
    edges = np.linspace(0, layer.max(), BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    for epoch in range(layer.shape[1] - 1, -1, -2):
        height = np.histogram(layer[:, epoch], edges, density=True)[0]
        height = height / max(height.max(), 1e-9) * 2.5
        ax.fill_between(middle, -epoch, -epoch + height, color="C0", alpha=0.6, lw=0.5, ec="k")
    ax.set(title=f"layer {index}", xlabel="singular value", ylabel="- epoch")
plt.show()
