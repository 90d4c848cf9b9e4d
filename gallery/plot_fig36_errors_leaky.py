"""
Figure 36: held-out errors of the leaky-ReLU family
===================================================

The paper finds isotropic networks ahead by a large margin. Raw errors are compared on the
standardised scale.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_errors import error_figure
from ppp_runs import LEAKY, Setting

panels = {
    (0, blocks): [
        Setting(blocks=blocks, activations=LEAKY),
        Setting(blocks=blocks, standardise=False, activations=LEAKY),
    ]
    for blocks in range(4)
}
error_figure(36, panels)
