"""Saturated rows known by float32 products: counted as these say, then what is in doubt amended.

A leader above the threshold hits with every vector whatever the others are; only bins and angles of
coordinates close to an edge may be others than those of the exact ones, which are few.
"""

from __future__ import annotations

import math

import numpy as np

from ppp.kernels.listing import list_reaching
from ppp.kernels.rows import dot, inlined
from ppp.kernels.saturated import grid_bin, set_of
from ppp.kernels.snapping import snapped
from ppp.kernels.turning import beyond, doubt, turn_from

#: What rounding of a coordinate's place in its bin may cost, in bins.
_ROUNDED = np.float32(2.0**-23)
#: What may be in doubt of a coordinate.
CELL, TURN = 1, 2


@inlined
def _flag(c, rc, lead, error, counts, flags):
    """Fill what is in doubt of coordinates within `error` of the truth, beside their leader."""
    count, half = counts.angle.shape[0], np.float32(0.5)
    unit, wide = np.float32(counts.per_unit), np.float32(1.01 * error * counts.per_unit) + _ROUNDED
    inverse = np.float32(1.0 / lead)
    # the leader's may be off as well: the angle by (1 + |t|)/(1 + t²) ≤ 1.21 times as much
    off = 1.25 / (2.0 * math.pi) * count * error / abs(lead)
    margin = doubt(count) + np.float32(off)
    for k in range(c.shape[1]):
        position = np.float32(c[rc, k]) * unit
        cell = abs(position - np.floor(position) - half) <= half - wide
        angle = beyond(np.float32(c[rc, k]) * inverse, count)
        turn = abs(angle - np.floor(angle) - half) <= half - margin
        doubtful = np.int32(0) if cell else np.int32(CELL)
        flags[0, k] = np.int32(doubtful | (np.int32(0) if turn else np.int32(TURN)))


@inlined
def _amend_one(x, r, c, at, k, row, lead, step, halved, vectors, counts, doubtful):
    """Move one hit from the bins of its float32 product to those of the exact one."""
    exact, grids, angle = snapped(dot(x, r, vectors, k), step), counts.grids, counts.angle
    near, half = c[r, k], (grids.shape[1] - 2) // 2
    side = 0 if k > at else 1
    if doubtful & CELL:
        kind = c.dtype.type
        which = side + (2 * set_of(k, at, c.shape[1]) if halved else 0)
        grids[which, row, grid_bin(near, kind(counts.per_unit), kind(half))] -= np.uint32(1)
        grids[which, row, grid_bin(exact, counts.per_unit, np.float64(half))] += np.uint32(1)
    if doubtful & TURN:
        angle[turn_from(c[r, at], near, side, angle.shape[0])] -= 1
        angle[turn_from(lead, exact, side, angle.shape[0])] += 1


@inlined
def amend(x, r, c, at, row, lead, error, step, halved, vectors, counts, room):
    """Put right the hits of leader `at` that float32 products left in doubt.

    Parameters
    ----------
    x, c : (R, n) and (R, m) arrays
        Rows and their coordinates, each within `error` of the truth.
    r, at, row : int
        The row, its leader, and that one's row of the grid.
    lead, step : float
        The leader's coordinate, exact, and the row's step (`ppp.kernels.snapping`).
    halved : bool
        Whether the second halves were counted into a set of their own.
    vectors, counts
        The frame, and what is counted.
    room : Room
        Scratch: flags, and which are flagged.
    """
    flags, doubtful = room.flags, room.order
    _flag(c, r, lead, error, counts, flags)
    flags[0, at] = 0
    any_doubt, least = np.int32(CELL | TURN), np.int32(1)
    for j in range(list_reaching(flags, 0, 0, c.shape[1], any_doubt, least, doubtful)):
        k = doubtful[j]
        _amend_one(x, r, c, at, k, row, lead, step, halved, vectors, counts, flags[0, k])
