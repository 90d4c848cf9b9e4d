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


#: atan(t)/t in powers of t² on [0, 1]: to 6e-15, and to 1e-8.
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8, _A9, _A10, _A11, _A12, _A13, _A14, _A15, _A16 = (
    _series(lambda z: np.arctan(np.sqrt(z)) / np.sqrt(z), 16, 1e-12, 1)
)
_B0, _B1, _B2, _B3, _B4, _B5, _B6, _B7, _B8 = _series(
    lambda z: np.arctan(np.sqrt(z)) / np.sqrt(z), 8, 1e-12, 1
)
#: −cos(2πv) in powers of v² on [−½, ½]: to 2e-15, and to 1e-8.
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10 = _series(
    lambda z: -np.cos(2 * np.pi * np.sqrt(z)), 10, 0, 0.25
)
_D0, _D1, _D2, _D3, _D4, _D5, _D6 = _series(lambda z: -np.cos(2 * np.pi * np.sqrt(z)), 6, 0, 0.25)

# Precision is that of `kind`, float32 or float64: which of the polynomials, the compiler knows.
# Terms are paired, so that they do not wait for one another.


@inlined
def single(kind):
    """Return whether a precision is float32."""
    return np.finfo(kind).eps > 1e-9


@inlined
def arc(t, kind):
    """Return atan t, t in [−1, 1]."""
    z = t * t
    z2 = z * z
    z4 = z2 * z2
    if single(kind):
        low = (kind(_B0) + z * kind(_B1)) + z2 * (kind(_B2) + z * kind(_B3))
        high = (kind(_B4) + z * kind(_B5)) + z2 * (kind(_B6) + z * kind(_B7))
        return t * (low + z4 * (high + z4 * kind(_B8)))
    z8 = z4 * z4
    first = (kind(_A0) + z * kind(_A1)) + z2 * (kind(_A2) + z * kind(_A3))
    second = (kind(_A4) + z * kind(_A5)) + z2 * (kind(_A6) + z * kind(_A7))
    third = (kind(_A8) + z * kind(_A9)) + z2 * (kind(_A10) + z * kind(_A11))
    fourth = (kind(_A12) + z * kind(_A13)) + z2 * (kind(_A14) + z * kind(_A15))
    last = fourth + z4 * kind(_A16)
    return t * ((first + z4 * second) + z8 * (third + z4 * last))


@inlined
def ripple(v, kind):
    """Return −cos(2π√v), v in [0, ¼]."""
    v2 = v * v
    v4 = v2 * v2
    if single(kind):
        low = (kind(_D0) + v * kind(_D1)) + v2 * (kind(_D2) + v * kind(_D3))
        return low + v4 * ((kind(_D4) + v * kind(_D5)) + v2 * kind(_D6))
    low = (kind(_C0) + v * kind(_C1)) + v2 * (kind(_C2) + v * kind(_C3))
    high = (kind(_C4) + v * kind(_C5)) + v2 * (kind(_C6) + v * kind(_C7))
    return low + v4 * (high + v4 * ((kind(_C8) + v * kind(_C9)) + v2 * kind(_C10)))


@inlined
def upright(a, b, kind):
    """Return the angle of (a, b), both at least zero and not both zero, in [0, π/2]."""
    steep = b > a
    angle = arc((a if steep else b) / (b if steep else a), kind)
    return kind(math.pi / 2) - angle if steep else angle


@inlined
def wave_between(angle, crossed, between, kind):
    """Return cos 4φ of a pair of vectors at the angle `between`.

    `angle` is that of (|w1|, |w2|), `crossed` says whether w1 and w2 differ in sign.
    """
    phi = kind(math.pi) - angle if crossed else angle
    past = phi >= between
    begin = between if past else kind(0.0)
    width = kind(math.pi) - between if past else between
    v = (phi - begin) / width - kind(0.5)
    return ripple(v * v, kind)


@inlined
def add_waves(hits, first, second, sums):
    """Add hits in orthogonal planes to a row's sums.

    `first` and `second` are Σ v and Σ v² of v = ab/(a + b)², a and b the squared coordinates:
    cos 4φ = 1 − 8 v, and cos 8φ = 2 cos² 4φ − 1.
    """
    sums[1] += hits
    sums[2] += hits - 8.0 * first
    sums[3] += hits - 32.0 * first + 128.0 * second


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
        between = math.acos(min(1.0, max(-1.0, g)))
        angle = upright(abs(w1), abs(w2), np.float64)
        cos4 = wave_between(angle, w1 * w2 < 0.0, between, np.float64)
    return cos4, 2.0 * cos4 * cos4 - 1.0
