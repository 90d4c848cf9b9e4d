"""
Beyond the paper: weights for activations, and untrained networks as the control
================================================================================

A matrix that reads a layer has one row for each of its outputs, a vector of the layer's own space:
rows can be projected like activations, and show what was learned without any data. And the same
network with weights drawn anew, on the same data, shows what architecture and data bring about
before anything is learned.
"""

# %%
# Rows of the decoder, trained and untrained
# ------------------------------------------
# What each output reads from latent layer 0, scaled as a whole so that one picture's scale suits
# both.
import copy

import numpy as np
import torch
from beyond_verdicts import learned
from claims import Claim, dicts
from network_tests import LEVEL
from ppp_runs import Setting, caption, preset, trained
from presets import keep, show

import isotropic
import ppp
from isotropic.data import load
from isotropic.train import Task

name, changes = preset()
setting = Setting()
files = {
    f"{activation} {seed}": path.with_suffix(".weights.pt")
    for activation, paths in trained(setting).items()
    for seed, path in enumerate(paths)
}


def rows_of(network):
    """Return the decoder's matrix, (d, n), over the root mean square of its rows' lengths."""
    weight = network.decoder[1].weight.detach()
    return (weight / weight.square().sum(1).mean().sqrt()).numpy()


networks = {network: isotropic.load_network(path) for network, path in files.items()}
weights = {
    network: {
        "untrained": ppp.project(
            rows_of(isotropic.load_network(path, 0)), null_repeats=changes["nulls"]
        ),
        "trained": ppp.project(
            rows_of(networks[network]), null_repeats=changes["nulls"], null_draws=1
        ),
    }
    for network, path in files.items()
}
title = f"Rows of the decoder's matrix:\n{caption(setting, narrow=True)}"
ppp.plot_grid(weights, draws=1, title=title)
show("beyond_weights", name)

# %%
# Activations, against networks that never trained
# ------------------------------------------------
# Weights drawn by the network's own initialiser; looked at where the activation has already acted
# too, since there its form can show whatever the weights.
inputs = Task.of(load(changes["data"] or setting.data), None, True).inputs
UNTRAINED = 39


@torch.no_grad()
def kappas(network):
    """Return kappa before the activation, and behind it."""
    before = network.encoder(inputs)
    places = (before, network.decoder[0](before))
    return [ppp.project(x.numpy(), null=None).statistics["kappa"].value for x in places]


def redrawn(network, seed):
    """Return a copy with weights of its own initialiser."""
    twin = copy.deepcopy(network)
    twin.reset(torch.Generator().manual_seed(10_000 + seed))
    return twin


def two_sided(value, draws):
    """Return the Monte-Carlo p of a value among draws."""
    above, below = (draws >= value).sum() + 1, (draws <= value).sum() + 1
    return float(min(1, 2 * min(above, below) / (len(draws) + 1)))


control = {
    activation: np.array(
        [kappas(redrawn(networks[f"{activation} 0"], s)) for s in range(UNTRAINED)]
    )
    for activation in setting.activations
}
told = {}
for network, model in networks.items():
    draws = control[network.rsplit(" ", 1)[0]]
    told[network] = [
        (value, two_sided(value, column))
        for value, column in zip(kappas(model), draws.T, strict=True)
    ]
    shown = ", ".join(
        f"{place} {value:.3f} (p {p:.2g}; untrained {column.mean():.3f} ± {column.std():.3f})"
        for place, (value, p), column in zip(
            ("latent layer 0", "behind the activation"), told[network], draws.T, strict=True
        )
    )
    print(f"{network:<18} kappa: {shown}")

# %%
# What the controls say
# ---------------------
rows = {
    network: [each.statistics["kappa"] for each in columns.values()]
    for network, columns in weights.items()
}
plain = [network for network in networks if not network.startswith("isotropic")]
once_trained = {
    activation: [
        (one.value, one.p)
        for network, (_, one) in rows.items()
        if network.rsplit(" ", 1)[0] == activation
    ]
    for activation in setting.activations
}
beyond = [told[network][0][1] <= LEVEL for network in plain]
same = [told[network][0][1] > LEVEL for network in networks if network not in plain]
claims = [
    Claim(
        "the decoder's rows show structure once trained, none before, and none in the ablation",
        "; ".join(
            f"{network}: kappa {one.value:.3f} (p {one.p:.2g}), untrained {none.value:.3f} "
            f"(p {none.p:.2g})"
            for network, (none, one) in rows.items()
        ),
        f"{changes['nulls']} random frames of the same rows",
        # Networks of one seed start from the same weights: each counts once.
        learned(once_trained, [rows[network][0].p for network in plain]),
    ),
    Claim(
        "what latent layer 0 shows was learned: untrained networks do not show it",
        f"told from untrained networks: {sum(beyond)} of {len(plain)} elementwise ones, "
        f"{len(same) - sum(same)} of {len(same)} isotropic ones",
        f"kappa of {UNTRAINED} untrained networks of each activation on the same data",
        ("yes" if all(same) else "yes, but isotropic training moves kappa too")
        if all(beyond)
        else f"in {sum(beyond)} of {len(plain)}",
    ),
]
print(*claims, sep="\n")
keep("beyond_weights", name, dicts(claims))
