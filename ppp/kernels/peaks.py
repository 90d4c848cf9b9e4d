"""The largest coordinates of a row, found by their bit patterns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppp.kernels.rows import inlined

#: Coordinates that share one maximum: stretches without a candidate are passed over.
STRETCH = 32


class Patterns(NamedTuple):
    """Coordinates as bit patterns, whose order without the sign is that of |c|.

    So their maxima are plain integer reductions. `peaks` holds those of a row's stretches,
    `heights` is the same memory read as floats.
    """

    bits: np.ndarray
    mask: np.integer
    peaks: np.ndarray
    heights: np.ndarray

    @classmethod
    def of(cls, c: np.ndarray) -> Patterns:
        """Return the patterns of coordinates (R, m) in float32 or float64."""
        kind = np.int32 if c.dtype == np.float32 else np.int64
        heights = np.zeros(c.shape[1] // STRETCH + 1, c.dtype)
        mask = kind(2 ** (8 * c.itemsize - 1) - 1)  # all but the sign
        return cls(c.view(kind), mask, heights.view(kind), heights)


@inlined
def largest(bits, rc, begin, end, mask):
    """Return the largest |c| of a stretch, as its bits."""
    kind = bits.dtype.type
    most = kind(0)
    for k in range(begin, end):
        most = kind(max(most, kind(bits[rc, k] & mask)))
    return most


@inlined
def measure(bits, rc, mask, peaks, heights):
    """Fill the maxima of |c| over stretches; return the largest."""
    most = 0.0
    for at in range(0, bits.shape[1], STRETCH):
        peaks[at // STRETCH] = largest(bits, rc, at, min(bits.shape[1], at + STRETCH), mask)
        most = max(most, heights[at // STRETCH])
    return most


@inlined
def gather(c, rc, least, heights, order):
    """Compress the indices with |c| ≥ least; return how many."""
    count = 0
    level = c.dtype.type(least)
    for begin in range(0, c.shape[1], STRETCH):
        if heights[begin // STRETCH] >= level:
            for i in range(begin, min(c.shape[1], begin + STRETCH)):
                order[count] = i
                count += abs(c[rc, i]) >= level
    return count


@inlined
def highest(patterns, rc):
    """Return the largest |c| of a row, and put it first among the peaks."""
    bits, mask, peaks, heights = patterns
    peaks[0] = largest(bits, rc, 0, bits.shape[1], mask)
    return np.float64(heights[0])


@inlined
def runner_up(patterns, rc):
    """Return the first index of the largest |c|, how many reach it, and the largest that does not.

    The largest of all is what `highest` left.
    """
    bits, mask, peaks, heights = patterns
    kind, top = bits.dtype.type, peaks[0]
    end, most = np.int32(bits.shape[1]), kind(0)
    first, many = end, np.int32(0)
    # to the end, without a branch: that is a few vector instructions
    for k in range(bits.shape[1]):
        here = kind(bits[rc, k] & mask)
        same = here == top
        first = np.int32(min(first, np.int32(k) if same else end))
        most = kind(max(most, kind(0) if same else here))
        many = np.int32(many + (np.int32(1) if same else np.int32(0)))
    peaks[0] = most
    return np.int64(first), np.int64(many), np.float64(heights[0])
