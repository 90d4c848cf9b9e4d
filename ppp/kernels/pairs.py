"""Which pairs of vectors a row hits: leaders, their partners, and where in the plane the row lies.

The plain form, one pair after the other in float64, for any frame.
"""

from __future__ import annotations

import math

import numpy as np

from ppp.kernels.rows import MARGIN, inlined_part, part
from ppp.planes import DEGENERATE, LEADERS, NEARLY_PARALLEL


@inlined_part
def along_second(x, vectors, ci, cj, i, j, g, rest):
    """Return the coordinate along e2 of plane (i, j); rest is 1 − g²."""
    if rest >= NEARLY_PARALLEL:
        return (cj - g * ci) / math.sqrt(rest)
    return _between(x, vectors, ci, i, j, g)


@part
def _between(x, vectors, ci, i, j, g):
    """Return the same by the difference vector: c_j − g c_i cancels when b_j ≈ ±b_i."""
    s = 1.0 if g > 0 else -1.0
    along = 0.0
    omega = 0.0
    for k in range(vectors.shape[1]):
        d = vectors[j, k] - s * vectors[i, k]
        along += np.float64(x[k]) * d
        omega += d * d
    omega /= 2
    return (along + s * omega * ci) / math.sqrt(omega * (2 - omega))


@inlined_part
def cosine(gram, vectors, i, j):
    """Return b_i · b_j, from the Gram matrix where there is one."""
    if gram.shape[0]:
        return gram[i, j]
    total = 0.0
    for k in range(vectors.shape[1]):
        total += vectors[i, k] * vectors[j, k]
    return total


@inlined_part
def partner_floor(bound, own, threshold):
    """Return the least |c_j| that hits with a leader, whatever the angle between the vectors.

    `bound` is the leader's a_i, which tells its largest |cosine| with another vector, `own` its
    coordinate: the in-plane norm² is c_i² + (c_j − g c_i)²/(1 − g²), largest for that cosine.
    """
    missing = threshold * (1 - MARGIN) - own * own
    if missing <= 0.0:
        return 0.0
    most = max(0.0, 1.0 - 2.0 * bound / LEADERS)
    # known to 1e-15, which is much of 1 − most² where vectors are nearly parallel
    rest = max(0.0, 1.0 - most * most - 1e-14)
    floor = math.sqrt(rest * missing) * (1.0 - 1e-9) - (most + MARGIN) * abs(own)
    return max(0.0, floor)


@inlined_part
def candidates(c, threshold, lowest, order):
    """Write the coordinates that may be part of a hit into `order` (m + 1 places); return how many.

    `lowest` is the smallest share of the threshold that a leader's c² must reach.
    """
    most, next_most = 0.0, 0.0
    for i in range(c.shape[0]):
        value = np.float64(c[i])
        q = value * value
        # without a branch: which coordinate is large differs from row to row
        lower = q if q < most else most
        most = q if q > most else most
        next_most = lower if lower > next_most else next_most
    least = 2 * lowest * threshold - MARGIN * threshold
    if most + next_most < least:
        return 0
    count = 0
    for i in range(c.shape[0]):
        value = np.float64(c[i])
        order[count] = i
        count += value * value >= least - most
    return count


@inlined_part
def leads(own, bound, threshold):
    """Return whether a coordinate may be the larger one of a hit."""
    return own * own >= bound * threshold - MARGIN * threshold


@inlined_part
def led(i, j, ci, cj):
    """Return whether i leads j: it has the larger |c|, or on a tie the smaller index."""
    return abs(cj) < abs(ci) or (abs(cj) == abs(ci) and j > i)


@inlined_part
def partners(i, x, c, threshold, vectors, gram, orthonormal, bounds, order, count, found):
    """Write the hits (j, w1, w2) of leader i into the rows of `found`; return how many.

    Each pair is taken once, from the one that leads; w always has the smaller index first.
    """
    hits = 0
    ci = np.float64(c[i])
    # most pairs are turned away before their cosine is read, or made
    floor = partner_floor(bounds[i], ci, threshold)
    for k in range(count):
        j = order[k]
        cj = np.float64(c[j])
        if abs(cj) < floor or not led(i, j, ci, cj):
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
            w2 = along_second(x, vectors, w1, w2, min(i, j), max(i, j), g, rest)
        if w1 * w1 + w2 * w2 >= threshold:
            found[hits, 0] = j
            found[hits, 1] = w1
            found[hits, 2] = w2
            hits += 1
    return hits


@inlined_part
def turned_round(x, c, vectors, gram, orthonormal, low, high):
    """Return the coordinates of a row in the plane (high, low) of two vectors."""
    first, other = np.float64(c[high]), np.float64(c[low])
    if orthonormal:
        return first, other
    g = cosine(gram, vectors, low, high)
    return first, along_second(x, vectors, first, other, high, low, g, 1.0 - g * g)
