"""Pairs of a leader that the precision of the coordinates leaves in doubt, looked at once more.

Mostly it is plain that they hit, and only on which side of a bin's edge they lie is not. Then one
coordinate made again tells the bins, and the rest of what was found of the pair stands. It is made
of the float32 vectors, summed in float64: half the bytes of the exact ones, for which it waits, and
as many times closer than the product in float32 as that had terms; what is still in doubt is left
to the caller.
"""

from __future__ import annotations

import math

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
from ppp.kernels.listing import list_reaching
from ppp.kernels.pairs import along_second
from ppp.kernels.rows import inlined, inlined_part
from ppp.kernels.saturated import guarded
from ppp.kernels.snapping import snapped
from ppp.kernels.turning import turn_quickly
from ppp.kernels.waves import single

#: The bits of SURE.
_SURE_SINGLE = int(np.float32(SURE).view(np.int32))
_SURE_DOUBLE = int(np.float64(SURE).view(np.int64))
#: An angle that may be off by more, in radians, is made again, for the sake of its cosine.
_UNSTEADY = 1e-3
#: How far a coordinate may be off for the rounding of a unit vector to float32, per ‖x‖.
_SINGLE = 1.01 * 2.0**-24


@inlined
def list_doubts(begin, end, span):
    """List the pairs that are neither a hit nor none; return how many there are."""
    # the bits of positive floats have their order
    bits, kind = span.bits, span.bits.dtype.type
    sure = _SURE_SINGLE if single(span.pairs.dtype.type) else _SURE_DOUBLE
    begins, ends = np.int64(VERDICT), np.int64(VERDICT) + end - begin
    return list_reaching(bits, 0, begins, ends, kind(-1), kind(sure + 1), span.doubts)


@inlined_part
def _same_bin(w, off, unit, half):
    """Return whether all within `off` of a coordinate lie in one bin."""
    return guarded(w - off, unit, half) == guarded(w + off, unit, half)


@inlined_part
def _same_turn(first, second, off, count):
    """Return whether the angles of all within `off` of two coordinates lie in one bin."""
    aside = 1.5 * off / math.sqrt(first * first + second * second)
    before = turn_quickly(first + aside * second, second - aside * first, count)
    return before == turn_quickly(first - aside * second, second + aside * first, count)


@inlined_part
def _place_again(x, r, q, i, k, lead, near, g, step, scale, error, frame, counts, pairs):
    """Fill the grid bins of a pair, and the angular one if in doubt; return whether they are sure.

    The leader's coordinate is exact, the other one within `error`; snapped they are by `step`.
    """
    kind, half = pairs.dtype.type, np.float64((counts.grids.shape[1] - 2) // 2)
    unit, count, rest = counts.per_unit * scale, counts.angle.shape[0] - 1, 1.0 - g * g
    first, other = (near, lead) if k < i else (lead, near)
    second = along_second(x[r], frame.rows, first, other, min(i, k), max(i, k), g, rest)
    off = error / math.sqrt(rest)
    u1, u2 = snapped(first, step), snapped(second, step)
    pairs[q + ROW] = kind(guarded(u1, unit, half))
    pairs[q + COLUMN] = kind(guarded(u2, unit, half))
    clear = _same_bin(u2, off, unit, half) & _same_bin(u1, off if k < i else 0.0, unit, half)
    if pairs[q + VERDICT] >= kind(UNTURNED):
        pairs[q + TURN] = kind(turn_quickly(u1, u2, count))
        clear = clear and (off == 0.0 or _same_turn(u1, u2, off, count))
    if counts.swapped.shape[1]:
        beyond = along_second(x[r], frame.rows, other, first, max(i, k), min(i, k), g, rest)
        u1, u2 = snapped(other, step), snapped(beyond, step)
        pairs[q + TURNED_ROW] = kind(guarded(u1, unit, half))
        pairs[q + TURNED_COLUMN] = kind(guarded(u2, unit, half))
        clear = clear and _same_bin(u2, off, unit, half)
        clear = clear and _same_bin(u1, 0.0 if k < i else off, unit, half)
    return clear


@inlined
def _multiply_again(x, r, i, begin, number, frame, span):
    """Fill the coordinates of the listed pairs once more, and the cosines with leader i."""
    doubts, values, cosines, rows = span.doubts, span.values, span.cosines, frame.single
    for at in range(number):
        # before the products: what is not in the caches comes while they are made
        cosines[at] = frame.gram[i, begin + np.int64(doubts[at])]
    for at in range(number, number + TOGETHER - 1):
        doubts[at] = doubts[number - 1]
    for at in range(0, number, TOGETHER):
        # together, as one vector alone would wait for the memory
        k0, k1 = begin + np.int64(doubts[at]), begin + np.int64(doubts[at + 1])
        k2, k3 = begin + np.int64(doubts[at + 2]), begin + np.int64(doubts[at + 3])
        k4, k5 = begin + np.int64(doubts[at + 4]), begin + np.int64(doubts[at + 5])
        k6, k7 = begin + np.int64(doubts[at + 6]), begin + np.int64(doubts[at + 7])
        t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
        t4, t5, t6, t7 = 0.0, 0.0, 0.0, 0.0
        for k in range(x.shape[1]):
            value = np.float64(x[r, k])
            t0 += value * np.float64(rows[k0, k])
            t1 += value * np.float64(rows[k1, k])
            t2 += value * np.float64(rows[k2, k])
            t3 += value * np.float64(rows[k3, k])
            t4 += value * np.float64(rows[k4, k])
            t5 += value * np.float64(rows[k5, k])
            t6 += value * np.float64(rows[k6, k])
            t7 += value * np.float64(rows[k7, k])
        values[at], values[at + 1], values[at + 2], values[at + 3] = t0, t1, t2, t3
        values[at + 4], values[at + 5], values[at + 6], values[at + 7] = t4, t5, t6, t7


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
def place_doubts(
    x, r, c, i, lead, norm2, step, scale, error, begin, number, frame, counts, span
):  # fmt: skip
    """Place the listed pairs that hit for sure, and list the others; return how many."""
    pairs, doubts, values = span.pairs, span.doubts, span.values
    many, left = _steady(begin, number, span)
    nearly = _SINGLE * math.sqrt(norm2) if error > 0.0 else 0.0
    if many > 0 and error > 0.0:
        _multiply_again(x, r, i, begin, many, frame, span)
    for at in range(many):
        j = doubts[at]
        q, k = np.uint64(j), begin + np.int64(j)
        near, g = values[at], span.cosines[at]
        if error == 0.0:
            near, g = np.float64(c[r, k]), frame.gram[i, k]
        placed = _place_again(
            x, r, q, i, k, lead, near, g, step, scale, nearly, frame, counts, pairs
        )
        pairs[q + VERDICT] = pairs.dtype.type(SURE if placed else DOUBTFUL)
        span.others[left] = j
        left += not placed
    for at in range(left):
        doubts[at] = span.others[at]
    return left
