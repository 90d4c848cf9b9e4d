"""
Null: uniform samples, not standardised
=======================================

Figure 5 of the PPP paper: uniform samples of [0, 1] to the 3072, the bounds of CIFAR's pixels,
through a random standard normal map to 24 dimensions, projected onto the planes of a random
orthogonal frame. All samples share the image of the cube's centre, so they form one far cluster,
which shows as dense patches away from the axes or as nothing at all: false anti-alignment.
"""

# %%
# Settings
# --------
# ``paper`` has those of the paper; it prints no number of panels, so ours is three rows of eight.
from null_tools import PRESETS, independent, spread
from presets import choose, keep, show

import ppp

preset, settings = choose(PRESETS)
thinned = settings.pop("thinned")

# %%
# Fresh data and a fresh random frame for every panel
# ---------------------------------------------------
draws = independent("uniform-embedded", **settings)
ppp.plot_grid(
    draws,
    title=f"Uniform samples of the unit cube through a random map, preset {preset}",
    thinned=thinned,
)
show("fig05", preset)

# %%
# What chance alone gives, in numbers
# -----------------------------------
# Hits vary over orders of magnitude between draws, because it is one direction that is either near
# a plane or not.
numbers = spread(draws)
print(numbers)
keep("fig05", preset, list(numbers))
