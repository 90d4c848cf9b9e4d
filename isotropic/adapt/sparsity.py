"""Every second layer diagonal: the same function with up to half the parameters."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from isotropic.adapt.checks import require_dense, require_isotropic, require_rotatable
from isotropic.adapt.forms import replace_form
from isotropic.adapt.rotations import diagonalise, turn_hidden
from isotropic.adapt.states import Carrier, work_dtype
from isotropic.mlp import MLP


def sparsify(net: nn.Module, triangular: bool = False) -> MLP:
    """Return an equivalent network whose layers 1, 3, 5, ... are diagonal.

    Their forward is a Hadamard product. First and last layer stay dense.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron; it is left as it is.
    triangular : bool
        In even depth one hidden basis is left over; spend it on making the last interior dense
        layer upper triangular, which saves another n (n - 1) / 2 parameters.

    Returns
    -------
    MLP
        A new network. Make a new optimiser if you train it.

    Raises
    ------
    TypeError, ValueError
        As :func:`diagonalise`.

    Notes
    -----
    Adaptive-topology paper, Sec. 2.2.1. Two adjacent layers cannot both be diagonal: the second
    decomposition mixes the first again. The triangular form is ours.

    Examples
    --------
    >>> net = MLP([6, 5, 5, 3])
    >>> [layer.form for layer in sparsify(net).layers]
    ['dense', 'diagonal', 'dense']
    """
    net = require_isotropic(net)
    require_dense(net, *range(net.depth))
    for norm in net.norms:
        require_rotatable(norm)
    sparse = copy.deepcopy(net)
    for layer in range(1, net.depth - 1, 2):
        values = diagonalise(sparse, layer, "full")
        diagonal: Any = replace_form(sparse, layer, "diagonal")
        with torch.no_grad():
            diagonal.singular.copy_(values[: len(diagonal.singular)])
    if triangular and net.depth % 2 == 0:
        _triangularise(sparse, net.depth - 2)
    return sparse


def count_parameters(net: nn.Module) -> int:
    """Count the numbers a network stores: parameters, and constant omega and psi.

    Parameters
    ----------
    net : Module
        Any network.

    Returns
    -------
    int
        The count.

    Examples
    --------
    >>> count_parameters(MLP([2, 3, 1]))   # 9 + 4, omega, psi
    15
    """
    constants = sum(
        buffer.numel()
        for name, buffer in net.named_buffers()
        if name.endswith(("psi", "log_omega"))
    )
    return constants + sum(parameter.numel() for parameter in net.parameters())


def nonzero_parameters(net: nn.Module, tolerance: float = 1e-4) -> int:
    """Count the parameters beyond a tolerance, as the paper's table does.

    Parameters
    ----------
    net : Module
        Any network.
    tolerance : float
        At or below it a parameter counts as zero.

    Returns
    -------
    int
        The count.

    Examples
    --------
    >>> nonzero_parameters(MLP([1, 1, 1], omega="absent", psi="absent"))   # biases are zero
    2
    """
    return sum(
        int(torch.count_nonzero(parameter.detach().abs() > tolerance))
        for parameter in net.parameters()
    )


def retained_fraction(
    width: int, depth: int, extras: bool = False, triangular: bool = False
) -> float:
    """Compute the fraction of parameters that sparsifying a network of constant width keeps.

    Parameters
    ----------
    width : int
        n, of input, output and every hidden layer.
    depth : int
        L, the number of affine layers, at least 2.
    extras : bool
        Whether omega (1) and psi (n) are counted, once per hidden layer.
    triangular : bool
        Whether the basis left over in even depth is spent as well.

    Returns
    -------
    float
        Between one half and 1.

    Raises
    ------
    ValueError
        For a depth below 2 or a width below 1.

    Notes
    -----
    Adaptive-topology paper, Eqns 14 and 15; with extras 55 and 56, which we read with L - 1 psi
    vectors, as its code has them.

    Examples
    --------
    >>> [round(retained_fraction(1000, depth), 4) for depth in (3, 4, 5, 101)]
    [0.6673, 0.7505, 0.6008, 0.5059]
    """
    if width < 1 or depth < 2:
        raise ValueError(f"width must be at least 1 and depth at least 2, got {width} and {depth}")
    dense = width**2 + width
    diagonal = (depth - 1) // 2
    kept = (depth - diagonal) * dense + diagonal * 2 * width
    if triangular and depth % 2 == 0:
        kept -= width * (width - 1) // 2
    more = (depth - 1) * (width + 1) if extras else 0
    return (kept + more) / (depth * dense + more)


def _triangularise(net: MLP, layer: int) -> None:
    weight = net.layers[layer].weight
    Q, T = _signed_qr(weight)
    turn_hidden(net, layer, Q.T, Carrier())
    form: Any = replace_form(net, layer, "triangular")
    with torch.no_grad():
        form.packed.copy_(T[form.places[0], form.places[1]])


def _signed_qr(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Full QR with a diagonal that is not negative, whatever the library prefers."""
    Q, T = torch.linalg.qr(weight.detach().to(work_dtype(weight)), mode="complete")
    signs = torch.ones(len(Q), dtype=Q.dtype, device=Q.device)
    diagonal = T.diagonal()
    signs[: len(diagonal)] = torch.where(diagonal < 0, -1.0, 1.0).to(Q)
    return Q * signs, T * signs[:, None]
