"""The two integrals behind the closed forms that have no elementary antiderivative."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

NODES = 120
Array = NDArray[np.float64]


@lru_cache(maxsize=1)
def _gauss() -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [0, 1], with u = s^2 (3 - 2s) to tame the end points.

    The integrands fall to zero (or start) like a power of the distance to an end point, a half
    power for small n; the substitution makes them smooth there.
    """
    s, weight = np.polynomial.legendre.leggauss(NODES)
    s, weight = (s + 1) / 2, weight / 2
    return s * s * (3 - 2 * s), weight * 6 * s * (1 - s)


def shared_spotlight(delta: float, n: int, epsilon: float) -> float:
    """``(1/pi) int_{delta/2}^{arccos epsilon} (1 - epsilon^2/cos^2 x)^((n-2)/2) dx``."""
    start, stop = delta / 2, math.acos(epsilon)
    if start >= stop:
        return 0.0
    u, weight = _gauss()
    x = start + (stop - start) * u
    inner = np.maximum(0.0, 1.0 - (epsilon / np.cos(x)) ** 2) ** ((n - 2) / 2)
    return float((stop - start) * np.dot(weight, inner) / math.pi)


def _cos4(a: Array, b: Array) -> Array:
    """``cos 4 phi`` of a point whose squared coordinates are `a` and `b`."""
    return 1.0 - 8.0 * a * b / (a + b) ** 2


@lru_cache(maxsize=128)
def adjacent_planes(n: int, epsilon: float) -> tuple[float, float]:
    """Moments of two planes (i, j), (i, k) that share one vector, under isotropy.

    Returns
    -------
    tuple of float
        Probability that both keep a row, and the mean of ``cos 4 phi_ij cos 4 phi_ik`` over
        all rows, counted zero where not both keep it.

    Notes
    -----
    The three coordinates are ``R omega``, omega uniform on S^2 and ``R^2`` Beta(3/2, (n-3)/2)
    independent of it (``R^2 = 1`` for n = 3): both planes keep the row when ``R^2 g >= t``,
    ``g = omega_i^2 + min(omega_j^2, omega_k^2)``.
    """
    t = epsilon**2
    quarter = math.pi / 4
    edge = math.asin(min(epsilon, math.sqrt(0.5)))
    pieces = [(0.0, edge)] if edge >= quarter else [(0.0, edge), (edge, quarter)]
    both = cos = 0.0
    u, weight = _gauss()
    for start, stop in pieces:
        for psi, w in zip(start + (stop - start) * u, weight * (stop - start), strict=True):
            b, c = _along_height(n, t, math.sin(psi) ** 2)
            both += w * b
            cos += w * c
    return float(both / quarter), float(cos / quarter)


def _along_height(n: int, t: float, least: float) -> tuple[float, float]:
    """Integrate over the height ``z = |omega_i|`` in [0, 1]; `least` is min(cos^2, sin^2) psi."""
    lowest = math.sqrt(max(0.0, (t - least) / (1.0 - least)))
    u, weight = _gauss()
    z2 = (lowest + (1.0 - lowest) * u) ** 2
    small, large = (1.0 - z2) * least, (1.0 - z2) * (1.0 - least)
    tail = weight * (1.0 - lowest) * _tail(n, t / (z2 + small))
    return float(tail.sum()), float(np.dot(tail, _cos4(z2, small) * _cos4(z2, large)))


def _tail(n: int, ratio: Array) -> Array:
    """``P[R^2 >= ratio]``, R^2 the squared length of three coordinates of an isotropic row."""
    from scipy.special import betainc

    if n == 3:
        return np.asarray(ratio <= 1.0, dtype=np.float64)
    return np.asarray(betainc((n - 3) / 2, 1.5, np.clip(1.0 - ratio, 0.0, 1.0)))
