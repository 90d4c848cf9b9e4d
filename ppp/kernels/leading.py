"""A leader with many partners in an oblique frame: all its pairs at once, in straight loops.

Each loop is a few vector instructions a pair. What their rounding, or that of float32 products,
leaves in doubt is marked, and decided pair by pair afterwards (`ppp.kernels.oblique`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ppp.kernels.rows import ORTHOGONAL, inlined
from ppp.kernels.saturated import grid_bin
from ppp.kernels.turning import beyond, doubt, turn
from ppp.kernels.waves import oblique_wave
from ppp.planes import DEGENERATE, NEARLY_PARALLEL

#: No hit, a hit, and a pair to be decided by itself.
NONE, SURE, DOUBTFUL = 0, 1, 2
#: Rounding of w and of w·w, as shares of ‖x‖ and ‖x‖².
_ROUND, _ROUND2 = 1e-14, 4e-15
#: Rounding of a float32 and what is computed of it, as a share; lengths near the least of them.
_SINGLE, _TINY = np.float32(4e-7), 1e-36


class Span(NamedTuple):
    """What is known of a leader's pairs, (m,) each.

    1/√(1 − g²), zero for (anti)parallel vectors; w2 of the plane with the smaller index first; how
    far rounding may have moved w, infinitely for nearly parallel vectors; these two in float32;
    ‖w‖²/‖x‖² in float32 and its bits (the same memory); the verdict; the grid bins of w1 and w2,
    here and in the plane turned round; the angular bin.
    """

    inverse: np.ndarray
    second: np.ndarray
    off: np.ndarray
    flat: np.ndarray
    loose: np.ndarray
    share: np.ndarray
    bits: np.ndarray
    verdict: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    turned_rows: np.ndarray
    turned_columns: np.ndarray
    turns: np.ndarray

    @classmethod
    def of(cls, m: int) -> Span:
        """Return room for m pairs."""
        share = np.zeros(m, np.float32)
        exact = [np.zeros(m) for _ in range(3)]
        single = [np.zeros(m, np.float32) for _ in range(2)]
        whole = [np.zeros(m, np.int32) for _ in range(6)]
        return cls(*exact, *single, share, share.view(np.int32), *whole)


# A loop that writes one or two arrays and reads few is one that the compiler turns into vector
# instructions: it must prove at run time that no two of them overlap.


@inlined
def _open(i, gram, error, size, span):
    """Fill what depends on the cosines alone."""
    inverse, off = span.inverse, span.off
    for k in range(inverse.shape[0]):
        g = gram[i, k]
        rest = 1.0 - g * g
        one = 1.0 / math.sqrt(rest if rest >= NEARLY_PARALLEL else 1.0)
        # orthogonal vectors need no arithmetic, so that their ties stay ties
        far = (error + (_ROUND * size if g != 0.0 else 0.0)) * one
        inverse[k] = one if rest >= DEGENERATE else 0.0
        off[k] = far if rest >= NEARLY_PARALLEL else np.inf


@inlined
def _project(c, rc, i, lead, gram, span):
    """Fill w2."""
    inverse, second = span.inverse, span.second
    for k in range(second.shape[0]):
        near = np.float64(c[rc, k])
        low, high = (near, lead) if k < i else (lead, near)
        second[k] = (high - gram[i, k] * low) * inverse[k]


@inlined
def _judge(c, rc, i, lead, threshold, error, norm2, span):
    """Fill the verdicts."""
    inverse, second, off, verdict = span.inverse, span.second, span.off, span.verdict
    own, size = lead * lead, math.sqrt(norm2)
    for k in range(verdict.shape[0]):
        near = np.float64(c[rc, k])
        square = near * near
        w1 = near if k < i else lead
        reach = w1 * w1 + second[k] * second[k]
        wide = 1.01 * (2.0 * size + off[k]) * off[k] + _ROUND2 * norm2
        close = 1.01 * (2.0 * abs(near) + error) * error
        after = (square < own - close) | ((square == own) & (error == 0.0) & (k > i))
        sure = (reach >= threshold + wide) & after
        able = (inverse[k] > 0.0) & (reach >= threshold - wide) & (square <= own + close)
        verdict[k] = np.int32((SURE if sure else DOUBTFUL) if able else NONE)


@inlined
def _narrow(c, rc, span):
    """Fill what float32 holds of w2 and its doubt, infinite where a zero may be too coarse."""
    second, off, flat, loose = span.second, span.off, span.flat, span.loose
    for k in range(second.shape[0]):
        size, near = abs(second[k]), abs(np.float64(c[rc, k]))
        tiny = ((size < _TINY) & (size > 0.0)) | ((near < _TINY) & (near > 0.0))
        flat[k] = np.float32(second[k])
        loose[k] = np.float32(np.inf if tiny else off[k])


@inlined
def pair_up(c, rc, i, lead, gram, threshold, error, norm2, span):
    """Fill w, its doubt and the verdict of leader i with every vector.

    Coordinates are within `error` of the truth, `lead`, that of i, is exact. Each pair is taken
    once, from its larger |c| (on a tie, from the smaller index).
    """
    _open(i, gram, error, math.sqrt(norm2), span)
    _project(c, rc, i, lead, gram, span)
    _judge(c, rc, i, lead, threshold, error, norm2, span)
    _narrow(c, rc, span)


@inlined
def _doubt(verdict, unclear):
    """Return the verdict of a pair whose bin or angle may be unclear."""
    return np.int32(DOUBTFUL) if (verdict == SURE) & unclear else verdict


@inlined
def _edge(w, unit, off):
    """Return whether rounding may have moved a coordinate to another bin."""
    at = w * unit
    part = at - np.floor(at)
    # rounding of the place, and of its part of a bin
    reach = off * unit + _SINGLE * (abs(at) + np.float32(1.0))
    unclear = (part < reach) | (part > np.float32(1.0) - reach)
    return unclear & ((w != 0) | (off != 0))


@inlined
def place(c, rc, i, lead, unit, half, span):
    """Fill the grid bins, `unit` to a length of one; pairs too near an edge are left in doubt."""
    flat, loose, verdict, rows, columns = (
        span.flat, span.loose, span.verdict, span.rows, span.columns
    )  # fmt: skip
    each, side = np.float32(unit), np.float32(half)
    # the leader's own coordinate is exact
    own = grid_bin(lead, unit, np.float64(half))
    for k in range(flat.shape[0]):
        columns[k] = grid_bin(flat[k], each, side)
    for k in range(flat.shape[0]):
        rows[k] = grid_bin(np.float32(c[rc, k]), each, side) if k < i else own
    for k in range(flat.shape[0]):
        unclear = _edge(flat[k], each, loose[k])
        unclear |= _edge(np.float32(c[rc, k]), each, loose[k]) & (np.int32(k) < np.int32(i))
        verdict[k] = _doubt(verdict[k], unclear)


@inlined
def turn_pairs(c, rc, i, lead, count, span):
    """Fill the angular bins; pairs with an angle too near an edge are left in doubt."""
    flat, loose, verdict, turns = span.flat, span.loose, span.verdict, span.turns
    east, north = np.float32(turn(1.0, 0.0, count)), np.float32(turn(0.0, 1.0, count))
    west, south = np.float32(turn(-1.0, 0.0, count)), np.float32(turn(0.0, -1.0, count))
    per_turn = np.float32(1.01 * count / (2.0 * math.pi))
    margin, whole = doubt(count), np.float32(count)
    own, one, zero = np.float32(lead), np.float32(1.0), np.float32(0.0)
    for k in range(flat.shape[0]):
        w1, w2 = np.float32(c[rc, k]) if np.int32(k) < np.int32(i) else own, flat[k]
        a, b = abs(w1), abs(w2)
        steep = b > a
        most, least = (b if steep else a), (a if steep else b)
        inverse = one / (most if most > zero else one)
        angle = beyond(least * inverse, count)
        angle = np.float32(0.25) * whole - angle if steep else angle
        angle = np.float32(0.5) * whole - angle if w1 < zero else angle
        angle = whole - angle if w2 < zero else angle
        below = np.floor(angle)
        part = angle - below
        wide = margin + loose[k] * inverse * per_turn
        # on an axis, and known to be: the angle is known too
        axis = (least == zero) & (loose[k] == zero)
        along = (south if w2 < zero else north) if steep else (west if w1 < zero else east)
        turns[k] = np.int32(along if axis else below)
        unclear = ((part < wide) | (part > one - wide)) & (not axis)
        verdict[k] = _doubt(verdict[k], unclear)


@inlined
def turn_round(c, rc, i, lead, gram, unit, half, span):
    """Fill the bins of w in the planes (j, i) of pairs (i, j)."""
    second, loose, verdict = span.second, span.loose, span.verdict
    rows, columns = span.turned_rows, span.turned_columns
    each, side = np.float32(unit), np.float32(half)
    for k in range(second.shape[0]):
        w1, g = np.float64(c[rc, k]) if k < i else lead, gram[i, k]
        rest = 1.0 - g * g
        sine = math.sqrt(rest if rest > 0.0 else 0.0)
        v1, v2 = np.float32(g * w1 + sine * second[k]), np.float32(sine * w1 - g * second[k])
        rows[k], columns[k] = grid_bin(v1, each, side), grid_bin(v2, each, side)
        unclear = _edge(v1, each, loose[k]) | _edge(v2, each, loose[k])
        verdict[k] = _doubt(verdict[k], unclear)


@inlined
def give_up(span):
    """Leave every sure hit in doubt: float32 cannot hold its bins."""
    for k in range(span.verdict.shape[0]):
        span.verdict[k] = _doubt(span.verdict[k], True)


@inlined
def weigh_pairs(c, rc, i, lead, gram, span, sums):
    """Add the sure hits to the row's sums; return how many there are."""
    second, verdict = span.second, span.verdict
    hits, tilted, first, quadratic = 0, 0, 0.0, 0.0
    for k in range(second.shape[0]):
        w1 = np.float64(c[rc, k]) if k < i else lead
        a, b = w1 * w1, second[k] * second[k]
        hit = verdict[k] == SURE
        total = a + b if hit else 1.0
        part = 1.0 / (total if total > 0.0 else 1.0)
        # cos 4φ = 1 − 8 ab/(a + b)²
        wave = a * b * part * part if hit else 0.0
        hits += hit
        tilted += hit & (abs(gram[i, k]) > ORTHOGONAL)
        first += wave
        quadratic += wave * wave
    sums[1] += hits
    if not tilted:
        sums[2] += hits - 8.0 * first
        sums[3] += hits - 32.0 * first + 128.0 * quadratic
        return hits
    first, quadratic = 0.0, 0.0
    for k in range(second.shape[0]):
        g = gram[i, k]
        hit = verdict[k] == SURE
        w1, w2 = np.float64(c[rc, k]) if k < i else lead, second[k]
        a, b = w1 * w1, w2 * w2
        # no direction at all: cos 4φ is 1
        clear = hit & (a + b > 0.0)
        w1, w2 = w1 if clear else 1.0, w2 if clear else 0.0
        a, b = w1 * w1, w2 * w2
        part = 1.0 / (a + b)
        rest = 1.0 - g * g
        wave = oblique_wave(w1, w2, g, math.sqrt(rest if rest > 0.0 else 1.0))
        wave = 1.0 - 8.0 * a * b * part * part if abs(g) <= ORTHOGONAL else wave
        wave = wave if hit else 0.0
        first += wave
        quadratic += wave * wave
    sums[2] += first
    sums[3] += 2.0 * quadratic - hits
    return hits


