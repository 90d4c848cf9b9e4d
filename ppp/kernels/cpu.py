"""Norms and states of rows, and a list of their hits, decided in float64."""

from __future__ import annotations

import numba
import numpy as np

from ppp.kernels.pairs import candidates, leads, partners, turned_round
from ppp.kernels.rows import (
    EXTREME,
    FAST,
    LEAST,
    MOST,
    NONFINITE,
    VALID,
    ZERO,
    Bound,
    examine,
    jit,
    threshold,
)
from ppp.kernels.snapping import snapped, step_of

__all__ = ["EXTREME", "NONFINITE", "VALID", "ZERO", "Bound"]


@numba.njit(nogil=True, cache=True, fastmath=FAST)
def squared_norms(x, norm2):
    """Fill norm2 with Σ x² of each row, in float64."""
    for r in range(x.shape[0]):
        total = 0.0
        for k in range(x.shape[1]):
            value = np.float64(x[r, k])
            total += value * value
        norm2[r] = total


@jit
def classify(x, norm2, state):
    """Mark rows as valid, zero, not finite, or extreme (Σ x² near the ends of float64)."""
    for r in range(x.shape[0]):
        state[r] = VALID if LEAST <= norm2[r] <= MOST else examine(x, r)[0]


@jit
def list_rows(
    x, c, norm2, state, scale, bound, vectors, gram, orthonormal, bounds, lowest, exact,
    w, slot, row, order, found,
):  # fmt: skip
    """Write every hit of the rows: w (D, H, 2), the pair's place in the triangle, the row.

    Parameters
    ----------
    x, c : (R, n) and (R, m) arrays
        Rows (extreme ones scaled by a power of two) and their coordinates c = x · b.
    norm2, state, scale : (R,) arrays
        ‖x‖², the row's state, and the factor that undoes the scaling.
    bound : Bound
        The rule's threshold.
    vectors, gram, orthonormal
        The frame; gram is read for oblique frames only.
    bounds, lowest : (m,) array, float
        Leaders have c² ≥ bound·threshold; `lowest` is the smallest bound.
    exact : bool
        Whether coordinates are the rows' own numbers; others are snapped.
    w, slot, row : (D, H, 2), (H,), (H,) arrays
        Filled, w of the scaled rows, for D = 2 in both orders of a pair; arrays of size zero only
        count.
    order, found
        Scratch of m + 1 and (m, 3) places.

    Returns
    -------
    hits : int
    """
    m = c.shape[1]
    hits = 0
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
            if row.shape[0]:
                step = 0.0 if exact else step_of(norm2[r])
                for h in range(number):
                    j = int(found[h, 0])
                    low, high = min(i, j), max(i, j)
                    w[0, hits + h, 0] = snapped(found[h, 1], step)
                    w[0, hits + h, 1] = snapped(found[h, 2], step)
                    if w.shape[0] == 2:
                        v1, v2 = turned_round(x[r], c[r], vectors, gram, orthonormal, low, high)
                        w[1, hits + h, 0] = snapped(v1, step)
                        w[1, hits + h, 1] = snapped(v2, step)
                    slot[hits + h] = low * m - low * (low + 1) // 2 + high - low - 1
                    row[hits + h] = r
            hits += number
    return hits
