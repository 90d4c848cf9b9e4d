"""Squared lengths and the scale of the isotropic tanh, without a singularity at the origin."""

from __future__ import annotations

from typing import Any

import torch

#: Below this squared length a power series replaces the closed form of the slope, which cancels.
SERIES_BELOW = 0.01
#: Slope of tanh(sqrt q)/sqrt q in powers of q, highest first; errs by less than 4e-14 below 0.01.
SLOPE_SERIES = (
    6 * 21844 / 6081075,
    -5 * 1382 / 155925,
    4 * 62 / 2835,
    -3 * 17 / 315,
    2 * 2 / 15,
    -1 / 3,
)


def working(x: torch.Tensor) -> torch.Tensor:
    """Return ``x``, half precision widened to float32: squares overflow float16 beyond 256."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def squared_length(x: torch.Tensor, omega: float | torch.Tensor, dim: int) -> torch.Tensor:
    """Return ``||x||^2 + omega`` along ``dim``, kept as a dimension of size one.

    A sum that overflows counts as the largest number, and passes no gradient: infinity times the
    scale's vanishing slope would be NaN.
    """
    q = (x * x).sum(dim, keepdim=True).clamp_max(torch.finfo(x.dtype).max)
    if isinstance(omega, torch.Tensor) or omega != 0:
        q = q + omega
    return q


def tanh_scale(q: torch.Tensor) -> torch.Tensor:
    """Return ``tanh(sqrt q)/sqrt q`` for ``q >= 0``: analytic, all derivatives finite at zero."""
    # A compiler differentiates and fuses the plain formula by itself, and traces nothing else well.
    return _spelled_out(q) if torch.compiler.is_compiling() else _TanhScale.apply(q)


def _spelled_out(q: torch.Tensor) -> torch.Tensor:
    near = q < SERIES_BELOW
    small, large = torch.where(near, q, 0.0), torch.where(near, 1.0, q)
    return torch.where(near, 1 + small * _series(small, integrated=True), _closed(large))


def _series(q: torch.Tensor, *, integrated: bool = False) -> torch.Tensor:
    """Return the slope's series at ``q``, or the mean of the slope over [0, q]."""
    powers = range(len(SLOPE_SERIES), 0, -1) if integrated else [1] * len(SLOPE_SERIES)
    series = torch.zeros_like(q)
    for coefficient, power in zip(SLOPE_SERIES, powers, strict=True):
        series = series * q + coefficient / power
    return series


def _closed(q: torch.Tensor) -> torch.Tensor:
    length = q.clamp_min(torch.finfo(q.dtype).tiny).sqrt()
    return length.tanh() / length


def _slope(q: torch.Tensor) -> torch.Tensor:
    """Return the derivative of the scale, by operations that can be differentiated again.

    The closed form divides by ``q`` only where it is used: a ``where`` over a division by zero
    would still send infinity times zero through the gradient.
    """
    near = q < SERIES_BELOW
    small, large = torch.where(near, q, 0.0), torch.where(near, 1.0, q)
    scale = _closed(large)
    return torch.where(near, _series(small), (1 - scale * scale * large - scale) / (2 * large))


class _TanhScale(torch.autograd.Function):
    """The scale with its own derivative: a tape of the series would cost ten times the forward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(q: torch.Tensor) -> torch.Tensor:
        return _closed(q)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (q,) = ctx.saved_tensors
        return grad * _slope(q)
