"""
Figure 27: hyperoctahedral leaky-ReLU, Eqn 10, standardised, L = 3, latent layer 0
==================================================================================

Hyperoctahedral leaky-ReLUs, between elementwise and isotropic ones: the paper sees beams
here too, as the group B_n predicts. Claims are measured on the preset's data, which need
not be the paper's: the numbers below the figure say what they come to.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import Setting, figure

figure(27, Setting(blocks=3, activations=("max-norm-leaky-relu",)))
