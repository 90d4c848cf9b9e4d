"""The wider elementwise network: the baseline that growth of isotropic layers is compared with."""

from __future__ import annotations

import torch
from torch import nn

from isotropic.adapt.checks import require_layer
from isotropic.checks import require_whole
from isotropic.draws import drawn_on, normal
from isotropic.mlp import MLP


@torch.no_grad()
def widen_elementwise(
    net: nn.Module,
    layer: int,
    width: int,
    noise: float = 0.0,
    generator: torch.Generator | None = None,
) -> None:
    """Widen a hidden layer of an elementwise network by duplicating neurons, in place.

    Make a new optimiser afterwards.

    Parameters
    ----------
    net : MLP
        An elementwise perceptron without a normaliser behind the layer: "tanh", "relu" or another
        one but "parity-leaky-relu".
    layer : int
        Any affine layer but the last.
    width : int
        The new width, at least the present one.
    noise : float
        Standard deviation of noise on the copies' incoming rows, which breaks their symmetry and
        the exactness; 0 keeps the function.
    generator : torch.Generator, optional
        Which neurons are copied, and the noise.

    Raises
    ------
    ValueError
        Where duplicates would change the function: the norm that an isotropic activation acts on,
        the sign of the product in "parity-leaky-relu", what a normaliser takes over the neurons.

    Notes
    -----
    Net2WiderNet, adaptive-topology paper, Eqn 53: the baseline for :func:`grow`.

    Examples
    --------
    >>> net = MLP([4, 3, 2], activation="tanh")
    >>> widen_elementwise(net, 0, 5)
    >>> net.widths
    [4, 5, 2]
    """
    if not isinstance(net, MLP):
        raise TypeError(f"only an isotropic.MLP can be widened, got {type(net).__name__}")
    if net.is_isotropic:
        raise ValueError(
            f"duplicated neurons change the norm that {net.activation!r} acts on: use adapt.grow"
        )
    if net.activation == "parity-leaky-relu":
        raise ValueError(
            f"{net.activation!r} goes by the sign of a product over all neurons, which duplicates "
            "change: build the network with another elementwise activation, 'tanh' say"
        )
    layer = require_layer(net, layer)
    norm = net.norms[layer]
    if not isinstance(norm, nn.Identity):
        raise ValueError(
            f"{type(norm).__name__} behind layer {layer} goes by all neurons, and duplicates would "
            "count twice: build the network without a normaliser"
        )
    this, behind = net.layers[layer], net.layers[layer + 1]
    present = this.out_features
    width = require_whole("width", width)
    if width < present:
        raise ValueError(f"width must be at least the present {present}, got {width}")
    device = this.weight.device
    place = drawn_on(generator, device)
    chosen = torch.randint(present, (width - present,), generator=generator, device=place)
    source = torch.cat([torch.arange(present, device=device), chosen.to(device)])
    copies = torch.bincount(source, minlength=present).to(this.weight)
    rows = this.weight[source]
    if noise and width > present:
        shape = (width - present, this.in_features)
        draw = normal(*shape, generator=generator, dtype=torch.get_default_dtype(), device=device)
        rows[present:] += noise * draw.to(rows)
    this.weight = nn.Parameter(rows)
    this.bias = nn.Parameter(this.bias[source])
    behind.weight = nn.Parameter((behind.weight / copies)[:, source])
    this.out_features = behind.in_features = width
