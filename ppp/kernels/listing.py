"""Listing the few of many places where whole numbers are above a level."""

from __future__ import annotations

import numpy as np

from ppp.kernels.rows import inlined

#: How many are asked at once whether any of them is: mostly none is. An array has room for so many
#: beyond those it is asked for.
ASKED = 16


@inlined
def list_above(values, base, number, level, listed):
    """Write the j below `number` with values[base + j] > level ≥ 0 into `listed`; return how many.

    `listed` has room for one more than it is given; what is said of that one means nothing.
    """
    kind, count = values.dtype.type, np.int64(0)
    for start in range(0, number, ASKED):
        first, some = np.uint64(base) + np.uint64(start), kind(0)
        for j in range(ASKED):
            # no less than the largest of them
            some = kind(some | values[first + np.uint64(j)])
        # without a branch each: one of sixteen is, and nobody can tell which
        for j in range(start, min(number, start + ASKED) if some > level else 0):
            listed[count] = j
            count += values[np.uint64(base) + np.uint64(j)] > level
    return count
