"""
Beyond the paper: statistics over training, with their nulls
============================================================

The paper's grids show every snapshot and leave it to the eye when structure sets in. Here the
statistics of each snapshot stand beside those of random frames of the same activations.
"""

# %%
# Every snapshot against its own random frames
# --------------------------------------------
from ppp_claims import LEVEL, Claim, dicts
from ppp_runs import Setting, analysed, caption, preset, trained
from presets import keep, show

import ppp

NULLS = 79  # of 17 snapshots, nine at the least p of .025 pass the adjustment
name, changes = preset()
setting = Setting()
rows = analysed(trained(setting), "encoder", nulls=NULLS)
ppp.plot_training(
    {
        network: {f"{epoch}": one for epoch, one in columns.items()}
        for network, columns in rows.items()
    },
    statistics=("log_q", "kappa", "a4"),
    groups={network: network.rsplit(" ", 1)[0] for network in rows},
    title=caption(setting).replace(", latent", ",\nlatent"),
)
show("beyond_training", name)

# %%
# When does it set in?
# --------------------
# As many tests as snapshots are made of a network, and adjusted for that.
onsets = {}
for network, columns in rows.items():
    table = ppp.family_table(columns, "kappa")
    told = [p is not None and p <= LEVEL for p in table["p_adjusted"]]
    stays = [epoch for at, epoch in enumerate(columns) if all(told[at:])]
    onsets[network] = stays[0] if stays else None
    shown = ", ".join(
        f"{epoch}: {one.statistics['kappa'].value:.3f} (adjusted p {p:.2g})"
        for (epoch, one), p in zip(columns.items(), table["p_adjusted"], strict=True)
    )
    print(f"{network:<18} kappa after epoch {shown}")
plain = [onset for network, onset in onsets.items() if not network.startswith("isotropic")]
ablated = [onset for network, onset in onsets.items() if network.startswith("isotropic")]
early = [onset for onset in plain if onset is not None and onset <= changes["epochs"] / 4]
claim = Claim(
    "structure sets in within the first quarter of training, and stays",
    "told from random frames from here to the end: "
    + ", ".join(
        f"{network} {'never' if at is None else f'epoch {at}'}" for network, at in onsets.items()
    ),
    f"kappa in {NULLS} random frames of each snapshot, p adjusted over snapshots",
    ("yes" if not any(at is not None for at in ablated) else "yes, but in the ablation too")
    if len(early) == len(plain)
    else f"in {len(early)} of {len(plain)} elementwise networks",
)
print(claim)
keep("beyond_training", name, dicts([claim]))
