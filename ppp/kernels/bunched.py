"""A saturated row whose other coordinates are small: few bins hold them, few powers sum them up.

Instead of raising a counter for every hit, the coordinates are compared with the edges of these
bins: how many lie above an edge is one straight loop, and no counter waits for its last value.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from ppp.kernels.rows import inlined, open_row
from ppp.kernels.turning import SLOTS
from ppp.kernels.waves import add_waves, single

#: Bins on each side of zero that may be held, of the grid and of the angle.
REACH = 8
#: Pairs of edges compared with, at most, and for every so many coordinates one more: with more of
#: them counters are as fast.
_PAIRS, _WIDTH = 6, 32
#: What a coordinate before the leader counts, one after it counts one: so a number tells both. And
#: what is left of it when it has been shifted to one of them.
_BEFORE, _PART = 2**16, 2**16 - 1
#: Rows from this wide, as setting out takes longer than counting a few, up to this wide, so that a
#: sum of these fits.
NARROWEST, WIDEST = 64, 2**15
#: Fewest angular bins, so that REACH of them on each side of an axis have their columns.
FEWEST = 8 * REACH
#: Tangents closer to an edge than this are left in doubt, as edges have some slack themselves;
#: next to the axis, where a sum with π may swallow them, a good deal more of them.
_ROUNDING, _AXIS = 1.2e-13, 1e-9
#: Below this squared tangent, four powers of it give the waves to 1e-13.
_FLAT = 2.0**-11


class Edges(NamedTuple):
    """Edges of the bins round zero, in pairs of one below and one above it, and what they part.

    `tangents` (REACH,) are those of the edges of angular bins. `low` and `high` hold the pairs of
    the leader at hand, as floats and as their bits; `slots` says which edge `high` is. `above`
    holds how many coordinates lie at each edge or above it: 2 REACH edges of the grid, from −REACH
    on, then as many of the angle, with two in the place of zero; `between` how many lie between
    two. In these numbers `weights` (m,) tells the coordinates before the leader from those after.
    """

    tangents: np.ndarray
    low: np.ndarray
    high: np.ndarray
    low_bits: np.ndarray
    high_bits: np.ndarray
    slots: np.ndarray
    above: np.ndarray
    between: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, m: int, angles: int) -> Edges:
        """Return room for the edges of a row of m coordinates, and of so many angular bins."""
        low, high = np.zeros((2, 2 * REACH), np.float32)
        return cls(
            _tangents(max(angles, FEWEST)),
            low,
            high,
            low.view(np.int32),
            high.view(np.int32),
            np.zeros(2 * REACH, np.int64),
            np.zeros(4 * REACH, np.int32),
            np.zeros(2 * REACH, np.int32),
            np.zeros(m, np.int32),
        )


@cache
def _tangents(angles: int) -> np.ndarray:
    """Return the tangents of the edges of so many angular bins, next to an axis."""
    return np.tan(2.0 * math.pi / angles * np.arange(REACH))


@inlined
def _held(reach):
    """Return how many bins on each side of zero hold what reaches so many; too many are alike."""
    return np.int64(min(reach, np.float64(REACH))) + 1


@inlined
def _set_edges(cells, turns, size, per_unit, edges):
    """Fill the edges of a leader's bins; return whether they are certain.

    Those of the grid are exact; for one of an angle stands the least float32 beyond it.
    """
    low, high, slots = edges.low, edges.high, edges.slots
    width, certain = 1.0 / per_unit, True
    high[0], slots[0] = np.float32(size * _AXIS), 3 * REACH
    low[0] = -high[0]
    for e in range(1, cells):
        high[e], slots[e] = np.float32(e * width), REACH + e
        low[e] = -high[e]
    for k in range(1, turns):
        at = cells - 1 + k
        true = size * edges.tangents[k]
        near = np.float32(true)
        off = np.float64(near) - true
        certain = certain & (abs(off) > _ROUNDING * size)
        low[at], high[at], slots[at] = near, near, 3 * REACH + k
        # the bits of positive floats have their order
        edges.low_bits[at] -= np.int32(off > 0.0)
        edges.high_bits[at] += np.int32(off < 0.0)
        low[at] = -low[at]
    # pairs are compared with two by two
    last = cells + turns - 1
    low[last], high[last], slots[last] = low[0], high[0], slots[0]
    return certain


@inlined
def _mirror(slot):
    """Return the place of the edge below zero that belongs to one above it."""
    return 2 * REACH - slot if slot < 2 * REACH else 6 * REACH - 1 - slot


@inlined
def _tell_sides(at, ring, weights):
    """Fill what each coordinate counts, those on the leader's axis nothing; return their sum."""
    place, none = np.int32(at), np.int32(0)
    # whole vectors, the leader too: what is read as vectors had better be written so
    for k in range(weights.shape[0]):
        after = np.int32(1) if np.int32(k) > place else none
        weights[k] = np.int32(_BEFORE) if np.int32(k) < place else after
    total = _BEFORE * at + weights.shape[0] - 1 - at
    mate = ring[at] if ring.shape[0] else at
    while mate != at:
        total -= weights[mate]
        weights[mate] = none
        mate = ring[mate]
    return np.int32(total)


