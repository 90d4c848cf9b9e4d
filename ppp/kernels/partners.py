"""Which vectors of an oblique frame may hit beside a leader, told without exact coordinates."""

from __future__ import annotations

import numpy as np

from ppp.kernels.listing import list_reaching
from ppp.kernels.rows import inlined
from ppp.planes import DEGENERATE


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
def sift(c, r, gram, i, lead, error, least, flags, partners):
    """Write the vectors that may hit beside leader i into `partners`; return how many there are."""
    one = np.int32(1)
    for j in range(c.shape[1]):
        hit = _may_hit(lead, np.float64(c[r, j]), gram[i, j], error, least)
        flags[0, j] = one if hit else np.int32(0)
    return list_reaching(flags, 0, 0, c.shape[1], one, one, partners)


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
