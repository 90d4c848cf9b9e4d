"""New hidden layers by parameterising the identity."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from isotropic.adapt.checks import require_dense, require_isotropic, require_layer
from isotropic.adapt.states import work_dtype
from isotropic.draws import normal
from isotropic.intrinsic import SCALES
from isotropic.mlp import MLP

WAYS = ("length", "origin")
# So small that the isotropic tanh bends by its square over 3, below float32; no smaller, since the
# layer behind is multiplied by its inverse.
SHRINK = 1e-4


def insert_layer(
    net: nn.Module,
    after: int,
    omega: float = 1e8,
    generator: torch.Generator | None = None,
    *,
    way: str = "length",
) -> None:
    """Insert a hidden layer behind another one, in place, changing the function next to nothing.

    The new layer turns the activations and the layer behind turns them back; between, the new
    activation is kept where it is as good as linear. Make a new optimiser afterwards.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron without a normaliser.
    after : int
        The affine layer behind whose activation the new one goes.
    omega : float
        Squared intrinsic length of the new activation for ``way="length"``; the relative error is
        about the squared norm of the activations over twice this.
    generator : torch.Generator, optional
        Where the turn comes from.
    way : str
        "length": an intrinsic length far above all norms makes the new activation a constant
        factor. "origin": the new layer shrinks its input to a ten-thousandth, where the activation
        is linear, and the layer behind makes up for it; for networks without intrinsic length, and
        activations that are linear there. Gradients shrink and grow likewise.

    Raises
    ------
    ValueError
        When the network has a normaliser, no intrinsic length or no linear part at the origin, or
        psi of the layer behind cannot pass through that layer's matrix.

    Notes
    -----
    Adaptive-topology paper, App. H (both ways) and C (asymptotic nesting).

    Examples
    --------
    >>> from isotropic import MLP
    >>> net = MLP([4, 3, 2])
    >>> insert_layer(net, 0)
    >>> net.widths
    [4, 3, 3, 2]
    """
    net = require_isotropic(net)
    after = require_layer(net, after)
    require_dense(net, after + 1)
    work = work_dtype(net.layers[after + 1].weight)
    length, size = _linear_place(net, way, omega)
    profile = SCALES[net.activation]
    constant, near = profile(torch.tensor([length, length + size**2], dtype=work)).tolist()
    if way == "origin" and not abs(near - constant) < 1e-4 * constant:
        raise ValueError(
            f"{net.activation!r} is not linear around the origin: say way='length', with an "
            "intrinsic length"
        )
    behind = net.layers[after + 1]
    width = behind.in_features
    device = behind.weight.device
    draw = normal(width, width, generator=generator, dtype=work, device=device)
    turn, _ = torch.linalg.qr(draw)
    weight = behind.weight.detach().to(work)
    new: Any = net.new_layer(after + 1, width, width).to(behind.bias)
    activation: Any = net.new_activation().to(behind.bias)
    with torch.no_grad():
        new.weight.copy_(size * turn)
        if behind.has_psi:
            # The old scalar factor now meets the new layer; what it carries must survive the next.
            psi = behind.psi.detach().to(work)
            # Not lstsq: on an accelerator it takes the matrix to be of full rank.
            carried = torch.linalg.pinv(weight) @ psi
            lost = float((weight @ carried - psi).abs().max())
            if not lost <= 1e-6 * max(1.0, float(psi.abs().max())):
                raise ValueError(
                    f"psi of layer {after + 1} does not pass through that layer's matrix (up to "
                    f"{lost:.3g} would be lost): let it decay first"
                )
            new.psi.copy_(size * turn @ carried)
            behind.psi.zero_()
        if way == "length":
            activation.set_omega(omega)
        behind.weight.copy_(weight @ turn.T / (size * constant))
    net.layers.insert(after + 1, new)
    net.activations.insert(after + 1, activation)
    net.norms.insert(after + 1, nn.Identity())
    net.train(net.training)


def _linear_place(net: MLP, way: str, omega: float) -> tuple[float, float]:
    """Return the new activation's squared intrinsic length, and how far its input is shrunk."""
    if way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
    if net.normaliser is not None:
        raise ValueError("a normaliser would undo what makes the new activation linear")
    if way == "origin":
        return (0.0 if net.omega_kind == "absent" else net.initial_omega), SHRINK
    if net.omega_kind == "absent":
        raise ValueError(
            "a large intrinsic length makes the new activation linear, and this network has none: "
            "say way='origin', or build the network with omega"
        )
    if not omega > 0:
        raise ValueError(f"omega must be positive, got {omega}")
    return omega, 1.0
