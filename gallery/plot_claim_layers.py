"""
Claims over latent layers: structure against k
==============================================

Figures 14 to 17 follow one set of networks from layer to layer, and the paper sees the structure
sharpen in later ones. Here all four latent layers of the networks with three blocks stand in one
figure, each against its own random frames.
"""

# %%
# Project every latent layer of the same networks
# -----------------------------------------------
import matplotlib.pyplot as plt
import numpy as np
from ppp_claims import dicts, grouped, trend
from ppp_runs import Setting, analysed, layer_name, preset, trained
from presets import keep

BLOCKS = 3
name, changes = preset()
stores = trained(Setting(blocks=BLOCKS))
rows = {
    f"{network.rsplit(' ', 1)[0]} k={k} {network.rsplit(' ', 1)[1]}": columns
    for k in range(BLOCKS + 1)
    for network, columns in analysed(stores, layer_name(k)).items()
}
groups = grouped(rows)


def layer_of(group):
    return float(group.rsplit("k=", 1)[1])


# %%
# Dots are networks, bars the middle 95 % of their random frames
# --------------------------------------------------------------
fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for ax, statistic in zip(axes, ("log_q", "kappa", "a4"), strict=True):
    for group, members in groups.items():
        colour, shift = (
            ("tab:blue", 0.08) if group.startswith("isotropic") else ("tab:orange", -0.08)
        )
        x = layer_of(group) + shift
        for columns in members:
            last = columns[max(columns)]
            values = last.nulls.values[statistic]
            if np.isfinite(values).any():
                ends = np.nanquantile(values, (0.025, 0.975))
                ax.plot([x, x], ends, color=colour, alpha=0.25, lw=5, solid_capstyle="butt")
            if last.statistics[statistic].value is not None:
                ax.plot(x, last.statistics[statistic].value, "o", color=colour, ms=4)
    ax.set(xlabel="latent layer k", title=statistic, xticks=range(BLOCKS + 1))
for label, colour in (("tanh", "tab:orange"), ("isotropic-tanh", "tab:blue")):
    axes[0].plot([], [], "o", color=colour, label=label)
axes[0].legend(fontsize=8)
data = changes["data"] or "cifar-10"
fig.suptitle(
    f"{data} standardised, n = 18, L = {BLOCKS}, ε = .75, preset {name}: after "
    f"{changes['epochs']} epochs, {changes['repeats']} networks each"
)
plt.show()

# %%
# The numbers
# -----------
for group, members in groups.items():
    last = [columns[max(columns)] for columns in members]
    shown = ", ".join(
        f"{r.statistics['kappa'].value:.3f} (p {r.statistics['combined'].p:.2g})" for r in last
    )
    print(f"{group:<20} kept {', '.join(str(r.hits) for r in last):<16} kappa (combined p) {shown}")
claims = [
    trend(
        f"structure changes with the latent layer in {activation} networks ({statistic})",
        {g: m for g, m in groups.items() if g.startswith(f"{activation} ")},
        statistic,
        layer_of,
        "latent layer",
    )
    for activation in ("tanh", "isotropic-tanh")
    for statistic in ("log_q", "kappa", "a4")
]
print(*claims, sep="\n")
keep("claim_layers", name, dicts(claims))
