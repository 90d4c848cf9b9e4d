"""The numba kernel of the radial histogram: how far into its plane each hit lies."""

from __future__ import annotations

import math

import numpy as np

from ppp.kernels.pairs import candidates, leads, partners
from ppp.kernels.rows import VALID, jit, threshold

#: A share by so much below the edge of a bin is beyond it.
SLACK = 2.0**-44


@jit
def count_radii(
    x, c, norm2, state, scale, bound, vectors, gram, orthonormal, bounds, lowest,
    least, counts, order, found,
):  # fmt: skip
    """Count the hits of rows by ρ = ‖w‖/‖x‖, evenly over [least, 1].

    Parameters
    ----------
    x, c, norm2, state, scale, bound, vectors, gram, orthonormal, bounds, lowest
        As in `ppp.kernels.cpu.list_rows`.
    least : float
        Where the first bin begins.
    counts : (B,) int64 array
        Hits; those that rounding moves beyond an end belong to the bin there.
    order, found
        Scratch of m + 1 and (m, 3) places.
    """
    last = counts.shape[0] - 1
    per_unit = counts.shape[0] / (1.0 - least)
    for r in range(c.shape[0]):
        if state[r] != VALID:
            continue
        kept = threshold(bound, norm2[r], scale[r])
        count = candidates(c[r], kept, lowest, order)
        for k in range(count):
            i = order[k]
            if not leads(np.float64(c[r, i]), bounds[i], kept):
                continue
            number = partners(
                i, x[r], c[r], kept, vectors, gram, orthonormal, bounds, order, count, found
            )
            for h in range(number):
                w1, w2 = found[h, 1], found[h, 2]
                share = math.sqrt((w1 * w1 + w2 * w2) / norm2[r])
                at = int((share + SLACK - least) * per_unit)
                counts[min(last, max(0, at))] += 1
