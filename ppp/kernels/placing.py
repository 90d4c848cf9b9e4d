"""Counting what `ppp.kernels.leading` found of a leader's pairs: grids, angles and planes."""

from __future__ import annotations

import numpy as np

from ppp.kernels.leading import CHUNK, COLUMN, HIT, ROW, TURN, TURNED_COLUMN, TURNED_ROW, before
from ppp.kernels.rows import inlined
from ppp.kernels.saturated import grid_bin


@inlined
def _seal(i, begin, end, span, low, high, other, trash, inner, outer):
    """Fill where sure hits are counted: in field `low` before the leader, in `high` after it.

    Others are counted into a column of their own, which nobody reads.
    """
    pairs, kind = span.pairs, span.pairs.dtype.type
    for j in range(end - begin):
        q = np.uint64(j)
        # read both, as a read that may not happen is one under a mask
        first, second = pairs[q + low], pairs[q + high]
        at = first if before(j, i - begin) else second
        inner[j] = np.int32(at if pairs[q + HIT] > kind(0.0) else kind(trash))
    for j in range(end - begin):
        outer[j] = np.int32(pairs[np.uint64(j) + other])


@inlined
def _touch(touched, outer, begin, end):
    """Mark the rows of a grid between the least and the largest that is counted into."""
    if end <= begin:
        return
    least, most = np.int32(touched.shape[0]), np.int32(0)
    for j in range(begin, end):
        least = np.int32(min(least, outer[j]))
        most = np.int32(max(most, outer[j]))
    for a in range(least, most + 1):
        touched[a] = True


@inlined
def scatter_pairs(i, lead, hits, begin, end, counts, span):
    """Count the sure hits of leader i; its coordinate `lead`, the steadier one, comes first."""
    grids, angle, turns = counts.grids, counts.angle, span.turns
    pairs, kind = span.pairs, span.pairs.dtype.type
    half, trash = (grids.shape[1] - 2) // 2, grids.shape[1]
    own = grid_bin(lead, counts.per_unit, np.float64(half))
    for j in range(end - begin):
        q = np.uint64(j)
        at = pairs[q + TURN]
        turns[j] = np.int32(at if pairs[q + HIT] > kind(0.0) else kind(angle.shape[0] - 1))
    _seal(i, begin, end, span, ROW, COLUMN, COLUMN, trash, span.inner, span.outer)
    until, after = min(max(0, i - begin), end - begin), max(0, i + 1 - begin)
    _touch(counts.touched[1], span.outer, 0, until)
    grid, inner, outer = grids[1], span.inner, span.outer
    for j in range(until):
        grid[np.uint32(outer[j]), np.uint32(inner[j])] += np.uint32(1)
        angle[np.uint32(turns[j])] += np.uint32(1)
    line = grids[0, own]
    counts.touched[0, own] = True
    for j in range(after, end - begin):
        q = np.uint64(j)
        line[np.uint32(inner[q])] += np.uint32(1)
        angle[np.uint32(turns[q])] += np.uint32(1)
    if counts.swapped.shape[1]:
        _scatter_turned(i, own, trash, until, after, begin, end, counts, span)
    if counts.seen.shape[0]:
        if hits == end - begin - (begin <= i < end):
            counts.full[i, begin // CHUNK] += np.uint32(1)
        else:
            for j in range(end - begin):
                q = np.uint64(j)
                counts.seen[i, np.uint64(begin) + q] += np.uint32(np.int32(pairs[q + HIT]))


@inlined
def _scatter_turned(i, own, trash, until, after, begin, end, counts, span):
    """Count the sure hits of leader i in the planes turned round."""
    inner, outer = span.turned_inner, span.turned_outer
    _seal(
        i, begin, end, span, TURNED_COLUMN, TURNED_ROW, TURNED_COLUMN, trash, inner, outer
    )  # fmt: skip
    line = counts.swapped[0, own]
    counts.swapped_touched[0, own] = True
    for j in range(until):
        line[np.uint32(inner[j])] += np.uint32(1)
    grid = counts.swapped[1]
    _touch(counts.swapped_touched[1], outer, after, end - begin)
    for j in range(after, end - begin):
        grid[np.uint32(outer[j]), np.uint32(inner[j])] += np.uint32(1)
