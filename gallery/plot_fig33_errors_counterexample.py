"""
Figure 33: held-out errors at width 32
======================================

The paper's counterexample: here the raw elementwise network is best. Raw errors are
compared on the standardised scale.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_errors import error_figure
from ppp_runs import Setting

panels = {(0, 0): [Setting(width=32, blocks=2), Setting(width=32, blocks=2, standardise=False)]}
error_figure(33, panels)
