"""
From elementwise to isotropic by degrees
========================================

Autoencoders with ``f = (1 - w) tanh + w isotropic tanh`` for weights w from 0 to 1, all from the
same initial weights and batches: how the structure of latent layer 0 responds to the dose of
anisotropy, network by network, against random frames.
"""

# %%
# Train all weights at once
# -------------------------
import matplotlib.pyplot as plt
import numpy as np
import torch
from claims import Claim, dicts
from network_tests import LEVEL, rank_trend
from presets import choose, keep, ours, show

import ppp
from isotropic import Mixture, Protocol, train_ensemble
from isotropic.data import load
from isotropic.train import Task

PRESETS = {
    "quick": {"data": "digits", "epochs": 13, "repeats": 2, "nulls": 99},
    "paper": {"data": "fashion-mnist", "epochs": 125, "repeats": 5, "nulls": 199},
}
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
preset, settings = choose(PRESETS)
data = load(settings["data"])
forms = [Mixture("tanh", "isotropic-tanh", weight) for weight in WEIGHTS]
runs = train_ensemble(
    data, forms, repeats=settings["repeats"], protocol=Protocol(epochs=settings["epochs"])
)

# %%
# Measure
# -------
inputs = Task.of(data, None, True).inputs
weights = np.repeat(WEIGHTS, settings["repeats"])
figure, ax = plt.subplots(layout="constrained")
numbers = []
for weight, run in zip(weights, runs, strict=True):
    with torch.no_grad():
        latent = run.model.encoder(inputs).numpy()
    found = ppp.project(latent, null_repeats=settings["nulls"]).statistics["kappa"]
    numbers.append(
        {"weight": weight, "seed": run.seed, "kappa": found.value, "z": found.z, "p": found.p}
    )
    print(
        f"weight {weight:.2f} seed {run.seed}: kappa {found.value:.3f} "
        f"(z {found.z:+.1f}, p {found.p:.2f})  loss {run.history[-1]['loss']:.3f}"
    )
responses = np.array([row["z"] for row in numbers]).reshape(len(WEIGHTS), -1)
ax.plot(WEIGHTS, responses, "o-", label=[f"seed {seed}" for seed in range(responses.shape[1])])
ax.legend()
ax.axhline(0, color="grey", lw=0.8)
ax.set(
    xlabel="weight of the isotropic form",
    ylabel="z of kappa against random frames",
    title=f"{settings['data']} standardised, n = 18, L = 0, latent layer 0,\n{ours(preset)}: "
    f"{settings['epochs']} epochs, {settings['repeats']} networks a weight",
)
show("mixture_dose", preset)

# %%
# Does the response follow the dose?
# ----------------------------------
# Networks of one seed start from the same weights: the order of the doses is exchanged within it.
rho, p, least = rank_trend(responses.T, repeated=False)
claim = Claim(
    "anisotropy of the function makes the structure: the more of it, the more structure",
    "mean z of kappa by weight "
    + ", ".join(
        f"{w:g}: {np.mean([row['z'] for row in numbers if row['weight'] == w]):+.1f}"
        for w in WEIGHTS
    ),
    f"rank correlation of weight and z within seeds {', '.join(f'{each:+.2f}' for each in rho)}; "
    f"all orders within seeds: p {p:.2g}, the least possible {least:.2g}",
    "yes" if rho.mean() > 0 and p <= LEVEL else "no",
)
print(claim)
keep("mixture_dose", preset, {"numbers": numbers, "claims": dicts([claim])})
