"""Turn hidden spaces without changing the function: diagonalisation, left-partial and full."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isotropic.adapt.checks import (
    require_dense,
    require_isotropic,
    require_layer,
    require_rotatable,
    turn_normaliser,
)
from isotropic.adapt.states import Carrier, work_dtype
from isotropic.mlp import MLP

KINDS = ("left", "full")


def signed_svd(weight: Tensor, right: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Full singular value decomposition with signs that do not depend on the library.

    Parameters
    ----------
    weight : Tensor (m, n)
        Any shape and rank.
    right : bool
        Whether the rows of ``Vh`` beyond k are wanted: they cost an n by n matrix.

    Returns
    -------
    U : Tensor (m, m)
        Orthogonal; the largest entry of each column is positive.
    S : Tensor (k,)
        Singular values, descending, k = min(m, n).
    Vh : Tensor (n, n), or (k, n) where ``right`` is false and m <= n
        Orthonormal rows; those beyond k have a positive largest entry.

    Raises
    ------
    ValueError
        When an entry is not finite.

    Notes
    -----
    Computed in float64 where the device has it. Inside equal singular values the basis is still
    LAPACK's choice; the function never depends on it.

    Examples
    --------
    >>> import torch
    >>> U, S, Vh = signed_svd(torch.tensor([[0.0, -2.0], [1.0, 0.0]]))
    >>> S.tolist(), bool((U * S @ Vh)[0, 1] == -2)
    ([2.0, 1.0], True)
    """
    if not bool(torch.isfinite(weight).all()):
        raise ValueError(
            "a matrix to be decomposed must be finite, got infinities or NaN: training diverged "
            "before"
        )
    full = right or weight.shape[0] > weight.shape[1]
    U, S, Vh = torch.linalg.svd(weight.detach().to(work_dtype(weight)), full_matrices=full)
    k = len(S)
    signs = _largest_sign(U.T)
    right_signs = torch.cat([signs[:k], _largest_sign(Vh[k:])])
    return U * signs, S, Vh * right_signs[:, None]


def rotate(
    net: nn.Module,
    layer: int,
    turn: Tensor,
    optimizer: torch.optim.Optimizer | None = None,
    approximate: bool = False,
) -> None:
    """Turn the hidden space after an affine layer, in place; the function is unchanged.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron.
    layer : int
        The affine layer whose output space turns.
    turn : Tensor (m, m)
        Orthogonal.
    optimizer : Optimizer, optional
        Its state turns along.
    approximate : bool
        Allow a parameterless BatchNorm, which passes rotations only approximately.

    Raises
    ------
    ValueError
        When the layer has no activation after it, or ``turn`` is not orthogonal.

    Notes
    -----
    ``W2 R^T f(R W1 x + R b1) = W2 f(W1 x + b1)``: adaptive-topology paper, Eqn 4.

    Examples
    --------
    >>> import torch
    >>> from isotropic import MLP
    >>> net = MLP([3, 2, 2])
    >>> rotate(net, 0, torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    """
    net = require_isotropic(net, optimizer)
    layer = require_layer(net, layer)
    require_dense(net, layer, layer + 1)
    require_rotatable(net.norms[layer], approximate)
    width = net.layers[layer].out_features
    turn = turn.detach().to(work_dtype(turn))
    eye = torch.eye(width, dtype=turn.dtype, device=turn.device)
    if turn.shape != eye.shape or not torch.allclose(turn @ turn.T, eye, rtol=0, atol=1e-5):
        raise ValueError(
            f"turn must be an orthogonal {width} by {width} matrix, got {tuple(turn.shape)} with "
            "columns that are not orthonormal: take the Q of torch.linalg.qr"
        )
    turn_hidden(net, layer, turn, Carrier(optimizer))


