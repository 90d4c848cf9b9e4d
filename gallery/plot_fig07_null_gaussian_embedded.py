"""
Null: standard normal inputs through a map
==========================================

Figure 7 of the PPP paper: as figure 5, with standard normal samples of 3072 dimensions. (Its
printed caption repeats that of figure 6.) A linear map of normal samples is normal with the map's
covariance, so what remains is the anisotropy of a random map from 3072 to 24 dimensions, and the
overlap of planes along the axes.
"""

# %%
# Fresh data and a fresh random frame for every panel
# ---------------------------------------------------
# Compare with the numbers of figures 4 and 6.
from null_tools import figure

figure(7, "gaussian-embedded", "Standard normal inputs through a random map")
