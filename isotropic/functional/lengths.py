"""Isotropic forms: maps that commute with every rotation and reflection of the whole vector.

All take vectors along ``dim`` (-1, or 1 for the channels of a convolution's map) and a squared
intrinsic length ``omega``: ``f(x) = sigma(m)/m x`` with ``m = sqrt(||x||^2 + omega)``, which for
``omega = 0`` is ``sigma(||x||) x/||x||``. Half precision is computed in float32 and rounded once.
Squares overflow beyond 1e154 in float64, 1e19 in float32: forms that leave such vectors alone but
for rounding (`scaled`) take them to be that long, those that do not (`squashed`) shrink them first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from isotropic.functional import scales
from isotropic.functional._checks import require_floating, require_positive
from isotropic.functional._norms import shrunk, squared_length, tanh_scale, working

Omega = float | Tensor


def scaled(scale: Callable[..., Tensor], x: Tensor, omega: Omega, dim: int, **shape: Any) -> Tensor:
    """Return ``scale(||x||^2 + omega) x``, after checking ``x`` and ``omega``."""
    require_floating(x)
    require_positive("omega", omega)
    wide = working(x)
    return (scale(squared_length(wide, omega, dim), **shape) * wide).to(x.dtype)


def squashed(
    scale: Callable[[Tensor, Tensor], Tensor], x: Tensor, omega: Omega, dim: int
) -> Tensor:
    """Return ``sigma(m)/m x`` for profiles that matter at every length, however long.

    ``scale`` takes ``c^2 m^2`` and ``c``, the factor by which a vector was shrunk for its square
    not to overflow, and returns ``sigma(m)/(c m)``.
    """
    require_floating(x)
    require_positive("omega", omega)
    near, q, c = shrunk(working(x), omega, dim)
    return (scale(q, c) * near).to(x.dtype)


def isotropic_tanh(x: Tensor, omega: Omega = 0.0, dim: int = -1) -> Tensor:
    """Squash the length of each vector by tanh and keep its direction.

    ``f(x) = tanh(m)/m x`` with ``m = sqrt(||x||^2 + omega)``. Equivariant under O(n).

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    omega : float or tensor, default 0
        Squared intrinsic length, at least 0; a tensor must broadcast against the lengths.
    dim : int, default -1
        The dimension that holds the vector.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Raises
    ------
    TypeError
        ``x`` is no tensor of real floating-point numbers.
    ValueError
        ``omega`` is a negative number.

    Notes
    -----
    Emergence of quantised representations, Eqn 4; with omega, adaptive topologies, Eqn 16. Smooth
    everywhere.

    Examples
    --------
    >>> import torch
    >>> isotropic_tanh(torch.tensor([[3.0, 4.0]], dtype=torch.float64))
    tensor([[0.5999, 0.7999]], dtype=torch.float64)
    """
    # Where a vector had to be shrunk, tanh of its length is 1, shrunk or not.
    return squashed(lambda q, c: tanh_scale(q), x, omega, dim)


def isotropic_leaky_relu(
    x: Tensor, slope: float = 0.01, radius: float = 1.0, omega: Omega = 0.0, dim: int = -1
) -> Tensor:
    """Shrink vectors inside a ball by a slope, and move those outside inwards by a constant.

    ``f(x) = slope x`` for ``m < radius``, else ``x - (1 - slope) radius x/m``. Equivariant under
    O(n), continuous, with a kink on the sphere.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    slope, radius : float, default 0.01 and 1
        Slope inside the ball, at least 0, and its radius, above 0.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Emergence of quantised representations, Eqn 7, whose print lacks the direction in
    ``x - (1 - alpha) epsilon``; continuity and equivariance require it.

    Examples
    --------
    >>> import torch
    >>> isotropic_leaky_relu(torch.tensor([[0.0, 0.5], [0.0, 3.0]]))
    tensor([[0.0000, 0.0050],
            [0.0000, 2.0100]])
    """
    require_positive("slope", slope)
    require_positive("radius", radius, zero=False)
    return scaled(scales.leaky_relu_scale, x, omega, dim, slope=slope, radius=radius)


def isotropic_relu(x: Tensor, radius: float = 1.0, omega: Omega = 0.0, dim: int = -1) -> Tensor:
    """Send vectors inside a ball to zero, and move those outside inwards by its radius.

    ``f(x) = max(m - radius, 0) x/m``. Equivariant under O(n). Without the radius this would be the
    identity, since lengths are never negative.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    radius : float, default 1
        Of the ball, above 0.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    The isotropic leaky-ReLU with slope 0. No gradient passes inside the ball.

    Examples
    --------
    >>> import torch
    >>> isotropic_relu(torch.tensor([[0.0, 0.5], [0.0, 3.0]]))
    tensor([[0.0000, 0.0000],
            [0.0000, 2.0000]])
    """
    require_positive("radius", radius, zero=False)
    return scaled(scales.leaky_relu_scale, x, omega, dim, slope=0.0, radius=radius)


def isotropic_log1p(x: Tensor, omega: Omega = 0.0, dim: int = -1) -> Tensor:
    """Compress each vector's length logarithmically.

    ``f(x) = log(1 + m)/m x``. Equivariant under O(n); unbounded; once differentiable at zero, since
    ``log(1 + r)`` is not odd.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    From the author's convolution sketches.

    Examples
    --------
    >>> import torch
    >>> isotropic_log1p(torch.tensor([[0.0, 1.0]]))
    tensor([[0.0000, 0.6931]])
    """
    return squashed(scales.log1p_scale, x, omega, dim)


def isotropic_gelu(x: Tensor, omega: Omega = 0.0, dim: int = -1) -> Tensor:
    """Apply GELU to each vector's length: ``f(x) = Phi(m) x``.

    Equivariant under O(n); once differentiable at zero, since GELU is not odd.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Reported by third parties to need learning rates below about 3e-3.

    Examples
    --------
    >>> import torch
    >>> isotropic_gelu(torch.tensor([[0.0, 1.0]]))
    tensor([[0.0000, 0.8413]])
    """
    return scaled(scales.gelu_scale, x, omega, dim)


def isotropic_silu(x: Tensor, omega: Omega = 0.0, dim: int = -1) -> Tensor:
    """Apply SiLU to each vector's length: ``f(x) = x/(1 + exp(-m))``.

    Equivariant under O(n); once differentiable at zero, since SiLU is not odd.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Reported by third parties to need learning rates below about 3e-3.

    Examples
    --------
    >>> import torch
    >>> isotropic_silu(torch.tensor([[0.0, 1.0]]))
    tensor([[0.0000, 0.7311]])
    """
    return scaled(scales.silu_scale, x, omega, dim)


def isotropic_softplus(x: Tensor, omega: Omega = 0.0, dim: int = -1) -> Tensor:
    """Apply softplus to each vector's length: ``f(x) = softplus(m)/m x``.

    Equivariant under O(n). Discontinuous at zero without intrinsic length: short vectors come out
    with length log 2, and zero as zero (in float32 all below 3e-8, where the slopes overflow).

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Reported by third parties; kept for comparison, not recommended.

    Examples
    --------
    >>> import torch
    >>> isotropic_softplus(torch.tensor([[0.0, 1e-6]]))
    tensor([[0.0000, 0.6931]])
    """
    return scaled(scales.softplus_scale, x, omega, dim)


def isotropic_hyperbola(
    x: Tensor, radius: float = 1.0, omega: Omega = 0.0, dim: int = -1
) -> Tensor:
    """Bend lengths along a hyperbola: a radial ReLU without a kink.

    ``f(x) = (sqrt(m^2 + radius^2) - radius) x/m``. Equivariant under O(n); once differentiable at
    zero, since the profile is not odd. Vectors whose slopes would overflow, in float32 all below
    4e-12, come out as zero.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    radius : float, default 1
        How far long vectors are moved inwards, above 0.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Ours: the paper asks for "a smoother function" and gives none.

    Examples
    --------
    >>> import torch
    >>> isotropic_hyperbola(torch.tensor([[0.0, 1.0]]))
    tensor([[0.0000, 0.4142]])
    """
    require_positive("radius", radius, zero=False)
    return scaled(scales.hyperbola_scale, x, omega, dim, radius=radius)


def isotropic_soft_relu(
    x: Tensor, radius: float = 1.0, sharpness: float = 4.0, omega: Omega = 0.0, dim: int = -1
) -> Tensor:
    """Soften the radial ReLU's kink by a shifted softplus of the length.

    ``sigma(m) = (softplus(k (m - R)) - softplus(-k R))/k`` and ``f(x) = sigma(m)/m x``. Equivariant
    under O(n); once differentiable at zero, since the profile is not odd.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``.
    radius, sharpness : float, default 1 and 4
        R and k, above 0; a large k gives the radial ReLU.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Ours: the paper asks for "a smoother function" and gives none.

    Examples
    --------
    >>> import torch
    >>> isotropic_soft_relu(torch.tensor([[0.0, 3.0]]))
    tensor([[0.0000, 1.9955]])
    """
    require_positive("radius", radius, zero=False)
    require_positive("sharpness", sharpness, zero=False)
    return scaled(scales.soft_relu_scale, x, omega, dim, radius=radius, sharpness=sharpness)
