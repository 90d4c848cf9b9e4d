"""Diagonalise and resize the channels of convolutions, where the construction holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isotropic.adapt.chain import Link, find_link
from isotropic.adapt.rotations import signed_svd
from isotropic.adapt.starts import gradient_share, new_columns
from isotropic.adapt.states import Carrier, require_known, require_owned, work_dtype


def diagonalise_channels(
    model: nn.Module, layer: str, optimizer: torch.optim.Optimizer | None = None
) -> Tensor:
    """Turn the output channels of a convolution so that its kernels become orthogonal, in place.

    Parameters
    ----------
    model : Module
        A module that torch.fx can trace.
    layer : str
        Name of a Conv2d that feeds, through isotropic activations along the channels, average
        pooling and padding, one other Conv2d or (flattened) Linear.
    optimizer : Optimizer, optional
        SGD, Adam or AdamW; its state is carried along.

    Returns
    -------
    Tensor (channels,)
        Singular values of the unfolded kernel, one per channel, descending.

    Raises
    ------
    TypeError, ValueError
        With the reason where the construction does not hold: grouped convolutions, max pooling,
        residual sums, elementwise activations, normalisers.

    Notes
    -----
    Adaptive-topology paper, App. D, Eqns 44-47. All taps cannot be diagonal from both sides at
    once: that would take one decomposition for all of them.

    Examples
    --------
    >>> from isotropic import RadialActivation
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), RadialActivation(axis=1), nn.Conv2d(4, 2, 3))
    >>> diagonalise_channels(net, "0").shape
    torch.Size([4])
    """
    require_known(optimizer)
    require_owned(optimizer, model.parameters())
    return _diagonalise(find_link(model, layer), Carrier(optimizer))


def resize_channels(
    model: nn.Module,
    layer: str,
    channels: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Give a convolution another number of output channels, in place.

    Growth is exact. Pruning takes the channels of smallest singular value; their biases go into
    omega where the activation has one, and on average into the next bias: unlike in a perceptron
    the scalar factor differs from place to place, so with a bias this is approximate even for a
    singular value of zero.

    Parameters
    ----------
    model : Module
        A module that torch.fx can trace.
    layer : str
        Name of a Conv2d, as for :func:`diagonalise_channels`.
    channels : int
        The new number, at least 1.
    optimizer : Optimizer, optional
        SGD, Adam or AdamW; its state is carried along.
    generator : torch.Generator, optional
        Where the new outgoing kernels, .01 N(0, 1), come from.

    Raises
    ------
    TypeError, ValueError
        As :func:`diagonalise_channels`; also where pruned biases have nowhere to go.

    Examples
    --------
    >>> from isotropic import RadialActivation
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), RadialActivation(axis=1), nn.Conv2d(4, 2, 3))
    >>> resize_channels(net, "0", 6)
    >>> net[0].out_channels, net[2].in_channels
    (6, 6)
    """
    if channels < 1:
        raise ValueError(f"channels must be at least 1, got {channels}")
    require_known(optimizer)
    require_owned(optimizer, model.parameters())
    link = find_link(model, layer)
    change = channels - link.conv.out_channels
    carrier = Carrier(optimizer)
    mean = _mean_scale(link) if change < 0 else 0.0
    _diagonalise(link, carrier)
    if change > 0:
        _grow(link, change, carrier, generator)
    elif change < 0:
        _prune(link, channels, mean, carrier)
    link.conv.out_channels = channels
    if isinstance(link.after, nn.Conv2d):
        link.after.in_channels = channels
    else:
        link.after.in_features = link.after.weight.shape[1]


def _diagonalise(link: Link, carrier: Carrier) -> Tensor:
    unfolded = link.conv.weight.detach().flatten(1)
    U, S, _ = signed_svd(unfolded, right=False)
    carrier.rotate(link.conv, "weight", left=U.T)
    if link.conv.bias is not None:
        carrier.rotate(link.conv, "bias", left=U.T)
    carrier.rotate(link.after, "weight", right=U)
    values = torch.cat([S, S.new_zeros(len(U) - len(S))])
    with torch.no_grad():
        # Rows beyond the rank are zero, not rounding.
        link.conv.weight[len(S) :] = 0
    return values


def _mean_scale(link: Link) -> float:
    """Return the mean scalar factor, wherever biases may have to be moved."""
    if link.conv.bias is None or not bool((link.conv.bias != 0).any()):
        return 0.0
    activation = link.activation
    mean = None if activation is None else activation.mean_scale
    if mean is None:
        raise ValueError(
            "pruned channels have biases, whose mean effect is not known: use one "
            "RadialActivation(axis=1, track_scale=True) between the layers and run a forward in "
            "training mode first"
        )
    if link.after.bias is None:
        raise ValueError("pruned channels have biases and the next layer has none to take them")
    return mean


def _grow(link: Link, count: int, carrier: Carrier, generator: torch.Generator | None) -> None:
    conv, after = link.conv, link.after
    outgoing = after.weight.detach().flatten(1)
    per_channel = outgoing.shape[1] // conv.weight.shape[0]
    block = new_columns("normal", outgoing, count * per_channel, generator=generator)
    share = gradient_share(block, outgoing)
    kernels = conv.weight.new_zeros(count, *conv.weight.shape[1:])
    carrier.append(conv, "weight", 0, kernels, share)
    if conv.bias is not None:
        carrier.append(conv, "bias", 0, conv.bias.new_zeros(count), share)
    if isinstance(after, nn.Conv2d):
        block = block.reshape(len(outgoing), count, *after.weight.shape[2:])
    carrier.append(after, "weight", 1, block, share)


def _prune(link: Link, channels: int, mean: float, carrier: Carrier) -> None:
    conv, after = link.conv, link.after
    width = conv.weight.shape[0]
    rows = conv.weight.detach().flatten(1).norm(dim=1)
    keep = torch.argsort(rows, stable=True, descending=True)[:channels].sort().values
    gone = torch.ones(width, dtype=torch.bool, device=rows.device)
    gone[keep] = False
    outgoing = after.weight.detach().to(work_dtype(after.weight))
    blocks = outgoing.reshape(len(outgoing), width, -1)
    if conv.bias is not None:
        bias = conv.bias.detach().to(outgoing)
        activation = link.activation
        if activation is not None and activation.omega_kind != "absent":
            activation.set_omega(activation.omega + float(bias[gone].square().sum()))
        carrier.keep(conv, "bias", 0, keep)
        if after.bias is not None:
            residual = blocks[:, gone].sum(-1) @ bias[gone]
            carrier.assign(after, "bias", after.bias.detach().to(residual) + mean * residual)
    carrier.keep(conv, "weight", 0, keep)
    per_channel = after.weight.shape[1] // width
    columns = (
        keep[:, None] * per_channel + torch.arange(per_channel, device=keep.device)
    ).flatten()
    carrier.keep(after, "weight", 1, columns)
