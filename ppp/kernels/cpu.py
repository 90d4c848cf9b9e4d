"""The numba engine: serial kernels that release the GIL, one worker thread each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from ppp.kernels.rows import (
    EXTREME,
    FAST,
    MARGIN,
    NONFINITE,
    ORTHOGONAL,
    VALID,
    ZERO,
    Bound,
    fast,
    power_sums,
    threshold,
)
from ppp.kernels.saturated import grid_bin
from ppp.kernels.searching import measure
from ppp.kernels.turning import turn_quickly
from ppp.planes import DEGENERATE, LEADERS, NEARLY_PARALLEL

__all__ = ["EXTREME", "NONFINITE", "VALID", "ZERO", "Bound"]


class ObliqueCounts(NamedTuple):
    """A worker's counters, of size zero where they are not wanted.

    `grids` (2, G + 2, G + 2) has a guard bin at each end: [0] from pairs whose leader is the first
    vector, [1] transposed, from the others; `touched` says which rows were counted into. `swapped`
    likewise, for the planes (j, i). `seen` (m, m) counts leader by partner.
    """

    grids: np.ndarray
    touched: np.ndarray
    swapped: np.ndarray
    swapped_touched: np.ndarray
    seen: np.ndarray
    angle: np.ndarray
    per_unit: float


_jit = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)


@numba.njit(nogil=True, cache=True, fastmath=FAST)
def squared_norms(x, norm2):
    """Fill norm2 with Σ x² of each row, in float64."""
    for r in range(x.shape[0]):
        total = 0.0
        for k in range(x.shape[1]):
            value = np.float64(x[r, k])
            total += value * value
        norm2[r] = total


@_jit
def classify(x, norm2, state):
    """Mark rows as valid, zero, not finite, or extreme (Σ x² near the ends of float64)."""
    for r in range(x.shape[0]):
        if 1e-30 <= norm2[r] <= 1e30:
            state[r] = VALID
            continue
        largest = 0.0
        finite = True
        for k in range(x.shape[1]):
            value = abs(np.float64(x[r, k]))
            if not value < np.inf:
                finite = False
                break
            largest = max(largest, value)
        if not finite:
            state[r] = NONFINITE
        elif largest == 0.0:
            state[r] = ZERO
        else:
            state[r] = EXTREME


@_jit
def _sector(w1, w2, g):
    """Return 2πu, u the place of w in its sector between the lines ±b_i and ±b_j."""
    phi = math.atan2(w2, w1) % math.pi
    between = math.acos(min(1.0, max(-1.0, g)))
    if phi < between:
        return 2 * math.pi * phi / between
    return 2 * math.pi * (phi - between) / (math.pi - between)


@_jit
def _waves(w1, w2, g):
    """Return cos 4φ and cos 8φ; oblique pairs rescaled so that both vectors give +1."""
    a, b = w1 * w1, w2 * w2
    total = a + b
    if total == 0.0:
        return 1.0, 1.0
    if abs(g) <= ORTHOGONAL:
        cos4 = 1.0 - 8.0 * (a / total) * (b / total)
    else:
        cos4 = math.cos(_sector(w1, w2, g))
    return cos4, 2.0 * cos4 * cos4 - 1.0


@_jit
def _second(x, vectors, ci, cj, i, j, g, rest):
    """Return the coordinate along e2 of plane (i, j); rest is 1 − g²."""
    if rest >= NEARLY_PARALLEL:
        return (cj - g * ci) / math.sqrt(rest)
    # c_j − g c_i cancels when b_j ≈ ±b_i: use the difference vector instead.
    s = 1.0 if g > 0 else -1.0
    along = 0.0
    omega = 0.0
    for k in range(vectors.shape[1]):
        d = vectors[j, k] - s * vectors[i, k]
        along += np.float64(x[k]) * d
        omega += d * d
    omega /= 2
    return (along + s * omega * ci) / math.sqrt(omega * (2 - omega))


@_jit
def candidates(c, floor, order):
    """Compress the indices with c² ≥ floor into `order` (m + 1 places); return how many."""
    count = 0
    for i in range(c.shape[0]):
        value = np.float64(c[i])
        order[count] = i
        count += value * value >= floor
    return count


@_jit
def cosine(gram, vectors, i, j):
    """Return b_i · b_j, from the Gram matrix where there is one."""
    if gram.shape[0]:
        return gram[i, j]
    total = 0.0
    for k in range(vectors.shape[1]):
        total += vectors[i, k] * vectors[j, k]
    return total


@_jit
def partner_floor(most, own, threshold):
    """Return the least |c_j| that hits with a leader, whatever the angle between the vectors.

    `most` is the largest |cosine| of the leader with another vector, `own` its coordinate: the
    in-plane norm² is c_i² + (c_j − g c_i)²/(1 − g²), which is largest for |g| = most.
    """
    missing = threshold * (1 - MARGIN) - own * own
    if missing <= 0.0:
        return 0.0
    floor = math.sqrt((1.0 - most * most) * missing) * (1.0 - 1e-9) - (most + MARGIN) * abs(own)
    return max(0.0, floor)


@_jit
def partners(i, x, c, threshold, vectors, gram, orthonormal, bounds, order, count, found):
    """Write the hits (j, w1, w2) of leader i into the rows of `found`; return how many.

    Each pair is taken once, from its larger |c| (on a tie, from the smaller index); w always has
    the smaller index first.
    """
    hits = 0
    ci = np.float64(c[i])
    qi = ci * ci
    # most pairs are turned away before their cosine is read, or made
    most = 0.0 if orthonormal else 1.0 - 2.0 * bounds[i] / LEADERS
    floor = partner_floor(most, ci, threshold)
    for k in range(count):
        j = order[k]
        cj = np.float64(c[j])
        qj = cj * cj
        if j == i or abs(cj) < floor or qj > qi or (qj == qi and j < i):
            continue
        if i < j:
            w1, w2 = ci, cj
        else:
            w1, w2 = cj, ci
        if not orthonormal:
            # the Gram matrix is symmetric, and its row i at hand
            g = cosine(gram, vectors, i, j)
            rest = 1.0 - g * g
            if rest < DEGENERATE:
                continue
            w2 = _second(x, vectors, w1, w2, min(i, j), max(i, j), g, rest)
        if w1 * w1 + w2 * w2 >= threshold:
            found[hits, 0] = j
            found[hits, 1] = w1
            found[hits, 2] = w2
            hits += 1
    return hits


@_jit
def largest_two(c):
    """Return the two largest c² of a row and Σ c⁴."""
    most, next_most, fourth = 0.0, 0.0, 0.0
    for i in range(c.shape[0]):
        value = np.float64(c[i])
        q = value * value
        fourth += q * q
        if q > most:
            next_most = most
            most = q
        elif q > next_most:
            next_most = q
    return most, next_most, fourth


@fast
def sift_rows(c, patterns, norm2, state, scale, bound, lowest, gamma, sums, may_hit):
    """Mark the rows whose float32 coordinates do not rule a hit out; sum up the others."""
    bits, mask, peaks, heights = patterns
    for r in range(c.shape[0]):
        may_hit[r] = False
        if state[r] != VALID:
            continue
        _, fourth = power_sums(c, r)
        sums[r, 0] = 1.0
        sums[r, 7] = fourth / (norm2[r] * norm2[r])
        least = lowest * threshold(bound, norm2[r], scale[r]) * (1 - MARGIN)
        error = gamma * math.sqrt(norm2[r])
        # the two largest c² reach twice that only if the largest reaches it: mostly it does not
        if (measure(bits, r, mask, peaks, heights) + error) ** 2 >= least:
            most, next_most, _ = largest_two(c[r])
            reach = (math.sqrt(most) + error) ** 2 + (math.sqrt(next_most) + error) ** 2
            may_hit[r] = reach >= 2 * least


@_jit
def count_rows(
    x, c, norm2, state, scale, bound, vectors, gram, orthonormal, bounds, lowest, counts, sums,
    order, found,
):  # fmt: skip
    """Count the hits of rows; fill the rows' sums.

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
    counts : ObliqueCounts
        The worker's counters.
    sums : (R, K) array
        Columns as in `ppp.tally.MOMENTS`.
    order, found
        Scratch of m + 1 and (m, 3) places.

    Returns
    -------
    hits : int
    """
    seen, angle = counts.seen, counts.angle
    half = max(0, (counts.grids.shape[1] - 2) // 2)
    m = c.shape[1]
    hits = 0
    for r in range(c.shape[0]):
        if state[r] != VALID:
            continue
        lowest_kept = threshold(bound, norm2[r], scale[r])
        most, next_most, fourth = largest_two(c[r])
        sums[r, 0] = 1.0
        sums[r, 7] = fourth / (norm2[r] * norm2[r])
        slack = MARGIN * lowest_kept
        if most + next_most < 2 * lowest * lowest_kept - slack:
            continue
        count = candidates(c[r], 2 * lowest * lowest_kept - most - slack, order)
        best, best_pair = np.float32(-1.0), 0
        for k in range(count):
            i = order[k]
            ci = np.float64(c[r, i])
            if ci * ci < bounds[i] * lowest_kept - slack:
                continue
            number = partners(
                i, x[r], c[r], lowest_kept, vectors, gram, orthonormal, bounds, order, count,
                found,
            )  # fmt: skip
            hits += number
            for h in range(number):
                j = int(found[h, 0])
                w1, w2 = found[h, 1], found[h, 2]
                g = 0.0 if orthonormal else cosine(gram, vectors, i, j)
                cos4, cos8 = _waves(w1, w2, g)
                sums[r, 1] += 1
                sums[r, 2] += cos4
                sums[r, 3] += cos8
                # in float32, so that planes that tie but for rounding go to the first pair
                reach = np.float32((w1 * w1 + w2 * w2) / norm2[r])
                pair = min(i, j) * m + max(i, j)
                if reach > best or (reach == best and pair < best_pair):
                    best, best_pair = reach, pair
                    sums[r, 4], sums[r, 5], sums[r, 6] = 1.0, cos4, cos8
                if seen.shape[0]:
                    seen[i, j] += np.uint32(1)
                if angle.shape[0]:
                    angle[turn_quickly(w1, w2, angle.shape[0])] += 1
                if half:
                    _mark(w1 * scale[r], w2 * scale[r], i > j, counts.per_unit, half,
                          counts.grids, counts.touched)  # fmt: skip
                if counts.swapped.shape[1] > 0 and half:
                    v1, v2 = _other_way(w1, w2, g)
                    _mark(v1 * scale[r], v2 * scale[r], i < j, counts.per_unit, half,
                          counts.swapped, counts.swapped_touched)  # fmt: skip
    return hits


@_jit
def _mark(w1, w2, turned, per_unit, half, grids, touched):
    """Count a hit into the grid that has the leader's coordinate, the steadier one, first."""
    a = grid_bin(w1, per_unit, np.float64(half))
    b = grid_bin(w2, per_unit, np.float64(half))
    if turned:
        grids[1, b, a] += np.uint32(1)
        touched[1, b] = True
    else:
        grids[0, a, b] += np.uint32(1)
        touched[0, a] = True


