"""
Figure 35: held-out errors on MNIST, standardised and raw
=========================================================

The paper finds the standardised isotropic network far ahead of the other three. Raw errors
are compared on the standardised scale.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_errors import error_figure
from ppp_runs import Setting

panels = {(0, 0): [Setting(data="mnist"), Setting(data="mnist", standardise=False)]}
error_figure(35, panels)
