"""A leader that reaches the threshold alone: it hits with every other vector of the frame.

Its partners need no search, so that bins and angles come from straight loops over the row, which
the compiler turns into vector instructions; the counters themselves are one loop of their own.
"""

from __future__ import annotations

import numpy as np

from ppp.kernels.rows import inlined, open_row
from ppp.kernels.snapping import snapped
from ppp.kernels.turning import doubt, plain_column, turn_from
from ppp.kernels.waves import add_waves, single

#: In the least precision, so that a float32 expression stays one.
ONE = np.float32(1.0)
#: Bins are found in float32 where a length of one has between so many of them.
SMALL, LARGE = 2.0**-60, 2.0**60


@inlined
def guarded(w, per_unit, half):
    """Return the guarded bin of a coordinate, as a float: 0 below the grid, 2 half + 1 beyond it.

    All in the precision of `w`; `per_unit` is a power of two, so that the product is exact.
    """
    position = np.floor(w * per_unit)
    # a product that underflows still lies below zero
    limit = -ONE if w < 0 else half
    position = position if position < limit else limit
    position = position if position >= -half else -half - ONE
    # summed as floats: numba would widen a sum of two int32, and halve the width of the vectors
    return position + half + ONE


@inlined
def grid_bin(w, per_unit, half):
    """Return the guarded bin of a coordinate."""
    return np.int32(guarded(w, per_unit, half))


@inlined
def weigh_all(c, rc, at, mates, sums):
    """Add the hits of leader `at` with all others to the row's sums.

    So many vectors, `mates`, lie on its axis: they do not hit with one another, and lead alike.
    """
    lead = np.float64(c[rc, at])
    own = lead * lead
    first, second = 0.0, 0.0
    for k in range(c.shape[1]):
        near = np.float64(c[rc, k])
        square = near * near
        part = 1.0 / (own + square)
        wave = own * square * part * part
        first += wave
        second += wave * wave
    # the leader with itself: a quarter
    first -= 0.25 * mates
    second -= 0.0625 * mates
    hits = c.shape[1] - mates
    add_waves(mates * hits, mates * first, mates * second, sums)


@inlined
def _snapped(w, step, kind):
    """Return a coordinate, snapped where it is float64; float32 products are amended."""
    return w if single(kind) else snapped(w, step)


@inlined
def mark_all(c, rc, at, step, scale, per_unit, half, count, bins, marks):
    """Fill grid bins and angular columns of every coordinate, in the precision of `c`."""
    lead = c[rc, at]
    kind = c.dtype.type
    size, unit, side = kind(scale), kind(per_unit), kind(half)
    inverse = np.float32(1.0 / np.float64(lead))
    margin = doubt(count)
    for k in range(c.shape[1]):
        bins[k] = grid_bin(_snapped(c[rc, k], step, kind) * size, unit, side)
    for k in range(c.shape[1]):
        marks[k] = plain_column(c[rc, k], inverse, count, margin)


@inlined
def set_of(k, at, m):
    """Return which set of counters took the hit of leader `at` with vector k: one half each."""
    begin, end = (at + 1, m) if k > at else (0, at)
    half = (end - begin) // 2
    return 1 if half <= k - begin < 2 * half else 0


@inlined
def _forget_mates(at, row, negative, ring, counts, room):
    """Take the other vectors of the leader's axis out again, of which there are few."""
    bins, marks = room.bins, room.marks
    mate = ring[at]
    while mate != at:
        side, second = 0 if mate > at else 1, set_of(mate, at, bins.shape[0] - 1)
        counts.grids[side + 2 * second, row, bins[mate]] -= np.uint32(1)
        counts.relative[2 * side + negative + 4 * second, marks[mate]] -= np.uint32(1)
        marks[mate] = -1
        mate = ring[mate]


@inlined
def scatter_all(c, rc, at, row, step, scale, ring, counts, room):
    """Count the hits of leader `at` with the coordinates after it, then with those before it.

    They go into row `row` of the grids, that of the leader's coordinate.
    """
    grids, relative, angle = counts.grids, counts.relative, counts.angle
    bins, marks = room.bins, room.marks
    half = (grids.shape[1] - 2) // 2
    mark_all(c, rc, at, step, scale, counts.per_unit, half, angle.shape[0], bins, marks)
    lead, kind = c[rc, at], c.dtype.type
    negative = 1 if lead < 0 else 0
    last = relative.shape[1] - 1
    for side in range(2):
        begin, end = (at + 1, c.shape[1]) if side == 0 else (0, at)
        turned = 2 * side + negative
        grid, angles = grids[side, row], relative[turned]
        grid2, angles2 = grids[side + 2, row], relative[turned + 4]
        open_row(grids, counts.touched, side, row)
        open_row(grids, counts.touched, side + 2, row)
        half = (end - begin) // 2
        # small coordinates share a few counters, and one raised again waits for the last time: the
        # halves have each their own
        for k in range(half):
            first = np.uint64(begin) + np.uint64(k)
            second = first + np.uint64(half)
            grid[np.uint32(bins[first])] += np.uint32(1)
            angles[np.uint32(marks[first])] += np.uint32(1)
            grid2[np.uint32(bins[second])] += np.uint32(1)
            angles2[np.uint32(marks[second])] += np.uint32(1)
        if 2 * half < end - begin:
            grid[np.uint32(bins[end - 1])] += np.uint32(1)
            angles[np.uint32(marks[end - 1])] += np.uint32(1)
    if ring.shape[0]:
        _forget_mates(at, row, negative, ring, counts, room)
    for side in range(2):
        begin, end = (at + 1, c.shape[1]) if side == 0 else (0, at)
        angles, angles2 = relative[2 * side + negative], relative[2 * side + negative + 4]
        if angles[last] + angles2[last]:
            angles[last] = angles2[last] = 0
            for k in range(begin, end):
                if marks[k] == last:
                    near = _snapped(c[rc, k], step, kind)
                    angle[turn_from(lead, near, side, angle.shape[0])] += 1
