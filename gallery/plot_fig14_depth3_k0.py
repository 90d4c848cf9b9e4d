"""
Figure 14: latent layer 0 of the same networks with three blocks
================================================================

Figures 14 to 17 follow one set of networks from layer to layer. Elementwise rows above
isotropic ones, snapshots rightwards. The paper sees beams along the axes grow in the upper
rows and none in the lower. Claims are measured on the preset's data, which need not be the
paper's: the numbers below the figure say what they come to.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import Setting, figure

figure(14, Setting(blocks=3))
