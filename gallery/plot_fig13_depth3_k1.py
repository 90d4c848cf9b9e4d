"""
Figure 13: latent layer 1 of 3 hidden blocks
============================================

Elementwise rows above isotropic ones, snapshots rightwards. The paper sees beams along the
axes grow in the upper rows and none in the lower. Claims are measured on the preset's data,
which need not be the paper's: the numbers below the figure say what they come to.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import Setting, figure

figure(13, Setting(blocks=3), k=1)
