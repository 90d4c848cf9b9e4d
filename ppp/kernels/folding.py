"""Folding: a worker's compact counters added to a tally, and emptied."""

from __future__ import annotations

import numpy as np

from ppp.kernels.rows import jit

#: Rows and columns of a table that fit into the nearest cache, read along both.
TILE = 32


@jit
def fold_grids(grids, touched, grid):
    """Move guarded counts into a tally's grid, emptying them; return how many lay beyond it."""
    outside = 0
    size = grid.shape[0]
    for which in range(grids.shape[0]):
        for a in range(grids.shape[1]):
            if not touched[which, a]:
                continue
            touched[which, a] = False
            for b in range(size + 2):
                count = np.int64(grids[which, a, b])
                if count == 0:
                    continue
                grids[which, a, b] = 0
                if not (0 < a <= size and 0 < b <= size):
                    outside += count
                elif which % 2 == 0:
                    grid[a - 1, b - 1] += count
                else:
                    grid[b - 1, a - 1] += count
    return outside


@jit
def spread(full, chunk, seen):
    """Move what is counted of whole chunks of partners to each of these, emptying it.

    Parameters
    ----------
    full : (m, S) uint32 array
        How often a leader hit with all others of a chunk.
    chunk : int
        Vectors in a chunk.
    seen : (m, m) uint32 array
        Hits by leader and partner.
    """
    for i in range(full.shape[0]):
        for at in range(full.shape[1]):
            count = full[i, at]
            full[i, at] = 0
            if count == 0:
                continue
            for j in range(at * chunk, min(seen.shape[1], (at + 1) * chunk)):
                if j != i:
                    seen[i, j] += count


@jit
def fold_pairs(seen, full, ring, pairs):
    """Add counts by leader and partner to those by pair i < j, row by row, emptying them.

    Parameters
    ----------
    seen : (m, m) uint32 array
        Hits by leader and partner.
    full : (m,) int64 array
        Rows whose leader hits with every vector that is not on its axis.
    ring : (m,) int64 array
        The next vector on the same axis, in a ring; or none, where each axis has but one.
    pairs : (m(m − 1)/2,) int64 array
        Hits of every pair.
    """
    m = seen.shape[0]
    for top in range(0, m, TILE):
        for left in range(top, m, TILE):
            for i in range(top, min(m, top + TILE)):
                start = i * m - i * (i + 1) // 2 - i - 1
                for j in range(max(left, i + 1), min(m, left + TILE)):
                    count = np.int64(seen[i, j]) + np.int64(seen[j, i])
                    pairs[start + j] += count + full[i] + full[j]
                    if count:
                        seen[i, j] = seen[j, i] = 0
    for i in range(ring.shape[0]):
        j = ring[i]
        while j != i:
            if j > i:
                pairs[i * m - i * (i + 1) // 2 - i - 1 + j] -= full[i] + full[j]
            j = ring[j]
    full[:] = 0
