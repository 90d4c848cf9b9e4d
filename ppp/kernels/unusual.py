"""Rows whose Σ x² leaves the ordinary range: scaled by a power of two, then searched."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ppp.kernels.peaks import Patterns
from ppp.kernels.rows import (
    EXTREME,
    dot,
    examine,
    fast_part,
    part,
    power_sums,
    read_only,
    sum_squares,
)

#: The smallest positive number in float32.
LEAST_SINGLE = 2.0**-149


class Spare(NamedTuple):
    """A row of unusual size: scaled, its coordinates, their patterns, room to search it in.

    `x` and `c` are of the types of the other rows, so that no loop is compiled twice; `row` and
    `line` are the same memory, to be written to.
    """

    row: np.ndarray
    line: np.ndarray
    x: np.ndarray
    c: np.ndarray
    patterns: Patterns
    room: Any

    @classmethod
    def of(cls, x: np.ndarray, c: np.ndarray, room: Any) -> Spare:
        """Return room for a row like those of x, with coordinates like those of c."""
        row, line = np.zeros((1, x.shape[1]), x.dtype), np.zeros((1, c.shape[1]), c.dtype)
        read = read_only(line)
        return cls(row, line, read_only(row), read, Patterns.of(read), room)


@part
def _scale(x, r, most, scratch):
    """Write a row, scaled by a power of two, into scratch (1, n); return what undoes the scaling.

    `most` is its largest |x|. In float32 it is made large, so that small coordinates do not vanish.
    """
    lift, least = (100, LEAST_SINGLE) if scratch.itemsize == 4 else (1, 0.0)
    exponent = math.frexp(most)[1] - lift
    for k in range(x.shape[1]):
        value = math.ldexp(np.float64(x[r, k]), -exponent)
        # what would vanish beside a huge one keeps its side of zero: bins and angles tell them
        vanishes = abs(value) < least and value != 0.0
        scratch[0, k] = math.copysign(least, value) if vanishes else value
    return math.ldexp(1.0, exponent)


@fast_part
def rescale(x, r, whole, vectors, spare, ledger_counts):
    """Write a row, scaled, and its coordinates into `spare`; count it if it is not valid.

    Returns its state (EXTREME if it is valid), the factor that undoes the scaling, its Σ x² and its
    Σ c⁴/‖x‖⁴.
    """
    state, most = examine(x, r)
    if state != EXTREME:
        ledger_counts[state - 1] += 1
        return state, 1.0, 1.0, 0.0
    scale = _scale(x, r, most, spare.row)
    for i in range(spare.c.shape[1]):
        spare.line[0, i] = spare.x[0, i] if whole else dot(spare.x, 0, vectors, i)
    _, fourth = power_sums(spare.c, 0)
    norm2 = sum_squares(spare.x, 0)
    return state, scale, norm2, fourth / (norm2 * norm2)
