"""
Figure 21: leaky-ReLU family, 2 blocks, latent layer 1
======================================================

The paper sees two antipodal beams along one diagonal in the elementwise rows, since S_n
lacks sign flips, and a continuum in the isotropic ones. Claims are measured on the preset's
data, which need not be the paper's: the numbers below the figure say what they come to.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import LEAKY, Setting, figure

figure(21, Setting(blocks=2, activations=LEAKY), k=1)
