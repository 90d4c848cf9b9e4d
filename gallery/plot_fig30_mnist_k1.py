"""
Figure 30: MNIST, three blocks, latent layer 1
==============================================

The paper's figure 29 is the picture of figure 28 with lower colour levels. Elementwise rows
above isotropic ones, snapshots rightwards. The paper sees beams along the axes grow in the
upper rows and none in the lower. Claims are measured on the preset's data, which need not
be the paper's: the numbers below the figure say what they come to.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import Setting, figure

figure(30, Setting(data="mnist", blocks=3), k=1)
