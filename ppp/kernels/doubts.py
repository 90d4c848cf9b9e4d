"""Pairs of a leader that the precision of the coordinates leaves in doubt, looked at in float64.

Mostly it is plain that they hit, and only on which side of a bin's edge they lie is not. Then one
coordinate made again tells the bins, and the rest of what was found of the pair stands.
"""

from __future__ import annotations

import numpy as np

from ppp.kernels.leading import (
    ANGLE,
    COLUMN,
    DOUBTFUL,
    OFF,
    ROW,
    SHRINK,
    SURE,
    TOGETHER,
    TURN,
    TURNED_COLUMN,
    TURNED_ROW,
    UNTURNED,
    VERDICT,
)
from ppp.kernels.pairs import along_second, other_way
from ppp.kernels.rows import inlined, inlined_part
from ppp.kernels.saturated import guarded
from ppp.kernels.turning import turn_quickly

#: An angle that may be off by more, in radians, is made again, for the sake of its cosine.
_UNSTEADY = 1e-3


@inlined
def list_doubts(begin, end, span):
    """List the pairs that are neither a hit nor none; return how many there are."""
    pairs, doubts, number = span.pairs, span.doubts, np.uint64(0)
    sure = span.pairs.dtype.type(SURE)
    for j in range(end - begin):
        # without a branch: one in a hundred is, and nobody can tell which
        doubts[number] = np.int32(j)
        number += np.uint64(pairs[np.uint64(j) + VERDICT] > sure)
    return np.int64(number)


@inlined_part
def _place_again(x, r, q, i, k, lead, near, g, scale, frame, counts, pairs):
    """Fill the grid bins of a pair whose coordinates are exact, and the angular one if in doubt.

    Return false where the leader's bin would be another in the plane turned round.
    """
    kind, half = pairs.dtype.type, np.float64((counts.grids.shape[1] - 2) // 2)
    per_unit = counts.per_unit
    first, other = (near, lead) if k < i else (lead, near)
    second = along_second(x[r], frame.rows, first, other, min(i, k), max(i, k), g, 1.0 - g * g)
    pairs[q + ROW] = kind(guarded(first * scale, per_unit, half))
    pairs[q + COLUMN] = kind(guarded(second * scale, per_unit, half))
    if pairs[q + VERDICT] >= kind(UNTURNED):
        pairs[q + TURN] = kind(turn_quickly(first, second, counts.angle.shape[0] - 1))
    apart = False
    if counts.swapped.shape[1]:
        turned, beyond = other_way(first, second, g)
        pairs[q + TURNED_ROW] = kind(guarded(turned * scale, per_unit, half))
        pairs[q + TURNED_COLUMN] = kind(guarded(beyond * scale, per_unit, half))
        # a sample on an edge, as those on a vector are: rounding took it to the other side
        own = kind(guarded(lead * scale, per_unit, half))
        apart = k < i and pairs[q + TURNED_ROW] != own
    return not apart


@inlined
def _multiply_again(x, r, i, begin, number, frame, span):
    """Fill the coordinates of the listed pairs in float64, and the cosines with leader i."""
    doubts, values, cosines, rows = span.doubts, span.values, span.cosines, frame.rows
    for at in range(number):
        # before the products: what is not in the caches comes while they are made
        cosines[at] = frame.gram[i, begin + np.int64(doubts[at])]
    for at in range(number, number + TOGETHER - 1):
        doubts[at] = doubts[number - 1]
    for at in range(0, number, TOGETHER):
        # together, as one vector alone would wait for the memory
        k0, k1 = begin + np.int64(doubts[at]), begin + np.int64(doubts[at + 1])
        k2, k3 = begin + np.int64(doubts[at + 2]), begin + np.int64(doubts[at + 3])
        t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
        for k in range(x.shape[1]):
            value = np.float64(x[r, k])
            t0 += value * rows[k0, k]
            t1 += value * rows[k1, k]
            t2 += value * rows[k2, k]
            t3 += value * rows[k3, k]
        values[at], values[at + 1], values[at + 2], values[at + 3] = t0, t1, t2, t3


@inlined
def _steady(begin, number, span):
    """Keep those listed that hit for sure, and list the others behind; return how many."""
    pairs, doubts, others = span.pairs, span.doubts, span.others
    kind, many, left = pairs.dtype.type, 0, 0
    for at in range(number):
        j = doubts[at]
        q = np.uint64(j)
        # what is not a number is not steady
        steady = pairs[q + OFF] * pairs[q + SHRINK] <= kind(_UNSTEADY)
        steady = steady & (pairs[q + ANGLE] >= kind(0.0)) & (pairs[q + VERDICT] < kind(DOUBTFUL))
        doubts[many] = others[left] = j
        many += steady
        left += not steady
    return many, left


@inlined
def place_doubts(x, r, c, i, lead, scale, error, begin, number, frame, counts, span):
    """Place the listed pairs that hit for sure, and list the others; return how many."""
    pairs, doubts, values = span.pairs, span.doubts, span.values
    many, left = _steady(begin, number, span)
    if many > 0 and error > 0.0:
        _multiply_again(x, r, i, begin, many, frame, span)
    for at in range(many):
        j = doubts[at]
        q, k = np.uint64(j), begin + np.int64(j)
        near, g = values[at], span.cosines[at]
        if error == 0.0:
            near, g = np.float64(c[r, k]), frame.gram[i, k]
        placed = _place_again(x, r, q, i, k, lead, near, g, scale, frame, counts, pairs)
        pairs[q + VERDICT] = pairs.dtype.type(SURE if placed else DOUBTFUL)
        span.others[left] = j
        left += not placed
    for at in range(left):
        doubts[at] = span.others[at]
    return left
