"""
Null: uniform samples, standardised
===================================

Figure 6 of the PPP paper: as figure 5, with every input standardised first. The cluster at the
image of the cube's centre is gone, and with it most of the false anti-alignment.
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
draws = independent("uniform-standardised", **settings)
ppp.plot_grid(
    draws,
    title=f"Standardised uniform samples through a random map, preset {preset}",
    thinned=thinned,
)
show("fig06", preset)

# %%
# What chance alone gives, in numbers
# -----------------------------------
# Compare with the numbers of standard normal samples (figure 4).
numbers = spread(draws)
print(numbers)
keep("fig06", preset, list(numbers))
