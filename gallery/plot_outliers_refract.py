"""
Inputs beyond the training range: refraction
============================================

Inputs are scaled away from the training mean, up to thirty times. In latent layer 0, which is
affine, they run along straight rays. An elementwise tanh bends the rays towards the cube's corners
(neural refraction; footnote 3 of the PPP paper), an isotropic one bends none: measured here as the
angle between the ray and what comes out, and in PPP.
"""

# %%
# Train a pair
# ------------
import torch
from claims import Claim, dicts
from presets import choose, keep, ours, show

import isotropic
import ppp
from isotropic import Protocol, train_autoencoder
from isotropic.data import load
from isotropic.train import Task

PRESETS = {
    "quick": {"data": "digits", "epochs": 10, "nulls": 99},
    "paper": {"data": "fashion-mnist", "epochs": 30, "nulls": 199},
}
SCALES = (1, 3, 10, 30)
WIDTH = 18
preset, settings = choose(PRESETS)
data = load(settings["data"])
task = Task.of(data, None, True)

# %%
# Scale the inputs, look behind the activation
# --------------------------------------------
numbers, rows = [], {}
for form in ("tanh", "isotropic-tanh"):
    protocol = Protocol(epochs=settings["epochs"])
    network = train_autoencoder(data, form, width=WIDTH, protocol=protocol).model
    activation = network.decoder[0]
    rows[form] = {}
    for scale in SCALES:
        with torch.no_grad():
            latent = network.encoder(scale * task.inputs)
            out = activation(latent)
        lengths = latent.norm(dim=1)
        # every length along every ray; each image has its own length along its own ray
        angles = isotropic.deflection(activation, latent[:300], lengths[:300])
        angles = angles.diagonal().rad2deg()
        result = ppp.project(out.numpy(), null_repeats=settings["nulls"], null_draws=0)
        found = result.statistics
        rows[form][f"inputs × {scale}"] = result
        numbers.append(
            {
                "form": form,
                "scale": scale,
                "deflection": float(angles.mean()),
                "kappa": found["kappa"].value,
                "p": found["kappa"].p,
            }
        )
        print(
            f"{form:<15} inputs x {scale:<3} mean deflection {angles.mean():7.3f} deg   "
            f"kappa {found['kappa'].value:.3f} (p {found['kappa'].p:.2f})"
        )
ppp.plot_grid(
    rows,
    title=f"{settings['data']} standardised, n = {WIDTH}, "
    f"{settings['epochs']} epochs,\n{ours(preset)}:\nbehind the activation of latent layer 0",
)
show("outliers_refract", preset)

# %%
# Refracted, and not
# ------------------
bent = [row["deflection"] for row in numbers if row["form"] == "tanh"]
straight = [row["deflection"] for row in numbers if row["form"] != "tanh"]
claim = Claim(
    "an elementwise function bends the rays of inputs beyond the training range, an isotropic none",
    f"mean deflection by tanh {', '.join(f'{a:.1f}' for a in bent)} degrees at inputs times "
    f"{', '.join(map(str, SCALES))}; by isotropic tanh at most {max(straight):.1e}",
    "rounding: at most 1e-4 degrees",
    "yes" if bent == sorted(bent) and bent[-1] > 1 and max(straight) < 1e-4 else "no",
)
print(claim)
keep("outliers_refract", preset, {"numbers": numbers, "claims": dicts([claim])})
