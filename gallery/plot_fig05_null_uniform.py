"""
Null: uniform samples, not standardised
=======================================

Figure 5 of the PPP paper: uniform samples of [0, 1] to the 3072, the bounds of CIFAR's pixels,
through a random standard normal map to 24 dimensions, projected onto the planes of a random
orthogonal frame. All samples share the image of the cube's centre, so they form one far cluster,
which shows as dense patches away from the axes or as nothing at all: false anti-alignment.
"""

# %%
# Fresh data and a fresh random frame for every panel
# ---------------------------------------------------
# Hits vary over orders of magnitude between draws, because it is one direction that is either near
# a plane or not.
from null_tools import figure

figure(5, "uniform-embedded", "Uniform samples of the unit cube through a random map")
