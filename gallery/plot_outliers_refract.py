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
import matplotlib.pyplot as plt
import torch
from adaptive_tools import choose, keep

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
figure, axes = plt.subplots(2, len(SCALES), figsize=(10, 5), layout="constrained")
numbers = []
for row, form in enumerate(("tanh", "isotropic-tanh")):
    protocol = Protocol(epochs=settings["epochs"])
    network = train_autoencoder(data, form, width=WIDTH, protocol=protocol).model
    activation = network.decoder[0]
    for column, scale in enumerate(SCALES):
        with torch.no_grad():
            latent = network.encoder(scale * task.inputs)
            out = activation(latent)
        lengths = latent.norm(dim=1)
        angles = torch.cat(
            [
                isotropic.deflection(activation, x[None], r[None])[0]
                for x, r in zip(latent[:300], lengths[:300], strict=True)
            ]
        ).rad2deg()
        result = ppp.project(out.numpy(), null_repeats=settings["nulls"], null_draws=0)
        found = result.statistics
        result.plot(axes[row, column])
        axes[row, column].set_title(f"{form}, x {scale}")
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
plt.show()
keep("outliers_refract", preset, numbers)
