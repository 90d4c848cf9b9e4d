"""
Beyond the paper: one projection for every class
================================================

Beams might be no more than classes: each class a cluster, clusters apart. Then no structure would
be left within a class. Latent layer 0 is projected class by class, each class against random
frames of its own samples, so many that a single class can pass once p is adjusted over the classes.
"""

# %%
# Project every class of one network of each kind
# -----------------------------------------------
from beyond_verdicts import within_classes
from claims import Claim, dicts
from network_tests import LEVEL
from ppp_runs import Setting, caption, latents, preset
from presets import keep, show

import ppp
from ppp.ranks import least_repeats

name, changes = preset()
setting = Setting()
layers = {network: layer for network, layer in latents(setting).items() if network.endswith(" 0")}
count = len({label for block in next(iter(layers.values())).blocks() for label in block.label})
nulls = least_repeats(LEVEL / count)
classes = {
    network: ppp.project_classes(layer, null_repeats=nulls) for network, layer in layers.items()
}
whole = {
    network: ppp.project(layer, null_repeats=changes["nulls"]).statistics["kappa"].p
    for network, layer in layers.items()
}
ppp.plot_grid(
    {
        network: {f"class {label}": one for label, one in found.items()}
        for network, found in classes.items()
    },
    title=f"Class by class: {caption(setting)}",
)
show("beyond_classes", name)

# %%
# Is it within the classes?
# -------------------------
told = {}
for network, found in classes.items():
    table = ppp.family_table(found, "kappa")
    told[network] = sum(p is not None and p <= LEVEL for p in table["p_adjusted"])
    print(network, table, sep="\n")
claim = Claim(
    "the structure is there within the classes, not only between them",
    "; ".join(
        f"{network}: {of} of {count} classes told from random frames, the whole at "
        f"p {whole[network]:.2g}"
        for network, of in told.items()
    ),
    f"kappa in {nulls} random frames of each class, p adjusted over the {count} classes "
    f"(the least possible for a single one {count * 2 / (nulls + 1):.2g}); "
    f"of the whole in {changes['nulls']}",
    within_classes(told, whole, count),
)
print(claim)
keep("beyond_classes", name, dicts([claim]))