@inlined
def best_of(c, rc, i, lead, norm2, span):
    """Return the sure hit with the largest ‖w‖²/‖x‖², in float32, and the first such vector."""
    second, verdict, share, bits = span.second, span.verdict, span.share, span.bits
    m = second.shape[0]
    unit = 1.0 / norm2
    for k in range(m):
        w1 = np.float64(c[rc, k]) if k < i else lead
        reach = (w1 * w1 + second[k] * second[k]) * unit
        share[k] = np.float32(reach if verdict[k] == SURE else -1.0)
    most = np.int32(-1)
    for k in range(m):
        # the bits of positive floats have their order, and a maximum of integers is one loop
        most = np.int32(max(most, bits[k]))
    first = np.int32(m)
    for k in range(m):
        first = np.int32(min(first, np.int32(k) if bits[k] == most else np.int32(m)))
    return share[first], first


@inlined
def scatter_pairs(i, counts, span):
    """Count the sure hits of leader i."""
    grids, turned, angle = counts.grids, counts.swapped, counts.angle
    both = turned.shape[1] > 0
    for side in range(2):
        begin, end = (0, i) if side else (i + 1, span.second.shape[0])
        for k in range(begin, end):
            if span.verdict[k] != SURE:
                continue
            row, column = span.rows[k], span.columns[k]
            # the leader's coordinate, the steadier one, first
            a, b = (column, row) if side else (row, column)
            grids[side, np.uint32(a), np.uint32(b)] += np.uint32(1)
            counts.touched[side, np.uint32(a)] = True
            angle[np.uint32(span.turns[k])] += 1
            if both:
                row, column = span.turned_rows[k], span.turned_columns[k]
                a, b = (row, column) if side else (column, row)
                turned[1 - side, np.uint32(a), np.uint32(b)] += np.uint32(1)
                counts.swapped_touched[1 - side, np.uint32(a)] = True
    if counts.seen.shape[0]:
        for k in range(span.second.shape[0]):
            counts.seen[i, k] += np.uint32(span.verdict[k] == SURE)


@inlined
def doubtful_pairs(span):
    """Return how many pairs are in doubt."""
    number = 0
    for k in range(span.second.shape[0]):
        number += span.verdict[k] == DOUBTFUL
    return number
