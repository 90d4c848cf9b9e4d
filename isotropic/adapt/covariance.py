"""The eigenbasis of a layer's activations, in which BatchNorm is an exact whitening."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isotropic.adapt.checks import require_dense, require_isotropic, require_layer
from isotropic.adapt.rotations import turn_hidden
from isotropic.adapt.states import Carrier, work_dtype
from isotropic.mlp import MLP
from isotropic.modes import evaluating
from isotropic.normalise import DiagonalBatchNorm


@torch.no_grad()
def hidden_rows(net: MLP, layer: int, x: Tensor) -> Tensor:
    """Activations behind an affine layer, before its normaliser.

    Parameters
    ----------
    net : MLP
        Any perceptron; normalisers of earlier layers act as in evaluation.
    layer : int
        The affine layer.
    x : Tensor (rows, n)
        Inputs.

    Returns
    -------
    Tensor (rows, m)
        ``f(z)``.

    Examples
    --------
    >>> import torch
    >>> hidden_rows(MLP([3, 4, 2]), 0, torch.zeros(5, 3)).shape
    torch.Size([5, 4])
    """
    found: list[Tensor] = []
    handle = net.activations[layer].register_forward_hook(lambda m, a, out: found.append(out))
    try:
        with evaluating(net):
            net(x)
    finally:
        handle.remove()
    return found[0]


def running_statistics(net: MLP, layer: int) -> tuple[Tensor, Tensor, float]:
    """Find mean, variances and epsilon of the parameterless BatchNorm behind a layer.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron.
    layer : int
        The affine layer.

    Returns
    -------
    mean, variance : Tensor (m,)
        The running statistics themselves, not copies.
    eps : float
        What is added to the variances.

    Raises
    ------
    ValueError
        When there is no such BatchNorm; with the way out.

    Examples
    --------
    >>> net = MLP([3, 4, 2], normaliser=lambda n: nn.BatchNorm1d(n, affine=False))
    >>> running_statistics(net, 0)[2]
    1e-05
    """
    norm = net.norms[layer]
    if isinstance(norm, DiagonalBatchNorm):
        return norm.mean, norm.variance, norm.eps
    plain = isinstance(norm, nn.BatchNorm1d) and not norm.affine
    if plain and norm.running_mean is not None and norm.running_var is not None:
        return norm.running_mean, norm.running_var, norm.eps
    raise ValueError(
        f"layer {layer} must be followed by a BatchNorm without gain that keeps running "
        f"statistics, got {norm}: build the network with normaliser=DiagonalBatchNorm, or "
        "normaliser=lambda n: nn.BatchNorm1d(n, affine=False)"
    )


@torch.no_grad()
def diagonalise_covariance(
    net: nn.Module,
    layer: int,
    x: Tensor,
    optimizer: torch.optim.Optimizer | None = None,
) -> Tensor:
    """Turn a hidden space to the eigenbasis of its activations' covariance, in place.

    BatchNorm scales each coordinate by itself: the diagonal of a whitening. In this basis there is
    nothing beside the diagonal, and on ``x`` it is the exact whitening. That is a change of the
    function, from one approximation to the exact thing. Adapt widths before, not after.

    Parameters
    ----------
    net : MLP
        Isotropic, with parameterless BatchNorm behind the layer.
    layer : int
        Any affine layer but the last.
    x : Tensor (rows, n)
        The inputs whose covariance counts.
    optimizer : Optimizer, optional
        Its state is carried along.

    Returns
    -------
    Tensor (m,)
        Variances along the new axes, descending.

    Raises
    ------
    TypeError, ValueError
        When the network is not of that kind.

    Notes
    -----
    Adaptive-topology paper, App. B. The covariance divides by the number of rows.

    Examples
    --------
    >>> import torch
    >>> net = MLP([3, 2, 2], normaliser=lambda n: nn.BatchNorm1d(n, affine=False))
    >>> variances = diagonalise_covariance(net, 0, torch.randn(50, 3))
    >>> bool(variances[0] >= variances[1])
    True
    """
    net = require_isotropic(net, optimizer)
    layer = require_layer(net, layer)
    require_dense(net, layer, layer + 1)
    running_mean, running_variance, _ = running_statistics(net, layer)
    rows = hidden_rows(net, layer, x)
    rows = rows.to(work_dtype(rows))
    mean = rows.mean(0)
    centred = rows - mean
    _, values, turn = torch.linalg.svd(centred, full_matrices=len(rows) < rows.shape[1])
    largest = turn.gather(1, turn.abs().argmax(1, keepdim=True))
    turn = torch.where(largest < 0, -turn, turn)
    variances = mean.new_zeros(rows.shape[1])
    variances[: len(values)] = values.square() / len(rows)
    turn_hidden(net, layer, turn, Carrier(optimizer))
    running_mean.copy_(turn @ mean)
    running_variance.copy_(variances)
    return variances
