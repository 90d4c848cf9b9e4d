"""
Loss along an orbit of rotations
================================

Draft, Eqn 8: ``W2 R^T f(R W1 x + R b) = W2 f(W1 x + b)`` for every rotation R if f is isotropic. A
trained network is carried along the rotations ``exp(t A)`` from the identity to a random rotation:
the isotropic network's loss stays flat, the elementwise one's climbs a barrier at once and comes
down only at the signed permutations.
"""

# %%
# Train a pair
# ------------
import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg
import torch
from claims import Claim, dicts
from presets import choose, keep, ours, show

import ppp
from isotropic import Protocol, train_autoencoder
from isotropic.data import load
from isotropic.train import Task, mean_loss

PRESETS = {
    "quick": {"data": "digits", "epochs": 10, "orbits": 3, "points": 13},
    "paper": {"data": "fashion-mnist", "epochs": 30, "orbits": 20, "points": 41},
}
WIDTH = 18
preset, settings = choose(PRESETS)
data = load(settings["data"])
task = Task.of(data, None, True)
protocol = Protocol(epochs=settings["epochs"])
networks = {
    form: train_autoencoder(data, form, width=WIDTH, protocol=protocol).model
    for form in ("tanh", "isotropic-tanh")
}


# %%
# Carry them along
# ----------------
def generator_of(seed):
    """Return A, skew-symmetric, with ``exp(A)`` a random rotation."""
    rotation = ppp.haar_rotation(WIDTH, seed)
    rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    return scipy.linalg.logm(rotation).real


@torch.no_grad()
def turned_loss(network, rotation):
    """Return the loss of the network with its latent space turned and turned back."""
    r = torch.from_numpy(rotation)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    network.encoder.weight.copy_(r @ network.encoder.weight)
    network.encoder.bias.copy_(r @ network.encoder.bias)
    network.decoder[1].weight.copy_(network.decoder[1].weight @ r.T)
    loss = mean_loss(network, task.inputs)
    network.load_state_dict(kept)
    return loss


times = np.linspace(0, 1, settings["points"])
figure, ax = plt.subplots(layout="constrained")
numbers = {}
for form, colour in (("tanh", "tab:orange"), ("isotropic-tanh", "tab:blue")):
    curves = np.array(
        [
            [turned_loss(networks[form], scipy.linalg.expm(t * generator_of(seed))) for t in times]
            for seed in range(settings["orbits"])
        ]
    )
    ax.plot(times, curves.T, color=colour, alpha=0.6, label=[form] + [""] * (len(curves) - 1))
    rise = curves.max(1) - curves[:, 0]
    change = np.abs(curves - curves[:, :1]).max(1)
    numbers[form] = {
        "loss": curves[0, 0],
        "largest rise": rise.tolist(),
        "largest change": change.tolist(),
    }
    print(
        f"{form:<15} loss {curves[0, 0]:.4f}, rises along {len(rise)} orbits by {rise.min():.2e} "
        f"to {rise.max():.2e}"
    )
ax.set(
    xlabel="t, from the identity to a random rotation",
    ylabel="training loss",
    title=f"{settings['data']} standardised, n = {WIDTH},\n{ours(preset)}: "
    f"{settings['epochs']} epochs, {settings['orbits']} orbits",
)
ax.legend()
show("orbit_of_rotations", preset)

# %%
# Flat, and not flat
# ------------------
flat = max(numbers["isotropic-tanh"]["largest change"])
barrier = min(numbers["tanh"]["largest rise"])
claim = Claim(
    "a rotation of the latent space costs isotropic networks nothing, others a barrier",
    f"isotropic-tanh changes by at most {flat:.1e}, tanh rises by at least {barrier:.2g} of "
    f"{numbers['tanh']['loss']:.3f}",
    "rounding, 1e-12",
    "yes" if flat < 1e-12 and barrier > 1e-6 else "no",
)
print(claim)
keep("orbit_of_rotations", preset, {"numbers": numbers, "claims": dicts([claim])})
