"""
Affine divergence and performance over the normalisers
======================================================

A step on ``z = W x + b`` weighs each input by ``||x||^2 + 1``. The PPP paper (App. C.2.1) suggests
that normalisers help because they make that factor even, and that this could be tested: classifiers
that differ in the normaliser alone, the relative spread of the factor over their layers, and the
accuracy on held-out images, with the rank correlation between the two.
"""

# %%
# One classifier for each normaliser
# ----------------------------------
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
import torch
from adaptive_tools import load, mean_std
from claims import Claim, dicts
from presets import choose, keep, ours, show
from torch import nn

import isotropic

PRESETS = {
    "quick": {"data": "digits", "limit": None, "epochs": 5, "repeats": 2},
    "paper": {"data": "fashion-mnist", "limit": None, "epochs": 20, "repeats": 5},
}
WIDTH = 32
preset, settings = choose(PRESETS)
split = load(settings["data"], settings["limit"])
NORMALISERS = {
    "none": lambda n: nn.Identity(),
    "L2": lambda n: isotropic.L2Norm(),
    "RMS": lambda n: isotropic.RMSNorm(),
    "mean length": lambda n: isotropic.MeanNorm(0.1),
    "Frobenius": lambda n: isotropic.FrobNorm(0.1),
    "LayerNorm": lambda n: isotropic.WeightedLayerNorm(torch.ones(n), eps=1e-5),
    "BatchNorm": lambda n: isotropic.DiagonalBatchNorm(n),
    "whitening": lambda n: isotropic.Whitening(n),
}


def layer(n, m, kind):
    return isotropic.CorrectedLinear(n, m) if kind == "corrected" else nn.Linear(n, m)


def classifier(kind):
    make = NORMALISERS.get(kind, NORMALISERS["none"])
    sizes = (split.inputs.shape[1], WIDTH, WIDTH)
    parts = []
    for n, m in pairwise(sizes):
        parts += [make(n), layer(n, m, kind), nn.Tanh()]
    return nn.Sequential(*parts, make(WIDTH), layer(WIDTH, split.classes, kind))


# %%
# Train, measure
# --------------
numbers = {}
for kind in (*NORMALISERS, "corrected"):
    spreads, scores = [], []
    for seed in range(settings["repeats"]):
        torch.manual_seed(seed)
        net = classifier(kind)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        for _ in range(settings["epochs"]):
            for index in torch.randperm(len(split.inputs)).split(48):
                optimiser.zero_grad()
                nn.functional.cross_entropy(
                    net(split.inputs[index]), split.targets[index]
                ).backward()
                optimiser.step()
        net.eval()
        spreads.append(
            np.mean([d.relative for d in isotropic.affine_divergence(net, split.inputs)])
        )
        with torch.no_grad():
            scores.append(
                float((net(split.test_inputs).argmax(1) == split.test_targets).double().mean())
            )
    numbers[kind] = {"spread": mean_std(spreads), "accuracy": mean_std(scores)}
    print(
        f"{kind:<12} spread of the factor {mean_std(spreads)[0]:.3f}   accuracy "
        f"{mean_std(scores)[0]:.4f} +- {mean_std(scores)[1]:.4f}"
    )

# %%
# Do they go together?
# --------------------
# The corrected layer has the spread of its inputs but not its consequences: it is left out.
points = np.array([[numbers[k]["spread"][0], numbers[k]["accuracy"][0]] for k in NORMALISERS])
found = scipy.stats.spearmanr(*points.T)
claim = Claim(
    "normalisers help because they even out the factor",
    f"rank correlation of its spread and accuracy over {len(points)} normalisers "
    f"{found.statistic:+.2f}",
    f"no relation between ranks: p {found.pvalue:.2g}",
    "yes" if found.statistic < 0 and found.pvalue <= 0.05 else "no",
)
print(claim)
figure, ax = plt.subplots(layout="constrained")
for kind, (x, y) in zip(NORMALISERS, points, strict=True):
    ax.plot(x, y, "o")
    ax.annotate(kind, (x, y), (6, 4), textcoords="offset points")
ax.margins(x=0.3, y=0.1)  # room for the names
ax.set(xlabel="standard deviation / mean of ||x||² + 1, over layers", ylabel="held-out accuracy")
ax.set_title(
    f"{settings['data']}, classifiers of two tanh layers of {WIDTH}, {ours(preset)}:\n"
    f"{settings['epochs']} epochs, means of {settings['repeats']}",
    fontsize=10,
)
show("affine_divergence", preset)
keep("affine_divergence", preset, {"numbers": numbers, "claims": dicts([claim])})
