"""
Null: standard normal inputs through a map
==========================================

Figure 7 of the PPP paper: as figure 5, with standard normal samples of 3072 dimensions. (Its
printed caption repeats that of figure 6.) A linear map of normal samples is normal with the map's
covariance, so what remains is the anisotropy of a random map from 3072 to 24 dimensions, and the
overlap of planes along the axes.
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
draws = independent("gaussian-embedded", **settings)
ppp.plot_grid(
    draws, title=f"Standard normal inputs through a random map, preset {preset}", thinned=thinned
)
show("fig07", preset)

# %%
# What chance alone gives, in numbers
# -----------------------------------
# Compare with the numbers of figures 4 and 6.
numbers = spread(draws)
print(numbers)
keep("fig07", preset, list(numbers))
