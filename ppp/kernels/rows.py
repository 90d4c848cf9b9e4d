"""What all kernels share: a row's norms, its state, and the sums of the input it belongs to."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

# `nnan` would break the NaN tests, so not the whole of fastmath.
FAST = {"reassoc", "contract", "nsz", "arcp"}

VALID, ZERO, NONFINITE, EXTREME = 0, 1, 2, 3
#: Outside [LEAST, MOST] the norm² of a row is taken after scaling it by a power of two.
LEAST, MOST = 1e-30, 1e30
#: Candidates are searched a little below their bound: rounding must never lose a hit.
MARGIN = 1e-12
#: Sums kept of an input: as many as `ppp.tally.MOMENTS` has names.
COLUMNS = 8
#: Cosines below this are zero: far below the slack of ties.
ORTHOGONAL = 1e-13

#: Kernels allocate nothing, so arrays need no counting of references; inside inner loops that
#: counting costs more than the arithmetic. Division never raises: its test would keep loops from
#: being vectorised.
jit = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
fast = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False, fastmath=FAST)
inlined = numba.njit(
    nogil=True, error_model="numpy", _nrt=False, fastmath=FAST, forceinline=True, cache=True
)


class Bound(NamedTuple):
    """The threshold of a row: keep w·w ≥ max(share·‖x‖², loose·‖x‖² − distance²)."""

    share: float
    loose: float
    distance2: float


class Ledger(NamedTuple):
    """Sums over inputs by class, and the sums of the input at hand (columns as in MOMENTS).

    `counts` holds the rows that are zero and those that are not finite.
    """

    inputs: np.ndarray
    moments: np.ndarray
    products: np.ndarray
    current: np.ndarray
    counts: np.ndarray


@inlined
def sum_squares(x, r):
    """Return Σ x² of a row in float64."""
    total = 0.0
    for k in range(x.shape[1]):
        value = np.float64(x[r, k])
        total += value * value
    return total


@inlined
def power_sums(x, r):
    """Return Σ x² and Σ x⁴ of a row in float64."""
    second, fourth = 0.0, 0.0
    for k in range(x.shape[1]):
        value = np.float64(x[r, k])
        square = value * value
        second += square
        fourth += square * square
    return second, fourth


@inlined
def dot(x, r, vectors, i):
    """Return x · b_i in float64."""
    total = 0.0
    for k in range(x.shape[1]):
        total += np.float64(x[r, k]) * vectors[i, k]
    return total


@jit
def examine(x, r, scratch):
    """Return the state of a row whose Σ x² is unusual, and the factor that undoes its scaling.

    An extreme row is written, scaled by a power of two, into scratch (1, n); its state is VALID.
    """
    most = 0.0
    for k in range(x.shape[1]):
        value = abs(np.float64(x[r, k]))
        if not value < np.inf:
            return NONFINITE, 1.0
        most = max(most, value)
    if most == 0.0:
        return ZERO, 1.0
    exponent = math.frexp(most)[1]
    for k in range(x.shape[1]):
        scratch[0, k] = math.ldexp(np.float64(x[r, k]), -exponent)
    # Beyond the range of float64 the true coordinate is out of any grid, or zero.
    return VALID, math.ldexp(1.0, min(1023, max(-1074, exponent)))


@inlined
def threshold(bound, norm2, scale):
    """Return the least w·w that keeps a row (its scaled norm² given)."""
    if bound.distance2 < 0.0:
        return bound.share * norm2
    near = bound.loose * norm2 - bound.distance2 / scale / scale
    return max(bound.share * norm2, near)


@inlined
def add_quiet(inputs, moments, products, at, many, rows, quartic, rows2, cross, quartic2):
    """Add to a class the sums of inputs without a hit: nothing but rows and the quartic."""
    inputs[at] += many
    moments[at, 0] += rows
    moments[at, 7] += quartic
    products[at, 0, 0] += rows2
    products[at, 0, 7] += cross
    products[at, 7, 0] += cross
    products[at, 7, 7] += quartic2


@inlined
def add_input(inputs, moments, products, current, at):
    """Add the sums of an input to its class, and empty them."""
    # a tuple cannot overlap the arrays, so that the products below become vector instructions
    row = (
        current[0], current[1], current[2], current[3],
        current[4], current[5], current[6], current[7],
    )  # fmt: skip
    inputs[at] += 1
    for a in range(COLUMNS):
        moments[at, a] += row[a]
        current[a] = 0.0
    for a in range(COLUMNS):
        for b in range(COLUMNS):
            products[at, a, b] += row[a] * row[b]
