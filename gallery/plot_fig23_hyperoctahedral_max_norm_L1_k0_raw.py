"""
Figure 23: hyperoctahedral leaky-ReLU, Eqn 10, raw, L = 1, latent layer 0
=========================================================================

Hyperoctahedral leaky-ReLUs, between elementwise and isotropic ones: the paper sees beams
here too, as the group B_n predicts. Claims are measured on the preset's data, which need
not be the paper's: the numbers below the figure say what they come to.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import Setting, figure

figure(23, Setting(standardise=False, blocks=1, activations=("max-norm-leaky-relu",)))
