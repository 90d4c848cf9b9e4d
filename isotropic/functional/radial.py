"""Isotropic forms: maps that commute with every rotation and reflection of the whole vector."""

from __future__ import annotations

import torch

from isotropic.functional._checks import require_floating, require_positive
from isotropic.functional._norms import squared_length, tanh_scale, working


def isotropic_tanh(
    x: torch.Tensor, omega: float | torch.Tensor = 0.0, dim: int = -1
) -> torch.Tensor:
    """Squash the length of each vector by tanh and keep its direction.

    ``f(x) = tanh(m)/m x`` with ``m = sqrt(||x||^2 + omega)``; without intrinsic length,
    ``f(x) = tanh(||x||) x/||x||``. Equivariant under O(n).

    Parameters
    ----------
    x : (..., n) tensor
        Vectors along ``dim``. Half precision is computed in float32 and rounded once.
    omega : float or tensor, default 0
        Squared intrinsic length, at least 0; a tensor must broadcast against the lengths.
    dim : int, default -1
        The dimension that holds the vector: 1 for the channels of a convolution's map.

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
    at the origin, where a power series of ``tanh(m)/m`` is used; the squared length must be finite.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    >>> isotropic_tanh(x)
    tensor([[0.5999, 0.7999]], dtype=torch.float64)
    """
    require_floating(x)
    require_positive("omega", omega)
    wide = working(x)
    return (tanh_scale(squared_length(wide, omega, dim)) * wide).to(x.dtype)