@inlined
def _count_above(c, rc, pairs, total, edges):
    """Fill how much lies at each edge or above it: everything below the pairs, nothing above."""
    low, high, slots, above, weights = (
        edges.low, edges.high, edges.slots, edges.above, edges.weights,
    )  # fmt: skip
    none = np.int32(0)
    for k in range(REACH):
        above[k] = above[2 * REACH + k] = total
        above[REACH + k] = above[3 * REACH + k] = none
    for at in range(0, pairs, 2):
        e0, e1, e2, e3 = low[at], high[at], low[at + 1], high[at + 1]
        n0, n1, n2, n3 = none, none, none, none
        for k in range(c.shape[1]):
            value, weight = c[rc, k], weights[k]
            n0 = np.int32(n0 + (weight if value >= e0 else none))
            n1 = np.int32(n1 + (weight if value >= e1 else none))
            n2 = np.int32(n2 + (weight if value >= e2 else none))
            n3 = np.int32(n3 + (weight if value >= e3 else none))
        first, second = slots[at], slots[at + 1]
        above[_mirror(first)], above[first] = n0, n1
        above[_mirror(second)], above[second] = n2, n3


@inlined
def _count_zeros(c, rc, weights):
    """Return how much is exactly zero."""
    none = np.int32(0)
    count = none
    for k in range(c.shape[1]):
        count = np.int32(count + (weights[k] if c[rc, k] == 0 else none))
    return count


@inlined
def _add(line, begin, numbers, first, side):
    """Add to REACH counters what as many numbers say of one side of the leader."""
    shift = np.int32(16 * side)
    for k in range(REACH):
        q = np.uint64(k)
        number = (numbers[np.uint64(first) + q] >> shift) & _PART
        line[np.uint64(begin) + q] += np.uint32(number)


@inlined
def _add_cells(row, counts, edges):
    """Count into a row of the grids what lies between its edges."""
    above, between, middle = edges.above, edges.between, counts.grids.shape[1] // 2
    for k in range(REACH):
        further = np.int32(0) if k == REACH - 1 else above[REACH + k + 1]
        between[k] = np.int32(above[k] - above[k + 1])
        between[REACH + k] = np.int32(above[REACH + k] - further)
    for side in range(2):
        line = counts.grids[side, row]
        open_row(counts.grids, counts.touched, side, row)
        _add(line, middle - REACH, between, 0, side)
        _add(line, middle, between, REACH, side)


@inlined
def _add_turns(negative, total, zeros, counts, edges):
    """Count into the angles what lies between their edges, the other way round if `negative`."""
    above, between, relative = edges.above, edges.between, counts.relative
    axis, last = counts.angle.shape[0] // 8 + 1, relative.shape[1] - 1
    for k in range(REACH):
        over = total if k == 0 else above[2 * REACH + k - 1]
        further = np.int32(0) if k == REACH - 1 else above[3 * REACH + k + 1]
        lower = np.int32(over - above[2 * REACH + k])
        upper = np.int32(above[3 * REACH + k] - further)
        between[2 * REACH - 1 - k if negative else k] = lower
        between[REACH - 1 - k if negative else REACH + k] = upper
    for side in range(2):
        angles = relative[2 * side + negative]
        _add(angles, axis - REACH, between, 0, side)
        _add(angles, axis, between, REACH, side)
        angles[last + 1 - SLOTS] += np.uint32((zeros >> np.int32(16 * side)) & _PART)


@inlined
def scatter_bunched(c, rc, at, row, second, ring, counts, edges):
    """Do what `scatter_all` does if the others, |c| ≤ second, are small; return whether they are.

    Only of float32: an edge lies between two of these, and what is closer to it is seldom.
    """
    count, half = counts.angle.shape[0], (counts.grids.shape[1] - 2) // 2
    lead, m = c[rc, at], c.shape[1]
    if not single(c.dtype.type) or not NARROWEST <= m <= WIDEST or half < REACH or count < FEWEST:
        return False
    size = abs(np.float64(lead))
    cells = _held(second * counts.per_unit)
    # a tangent is larger than its angle
    turns = _held(second / size * (count * (1.0 + 1e-6) / (2.0 * math.pi)))
    pairs = cells + turns - 1
    if max(cells, turns) > REACH or pairs > _PAIRS + m // _WIDTH:
        return False
    if not _set_edges(cells, turns, size, counts.per_unit, edges):
        return False
    above, total = edges.above, _tell_sides(at, ring, edges.weights)
    _count_above(c, rc, pairs, total, edges)
    # next to zero, nothing but zeros may lie
    zeros = np.int32(above[3 * REACH - 1] - above[3 * REACH])
    if zeros and zeros != _count_zeros(c, rc, edges.weights):
        return False
    above[REACH] = np.int32(above[3 * REACH] + zeros)
    _add_cells(row, counts, edges)
    _add_turns(1 if lead < 0 else 0, total, zeros, counts, edges)
    return True


@inlined
def weigh_bunched(c, rc, at, norm2, fourth, second, sums):
    """Do what `weigh_all` does if the others are small; return whether they are.

    `norm2` and `fourth` are Σ c² and Σ c⁴ of the row, which has |c| ≤ second but for the leader,
    the only vector on its axis.
    """
    lead = np.float64(c[rc, at])
    inverse = 1.0 / (lead * lead)
    small = second * second * inverse <= _FLAT
    if not single(c.dtype.type) or c.shape[1] < NARROWEST or not small:
        return False
    # a wave is t/(1 + t)² = t − 2t² + 3t³ − 4t⁴ …, its square t² − 4t³ + 10t⁴ …, with t = c²/c_i²
    first, squares = norm2 * inverse - 1.0, fourth * inverse * inverse - 1.0
    # so small that float32 will do
    third, last = np.float32(0.0), np.float32(0.0)
    scale, none, half = np.float32(1.0 / lead), np.float32(0.0), np.float32(0.5)
    for k in range(c.shape[1]):
        tangent = c[rc, k] * scale
        t = tangent * tangent
        t = t if t < half else none
        square = t * t
        third += square * t
        last += square * square
    first += 3.0 * third - 2.0 * squares - 4.0 * last
    squares += 10.0 * last - 4.0 * third
    add_waves(c.shape[1] - 1, first, squares, sums)
    return True
