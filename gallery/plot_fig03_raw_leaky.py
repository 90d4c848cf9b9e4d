"""
Figure 03: raw inputs, leaky-ReLU family
========================================

The paper sees anti-aligned beams in the elementwise rows, and clusters without rays in the
isotropic ones. Claims are measured on the preset's data, which need not be the paper's: the
numbers below the figure say what they come to.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import LEAKY, Setting, figure

figure(3, Setting(standardise=False, blocks=2, activations=LEAKY))
