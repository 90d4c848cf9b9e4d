"""
Null: uniform samples, standardised
===================================

Figure 6 of the PPP paper: as figure 5, with every input standardised first. The cluster at the
image of the cube's centre is gone, and with it most of the false anti-alignment.
"""

# %%
# Fresh data and a fresh random frame for every panel
# ---------------------------------------------------
# Compare with the numbers of standard normal samples (figure 4).
from null_tools import figure

figure(6, "uniform-standardised", "Standardised uniform samples through a random map")
