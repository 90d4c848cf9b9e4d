"""Angles of hits: the histogram of φ by table, and cos 4φ of orthogonal and oblique planes."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ppp.kernels.rows import inlined, jit

#: Closer than this to the edge of a bin, the tangent leaves the decision to atan2 itself.
EDGE = 1e-12


class Turns(NamedTuple):
    """What turns the tangent t = c_j / c_i, |t| ≤ 1, of a hit into its angular bin.

    A hit's leader i has the larger coordinate, so φ is within 45° of ±e1 or ±e2; `edge` holds,
    for each of its equal cells of [−1, 1], the one bin edge that lies inside (or 2.0), `below`
    the bin below that edge, counted from the axis and shifted to be positive.
    """

    edge: np.ndarray
    below: np.ndarray


@jit
def turn(w1, w2, count):
    """Return the bin of φ = atan2(w2, w1) among `count` bins of [0, 2π)."""
    phi = math.atan2(w2, w1)
    if phi < 0:
        phi += 2 * math.pi
    return min(count - 1, int(phi * count / (2 * math.pi)))


@lru_cache(maxsize=8)
def turns(count: int) -> Turns:
    """Return the tables of `count` angular bins."""
    if not count:
        return Turns(np.zeros(1), np.zeros(1, np.uint32))
    cells = 2 ** math.ceil(math.log2(count)) if count > 2 else 2
    left = np.arange(cells) * (2.0 / cells) - 1.0
    edges = np.tan(2 * np.pi * np.arange(-(count // 8), count // 8 + 1) / count)
    first = np.searchsorted(edges, left, side="right")
    padded = np.append(edges, 2.0)
    inside = padded[first] < left + 2.0 / cells
    edge = np.where(inside, padded[first], 2.0)
    # an edge that falls on a cell's left end counts as passed
    return Turns(edge, first.astype(np.uint32))


@inlined
def place(t, edge, below):
    """Return how many bins the angle atan t is beyond the axis, and whether an edge is too near."""
    cells = edge.shape[0]
    position = (t + 1.0) * (0.5 * cells)
    cell = np.uint32(np.int32(position))
    cell = cell if cell < np.uint32(cells) else np.uint32(cells - 1)
    beyond = t - edge[cell]
    inside = position - np.int32(position)
    doubtful = (abs(beyond) < EDGE) | (inside < EDGE * cells) | (inside > 1.0 - EDGE * cells)
    return below[cell] + np.uint32(beyond > 0.0), doubtful


def unfold(relative: np.ndarray, count: int) -> np.ndarray:
    """Return the histogram of φ from those relative to the leader's axis.

    Parameters
    ----------
    relative : (4, count // 4 + 4) int array
        Rows: leader is the first vector and positive, first and negative, second and positive,
        second and negative; columns: bins of atan t, that of t = +0 at count // 8 + 1, and last
        the hits with t = 0, on the axis itself.
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
    bins[:, -1] = [
        turn(1.0, 0.0, count),
        turn(-1.0, 0.0, count),
        turn(0.0, 1.0, count),
        turn(0.0, -1.0, count),
    ]
    folded = np.zeros(count, np.int64)
    np.add.at(folded, bins % count, relative)
    return folded
