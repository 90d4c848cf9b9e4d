"""Which vectors of an oblique frame may hit beside a leader, told without exact coordinates."""

from __future__ import annotations

import numpy as np

from ppp.kernels.rows import inlined
from ppp.planes import DEGENERATE

#: How many are asked at once whether any of them may: mostly none does.
ASKED = 16


@inlined
def _may_hit(lead, other, g, error, least):
    """Return whether a pair may reach the threshold; the nearly parallel may.

    The coordinate `other` is within `error` of the truth.
    """
    own, size, rest = abs(lead), abs(other), 1.0 - g * g
    # w·w (1 − g²), symmetric in both coordinates, with room for rounding
    reach = own * own * (1.0 + 1e-12) + other * other - 2.0 * g * lead * other
    reach += error * (2.0 * (own + size) + error)
    near = (reach >= least * (1.0 - 1e-9) * rest) | (rest < 1e-4)
    return near & (size <= own + error) & (rest >= DEGENERATE)


@inlined
def sift(c, r, gram, i, lead, error, least, flags):
    """Flag the vectors that may hit beside leader i, with a one; return how many there are."""
    # counted as floats: a count of int64 would halve the width of the vectors
    total = 0.0
    for j in range(c.shape[1]):
        hit = _may_hit(lead, np.float64(c[r, j]), gram[i, j], error, least)
        flag = 1.0 if hit else 0.0
        flags[j] = flag
        total += flag
    return int(total)


@inlined
def flagged(flags, m, partners):
    """Write the indices that are flagged into `partners`."""
    count = 0
    for start in range(0, m, ASKED):
        first, some = np.uint64(start), 0.0
        for j in range(ASKED):
            some += flags[first + np.uint64(j)]
        for j in range(start, min(m, start + ASKED) if some > 0.0 else 0):
            partners[count] = j
            count += flags[j] > 0.0


@inlined
def pick(c, r, order, number, gram, i, lead, error, near, least, partners):
    """Write the candidates that leader i may pair with into `partners`; return how many.

    `near` is the least |c| of a partner; without a Gram matrix nothing else is asked.
    """
    count = 0
    for k in range(number):
        j = order[k]
        other = np.float64(c[r, j])
        if abs(other) >= near and j != i:
            partners[count] = j
            count += gram.shape[0] == 0 or _may_hit(lead, other, gram[i, j], error, least)
    return count
