"""
Figure 34: held-out errors on MNIST
===================================

The paper finds isotropic networks ahead but for width 32 with three blocks. Raw errors are
compared on the standardised scale.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_errors import error_figure
from ppp_runs import Setting

panels = {
    (row, column): [Setting(data="mnist", width=n, blocks=row)]
    for column, n in enumerate((18, 24, 32))
    for row in range(4)
}
error_figure(34, panels)
