"""Elementwise forms: one scalar function of each coordinate along a frame.

``f(x) = gain sum_j psi(x . b_j) b_j`` over the rows b_j of a frame; without one, over the
coordinate axes. The symmetry is that of the frame: for an orthonormal frame the permutations of its
vectors, S_n, and with sign flips, B_n, where psi is odd.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as nnf

from isotropic.functional._checks import require_floating, require_positive
from isotropic.functional._norms import working
from isotropic.functional.frames import check_frame, coordinates, frame_gain

Gain = float | str


def along_frame(
    psi: Callable[[Tensor], Tensor], x: Tensor, frame: Tensor | None, gain: Gain, dim: int
) -> Tensor:
    """Return ``gain sum_j psi(x . b_j) b_j``, after checking ``x``."""
    require_floating(x)
    if frame is None:
        if gain not in (1.0, "tight"):
            raise ValueError(f"gain needs a frame, got gain {gain!r} and no frame")
        return psi(x)
    vectors = working(x).movedim(dim, -1)
    weights = psi(coordinates(vectors, frame)) * frame_gain(frame, gain)
    return (weights @ frame.to(weights)).movedim(-1, dim).to(x.dtype)


def tanh(x: Tensor, frame: Tensor | None = None, gain: Gain = 1.0, dim: int = -1) -> Tensor:
    """Apply tanh to each coordinate along a frame.

    ``f(x) = gain sum_j tanh(x . b_j) b_j``. Equivariant under signed permutations, B_n.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    frame : (m, n) tensor, optional
        Unit rows b_j; m may exceed n. By default the coordinate axes.
    gain : float or "tight", default 1
        Factor of the sum; ``"tight"`` is n/m, which keeps short vectors as they are if the frame
        is tight.
    dim : int, default -1
        The dimension that holds the vector; matters only with a frame.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Raises
    ------
    TypeError
        ``x`` is no tensor of real floating-point numbers.
    ValueError
        The frame has another width than the vectors.

    Notes
    -----
    Emergence of quantised representations, Eqn 3; along other frames, isotropic draft, Eqn 2. That
    the rows are unit vectors is checked by the modules, not at every call.

    Examples
    --------
    >>> tanh(torch.tensor([0.0, 100.0]))
    tensor([0., 1.])
    """
    return along_frame(torch.tanh, x, frame, gain, dim)


def sigmoid(x: Tensor, frame: Tensor | None = None, gain: Gain = 1.0, dim: int = -1) -> Tensor:
    """Apply the logistic function to each coordinate along a frame.

    ``f(x) = gain sum_j b_j/(1 + exp(-x . b_j))``. Equivariant under permutations, S_n.

    Parameters
    ----------
    x, frame, gain, dim
        See :func:`tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Isotropic draft, Eqn 2.

    Examples
    --------
    >>> sigmoid(torch.tensor([0.0, 100.0]))
    tensor([0.5000, 1.0000])
    """
    return along_frame(torch.sigmoid, x, frame, gain, dim)


def relu(x: Tensor, frame: Tensor | None = None, gain: Gain = 1.0, dim: int = -1) -> Tensor:
    """Keep the positive coordinates along a frame.

    ``f(x) = gain sum_j max(x . b_j, 0) b_j``. Equivariant under permutations, S_n.

    Parameters
    ----------
    x, frame, gain, dim
        See :func:`tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Isotropic draft, Eqn 2.

    Examples
    --------
    >>> relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return along_frame(torch.relu, x, frame, gain, dim)


def leaky_relu(
    x: Tensor,
    slope: float = 0.01,
    frame: Tensor | None = None,
    gain: Gain = 1.0,
    dim: int = -1,
) -> Tensor:
    """Keep the positive coordinates along a frame and shrink the negative ones.

    ``f(x) = gain sum_j max(slope x . b_j, x . b_j) b_j``. Equivariant under permutations, S_n.

    Parameters
    ----------
    x, frame, gain, dim
        See :func:`tanh`.
    slope : float, default 0.01
        Of the negative side, at least 0.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Emergence of quantised representations, Eqn 6, whose maximum presumes a slope of at most 1.

    Examples
    --------
    >>> leaky_relu(torch.tensor([-1.0, 2.0]))
    tensor([-0.0100,  2.0000])
    """
    require_positive("slope", slope)
    return along_frame(lambda c: nnf.leaky_relu(c, slope), x, frame, gain, dim)


__all__ = ["along_frame", "check_frame", "leaky_relu", "relu", "sigmoid", "tanh"]
