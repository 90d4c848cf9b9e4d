"""
Beyond the paper: one projection for every class
================================================

Beams might be no more than classes: each class a cluster, clusters apart. Then no structure would
be left within a class. Latent layer 0 is projected class by class, each class against random
frames of its own samples, with p adjusted over the classes.
"""

# %%
# Project every class of one network of each kind
# -----------------------------------------------
from ppp_claims import LEVEL, Claim, dicts
from ppp_runs import Setting, caption, latents, preset
from presets import keep, show

import ppp

NULLS = 99  # of ten tests a network, four at the least p of .02 pass the adjustment
name, changes = preset()
setting = Setting()
layers = {network: layer for network, layer in latents(setting).items() if network.endswith(" 0")}
classes = {
    network: ppp.project_classes(layer, null_repeats=NULLS) for network, layer in layers.items()
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
plain = [network for network in told if not network.startswith("isotropic")]
count = len(next(iter(classes.values())))
claim = Claim(
    "the structure is there within the classes, not only between them",
    "; ".join(
        f"{network}: {of} of {count} classes told from random frames"
        for network, of in told.items()
    ),
    f"kappa in {NULLS} random frames of each class, p adjusted over the {count} classes",
    "yes"
    if all(told[network] > count / 2 for network in plain)
    and not any(of for network, of in told.items() if network not in plain)
    else "in part"
    if any(told[network] for network in plain)
    else "no",
)
print(claim)
keep("beyond_classes", name, dicts([claim]))
