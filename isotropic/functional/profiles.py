"""Isotropic forms from any odd profile of one variable."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from isotropic.functional.lengths import Omega, scaled
from isotropic.functional.scales import length

#: Lengths at which a profile is probed before it is accepted.
PROBES = (1e-3, 0.1, 0.5, 1.0, 2.0, 5.0)


def radial(
    profile: Callable[[Tensor], Tensor], omega: Omega = 0.0, dim: int = -1
) -> Callable[[Tensor], Tensor]:
    """Make an isotropic form from an odd function of one variable.

    ``f(x) = sigma(m)/m x`` with ``m = sqrt(||x||^2 + omega)``, and ``sigma'(0) x`` where ``m = 0``.

    Parameters
    ----------
    profile : callable
        sigma: takes a tensor of lengths and returns one of the same shape, number by number.
        Must be odd, which makes the form as smooth at the origin as sigma is, and must bend.
    omega, dim
        See :func:`isotropic_tanh`.

    Returns
    -------
    callable
        From a tensor of vectors to one of the same shape; equivariant under O(n).

    Raises
    ------
    ValueError
        The profile is not odd, or on lengths, which are never negative, it is a straight line
        through zero: ReLU, leaky-ReLU and the absolute value of a length are the length itself,
        and the form would be a multiple of the identity.

    Notes
    -----
    Adaptive topologies, Eqn 5.

    Examples
    --------
    >>> import torch
    >>> f = radial(torch.atan)
    >>> f(torch.tensor([[0.0, 1.0]]))
    tensor([[0.0000, 0.7854]])
    >>> radial(torch.relu)
    Traceback (most recent call last):
    ...
    ValueError: profile must bend, but on lengths ... a radial ReLU needs an offset: isotropic_relu
    """
    _require_bent(profile)
    _require_odd(profile)
    return lambda x: scaled(lambda q: _scale(profile, q), x, omega, dim)


def _scale(profile: Callable[[Tensor], Tensor], q: Tensor) -> Tensor:
    zero, m = length(q)
    # At zero the slope of the profile, as a difference over a step that oddness makes exact to
    # third order: at 1e-6 the error is below rounding.
    step = torch.full(
        (), 1e-6 if q.dtype == torch.float64 else 1e-3, dtype=q.dtype, device=q.device
    )
    return torch.where(zero, profile(step) / step, profile(m) / m)


def _require_bent(profile: Callable[[Tensor], Tensor]) -> None:
    at = torch.tensor(PROBES, dtype=torch.float64)
    ratio = profile(at) / at
    if torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-9, atol=1e-12):
        raise ValueError(
            f"profile must bend, but on lengths it is {float(ratio[0]):g} times the length, which "
            "makes the form a multiple of the identity: a radial ReLU needs an offset: "
            "isotropic_relu"
        )


def _require_odd(profile: Callable[[Tensor], Tensor]) -> None:
    at = torch.tensor((0.0, *PROBES), dtype=torch.float64)
    gap = profile(-at) + profile(at)
    worst = int(gap.abs().argmax())
    if not gap[worst].abs() <= 1e-9 * (1 + profile(at)[worst].abs()):
        raise ValueError(
            f"profile must be odd, but sigma(-{float(at[worst]):g}) + sigma({float(at[worst]):g}) "
            f"is {float(gap[worst]):g}: a form that is not smooth at the origin, use a ready-made "
            "one or an odd profile"
        )
