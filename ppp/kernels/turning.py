"""Angles of hits: the histogram of φ from a polynomial, decided exactly near a bin's edge.

A hit's leader has the larger coordinate, so that φ lies within 45° of its axis, ±e1 or ±e2, and the
tangent t = c_j / c_i in [−1, 1] says how far from it.
"""

from __future__ import annotations

import math

import numpy as np

from ppp.kernels.rows import inlined, jit, part
from ppp.kernels.waves import arc

#: Share of a full circle that bounds the error of an angle in float32.
_ERROR = 3e-7
_ONE = np.float32(1.0)

#: An angle by so much below the edge of a bin, in radians, is beyond it; but where one coordinate
#: is as small beside the other as this, its sign tells on which side of an axis the angle is.
SLACK, _FLAT = 2.0**-44, 2.0**-40
#: Columns after the bins: tangents of exactly 0, 1 and −1, and those that float32 leaves in doubt.
SLOTS = 4


@jit
def turn(w1, w2, count):
    """Return the bin of φ = atan2(w2, w1) among `count` bins of [0, 2π)."""
    phi = math.atan2(w2, w1)
    if phi < 0:
        phi += 2 * math.pi
    a, b = abs(w1), abs(w2)
    if min(a, b) == 0.0 or min(a, b) > _FLAT * max(a, b):
        phi += SLACK
    return min(count - 1, int(phi * count / (2 * math.pi)))


@part
def turn_from(lead, near, side, count):
    """Return the bin of φ, the leader being the plane's first (side 0) or second vector."""
    if side == 0:
        return turn(np.float64(lead), np.float64(near), count)
    return turn(np.float64(near), np.float64(lead), count)


def columns(count: int) -> int:
    """Return the width of the histogram relative to the leader's axis, for `count` angular bins."""
    return count // 4 + 3 + SLOTS


@inlined
def doubt(count):
    """Return within how much of a bin's edge float32 cannot tell the bin, in bins."""
    return np.float32(_ERROR * count)


@inlined
def beyond(t, count):
    """Return the angle atan t in bins, in float32, t in [−1, 1]."""
    return arc(t, np.float32) * np.float32(count / (2.0 * math.pi))


@inlined
def _column(value, inverse, count, margin):
    """Return what `plain_column` does, as a float."""
    angle = beyond(np.float32(value) * inverse, count)
    below = np.floor(angle)
    half = np.float32(0.5)
    clear = abs(angle - below - half) <= half - margin
    # whole numbers as floats: numba would widen a sum of two int32
    last = np.float32(count // 4 + 2 + SLOTS)
    steps = below + np.float32(count // 8 + 1)
    steps = steps if clear else last
    return last - np.float32(3) if value == 0 else steps


@inlined
def plain_column(value, inverse, count, margin):
    """Return the column of a hit in the histogram relative to the leader's axis.

    `value` is the other coordinate, `inverse` that of the leader's in float32. An angle within
    `margin` bins of an edge goes to the last column, unless its tangent is zero.
    """
    return np.int32(_column(value, inverse, count, margin))


@inlined
def column(value, lead, inverse, count, margin):
    """Return what `plain_column` does, but for tangents of 1 and −1, which have their columns."""
    last = np.float32(count // 4 + 2 + SLOTS)
    steps = _column(value, inverse, count, margin)
    steps = last - _ONE if value == -lead else steps
    return np.int32(last - np.float32(2) if value == lead else steps)


@inlined
def turn_quickly(w1, w2, count):
    """Return what `turn` does, by the polynomial wherever that leaves no doubt."""
    a, b = abs(w1), abs(w2)
    most, least = max(a, b), min(a, b)
    angle = beyond(np.float32(least / most), count) if most > 0.0 else np.float32(0.0)
    angle = np.float32(count * 0.25) - angle if b > a else angle
    angle = np.float32(count * 0.5) - angle if w1 < 0.0 else angle
    angle = np.float32(count) - angle if w2 < 0.0 else angle
    below = np.floor(angle)
    part, margin = angle - below, doubt(count)
    if (part < margin) | (part > np.float32(1.0) - margin):
        return turn(w1, w2, count)
    return int(below)


def unfold(relative: np.ndarray, count: int) -> np.ndarray:
    """Return the histogram of φ from those relative to the leader's axis.

    Parameters
    ----------
    relative : (4, columns(count)) int array
        Rows: leader is the first vector and positive, first and negative, second and positive,
        second and negative. Columns: bins of atan t, that of small t > 0 at count // 8 + 1, then
        the hits with t = 0, 1 and −1, and last those in doubt, which are counted elsewhere.
    count : int
        Number of bins.

    Returns
    -------
    (count,) int64 array
    """
    steps = np.arange(relative.shape[1]) - count // 8 - 1
    bins = np.stack(
        [steps, count // 2 + steps, count // 4 - 1 - steps, 3 * (count // 4) - 1 - steps]
    )
    for at, t in enumerate((0.0, 1.0, -1.0), start=-SLOTS):
        bins[:, at] = [
            turn(1.0, t, count),
            turn(-1.0, -t, count),
            turn(t, 1.0, count),
            turn(-t, -1.0, count),
        ]
    folded = np.zeros(count, np.int64)
    np.add.at(folded, bins[:, :-1] % count, relative[:, :-1])
    return folded
