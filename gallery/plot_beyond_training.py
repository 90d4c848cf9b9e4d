"""
Beyond the paper: statistics over training, with their nulls
============================================================

The paper's grids show every snapshot and leave it to the eye when structure sets in. Here the
statistics of each snapshot stand beside those of random frames of the same activations, so many
that a single snapshot can pass the adjustment over all of them.
"""

# %%
# Every snapshot against its own random frames
# --------------------------------------------
from beyond_verdicts import onset, set_in
from claims import Claim, dicts
from network_tests import LEVEL
from ppp_runs import Setting, analysed, caption, preset, trained
from presets import keep, show

import ppp
from isotropic import Protocol
from ppp.ranks import least_repeats

name, changes = preset()
setting = Setting()
stores = trained(setting)
snapshots = changes["shown"] or Protocol(epochs=changes["epochs"]).snapshot_epochs
nulls = least_repeats(LEVEL / len(snapshots))
rows = analysed(stores, "encoder", nulls=nulls, pictures=False)
ppp.plot_training(
    {
        network: {f"{epoch}": one for epoch, one in columns.items()}
        for network, columns in rows.items()
    },
    groups={network: network.rsplit(" ", 1)[0] for network in rows},
    title=caption(setting, over=snapshots, narrow=True),
)
show("beyond_training", name)

# %%
# When does it set in?
# --------------------
# As many tests as snapshots are made of a network, and adjusted for that. What stays is on one side
# of the null: from dense to aligned is another structure.
onsets = {}
for network, columns in rows.items():
    table = ppp.family_table(columns, "kappa")
    onsets[network] = onset(list(columns), table["p_adjusted"], table["z"])
    shown = ", ".join(
        f"{epoch}: {one.statistics['kappa'].value:.3f} (adjusted p {p:.2g})"
        for (epoch, one), p in zip(columns.items(), table["p_adjusted"], strict=True)
    )
    print(f"{network:<18} kappa after epoch {shown}")
claim = Claim(
    "structure sets in within the first quarter of training, and stays",
    "told from random frames, on one side of them, from here to the end: "
    + ", ".join(
        f"{network} {'never' if at is None else f'epoch {at}'}" for network, at in onsets.items()
    ),
    f"kappa in {nulls} random frames of each snapshot, p adjusted over snapshots "
    f"(the least possible for a single one {len(snapshots) * 2 / (nulls + 1):.2g})",
    set_in(onsets, changes["epochs"]),
)
print(claim)
keep("beyond_training", name, dicts([claim]))
