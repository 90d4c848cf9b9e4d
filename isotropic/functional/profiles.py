"""Isotropic forms from any odd profile of one variable."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from isotropic.functional._checks import device_of
from isotropic.functional.lengths import Omega, squashed
from isotropic.functional.scales import length, unshrunk

Profile = Callable[[Tensor], Tensor]

#: Lengths at which a profile is probed before it is accepted; some bend only far out.
PROBES = (1e-3, 0.1, 0.5, 1.0, 2.0, 5.0, 50.0, 1e3, 1e6)


def radial(profile: Profile, omega: Omega = 0.0, dim: int = -1) -> Callable[[Tensor], Tensor]:
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
    require_profile(profile)
    return partial(along_profile, profile, omega=omega, dim=dim)


def require_profile(profile: Profile) -> None:
    """Refuse a profile that does not bend on lengths, or is not odd."""
    with torch.no_grad():
        _require_bent(profile)
        _require_odd(profile)


def along_profile(profile: Profile, x: Tensor, omega: Omega = 0.0, dim: int = -1) -> Tensor:
    """Return ``sigma(m)/m x`` for a profile that was checked before."""
    return squashed(partial(_scale, profile), x, omega, dim)


def _scale(profile: Profile, q: Tensor, shrink: Tensor) -> Tensor:
    zero, m = length(q)
    slope = _slope_at_zero(profile, q.dtype, q.device)
    return torch.where(zero, slope, profile(unshrunk(m, shrink)) / m)


def _slope_at_zero(profile: Profile, dtype: torch.dtype, device: torch.device) -> Tensor:
    def at(length: float) -> Tensor:
        return torch.full((), length, dtype=dtype, device=device)

    # Beside zero and not at it: sign(r) log(1 + |r|), say, has a slope there that is not computed.
    beside = at(torch.finfo(dtype).eps ** 2)
    try:
        slope: Tensor = torch.func.grad(profile)(beside)
    except RuntimeError:  # an operation of the profile's own that knows no function transforms
        # From two steps: for an odd profile the error is of the fourth power of the slope's change.
        h = at(1e-4 if dtype == torch.float64 else 1e-2)
        slope = (8 * profile(h) - profile(2 * h)) / (6 * h)
    return slope


def _require_bent(profile: Profile) -> None:
    at = torch.tensor(PROBES, dtype=torch.float64, device=device_of(profile))
    ratio = profile(at) / at
    if torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-9, atol=1e-12):
        raise ValueError(
            f"profile must bend, but on lengths it is {float(ratio[0]):g} times the length, which "
            "makes the form a multiple of the identity: a radial ReLU needs an offset: "
            "isotropic_relu"
        )


def _require_odd(profile: Profile) -> None:
    at = torch.tensor((0.0, *PROBES), dtype=torch.float64, device=device_of(profile))
    left, right = profile(-at), profile(at)
    gap = torch.where(right.isinf() & (left == -right), 0.0, left + right)
    excess = gap.abs() / (1 + right.abs())
    worst = int(excess.nan_to_num(torch.inf).argmax())
    if not excess[worst] <= 1e-9:
        raise ValueError(
            f"profile must be odd, but sigma(-{float(at[worst]):g}) + sigma({float(at[worst]):g}) "
            f"is {float(gap[worst]):g}: a form that is not smooth at the origin, use a ready-made "
            "one or an odd profile"
        )
