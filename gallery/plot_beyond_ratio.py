"""
Beyond the paper: a density divided by that of Gaussian data
============================================================

An isotropic sample seldom falls near the middle of a plane, so that every picture has a dark disc.
Divided by what isotropic data of the same lengths would give, or by Gaussian data with the same
covariance, a picture shows 1 where there is nothing to explain. What exceeds the first but not the
second is the shape of the data's cloud as it lies to the axes, not a preference for them.
"""

# %%
# Divide by isotropy, and by Gaussian data of equal covariance
# ------------------------------------------------------------
# Epsilon .5 keeps samples enough for a ratio. Lengths are in units of their root mean square, so
# that all panels have one scale.
import matplotlib.pyplot as plt
import numpy as np
from claims import Claim, dicts
from network_tests import LEVEL
from ppp_runs import Setting, caption, latents, preset
from presets import keep, show

import ppp

EPSILON, GAUSSIANS, EXTENT = 0.5, 8, 1.5
name, changes = preset()
setting = Setting()
rows = {}
for network, layer in latents(setting).items():
    if network.endswith(" 0"):
        x = np.concatenate([np.asarray(block.rows, dtype=float) for block in layer.blocks()])
        rows[network] = x / np.sqrt(np.square(x).sum(1).mean())  # one scale for all panels


def gaussian(x, seed):
    """Project as many Gaussian rows with the mean and the covariance of x."""
    rng = np.random.default_rng(seed)
    scale = np.linalg.cholesky(np.cov(x.T) + 1e-9 * np.eye(x.shape[1]))
    drawn = x.mean(0) + rng.standard_normal(x.shape) @ scale.T
    return ppp.project(drawn, epsilon=EPSILON, null=None)


results = {
    network: ppp.project(x, epsilon=EPSILON, null_repeats=changes["nulls"])
    for network, x in rows.items()
}
divisors = {
    network: {
        "isotropy": "isotropic",
        "Gaussian data": [gaussian(x, seed) for seed in range(GAUSSIANS)],
    }
    for network, x in rows.items()
}
ratios = {
    network: {
        by: ppp.density_ratio(results[network], divisor, extent=EXTENT)
        for by, divisor in columns.items()
    }
    for network, columns in divisors.items()
}

# %%
# Blue below 1, red above it, grey where the divisor has too few hits to mean anything
# ------------------------------------------------------------------------------------
fig, axes = plt.subplots(
    len(ratios), 2, figsize=(8.4, 4 * len(ratios)), layout="compressed", squeeze=False
)
for line, (network, columns) in zip(axes, ratios.items(), strict=True):
    for ax, (by, ratio) in zip(line, columns.items(), strict=True):
        with np.errstate(divide="ignore"):
            image = np.log2(ratio.image)
        ends = (-EXTENT, EXTENT) * 2
        picture = ax.imshow(image, origin="lower", extent=ends, cmap="RdBu_r", vmin=-3, vmax=3)
        ax.set_facecolor("0.8")
        ax.set_title(f"{network}, over {by}", fontsize=10)
    line[0].set_ylabel("along the second neuron of a plane")
for ax in axes[-1]:
    ax.set_xlabel("along the first neuron of a plane")
bar = fig.colorbar(picture, ax=axes, label="density over divisor", shrink=0.7)
bar.set_ticks(range(-3, 4), labels=["1/8", "1/4", "1/2", "1", "2", "4", "8"])
fig.suptitle(f"ε = {EPSILON}: {caption(setting)}\nlengths over their root mean square", fontsize=10)
show("beyond_ratio", name)

# %%
# What Gaussian data explain
# --------------------------
# Kappa of Gaussian data with the network's own covariance is the shape of the cloud as it lies to
# the axes; what the network has besides is not Gaussian.
DRAWS = 39
claims = []
for network, x in rows.items():
    kappa = results[network].statistics["kappa"]
    draws = np.array([gaussian(x, 100 + s).statistics["kappa"].value for s in range(DRAWS)])
    above, below = (draws >= kappa.value).sum() + 1, (draws <= kappa.value).sum() + 1
    p = float(min(1, 2 * min(above, below) / (DRAWS + 1)))
    claims.append(
        Claim(
            f"the structure is more than the covariance as it lies to the axes ({network})",
            f"kappa {kappa.value:.3f} (p {kappa.p:.2g} against random frames), of Gaussian data "
            f"{draws.mean():.3f} ± {draws.std():.3f}",
            f"{DRAWS} draws of Gaussian data with the mean and covariance of the layer, p {p:.2g}",
            "no structure to explain"
            if kappa.p > LEVEL
            else "yes"
            if p <= LEVEL
            else "no, Gaussian data show as much",
        )
    )
print(*claims, sep="\n")
keep("beyond_ratio", name, dicts(claims))
