"""Diagonalise and resize the channels of convolutions, where the construction holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isotropic.adapt.chain import Link, find_link
from isotropic.adapt.rotations import signed_svd
from isotropic.adapt.starts import gradient_share, new_columns
from isotropic.adapt.states import Carrier, require_known, require_owned, work_dtype
from isotropic.checks import require_whole

RESIDUALS = ("channel", "mean")


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
    *,
    residual: str = "channel",
) -> None:
    """Give a convolution another number of output channels, in place.

    Growth is exact. Pruning takes the channels of smallest singular value; its error is linear in
    those values and zero where they are, as in a perceptron, if nothing else is lost: what the
    pruned biases add to the next layer is their scalar factor, which differs from place to place,
    and no bias can hold that. So it needs one channel.

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
    residual : str
        What becomes of pruned biases. "channel": the weakest channels turn among themselves until
        one of them holds all their biases, and that one stays as one of the ``channels``. "mean":
        their squares go into omega, exactly, and the rest on average into the next bias: all
        ``channels`` are the strongest, and the function changes even at singular values of zero.
        Without biases the two are the same.

    Raises
    ------
    TypeError, ValueError
        As :func:`diagonalise_channels`; also where pruned biases have nowhere to go.

    Notes
    -----
    Adaptive-topology paper, App. D; the channel that holds the biases is ours.

    Examples
    --------
    >>> from isotropic import RadialActivation
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), RadialActivation(axis=1), nn.Conv2d(4, 2, 3))
    >>> resize_channels(net, "0", 6)
    >>> net[0].out_channels, net[2].in_channels
    (6, 6)
    """
    channels = require_whole("channels", channels, 1)
    if residual not in RESIDUALS:
        raise ValueError(f"residual must be one of {', '.join(RESIDUALS)}, got {residual!r}")
    require_known(optimizer)
    require_owned(optimizer, model.parameters())
    link = find_link(model, layer)
    change = channels - link.conv.out_channels
    carrier = Carrier(optimizer)
    biased = link.conv.bias is not None and bool((link.conv.bias != 0).any())
    mean = 0.0
    if change < 0 and biased:
        if residual == "mean":
            mean = _mean_scale(link)
        elif channels == 1:
            raise ValueError(
                "one channel cannot hold the pruned biases and see its input as well: keep 2, or "
                "say residual='mean'"
            )
    _diagonalise(link, carrier)
    if change > 0:
        _grow(link, change, carrier, generator)
    elif change < 0:
        if biased and residual == "channel":
            _gather_biases(link, channels - 1, carrier)
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
    """Return the mean scalar factor between the two layers."""
    activation = link.activation
    mean = None if activation is None else activation.mean_scale
    if mean is None:
        raise ValueError(
            "the mean effect of the pruned biases is not known: use one "
            "RadialActivation(axis=1, track_scale=True) between the layers and run a forward in "
            "training mode first, or say residual='channel'"
        )
    if link.after.bias is None:
        raise ValueError(
            "the next layer has no bias to take the mean effect of those that are pruned: say "
            "residual='channel'"
        )
    return mean


def _gather_biases(link: Link, first: int, carrier: Carrier) -> None:
    """Turn the channels from ``first`` on so that the bias of all but ``first`` is zero."""
    conv = link.conv
    assert conv.bias is not None
    bias = conv.bias.detach().to(work_dtype(conv.bias))
    size = torch.linalg.vector_norm(bias[first:])
    # The reflection that takes the biases to the first axis, with the sign that does not cancel.
    normal = bias[first:].clone()
    normal[0] += torch.where(normal[0] < 0, -size, size)
    length = torch.linalg.vector_norm(normal)
    if float(length) > 0:
        normal = normal / length
    turn = torch.eye(len(bias), dtype=bias.dtype, device=bias.device)
    turn[first:, first:] -= 2 * torch.outer(normal, normal)
    carrier.rotate(conv, "weight", left=turn)
    carrier.rotate(conv, "bias", left=turn)
    carrier.rotate(link.after, "weight", right=turn.T)
    with torch.no_grad():
        # Zero in exact arithmetic; what rounding left would go into omega.
        conv.bias[first + 1 :] = 0


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
    """Keep the first channels, the strongest; move what biases did into omega and the next bias."""
    conv, after = link.conv, link.after
    width = conv.weight.shape[0]
    per_channel = after.weight.shape[1] // width
    keep = torch.arange(channels, device=conv.weight.device)
    outgoing = after.weight.detach().to(work_dtype(after.weight))
    gone = outgoing.reshape(len(outgoing), width, -1)[:, channels:].sum(-1)
    if conv.bias is not None:
        bias = conv.bias.detach().to(outgoing)[channels:]
        activation = link.activation
        if activation is not None and activation.omega_kind != "absent" and bool(bias.any()):
            activation.set_omega(activation.omega + float(bias.square().sum()))
        carrier.keep(conv, "bias", 0, keep)
        if after.bias is not None and mean:
            value = after.bias.detach().to(outgoing) + mean * (gone @ bias)
            carrier.assign(after, "bias", value)
    carrier.keep(conv, "weight", 0, keep)
    columns = torch.arange(channels * per_channel, device=keep.device)
    carrier.keep(after, "weight", 1, columns)
