"""
Beyond the paper: the spotlight on the same networks
====================================================

The spotlight resonance method turns a cone through every plane and counts what it sees at each
angle; the projection counts what lies near the plane at all. Both are asked whether the neurons'
axes are special in the same networks, each against random frames of its own: do they agree?
"""

# %%
# Sweep and project latent layer 0 of the trained networks
# --------------------------------------------------------
# The spotlight sees a cone, the projection all around a plane: at one epsilon the cone holds far
# fewer samples. It is opened wider here.
import matplotlib.pyplot as plt
from beyond_verdicts import agreement
from claims import Claim, dicts
from ppp_runs import Setting, caption, latents, preset
from presets import keep, show

import ppp
import srm

CONE = 0.6
name, changes = preset()
setting = Setting()
layers = latents(setting)
curves = {
    network: srm.sweep(layer, epsilon=CONE, angles=72, null_repeats=changes["nulls"])
    for network, layer in layers.items()
}
planes = {
    network: ppp.project(layer, null_repeats=changes["nulls"]) for network, layer in layers.items()
}

# %%
# Pooled over planes, with the band of random frames
# --------------------------------------------------
columns = changes["repeats"]
fig, axes = plt.subplots(
    2,
    columns,
    figsize=(5 * columns, 7.4),
    layout="constrained",
    squeeze=False,
    sharex=True,
    sharey=True,
)
for ax, (network, curve) in zip(axes.flat, curves.items(), strict=True):
    curve.plot(ax)
    ax.set_title(f"{network}: p {curve.test().rotation.p:.2g}", fontsize=10)
    ax.get_legend().remove()
    ax.label_outer()
fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
fig.suptitle(f"Spotlight, ε = {CONE}: {caption(setting)}", fontsize=11)
show("beyond_srm", name)

# %%
# Do they agree?
# --------------
found = {
    network: (curves[network].test().rotation.p, planes[network].statistics["combined"].p)
    for network in layers
}
for network, (cone, plane) in found.items():
    ratio = curves[network].pooled[0] / curves[network].expected
    print(
        f"{network:<18} spotlight p {cone:.2g}, on the axes {ratio:.2f} times isotropy; "
        f"projection p {plane:.2g}"
    )
said, p, seen = agreement(list(found.values()))
claim = Claim(
    "the spotlight tells the same networks from random frames as the projection does",
    f"spotlight first, projection second: {said}; p "
    + ", ".join(
        f"{network} {cone:.2g} and {plane:.2g}" for network, (cone, plane) in found.items()
    ),
    f"{changes['nulls']} random frames for each method and network; chance would agree as much "
    f"with p {p:.2g} (exact)",
    seen,
)
print(claim)
keep("beyond_srm", name, dicts([claim]))
