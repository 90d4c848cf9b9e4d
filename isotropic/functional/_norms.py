"""Squared lengths and the scale of the isotropic tanh, without a singularity at the origin."""

from __future__ import annotations

from typing import Any

import torch

#: Below this squared length a power series replaces the closed form of the slope, which cancels.
SERIES_BELOW = 0.01
#: Beyond this squared length sech^2 is below the rounding of the scale.
SATURATED = 400.0
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


def shrunk(
    x: torch.Tensor, omega: float | torch.Tensor, dim: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ``c x``, ``c^2 (||x||^2 + omega)`` and ``c <= 1``, below 1 where squares overflow.

    An infinite component counts as the largest number. The factor passes no gradient, and need not:
    a form written in ``c x`` and ``m = ||c x||/c`` is the same function for every c.
    """
    largest = torch.finfo(x.dtype).max
    near = largest**0.2 / 2**4  # second derivatives fall with the fifth power of the length
    x = x.clamp(-largest, largest)
    total = torch.linalg.vector_norm(x.detach(), 1, dim, keepdim=True)
    c = near / total.clamp(near, largest)
    x = x * c
    q = (x * x).sum(dim, keepdim=True)
    if isinstance(omega, torch.Tensor) or omega != 0:
        q = q + omega * c * c
    return x, q, c


def unit(x: torch.Tensor) -> torch.Tensor:
    """Return each vector of ``x (..., n)`` over its length, zero as zero.

    Squares of long and short vectors overflow and vanish: the largest component becomes 1 first.
    Below the smallest normal number, where slopes would overflow, all counts as zero.
    """
    peak = x.detach().abs().amax(-1, keepdim=True)
    zero = peak < torch.finfo(x.dtype).tiny
    x = x / torch.where(zero, 1.0, peak)
    q = (x * x).sum(-1, keepdim=True)
    return x / torch.where(zero, 1.0, q).sqrt()


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


def _slope(q: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return the derivative of ``scale``, by operations that can be differentiated again.

    Each branch sees only numbers that suit it: a ``where`` over a division by zero would still send
    infinity times zero through the gradient.
    """
    small, large = q.clamp_max(SERIES_BELOW), q.clamp_min(SERIES_BELOW)
    # sech^2, exactly: far out, where it is below rounding, 1 - tanh^2 is nothing but rounding
    falling = torch.where(q > SATURATED, 0.0, 1 - scale * scale * large)
    closed = (falling - scale) / (2 * large)
    return torch.where(q < SERIES_BELOW, _series(small), closed)


class _TanhScale(torch.autograd.Function):
    """The scale with its own derivative: a tape of the series would cost ten times the forward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(q: torch.Tensor) -> torch.Tensor:
        return _closed(q)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * _slope(*ctx.saved_tensors)

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor) -> torch.Tensor:
        return tangent * _slope(*ctx.saved_tensors)
