"""
Claims over widths: how much is kept, and whether narrow networks avoid the axes
================================================================================

The paper's text says two things that no figure shows: narrow networks, of 12 neurons, repel from
the axes; and the number of kept samples falls with the width n. Widths 12, 18, 24 and 32 without
hidden blocks, trained; log Q compares what is kept with what isotropy expects at that width, so
that the shrinking of the solid angle itself is taken out; A4 is negative where hits avoid the axes.
"""

# %%
# Train, project
# --------------
import matplotlib.pyplot as plt
import numpy as np
from ppp_claims import LEVEL, Claim, dicts, grouped, trend
from ppp_runs import Setting, analysed, preset, trained
from presets import keep

WIDTHS = (12, 18, 24, 32)
name, changes = preset()
rows = {
    f"{network.rsplit(' ', 1)[0]} n={width} {network.rsplit(' ', 1)[1]}": columns
    for width in WIDTHS
    for network, columns in analysed(trained(Setting(width=width)), "encoder").items()
}
groups = grouped(rows)


def width_of(group):
    return float(group.rsplit("n=", 1)[1])


# %%
# Dots are networks, bars the middle 95 % of their random frames
# --------------------------------------------------------------
fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for ax, statistic in zip(axes, ("log_q", "kappa", "a4"), strict=True):
    for group, members in groups.items():
        isotropic = group.startswith("isotropic")
        colour, shift = ("tab:blue", 0.5) if isotropic else ("tab:orange", -0.5)
        x = width_of(group) + shift
        for columns in members:
            last = columns[max(columns)]
            values = last.nulls.values[statistic]
            if np.isfinite(values).any():  # without hits some statistics are undefined
                ends = np.nanquantile(values, (0.025, 0.975))
                ax.plot([x, x], ends, color=colour, alpha=0.25, lw=5, solid_capstyle="butt")
            if last.statistics[statistic].value is not None:
                ax.plot(x, last.statistics[statistic].value, "o", color=colour, ms=4)
    ax.set(xlabel="width n", title=statistic, xticks=WIDTHS)
for label, colour in (("tanh", "tab:orange"), ("isotropic-tanh", "tab:blue")):
    axes[0].plot([], [], "o", color=colour, label=label)
axes[0].legend(fontsize=8)
data = changes["data"] or "cifar-10"
fig.suptitle(
    f"{data} standardised, L = 0, latent layer 0, ε = .75, preset {name}: after "
    f"{changes['epochs']} epochs, {changes['repeats']} networks each"
)
plt.show()

# %%
# The numbers
# -----------
for group, members in groups.items():
    last = [columns[max(columns)] for columns in members]
    kept = ", ".join(str(result.hits) for result in last)
    print(f"{group:<22} kept {kept}; isotropy expects {last[0].expected:.0f}")
narrow = [columns[max(columns)].statistics["a4"] for columns in groups["tanh n=12"]]
away = sum(a4.value is not None and a4.value < 0 and a4.p <= LEVEL for a4 in narrow)
claims = [
    Claim(
        "narrow networks (n = 12) repel from the axes",
        "A4 " + ", ".join(f"{a4.value:+.3f} (p {a4.p:.2g})" for a4 in narrow if a4.p is not None),
        "A4 in random frames, network by network",
        "yes" if away == len(narrow) else f"in {away} of {len(narrow)} networks",
    ),
    *(
        trend(
            f"the share kept changes with the width in {activation} networks, beyond isotropy",
            {g: m for g, m in groups.items() if g.startswith(f"{activation} ")},
            "log_q",
            width_of,
            "width",
        )
        for activation in ("tanh", "isotropic-tanh")
    ),
]
print(*claims, sep="\n")
keep("claim_widths", name, dicts(claims))
