"""cos 4φ of a hit: +1 on both vectors of its plane, −1 half-way, whatever the angle between them.

φ of an oblique pair is rescaled in each sector between the lines ±b_i and ±b_j.
"""

from __future__ import annotations

import math

import numpy as np

from ppp.kernels.rows import ORTHOGONAL, inlined, part


def _series(function, degree, begin, end):
    """Return the coefficients of a polynomial that follows a function from begin to end."""
    found = np.polynomial.Chebyshev.interpolate(function, degree, domain=[begin, end])
    inside = found.convert(kind=np.polynomial.Polynomial, domain=[-1, 1], window=[-1, 1])
    return tuple(float(c) for c in inside.coef)


#: atan(t)/t in powers of t², to 6e-15 on [0, 1].
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8, _A9, _A10, _A11, _A12, _A13, _A14, _A15, _A16 = (
    _series(lambda z: np.arctan(np.sqrt(z)) / np.sqrt(z), 16, 1e-12, 1)
)
#: −cos(2πv) in powers of v², to 2e-15 on [−½, ½].
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10 = _series(
    lambda z: -np.cos(2 * np.pi * np.sqrt(z)), 10, 0, 0.25
)


@part
def _sector(w1, w2, g):
    """Return 2πu, u the place of w in its sector between the lines ±b_i and ±b_j."""
    phi = math.atan2(w2, w1) % math.pi
    between = math.acos(min(1.0, max(-1.0, g)))
    if phi < between:
        return 2 * math.pi * phi / between
    return 2 * math.pi * (phi - between) / (math.pi - between)


@part
def waves(w1, w2, g):
    """Return cos 4φ and cos 8φ; oblique pairs rescaled so that both vectors give +1."""
    a, b = w1 * w1, w2 * w2
    total = a + b
    if total == 0.0:
        return 1.0, 1.0
    if abs(g) <= ORTHOGONAL:
        cos4 = 1.0 - 8.0 * (a / total) * (b / total)
    else:
        cos4 = math.cos(_sector(w1, w2, g))
    return cos4, 2.0 * cos4 * cos4 - 1.0


@inlined
def upright(a, b):
    """Return the angle of (a, b), both at least zero and not both zero, in [0, π/2]."""
    steep = b > a
    t = (a if steep else b) / (b if steep else a)
    z = t * t
    low = _A4 + z * (_A5 + z * (_A6 + z * (_A7 + z * _A8)))
    high = _A12 + z * (_A13 + z * (_A14 + z * (_A15 + z * _A16)))
    high = _A9 + z * (_A10 + z * (_A11 + z * high))
    z2 = z * z
    high *= z2 * z2 * z
    angle = t * (_A0 + z * (_A1 + z * (_A2 + z * (_A3 + z * (low + high)))))
    return math.pi / 2 - angle if steep else angle


@inlined
def oblique_wave(w1, w2, g, sine):
    """Return what `waves` calls cos 4φ of an oblique pair, without a branch."""
    phi = upright(abs(w1), abs(w2))
    phi = math.pi - phi if w1 * w2 < 0.0 else phi
    between = upright(abs(g), sine)
    between = math.pi - between if g < 0.0 else between
    past = phi >= between
    u = (phi - between if past else phi) / (math.pi - between if past else between)
    v = (u - 0.5) * (u - 0.5)
    high = _C6 + v * (_C7 + v * (_C8 + v * (_C9 + v * _C10)))
    return _C0 + v * (_C1 + v * (_C2 + v * (_C3 + v * (_C4 + v * (_C5 + v * high)))))
