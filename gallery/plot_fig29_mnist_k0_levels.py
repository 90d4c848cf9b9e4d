"""
Figure 29: figure 28 with lower colour levels
=============================================

The paper's figure 29 is figure 28 again, its colour levels lowered by hand so that faint structure
shows; it does not say by how much. Here the colours end at three tenths of the usual level. A level
changes what the eye sees and no number: the numbers are those of figure 28.
"""

# %%
# Train, project, draw, measure
# -----------------------------
from ppp_runs import Setting, figure

figure(29, Setting(data="mnist", blocks=3), level=0.3)
