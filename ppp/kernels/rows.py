"""What all kernels share: a row's norms, its state, its threshold."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

# `nnan` would break the NaN tests, so not the whole of fastmath.
FAST = {"reassoc", "contract", "nsz", "arcp"}

VALID, ZERO, NONFINITE, EXTREME = 0, 1, 2, 3
#: Outside [LEAST, MOST] the norm² of a row is taken after scaling it by a power of two.
LEAST, MOST = 1e-30, 1e30
#: Rows whose moments are taken in one loop of their own.
BATCH = 256
#: Candidates are searched a little below their bound: rounding must never lose a hit.
MARGIN = 1e-12
#: Share of a threshold that rounding of float32 squares may cost: a hundred times what it does.
LOOSE = 1e-5
#: Lengths below this have no inverse in float32.
FAINT = 1e-30
#: Cosines below this are zero: far below the slack of ties.
ORTHOGONAL = 1e-13

# Kernels allocate nothing, so arrays need no counting of references; inside inner loops that
# counting costs more than the arithmetic. Division never raises: its test would keep loops from
# being vectorised.
_HOW = {"nogil": True, "error_model": "numpy", "_nrt": False}
# What only other kernels call needs no way in from Python, which takes longer to compile than most
# of them, nor a cache: theirs has it.
_INSIDE = {**_HOW, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: Kernels called from Python: plain float64, and with sums in any order.
# (`fastmath` says so outright: left out, it would be that of whichever kernel calls first.)
jit = numba.njit(cache=True, fastmath=False, **_HOW)
fast = numba.njit(cache=True, fastmath=FAST, **_HOW)
#: Their parts, likewise; `inlined` ones become part of the loop that calls them.
part = numba.njit(fastmath=False, **_INSIDE)
inlined_part = numba.njit(fastmath=False, forceinline=True, **_INSIDE)
fast_part = numba.njit(fastmath=FAST, **_INSIDE)
inlined = numba.njit(fastmath=FAST, forceinline=True, **_INSIDE)


class Bound(NamedTuple):
    """The threshold of a row: keep w·w ≥ max(share·‖x‖², loose·‖x‖² − distance²).

    A distance below zero is none.
    """

    share: float
    loose: float
    distance: float


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view that cannot be written to: kernels are compiled for rows of one kind."""
    view = array.view()
    view.flags.writeable = False
    return view


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


@fast_part
def moments(x, c, whole, begin, end, norm2, fourth):
    """Fill Σ x² and Σ c⁴ of rows begin … end − 1; `whole` says that c is x."""
    for r in range(begin, end):
        if whole:
            norm2[r - begin], fourth[r - begin] = power_sums(x, r)
        else:
            norm2[r - begin] = sum_squares(x, r)
            _, fourth[r - begin] = power_sums(c, r)


@inlined
def two_largest(c, r):
    """Return the sum of the two largest c² of a row, in the precision of c."""
    kind = c.dtype.type
    most, next_most = kind(0), kind(0)
    for k in range(c.shape[1]):
        square = c[r, k] * c[r, k]
        lower = square if square < most else most
        most = square if square > most else most
        next_most = lower if lower > next_most else next_most
    return np.float64(most) + np.float64(next_most)


@inlined
def dot(x, r, vectors, i):
    """Return x · b_i in float64."""
    total = 0.0
    for k in range(x.shape[1]):
        total += np.float64(x[r, k]) * vectors[i, k]
    return total


@inlined
def threshold(bound, norm2, scale):
    """Return the least w·w that keeps a row (its scaled norm² given)."""
    if bound.distance < 0.0:
        return bound.share * norm2
    # a zero stays one: divided by a number with an infinite inverse it might be none
    aside = bound.distance / scale if bound.distance > 0.0 else 0.0
    return max(bound.share * norm2, bound.loose * norm2 - aside * aside)


@part
def examine(x, r):
    """Return the state of a row whose Σ x² is unusual (EXTREME if valid), and its largest |x|."""
    most = 0.0
    for k in range(x.shape[1]):
        value = abs(np.float64(x[r, k]))
        if not value < np.inf:
            return NONFINITE, value
        most = max(most, value)
    return (EXTREME if most > 0.0 else ZERO), most


@inlined
def open_row(grids, touched, which, row):
    """Empty a row of a grid when something is first counted into it.

    So counters need not be zero when they are made, which takes longer than counting few rows.
    """
    if not touched[which, row]:
        touched[which, row] = True
        for column in range(grids.shape[2]):
            grids[which, row, column] = np.uint32(0)
