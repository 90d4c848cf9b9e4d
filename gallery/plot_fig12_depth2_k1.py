"""
Figure 12: latent layer 1 of 2 hidden blocks
============================================

Elementwise rows above isotropic ones, snapshots rightwards. The paper sees beams along the
axes grow in the upper rows and none in the lower. Claims are measured on the preset's data,
which need not be the paper's: the numbers below the figure say what they come to.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import Setting, figure

figure(12, Setting(blocks=2), k=1)
