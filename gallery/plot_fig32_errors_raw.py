"""
Figure 32: held-out errors, standardised and raw
================================================

The paper finds isotropic networks ahead in every panel, raw ones at the ends and
standardised ones between. Raw errors are compared on the standardised scale.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_errors import error_figure
from ppp_runs import Setting

panels = {
    (0, blocks): [Setting(blocks=blocks), Setting(blocks=blocks, standardise=False)]
    for blocks in range(4)
}
error_figure(32, panels)
