"""What every adaptation asks of a network before it touches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from isotropic.adapt.states import require_known, require_owned
from isotropic.checks import require_whole
from isotropic.mlp import MLP
from isotropic.normalise import L2Norm, MeanNorm

# Normalisers that a rotation passes say so by their group; these are torch's own that it does not.
_REASONS: tuple[tuple[type[nn.Module], str], ...] = (
    (
        nn.LayerNorm,
        "LayerNorm subtracts the mean over the neurons, which distinguishes the direction "
        "(1, ..., 1): use the weighted-mean LayerNorm, whose direction rotates along",
    ),
    (
        nn.RMSNorm,
        "RMSNorm's gain per neuron distinguishes the neurons: make it without "
        "(elementwise_affine=False)",
    ),
    (
        nn.BatchNorm1d,
        "BatchNorm scales each neuron by itself: make it with affine=False, and use "
        "adapt.diagonalise_covariance to choose the basis in which it is exact",
    ),
    (nn.Dropout, "dropout of single neurons is not the same in a rotated basis"),
)


def require_isotropic(net: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> MLP:
    """Refuse anything but an isotropic perceptron.

    Parameters
    ----------
    net : Module
        What the user gave.
    optimizer : Optimizer, optional
        Must be of a known kind and hold this network's parameters.

    Returns
    -------
    MLP
        The same network.

    Raises
    ------
    TypeError, ValueError
        With the reason.

    Examples
    --------
    >>> require_isotropic(MLP([2, 2]))
    MLP(...
    """
    require_known(optimizer)
    if not isinstance(net, MLP):
        raise TypeError(
            f"widths are adapted in an isotropic.MLP, got {type(net).__name__}: another forward "
            "may add residual sums or pooling that rotations do not pass (for a plain chain of "
            "convolutions see adapt.diagonalise_channels)"
        )
    if not net.is_isotropic:
        raise ValueError(
            f"the activation must commute with rotations, but {net.activation!r} acts on each "
            "neuron by itself: build the network with 'isotropic-tanh', or widen it with "
            "adapt.widen_elementwise"
        )
    require_owned(optimizer, net.parameters())
    return net


def require_layer(net: MLP, layer: int, first: int = 0) -> int:
    """Refuse a layer that is not one of the affine layers before the last.

    Parameters
    ----------
    net : MLP
        The network.
    layer : int
        Index of an affine layer, from 0; negative ones count from the end.
    first : int
        The smallest index allowed.

    Returns
    -------
    int
        The index, counted from 0.

    Raises
    ------
    ValueError
        When it does not exist or is the last.

    Examples
    --------
    >>> require_layer(MLP([2, 2, 2]), 0)
    0
    """
    index = require_whole("layer", layer)
    index = index + net.depth if index < 0 else index
    if net.depth - 2 < first:
        raise ValueError(
            f"a network with {net.depth} affine layers has none that could be turned here: it "
            f"takes {first + 2}, the last of which stays"
        )
    if not first <= index <= net.depth - 2:
        raise ValueError(
            f"layer must lie in {first} ... {net.depth - 2} (the last affine layer, "
            f"{net.depth - 1}, has no activation after it), got {layer}"
        )
    return index


def require_dense(net: MLP, *layers: int) -> None:
    """Refuse layers that are stored in factors.

    Parameters
    ----------
    net : MLP
        The network.
    *layers : int
        Indices.

    Raises
    ------
    ValueError
        When one of them is not dense.

    Examples
    --------
    >>> require_dense(MLP([2, 2]), 0)
    """
    for layer in layers:
        form = net.layers[layer].form
        if form != "dense":
            raise ValueError(
                f"layer {layer} must be dense to be changed, but it is {form}: call "
                f"adapt.densify(net, {layer}) first"
            )


def require_resizable(net: MLP, layer: int, change: int) -> None:
    """Refuse what cannot change width: factored layers, normalisers that know the width.

    Parameters
    ----------
    net : MLP
        The network.
    layer : int
        The layer.
    change : int
        By how much; 0 asks nothing of a normaliser.

    Raises
    ------
    ValueError
        With the reason.

    Examples
    --------
    >>> require_resizable(MLP([2, 2, 2]), 0, 1)
    """
    require_dense(net, layer, layer + 1)
    norm = net.norms[layer]
    if change == 0 or isinstance(norm, nn.Identity | MeanNorm):
        return
    if change > 0 and type(norm) is L2Norm:
        return
    raise ValueError(
        f"{type(norm).__name__} behind layer {layer} does not let its width change: a new "
        "coordinate has no variance to divide by or changes the mean over coordinates, and a "
        "pruned one takes its share of the norm along; MeanNorm does"
    )


def require_carried_psi(net: MLP, layer: int, neurons: Sequence[int] | None = None) -> None:
    """Refuse to prune neurons whose psi has not decayed unless its mean effect is known.

    Parameters
    ----------
    net : MLP
        The network.
    layer : int
        The layer to be pruned.
    neurons : sequence of int, optional
        Which neurons; all by default.

    Raises
    ------
    ValueError
        With the way out.

    Examples
    --------
    >>> require_carried_psi(MLP([2, 2, 2]), 0)
    """
    this = net.layers[layer]
    if this.has_psi:
        psi = this.psi.detach().abs()
        largest = float((psi if neurons is None else psi[list(neurons)]).max())
        if largest > 0 and net.activations[layer - 1].mean_scale is None:
            raise ValueError(
                f"psi of layer {layer} has not decayed (largest entry {largest:.3g}) and its mean "
                "effect is not known: call net.measure(inputs) first, so that it is carried over"
            )
    if net.psi_kind == "expectation" and net.activations[layer].mean_scale is None:
        raise ValueError(
            f"psi='expectation' needs the mean scalar factor of layer {layer}: train, or call "
            "net.measure(inputs) first"
        )


def require_unnormalised(net: MLP, layer: int) -> None:
    """Refuse new biases where a normaliser would divide by a norm that they add to.

    Parameters
    ----------
    net : MLP
        The network.
    layer : int
        The layer to be grown.

    Raises
    ------
    ValueError
        With the way out.

    Examples
    --------
    >>> require_unnormalised(MLP([2, 2, 2]), 0)
    """
    norm = net.norms[layer]
    if not isinstance(norm, nn.Identity):
        raise ValueError(
            f"{type(norm).__name__} behind layer {layer} divides by a norm that new biases add to: "
            "use biases='zero'"
        )


def require_rotatable(norm: nn.Module, approximate: bool = False) -> None:
    """Refuse a normaliser that rotations do not pass.

    Parameters
    ----------
    norm : Module
        A module between an activation and the next layer.
    approximate : bool
        Whether a parameterless BatchNorm may turn its variances as a diagonal.

    Raises
    ------
    ValueError
        With the reason.

    Examples
    --------
    >>> require_rotatable(nn.Identity())
    """
    group = getattr(norm, "group", None)
    if isinstance(norm, nn.Identity) or group == "O(n)":
        return
    if isinstance(norm, nn.RMSNorm) and not norm.elementwise_affine:
        return
    diagonal = group == "B_n" and hasattr(norm, "rotate")
    if diagonal or (isinstance(norm, nn.BatchNorm1d) and not norm.affine):
        if approximate:
            return
        raise ValueError(
            f"{type(norm).__name__} between the layers passes a rotation only approximately, as "
            "the diagonal of a whitening: say approximate=True, or see "
            "adapt.diagonalise_covariance"
        )
    for kind, reason in _REASONS:
        if isinstance(norm, kind):
            raise ValueError(f"{type(norm).__name__} between the layers: {reason}")
    raise ValueError(
        f"{type(norm).__name__} between the layers is not known to commute with rotations: if "
        "it does, give it the attribute group = 'O(n)', and a method rotate(turn) that turns "
        "what it holds"
    )


@torch.no_grad()
def turn_normaliser(norm: nn.Module, turn: torch.Tensor) -> None:
    """Turn the statistics and directions of a normaliser along with its hidden space.

    Parameters
    ----------
    norm : Module
        One that :func:`require_rotatable` let pass.
    turn : Tensor (n, n)
        Orthogonal.

    Examples
    --------
    >>> import torch
    >>> norm = nn.BatchNorm1d(2, affine=False)
    >>> turn_normaliser(norm, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    """
    rotate: Any = getattr(norm, "rotate", None)
    if rotate is not None:
        rotate(turn)
    elif isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None:
        mean: torch.Tensor = norm.running_mean
        variance: Any = norm.running_var
        mean.copy_(turn @ mean.to(turn))
        # A rank-two quantity of which only the diagonal is kept (paper, App. B).
        variance.copy_(turn.square() @ variance.to(turn))
