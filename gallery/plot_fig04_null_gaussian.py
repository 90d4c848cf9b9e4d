"""
Null: standard normal samples
=============================

Figure 4 of the PPP paper: standard normal samples in 24 dimensions, projected onto the planes of a
random orthogonal frame. Nothing prefers any direction, yet panels look weakly aligned or
anti-aligned: one sample near a vector of the frame is hit in many planes at once, so the axes carry
fewer independent samples than the rest (appendix A.1).
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
draws = independent("gaussian", **settings)
ppp.plot_grid(
    draws, title=f"Standard normal samples, a random frame each, preset {preset}", thinned=thinned
)
show("fig04", preset)

# %%
# What chance alone gives, in numbers
# -----------------------------------
# Isotropy expects log Q = 0, kappa = 1 and A4 = 0; B4 is not 0 under isotropy. How far A4 strays
# is the size of an alignment that the eye should not believe.
numbers = spread(draws)
print(numbers)
keep("fig04", preset, list(numbers))
