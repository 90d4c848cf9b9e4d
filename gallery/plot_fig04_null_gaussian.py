"""
Null: standard normal samples
=============================

Figure 4 of the PPP paper: standard normal samples in 24 dimensions, projected onto the planes of a
random orthogonal frame. Nothing prefers any direction, yet panels look weakly aligned or
anti-aligned: one sample near a vector of the frame is hit in many planes at once, so the axes carry
fewer independent samples than the rest (appendix A.1).
"""

# %%
# Fresh data and a fresh random frame for every panel
# ---------------------------------------------------
# Isotropy expects log Q = 0, kappa = 1 and A4 = 0; B4 is not 0 under isotropy. How far A4 strays
# is the size of an alignment that the eye should not believe.
from null_tools import figure

figure(4, "gaussian", "Standard normal samples, a random frame each")
