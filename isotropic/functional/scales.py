"""Radial scales: the factor s(q) of an isotropic form f(x) = s(||x||^2 + omega) x.

Each takes squared lengths ``q >= 0`` and returns ``sigma(m)/m`` with ``m = sqrt q``, with the limit
at zero. Square roots and divisions see zero nowhere: a ``where`` over a singular branch would still
send infinity times zero through the gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from isotropic.functional._norms import tanh_scale

__all__ = [
    "gelu_scale",
    "hyperbola_scale",
    "leaky_relu_scale",
    "log1p_scale",
    "silu_scale",
    "soft_relu_scale",
    "softplus_scale",
    "tanh_scale",
]

#: Beyond this, log1p(exp(t)) equals t in double precision.
SATURATED = 40.0


def length(q: Tensor) -> tuple[Tensor, Tensor]:
    """Return where ``sqrt q`` is below rounding, and ``sqrt q``, replaced by 1 there.

    So near to zero the limit of a scale is the scale, and its slope would overflow.
    """
    zero = q < torch.finfo(q.dtype).eps ** 2
    return zero, torch.where(zero, 1.0, q).sqrt()


def unshrunk(m: Tensor, shrink: float | Tensor) -> Tensor:
    """Return the lengths ``m/c`` of vectors that were shrunk by c, at most the largest number."""
    return (m / shrink).clamp_max(torch.finfo(m.dtype).max)


def leaky_relu_scale(q: Tensor, slope: float = 0.01, radius: float = 1.0) -> Tensor:
    """Return ``slope`` inside the ball of ``radius``, ``1 - (1 - slope) radius/m`` outside."""
    inside = q.detach().sqrt() < radius  # not q < radius^2, which vanishes with a short radius
    m = torch.where(inside, 1.0, q).sqrt()
    return torch.where(inside, slope, 1 - (1 - slope) * radius / m)


def log1p_scale(q: Tensor, shrink: float | Tensor = 1.0) -> Tensor:
    """Return ``log(1 + m/c)/m`` for vectors shrunk by c, 1 at zero."""
    zero, m = length(q)
    return torch.where(zero, 1.0, torch.log1p(unshrunk(m, shrink)) / m)


def gelu_scale(q: Tensor) -> Tensor:
    """Return ``gelu(m)/m = Phi(m)``, 1/2 at zero."""
    zero, m = length(q)
    return torch.where(zero, 0.5, 0.5 * torch.erfc(-m / 2**0.5))


def silu_scale(q: Tensor) -> Tensor:
    """Return ``silu(m)/m``, the logistic function of ``m``, 1/2 at zero."""
    zero, m = length(q)
    return torch.where(zero, 0.5, m.sigmoid())


def softplus_scale(q: Tensor) -> Tensor:
    """Return ``softplus(m)/m``; it diverges towards zero, and is 0 where its slopes overflow."""
    zero = q < torch.finfo(q.dtype).tiny ** 0.4
    m = torch.where(zero, 1.0, q).sqrt()
    return torch.where(zero, 0.0, nnf.softplus(m, threshold=SATURATED) / m)


def hyperbola_scale(q: Tensor, radius: float = 1.0) -> Tensor:
    """Return ``(sqrt(m^2 + radius^2) - radius)/m``, without the cancellation.

    It is 0 at zero and where m is so short that second derivatives, of size 1/m^3, overflow.
    """
    zero = q < torch.finfo(q.dtype).tiny ** 0.6
    q = torch.where(zero, 1.0, q)
    return torch.where(zero, 0.0, q.sqrt() / ((q + radius * radius).sqrt() + radius))


def soft_relu_scale(q: Tensor, radius: float = 1.0, sharpness: float = 4.0) -> Tensor:
    """Return ``(softplus(k (m - R)) - softplus(-k R))/(k m)`` with ``k`` the sharpness.

    For lengths that do not saturate it is ``log1p(sigmoid(-k R) expm1(k m))/(k m)``, which does not
    cancel near zero.
    """
    zero, m = length(q)
    floor = -sharpness * radius
    t = sharpness * m
    far = t > SATURATED
    low = torch.full_like(t, floor)  # not a tensor of one number: copying it there would wait
    gate = torch.sigmoid(low)
    near_value = torch.log1p(gate * torch.expm1(torch.where(far, 1.0, t)))
    far_value = nnf.softplus(t + floor, threshold=SATURATED) - nnf.softplus(
        low, threshold=SATURATED
    )
    return torch.where(zero, gate, torch.where(far, far_value, near_value) / t)
