"""A leader that reaches the threshold alone: it hits with every other vector of the frame.

Its partners need no search, so that bins and angles come from straight loops over the row, which
the compiler turns into vector instructions; the counters themselves are one loop of their own.
"""

from __future__ import annotations

import numpy as np

from ppp.kernels.rows import inlined
from ppp.kernels.turning import column, doubt, turn_from

#: In the least precision, so that a float32 expression stays one.
ONE = np.float32(1.0)
#: Bins are found in float32 where a length of one has between so many of them.
SMALL, LARGE = 2.0**-60, 2.0**60


@inlined
def grid_bin(w, per_unit, half):
    """Return the guarded bin of a coordinate: 0 below the grid, 2 half + 1 beyond it.

    All in the precision of `w`; `per_unit` is a power of two, so that the product is exact.
    """
    position = np.floor(w * per_unit)
    # a product that underflows still lies below zero
    position = -ONE if (position == 0) & (w < 0) else position
    position = position if position >= -half else -half - ONE
    position = position if position < half else half
    # summed as floats: numba would widen a sum of two int32, and halve the width of the vectors
    return np.int32(position + half + ONE)


@inlined
def weigh_all(c, rc, at, sums):
    """Add the hits of leader `at` with all others to the row's sums."""
    lead = np.float64(c[rc, at])
    own = lead * lead
    first, second = 0.0, 0.0
    for k in range(c.shape[1]):
        near = np.float64(c[rc, k])
        square = near * near
        part = 1.0 / (own + square)
        # cos 4φ = 1 − 8 ab/(a + b)², a and b the squared coordinates
        wave = own * square * part * part
        first += wave
        second += wave * wave
    # the leader with itself: a quarter
    first -= 0.25
    second -= 0.0625
    hits = c.shape[1] - 1
    sums[1] += hits
    sums[2] += hits - 8.0 * first
    sums[3] += hits - 32.0 * first + 128.0 * second


@inlined
def mark_all(c, rc, at, scale, per_unit, half, count, bins, marks):
    """Fill grid bins and angular columns of every coordinate, in the precision of `c`."""
    lead = c[rc, at]
    kind = c.dtype.type
    size, unit, side = kind(scale), kind(per_unit), kind(half)
    inverse = np.float32(1.0 / np.float64(lead))
    margin = doubt(count)
    for k in range(c.shape[1]):
        bins[k] = grid_bin(c[rc, k] * size, unit, side)
    for k in range(c.shape[1]):
        marks[k] = column(c[rc, k], lead, inverse, count, margin)


@inlined
def scatter_all(c, rc, at, scale, counts, room):
    """Count the hits of leader `at` with the coordinates after it, then with those before it."""
    grids, relative, angle = counts.grids, counts.relative, counts.angle
    bins, marks = room.bins, room.marks
    half = (grids.shape[1] - 2) // 2
    mark_all(c, rc, at, scale, counts.per_unit, half, angle.shape[0], bins, marks)
    if counts.full.shape[0]:
        counts.full[at] += 1
    lead = c[rc, at]
    negative = 1 if lead < 0 else 0
    row, last = bins[at], relative.shape[1] - 1
    for side in range(2):
        begin, end = (at + 1, c.shape[1]) if side == 0 else (0, at)
        turned = 2 * side + negative
        grid, angles = grids[side, row], relative[turned]
        counts.touched[side, row] = True
        for k in range(begin, end):
            grid[np.uint32(bins[k])] += np.uint32(1)
            angles[np.uint32(marks[k])] += np.uint32(1)
        if angles[last]:
            angles[last] = 0
            for k in range(begin, end):
                if marks[k] == last:
                    angle[turn_from(lead, c[rc, k], side, angle.shape[0])] += 1
