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
from claims import dicts
from ppp_over import Over
from ppp_runs import Setting, analysed, layer_name, preset, trained
from presets import keep, show

BLOCKS = 3
name, changes = preset()
stores = trained(Setting(blocks=BLOCKS))
over = Over(
    "latent layer k",
    {k: analysed(stores, layer_name(k), only_last=True, pictures=False) for k in range(BLOCKS + 1)},
    repeated=True,  # the layers of one network are no networks of their own
)

# %%
# Dots are networks, bars the middle 95 % of their random frames
# --------------------------------------------------------------
# Lines join the layers of one network; a triangle at the foot is a network without hits.
over.draw(
    f"{changes['data'] or 'cifar-10'} standardised, n = 18, L = {BLOCKS}, ε = .75, preset {name}: "
    f"after {changes['epochs']} epochs, {changes['repeats']} networks each"
)
show("claim_layers", name)

# %%
# The numbers
# -----------
print(over.lines())
claims = over.trends("structure changes with the latent layer", "log_q", "kappa", "a4")
print(*claims, sep="\n")
keep("claim_layers", name, dicts(claims))
