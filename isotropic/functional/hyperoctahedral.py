"""Leaky-ReLUs between elementwise and isotropic: hyperoctahedral, and of global parity."""

from __future__ import annotations

import torch
from torch import Tensor

from isotropic.functional._checks import require_floating, require_positive
from isotropic.functional._norms import working


def hyperoctahedral_leaky_relu(x: Tensor, slope: float = 0.01, radius: float = 1.0) -> Tensor:
    """Shrink small coordinates by a slope, and move large ones inwards by a constant.

    ``f(x)_i = slope x_i`` for ``|x_i| < radius``, else ``x_i - (1 - slope) radius sign(x_i)``.
    Equivariant under signed permutations, B_n; continuous.

    Parameters
    ----------
    x : (..., n) tensor
        Any shape: the form looks at each number alone.
    slope, radius : float, default 0.01 and 1
        Slope between the thresholds, at least 0; the threshold, above 0.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Emergence of quantised representations, Eqns 8 and 9.

    Examples
    --------
    >>> hyperoctahedral_leaky_relu(torch.tensor([-3.0, 0.5, 3.0]))
    tensor([-2.0100,  0.0050,  2.0100])
    """
    _check(x, slope, radius)
    wide = working(x)
    inside = wide.clamp(-radius, radius)
    return (slope * inside + (wide - inside)).to(x.dtype)


def max_norm_leaky_relu(
    x: Tensor, slope: float = 0.01, radius: float = 1.0, dim: int = -1
) -> Tensor:
    """Shrink vectors inside a cube by a slope, and move those outside inwards by a constant.

    ``f(x) = slope x`` for ``max|x_i| < radius``, else ``x - (1 - slope) radius x/max|x_i|``.
    Equivariant under signed permutations, B_n; continuous.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    slope, radius : float, default 0.01 and 1
        Slope inside the cube, at least 0; half its side, above 0.
    dim : int, default -1
        The dimension that holds the vector.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Emergence of quantised representations, Eqn 10.

    Examples
    --------
    >>> max_norm_leaky_relu(torch.tensor([[-3.0, 1.5], [20.0, 10.0]]))
    tensor([[-2.0100,  1.0050],
            [19.0100,  9.5050]])
    """
    _check(x, slope, radius)
    wide = working(x)
    # Beyond the root of the largest number the second term is below rounding, and its slope times
    # a sum that overflows would be NaN.
    largest = wide.abs().amax(dim, keepdim=True).clamp_max(torch.finfo(wide.dtype).max ** 0.5)
    inside = largest < radius
    safe = torch.where(inside, 1.0, largest)
    return (torch.where(inside, slope, 1 - (1 - slope) * radius / safe) * wide).to(x.dtype)


def parity_leaky_relu(x: Tensor, slope: float = 0.01, dim: int = -1) -> Tensor:
    """Keep vectors with an even number of negative coordinates, and shrink the others.

    ``f(x) = x`` if ``prod_i sign(x_i) >= 0``, else ``slope x``. Equivariant under permutations with
    an even number of sign flips, D_n. Discontinuous wherever a coordinate changes sign.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    slope : float, default 0.01
        Of the odd orthants, at least 0.
    dim : int, default -1
        The dimension that holds the vector.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Emergence of quantised representations, footnote 11: "failed to train in all cases".

    Examples
    --------
    >>> parity_leaky_relu(torch.tensor([[-1.0, -2.0], [-1.0, 2.0]]))
    tensor([[-1.0000, -2.0000],
            [-0.0100,  0.0200]])
    """
    _check(x, slope, 1.0)
    odd = x.sign().prod(dim, keepdim=True) < 0
    return torch.where(odd, slope * x, x)


def _check(x: Tensor, slope: float, radius: float) -> None:
    require_floating(x)
    require_positive("slope", slope)
    require_positive("radius", radius, zero=False)