def turn_hidden(net: MLP, layer: int, turn: Tensor, carrier: Carrier) -> None:
    """Turn a hidden space; everything was checked before.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron.
    layer : int
        The affine layer whose output space turns.
    turn : Tensor (m, m)
        Orthogonal.
    carrier : Carrier
        Moves values and optimiser states.

    Examples
    --------
    >>> import torch
    >>> from isotropic import MLP
    >>> turn_hidden(MLP([3, 2, 2]), 0, torch.eye(2).double(), Carrier())
    """
    this, after = net.layers[layer], net.layers[layer + 1]
    carrier.rotate(this, "weight", left=turn)
    carrier.rotate(this, "bias", left=turn)
    if this.has_psi:
        carrier.rotate(this, "psi", left=turn)
    turn_normaliser(net.norms[layer], turn)
    carrier.rotate(after, "weight", right=turn.T)


def diagonalise(
    net: nn.Module,
    layer: int,
    kind: str = "left",
    optimizer: torch.optim.Optimizer | None = None,
    approximate: bool = False,
) -> Tensor:
    """Diagonalise an affine layer in place; the network computes the same function.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron.
    layer : int
        Any affine layer but the last; for ``kind="full"`` not the first either.
    kind : str
        "left" leaves ``S V^T``: orthogonal rows, longest first. "full" leaves ``S`` alone, by
        turning the hidden space before the layer as well.
    optimizer : Optimizer, optional
        SGD, Adam or AdamW; its state is carried along.
    approximate : bool
        Allow a parameterless BatchNorm, which passes rotations only approximately.

    Returns
    -------
    Tensor (m,)
        One singular value per neuron, descending; zero beyond min(m, n).

    Raises
    ------
    TypeError, ValueError
        For other networks, elementwise activations, normalisers that rotations do not pass.

    Notes
    -----
    Adaptive-topology paper, Eqns 9-13 and 21. The decomposition is done in float64.

    Examples
    --------
    >>> import torch
    >>> from isotropic import MLP
    >>> net = MLP([5, 4, 4, 3], dtype=torch.float64)
    >>> x = torch.ones(1, 5, dtype=torch.float64)
    >>> before = net(x)
    >>> _ = diagonalise(net, 1, kind="full")
    >>> bool((net(x) - before).abs().max() < 1e-12)
    True
    """
    net = require_isotropic(net, optimizer)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    layer = require_layer(net, layer, first=1 if kind == "full" else 0)
    touched = [layer - 1, layer] if kind == "full" else [layer]
    require_dense(net, *touched, layer + 1)
    for index in touched:
        require_rotatable(net.norms[index], approximate)
    weight = net.layers[layer].weight
    U, S, Vh = signed_svd(weight, right=kind == "full")
    carrier = Carrier(optimizer)
    turn_hidden(net, layer, U.T, carrier)
    exact = S.new_zeros(weight.shape)
    if kind == "full":
        turn_hidden(net, layer - 1, Vh, carrier)
        exact.diagonal()[:] = S
    else:
        exact[: len(S)] = S[:, None] * Vh[: len(S)]
    carrier.assign(net.layers[layer], "weight", exact)
    return torch.cat([S, S.new_zeros(len(U) - len(S))])


def singular_values(net: MLP, layer: int) -> Tensor:
    """Singular values of a layer, one per neuron, without touching it.

    Parameters
    ----------
    net : MLP
        Any perceptron, elementwise ones too.
    layer : int
        Index of the affine layer.

    Returns
    -------
    Tensor (m,)
        Descending; a layer wider than its input has zeros at the end: those neurons see nothing.

    Examples
    --------
    >>> from isotropic import MLP
    >>> [round(value, 6) for value in singular_values(MLP([2, 3, 1]), 0).tolist()]
    [1.0, 1.0, 0.0]
    """
    weight = net.layers[layer].matrix().detach()
    values = torch.linalg.svdvals(weight.to(work_dtype(weight)))
    return torch.cat([values, values.new_zeros(len(weight) - len(values))])


def _largest_sign(rows: Tensor) -> Tensor:
    """Sign of the entry of largest magnitude in each row, as +1 or -1."""
    places = rows.abs().argmax(1, keepdim=True)
    return torch.where(rows.gather(1, places).squeeze(1) < 0, -1.0, 1.0).to(rows)
