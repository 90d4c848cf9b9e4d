"""The numba kernel of the sweep: each hit stands in an arc of spotlights."""

from __future__ import annotations

import math

import numpy as np

from ppp.kernels.pairs import candidates, leads, partners, turned_round
from ppp.kernels.rows import VALID, inlined_part, jit, threshold
from ppp.kernels.waves import upright


@inlined_part
def sees(w1, w2, cosine, sine, limit, strict):
    """Return whether the spotlight at an angle sees a sample with in-plane coordinates w."""
    along = w1 * cosine + w2 * sine
    return along > limit if strict else along >= limit


@inlined_part
def wrap(at, count):
    """Return an angle's place in the circle, from at most one turn away."""
    if at < 0:
        return at + count
    return at - count if at >= count else at


@inlined_part
def arc(w1, w2, limit, strict, cosines, sines):
    """Return the first angle that sees w (from −A to A − 1) and how many do in a row."""
    count = cosines.shape[0]
    radius2 = w1 * w1 + w2 * w2
    if radius2 == 0.0:
        return 0, 0
    step = 2 * math.pi / count
    # arccos of limit / radius, and atan2 of w
    half = upright(limit, math.sqrt(max(0.0, radius2 - limit * limit)), np.float64)
    middle = upright(abs(w1), abs(w2), np.float64)
    middle = math.pi - middle if w1 < 0.0 else middle
    middle = -middle if w2 < 0.0 else middle
    # a little too wide, then both ends are asked themselves
    first = math.ceil((middle - half) / step - 1e-7)
    last = math.floor((middle + half) / step + 1e-7)
    while first <= last:
        at = wrap(first, count)
        if sees(w1, w2, cosines[at], sines[at], limit, strict):
            break
        first += 1
    while first <= last:
        at = wrap(last, count)
        if sees(w1, w2, cosines[at], sines[at], limit, strict):
            break
        last -= 1
    return first, min(count, last - first + 1)


@inlined_part
def add_arc(changes, first, number):
    """Count `number` angles from `first` on in an array of changes from one angle to the next."""
    count = changes.shape[0] - 1
    if number <= 0:
        return
    if number >= count:
        changes[0] += 1
        return
    begin = wrap(first, count)
    end = begin + number
    changes[begin] += 1
    if end < count:
        changes[end] -= 1
    elif end > count:
        changes[0] += 1
        changes[end - count] -= 1


@jit
def sweep_rows(
    x, c, norm2, state, bound, vectors, gram, orthonormal, bounds, lowest,
    limit, strict, cosines, sines, line, table, pooled, order, found,
):  # fmt: skip
    """Count, for every plane and angle, the rows that a spotlight sees.

    Parameters
    ----------
    x, c, norm2, state, bound, vectors, gram, orthonormal, bounds, lowest
        As in `ppp.kernels.cpu.list_rows`.
    limit : float
        A row is seen when its unit vector reaches this far along the probe; positive.
    strict : bool
        Whether it must reach farther, along the opposite probe: rows not seen are counted.
    cosines, sines : (A,) float64 arrays
        Of the angles.
    line : (m(m−1)/2,) int64 array
        Line of each pair in `table`, −1 for none; empty: the pair's own place.
    table, pooled : (D, S, T, A + 1) and (D, S, A + 1) int64 arrays
        Changes from angle to angle: both orders of a pair (D), the probe and its opposite (S).
    order, found
        Scratch of m + 1 and (m, 3) places.
    """
    m = c.shape[1]
    for r in range(c.shape[0]):
        if state[r] != VALID:
            continue
        kept = threshold(bound, norm2[r], 1.0)
        here = limit * math.sqrt(norm2[r])
        count = candidates(c[r], kept, lowest, order)
        for k in range(count):
            i = order[k]
            if not leads(np.float64(c[r, i]), bounds[i], kept):
                continue
            number = partners(
                i, x[r], c[r], kept, vectors, gram, orthonormal, bounds, order, count, found
            )
            for h in range(number):
                j = int(found[h, 0])
                low, high = min(i, j), max(i, j)
                place = low * m - low * (low + 1) // 2 + high - low - 1
                at = line[place] if line.shape[0] else place
                w1, w2 = found[h, 1], found[h, 2]
                for d in range(pooled.shape[0]):
                    if d == 1:
                        w1, w2 = turned_round(x[r], c[r], vectors, gram, orthonormal, low, high)
                    for s in range(pooled.shape[1]):
                        # what a probe does not see lies along its opposite
                        sign = -1.0 if strict == (s == 0) else 1.0
                        first, length = arc(sign * w1, sign * w2, here, strict, cosines, sines)
                        add_arc(pooled[d, s], first, length)
                        if table.shape[2] and at >= 0:
                            add_arc(table[d, s, at], first, length)
