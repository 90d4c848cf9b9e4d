"""
Beyond the paper: both orders of a pair, single planes, the angle to the plane
==============================================================================

A figure of the paper lays all planes on top of each other, each pair of neurons once
(combination) or in both orders (permutation), and does not say how deep in its plane a sample
lies. Here are the two beside each other, the planes one by one, and every kept sample with its
angle. Permutation adds the mirror image by definition, twice the hits and the same kappa, A4 and
B4; what it hides is whether the hits lean to one side of a diagonal.
"""

# %%
# Combination beside permutation
# ------------------------------
import matplotlib.pyplot as plt
import numpy as np
from claims import Claim, dicts
from network_tests import LEVEL
from ppp_runs import Setting, caption, latents, preset
from presets import keep, show

import ppp

name, changes = preset()
setting = Setting()
nulls = changes["nulls"]
layers = {network: layer for network, layer in latents(setting).items() if network.endswith(" 0")}
pairs = {
    network: {
        kind: ppp.project(layer, pairs=kind, null_repeats=nulls)
        for kind in ("combination", "permutation")
    }
    for network, layer in layers.items()
}
ppp.plot_grid(pairs, panel=2.6, title=f"Both orders of a pair:\n{caption(setting, narrow=True)}")
show("beyond_planes_pairs", name)


def lopsided(result):
    """Return the share of hits without a counterpart on the other side of the diagonal."""
    sectors = result.tally.angle.reshape(16, -1).sum(1)
    mirrored = sectors[(3 - np.arange(16)) % 16]  # phi becomes 90 degrees - phi
    return float(np.abs(sectors - mirrored).sum() / max(2 * sectors.sum(), 1))


claims = []
for network, found in pairs.items():
    one, both = found["combination"], found["permutation"]
    draws = [
        lopsided(ppp.project(layers[network], frame="haar", null=None, seed=seed))
        for seed in range(nulls)
    ]
    p = (1 + sum(draw >= lopsided(one) for draw in draws)) / (1 + nulls)
    claims.append(
        Claim(
            f"permutation hides that hits lean to one side of a diagonal ({network})",
            f"a share of {lopsided(one):.3f} of {one.hits} hits has no counterpart across the "
            f"diagonal; permutation, {both.hits} hits, adds it",
            f"the share in {nulls} random frames, mean {np.mean(draws):.3f}, one-sided p {p:.2g}",
            "yes" if p <= LEVEL else "no, random frames lean as much",
        )
    )
print(*claims, sep="\n")

# %%
# Which planes?
# -------------
# A plane counts if it holds more than the fullest, or less than the emptiest, plane of random
# frames: family-wise over all planes.
singles = {network: ppp.plane_statistics(found["combination"]) for network, found in pairs.items()}
for network, table in singles.items():
    kept = np.sort(table["kept"])[::-1]
    half = int(np.searchsorted(np.cumsum(kept), kept.sum() / 2)) + 1
    told = sum(p is not None and p <= LEVEL for p in table["p"])
    claims.append(
        Claim(
            f"the structure is of a few planes ({network})",
            f"{told} of {len(kept)} planes differ from all of random frames; {half} hold half of "
            f"the hits; the fullest holds {kept[0]} ({table['expected'][0]:.0f} expected)",
            f"fullest and emptiest plane of {nulls} random frames, family-wise p",
            "no plane by itself" if not told else f"{told} planes stand out",
        )
    )
    print(claims[-1])

# %%
# Every kept sample, coloured by its angle to the plane
# -----------------------------------------------------
# Above all planes, below the fullest one. Colours begin at the smallest angle: in 18 dimensions few
# samples lie deep in a plane.
listed = {network: ppp.points(layer) for network, layer in layers.items()}
fig, axes = plt.subplots(2, len(listed), figsize=(5.6 * len(listed), 10.4), layout="compressed")
for column, (network, points) in zip(axes.T, listed.items(), strict=True):
    fullest = int(np.argmax(np.bincount(points.plane)))
    ppp.plot_points(points, column[0], title=f"{network}: all planes")
    ppp.plot_points(points, column[1], plane=fullest, title=f"{network}: the fullest plane")
    for ax in column:
        ax.collections[0].set_clim(points.angle.min(), points.angle.max())
fig.suptitle(caption(setting), fontsize=11)
show("beyond_planes_angles", name)

# %%
# How deep in the plane
# ---------------------
for network, points in listed.items():
    angle = float(np.median(points.angle))
    draws = np.array(
        [
            np.median(ppp.points(layers[network], frame="haar", seed=seed).angle)
            for seed in range(nulls)
        ]
    )
    above, below = (draws >= angle).sum() + 1, (draws <= angle).sum() + 1
    p = float(min(1, 2 * min(above, below) / (nulls + 1)))
    claims.append(
        Claim(
            f"kept samples lie deeper in the neurons' planes than in others ({network})",
            f"median angle {angle:.1f} degrees (p {p:.2g})",
            f"{nulls} random frames, {draws.mean():.1f} ± {draws.std():.1f} degrees",
            ("yes" if angle < draws.mean() else "no, less deep") if p <= LEVEL else "no",
        )
    )
    print(claims[-1])
keep("beyond_planes", name, dicts(claims))
