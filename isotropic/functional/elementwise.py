"""Elementwise forms: one scalar function of each coordinate along a frame."""

from __future__ import annotations

import torch

from isotropic.functional._checks import require_floating


def tanh(x: torch.Tensor) -> torch.Tensor:
    """Apply tanh to each coordinate.

    ``f(x) = sum_i tanh(x . e_i) e_i``. Equivariant under signed permutations, B_n.

    Parameters
    ----------
    x : (..., n) tensor
        Any shape: the form looks at each number alone.

    Returns
    -------
    tensor
        Same shape and dtype as ``x``.

    Notes
    -----
    Emergence of quantised representations, Eqn 3.

    Examples
    --------
    >>> import torch
    >>> tanh(torch.tensor([0.0, 100.0]))
    tensor([0., 1.])
    """
    require_floating(x)
    return torch.tanh(x)
