"""
Figure 31: held-out errors over width and depth
===============================================

The paper finds the isotropic networks' error lowest in every panel. Raw errors are compared
on the standardised scale.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_errors import error_figure
from ppp_runs import Setting

panels = {
    (row, column): [Setting(width=n, blocks=blocks)]
    for row, n in enumerate((18, 24, 32))
    for column, blocks in enumerate(range(4))
}
error_figure(31, panels)
