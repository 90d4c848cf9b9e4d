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
# How far the factor of a shrunk vector of length 1 may be from constant, relatively: it is 3e-9 off
# where it bends with the square, as the isotropic tanh, 2e-6 and more where with the norm itself.
LINEAR = 1e-6


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
        about the squared norm of the activations over twice this. Half precision needs a smaller
        one: float16 ends at 65504.
    generator : torch.Generator, optional
        Where the turn comes from.
    way : str
        "length": an intrinsic length far above all norms makes the new activation a constant
        factor. "origin": the new layer shrinks its input to a ten-thousandth, where the activation
        is linear, and the layer behind makes up for it; for networks without intrinsic length, and
        activations that are linear there: "isotropic-tanh", with a relative error of the squared
        norm over 3e8, and "isotropic-leaky-relu", exact to norms of 1e4. Gradients shrink and grow
        likewise.

    Raises
    ------
    ValueError
        When the network has a normaliser, no intrinsic length, one beyond its precision, or no
        linear part at the origin, or psi of the layer behind cannot pass through that layer's
        matrix.

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
    _require_way(net, way, omega)
    behind = net.layers[after + 1]
    activation: Any = net.new_activation().to(behind.bias)
    if way == "length":
        activation.set_omega(omega)
    # What the activation itself makes of its intrinsic length in its own precision.
    constant = float(activation.eval().scale(behind.bias.new_zeros(1, 1)).detach())
    size = SHRINK if way == "origin" else 1.0
    width = behind.in_features
    weight = behind.weight.detach().to(work_dtype(behind.weight))
    device = weight.device
    draw = normal(width, width, generator=generator, dtype=weight.dtype, device=device)
    turn, _ = torch.linalg.qr(draw)
    outgoing = (weight @ turn.T / (size * constant)).to(behind.weight)
    if not bool(torch.isfinite(outgoing).all()):
        raise ValueError(
            f"a scalar factor of {size * constant:.3g} (way={way!r}, omega={activation.omega:g}) "
            f"cannot be made up for in {outgoing.dtype}: give a smaller omega, 1e4 say, or more "
            "precision"
        )
    new: Any = net.new_layer(after + 1, width, width).to(behind.bias)
    with torch.no_grad():
        new.weight.copy_(size * turn)
        if behind.has_psi:
            # The old scalar factor now meets the new layer; what it carries must survive the next.
            psi = behind.psi.detach().to(weight)
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
        behind.weight.copy_(outgoing)
    for modules, module in (
        (net.layers, new),
        (net.activations, activation),
        (net.norms, nn.Identity()),
    ):
        modules.insert(after + 1, module.train(net.training))


def _require_way(net: MLP, way: str, omega: float) -> None:
    """Refuse a place on the activation where this network's is not linear."""
    if way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
    if net.normaliser is not None:
        raise ValueError("a normaliser would undo what makes the new activation linear")
    if way == "origin":
        length = 0.0 if net.omega_kind == "absent" else net.initial_omega
        squares = [length, length + SHRINK**2]
        places = torch.tensor(squares, dtype=torch.float64, device="cpu")
        constant, near = SCALES[net.activation](places).tolist()
        if not abs(near - constant) < LINEAR * constant:
            raise ValueError(
                f"{net.activation!r} is not linear around the origin: say way='length', with an "
                "intrinsic length"
            )
        return
    if net.omega_kind == "absent":
        raise ValueError(
            "a large intrinsic length makes the new activation linear, and this network has none: "
            "say way='origin', or build the network with omega"
        )
    if not omega > 0:
        raise ValueError(f"omega must be positive, got {omega}")
