"""Squared lengths and the scale of the isotropic tanh, without a singularity at the origin."""

from __future__ import annotations

import torch

#: Below this squared length the power series replaces tanh(m)/m; it errs by less than 4e-15 there.
SERIES_BELOW = 0.01
#: Coefficients of tanh(sqrt q)/sqrt q in powers of q, highest first.
SERIES = (-1382 / 155925, 62 / 2835, -17 / 315, 2 / 15, -1 / 3, 1.0)


def working(x: torch.Tensor) -> torch.Tensor:
    """Return ``x``, half precision widened to float32: squares overflow float16 beyond 256."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def squared_length(x: torch.Tensor, omega: float | torch.Tensor, dim: int) -> torch.Tensor:
    """Return ``||x||^2 + omega`` along ``dim``, kept as a dimension of size one."""
    q = (x * x).sum(dim, keepdim=True)
    if isinstance(omega, torch.Tensor) or omega != 0:
        q = q + omega
    return q


def tanh_scale(q: torch.Tensor) -> torch.Tensor:
    """Return ``tanh(sqrt q)/sqrt q``, analytic at zero, with all derivatives there.

    The square root is only ever taken where it is used: a ``where`` over a root of zero would
    still send infinity times zero through the gradient.
    """
    near = q < SERIES_BELOW
    length = torch.where(near, 1.0, q).sqrt()
    small = torch.where(near, q, 0.0)
    series = torch.full_like(q, SERIES[0])
    for coefficient in SERIES[1:]:
        series = series * small + coefficient
    return torch.where(near, series, length.tanh() / length)
