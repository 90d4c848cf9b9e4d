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
from claim_structure import repeated
from claims import Claim, dicts
from network_tests import LEVEL
from ppp_over import Over
from ppp_runs import Setting, analysed, preset, trained
from presets import keep, show

WIDTHS = (12, 18, 24, 32)
name, changes = preset()
over = Over(
    "width n",
    {
        n: analysed(trained(Setting(width=n)), "encoder", only_last=True, pictures=False)
        for n in WIDTHS
    },
)

# %%
# Dots are networks, bars the middle 95 % of their random frames
# --------------------------------------------------------------
# A triangle at the foot is a network without hits: log Q and A4 are undefined.
over.draw(
    f"{changes['data'] or 'cifar-10'} standardised, L = 0, latent layer 0, ε = .75, preset {name}: "
    f"after {changes['epochs']} epochs, {changes['repeats']} networks each"
)
show("claim_widths", name)

# %%
# The numbers
# -----------
print(over.lines())
narrow = {
    activation: [result.statistics["a4"] for result in over.last(activation)[12]]
    for activation in over.activations
}
away = {
    activation: [
        "away" if a4.p is not None and a4.value < 0 and a4.p <= LEVEL else None for a4 in each
    ]
    for activation, each in narrow.items()
}
claims = [
    Claim(
        "narrow networks (n = 12) repel from the axes, and not in the ablation",
        "; ".join(
            f"A4 of {activation} "
            + ", ".join(f"{a4.value:+.3f} (p {a4.p:.2g})" for a4 in each if a4.p is not None)
            for activation, each in narrow.items()
        ),
        "A4 in random frames, network by network; it counts where A4 < 0 and p <= .05",
        repeated(away, over.activations[:1]),
    ),
    *over.trends("the share kept changes with the width, beyond isotropy,", "log_q"),
]
print(*claims, sep="\n")
keep("claim_widths", name, dicts(claims))