@_jit
def _other_way(w1, w2, g):
    """Return the coordinates in plane (j, i) of a sample with coordinates w in plane (i, j)."""
    sine = math.sqrt(max(0.0, 1.0 - g * g))
    return g * w1 + sine * w2, sine * w1 - g * w2


@_jit
def list_rows(
    x, c, norm2, state, scale, bound, vectors, gram, orthonormal, bounds, lowest,
    w, slot, row, order, found,
):  # fmt: skip
    """Write every hit of the rows: w (H, 2), the pair's place in the triangle, the row.

    Arrays of size zero only count. Parameters otherwise as in `count_rows`.

    Returns
    -------
    hits : int
    """
    m = c.shape[1]
    hits = 0
    for r in range(c.shape[0]):
        if state[r] != VALID:
            continue
        lowest_kept = threshold(bound, norm2[r], scale[r])
        most, next_most, _ = largest_two(c[r])
        slack = MARGIN * lowest_kept
        if most + next_most < 2 * lowest * lowest_kept - slack:
            continue
        count = candidates(c[r], 2 * lowest * lowest_kept - most - slack, order)
        for k in range(count):
            i = order[k]
            ci = np.float64(c[r, i])
            if ci * ci < bounds[i] * lowest_kept - slack:
                continue
            number = partners(
                i, x[r], c[r], lowest_kept, vectors, gram, orthonormal, bounds, order, count,
                found,
            )  # fmt: skip
            if row.shape[0]:
                for h in range(number):
                    j = int(found[h, 0])
                    low, high = min(i, j), max(i, j)
                    w[hits + h, 0] = found[h, 1] * scale[r]
                    w[hits + h, 1] = found[h, 2] * scale[r]
                    slot[hits + h] = low * m - low * (low + 1) // 2 + high - low - 1
                    row[hits + h] = r
            hits += number
    return hits
