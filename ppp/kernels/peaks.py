"""The largest coordinates of a row, found by their bit patterns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppp.kernels.listing import list_reaching
from ppp.kernels.rows import inlined


class Patterns(NamedTuple):
    """Coordinates as bit patterns, whose order without the sign is that of |c|.

    So their maxima are plain integer reductions. `peak` (1,) holds one of them, `height` is the
    same memory read as a float.
    """

    bits: np.ndarray
    mask: np.integer
    peak: np.ndarray
    height: np.ndarray

    @classmethod
    def of(cls, c: np.ndarray) -> Patterns:
        """Return the patterns of coordinates (R, m) in float32 or float64."""
        kind = np.int32 if c.dtype == np.float32 else np.int64
        height = np.zeros(1, c.dtype)
        mask = kind(2 ** (8 * c.itemsize - 1) - 1)  # all but the sign
        return cls(c.view(kind), mask, height.view(kind), height)


@inlined
def gather(patterns, rc, least, order):
    """List the indices with |c| ≥ least; return how many there are."""
    bits, mask, peak, height = patterns
    height[0] = least
    return list_reaching(bits, rc, 0, bits.shape[1], mask, peak[0], order)


@inlined
def highest(patterns, rc):
    """Return the largest |c| of a row, and leave it as the peak."""
    bits, mask, peak, height = patterns
    kind = bits.dtype.type
    most = kind(0)
    for k in range(bits.shape[1]):
        most = kind(max(most, kind(bits[rc, k] & mask)))
    peak[0] = most
    return np.float64(height[0])


@inlined
def runner_up(patterns, rc):
    """Return the first index of the largest |c|, how many reach it, and the largest that does not.

    The largest of all is what `highest` left.
    """
    bits, mask, peak, height = patterns
    kind, top = bits.dtype.type, peak[0]
    end, most = np.int32(bits.shape[1]), kind(0)
    first, many = end, np.int32(0)
    # to the end, without a branch: that is a few vector instructions
    for k in range(bits.shape[1]):
        here = kind(bits[rc, k] & mask)
        same = here == top
        first = np.int32(min(first, np.int32(k) if same else end))
        most = kind(max(most, kind(0) if same else here))
        many = np.int32(many + (np.int32(1) if same else np.int32(0)))
    peak[0] = most
    return np.int64(first), np.int64(many), np.float64(height[0])
