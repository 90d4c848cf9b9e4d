"""New hidden layers by parameterising the identity."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from isotropic.adapt.checks import require_dense, require_isotropic, require_layer
from isotropic.adapt.states import work_dtype
from isotropic.intrinsic import SCALES


def insert_layer(
    net: nn.Module,
    after: int,
    omega: float = 1e8,
    generator: torch.Generator | None = None,
) -> None:
    """Insert a hidden layer behind another one, in place, changing the function next to nothing.

    The new layer turns the activations, an intrinsic length far above their norm makes the next
    activation a constant factor, and the layer behind turns and scales back. Make a new optimiser
    afterwards.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron without a normaliser.
    after : int
        The affine layer behind whose activation the new one goes.
    omega : float
        Squared intrinsic length of the new activation; the relative error is about the squared
        norm of the activations over twice this.
    generator : torch.Generator, optional
        Where the turn comes from.

    Raises
    ------
    ValueError
        When the network has no intrinsic length or a normaliser, or psi of the layer behind
        cannot pass through that layer's matrix.

    Notes
    -----
    Adaptive-topology paper, App. H and C (asymptotic nesting).

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
    if net.omega_kind == "absent" or net.normaliser is not None:
        raise ValueError(
            "a layer is inserted where a large intrinsic length makes its activation linear: "
            "build the network with omega and without a normaliser"
        )
    if not omega > 0:
        raise ValueError(f"omega must be positive, got {omega}")
    behind = net.layers[after + 1]
    width = behind.in_features
    work = work_dtype(behind.weight)
    draw = torch.randn(width, width, generator=generator, dtype=work, device=behind.weight.device)
    turn, _ = torch.linalg.qr(draw)
    constant = SCALES[net.activation](torch.tensor(omega, dtype=work)).item()
    weight = behind.weight.detach().to(work)
    new: Any = net.new_layer(after + 1, width, width).to(behind.bias)
    activation: Any = net.new_activation().to(behind.bias)
    with torch.no_grad():
        new.weight.copy_(turn)
        if behind.has_psi:
            # The old scalar factor now meets the new layer; what it carries must survive the next.
            psi = behind.psi.detach().to(work)
            carried = torch.linalg.lstsq(weight, psi[:, None]).solution[:, 0]
            lost = float((weight @ carried - psi).abs().max())
            if lost > 1e-6 * max(1.0, float(psi.abs().max())):
                raise ValueError(
                    f"psi of layer {after + 1} does not pass through that layer's matrix (up to "
                    f"{lost:.3g} would be lost): let it decay first"
                )
            new.psi.copy_(turn @ carried)
            behind.psi.zero_()
        activation.set_omega(omega)
        behind.weight.copy_(weight @ turn.T / constant)
    net.layers.insert(after + 1, new)
    net.activations.insert(after + 1, activation)
    net.norms.insert(after + 1, nn.Identity())
    net.train(net.training)
