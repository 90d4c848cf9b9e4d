"""Counting the hits of a frame that is not orthonormal, one pass over the rows.

In-plane norm² is at most (c_i² + c_j²)/(1 − |g|), so that a leader has c_i² ≥ a_i T, with a_i of
the frame, and a row with a hit has two c² that sum to 2 min a_i T. A leader whose partners are few
(`ppp.kernels.partners`) takes them one by one, in float64 (`ppp.kernels.pairs`); one with many
takes all of them at once (`ppp.kernels.leading`).
"""

from __future__ import annotations

import math

import numpy as np

from ppp.kernels.doubts import list_doubts, place_doubts
from ppp.kernels.inputs import close
from ppp.kernels.leading import (
    CHUNK,
    best_of,
    direct,
    doubt_all,
    pair_up,
    place,
    table_of,
    turn_pairs,
    turn_round,
    weigh_pairs,
)
from ppp.kernels.pairs import along_second, cosine, leads, led, partner_floor
from ppp.kernels.partners import pick, sift
from ppp.kernels.peaks import gather, highest, runner_up
from ppp.kernels.placing import scatter_pairs
from ppp.kernels.rows import (
    BATCH,
    EXTREME,
    LEAST,
    MARGIN,
    MOST,
    VALID,
    dot,
    fast,
    fast_part,
    inlined,
    inlined_part,
    moments,
    threshold,
)
from ppp.kernels.saturated import LARGE, SMALL, grid_bin
from ppp.kernels.snapping import snapped, step_of
from ppp.kernels.turning import turn_quickly
from ppp.kernels.unusual import rescale
from ppp.kernels.waves import waves
from ppp.planes import DEGENERATE

#: A leader with one candidate in so many vectors is held against all of them in a straight loop.
DENSE = 4


@inlined_part
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


@inlined_part
def _prefer(best, reach, pair):
    """Note the row's best plane; in float32 planes that tie but for rounding go to the first."""
    near = np.float64(np.float32(reach))
    if near > best[0] or (near == best[0] and pair < best[1]):
        best[0], best[1] = near, pair
        return True
    return False


@inlined_part
def _count_pair(x, r, i, j, ci, cj, norm2, step, scale, least, frame, counts, best, sums):
    """Count the pair of leader i and partner j, both exact, if it hits; return whether it does."""
    if not led(i, j, ci, cj):
        return False
    g = cosine(frame.gram, frame.rows, i, j)
    rest = 1.0 - g * g
    if rest < DEGENERATE:
        return False
    w1, other = (ci, cj) if i < j else (cj, ci)
    w2 = along_second(x[r], frame.rows, w1, other, min(i, j), max(i, j), g, rest)
    reach = w1 * w1 + w2 * w2
    if reach < least:
        return False
    cos4, cos8 = waves(w1, w2, g)
    sums[1] += 1
    sums[2] += cos4
    sums[3] += cos8
    if _prefer(best, reach / norm2, min(i, j) * frame.bounds.shape[0] + max(i, j)):
        sums[4], sums[5], sums[6] = 1.0, cos4, cos8
    if counts.seen.shape[0]:
        counts.seen[i, j] += np.uint32(1)
    if counts.grids.shape[1]:
        half = (counts.grids.shape[1] - 2) // 2
        u1, u2 = snapped(w1, step), snapped(w2, step)
        counts.angle[turn_quickly(u1, u2, counts.angle.shape[0] - 1)] += np.uint32(1)
        _mark(u1 * scale, u2 * scale, i > j, counts.per_unit, half, counts.grids, counts.touched)
        if counts.swapped.shape[1]:
            v2 = along_second(x[r], frame.rows, other, w1, max(i, j), min(i, j), g, rest)
            u1, u2 = snapped(other, step), snapped(v2, step)
            _mark(u1 * scale, u2 * scale, i < j, counts.per_unit, half, counts.swapped,
                  counts.swapped_touched)  # fmt: skip
    return True


@fast_part
def _settle(
    x, r, c, i, lead, norm2, step, scale, least, error, begin, number, frame, counts, room, sums
):  # fmt: skip
    """Count the listed pairs of leader i whose hits are in doubt; return how many hit."""
    hits = 0
    for at in range(number):
        k = begin + np.int64(room.span.doubts[at])
        near = dot(x, r, frame.rows, k) if error > 0.0 else np.float64(c[r, k])
        hits += _count_pair(
            x, r, i, k, lead, near, norm2, step, scale, least, frame, counts, room.best, sums
        )
    return hits


@inlined
def _count_all(x, r, c, i, lead, norm2, step, scale, least, error, frame, counts, room, sums):
    """Count leader i with every vector; return its hits."""
    span, m = room.span, c.shape[1]
    table = span.tables[table_of(i, frame.gram, span)]
    half, unit = (counts.grids.shape[1] - 2) // 2, counts.per_unit * scale
    angles, total = counts.angle.shape[0] - 1, 0
    for begin in range(0, m, CHUNK):
        end = min(m, begin + CHUNK)
        pair_up(c, r, i, lead, least, error, norm2, begin, end, table, span)
        direct(c, r, i, lead, begin, end, span)
        if half > 0:
            place(c, r, i, lead, error, norm2, step, unit, half, begin, end, table, span)
            turn_pairs(c, r, i, lead, step, counts.axes, angles, begin, end, span)
            if counts.swapped.shape[1]:
                turn_round(c, r, i, lead, error, norm2, step, unit, half, begin, end, table, span)
            if not SMALL <= unit <= LARGE:
                doubt_all(begin, end, span)
        doubts = list_doubts(begin, end, span)
        if half > 0:
            doubts = place_doubts(
                x, r, c, i, lead, norm2, step, scale, error, begin, doubts, frame, counts, span
            )
        hits = weigh_pairs(c, r, i, lead, norm2, begin, end, table, span, sums)
        total += hits
        if hits:
            reach, cos4, j = best_of(begin, end, span)
            if _prefer(room.best, reach, min(i, j) * m + max(i, j)):
                wave = np.float64(cos4)
                sums[4], sums[5], sums[6] = 1.0, wave, 2.0 * wave * wave - 1.0
            if half > 0:
                scatter_pairs(i, snapped(lead, step) * scale, hits, begin, end, counts, span)
        if doubts > 0:
            total += _settle(
                x, r, c, i, lead, norm2, step, scale, least, error, begin, doubts, frame, counts,
                room, sums,
            )  # fmt: skip
    return total


@inlined
def _exact(x, c, r, k, error, vectors, room):
    """Return coordinate k in float64, made once a row where it is not at hand."""
    if error == 0.0:
        return np.float64(c[r, k])
    if not room.sure[k]:
        room.value[k] = dot(x, r, vectors, k)
        room.sure[k] = True
    return room.value[k]


@inlined
def _search(x, c, patterns, r, norm2, scale, bound, gamma, frame, counts, room, sums):
    """Count the hits of one row; return how many there are."""
    kept = threshold(bound, norm2, scale)
    error = gamma * math.sqrt(norm2)
    most = highest(patterns, r)
    _, many, below = runner_up(patterns, r)
    second = most if many > 1 else below
    least = (2.0 * frame.lowest - MARGIN) * kept
    if (most + error) ** 2 + (second + error) ** 2 < least:
        return 0
    leaders, partners = room.leaders, room.partners
    level = math.sqrt(max(0.0, frame.lowest * kept)) * (1.0 - 1e-6) - error
    chosen = gather(patterns, r, max(0.0, level), leaders)
    number, hits, step = -1, 0, step_of(norm2)
    room.best[0] = -1.0
    for at in range(chosen):
        i = leaders[at]
        lead = np.float64(c[r, i])
        if not leads(abs(lead) + error, frame.bounds[i], kept):
            continue
        if error > 0.0:
            lead = dot(x, r, frame.rows, i)
            if not leads(lead, frame.bounds[i], kept):
                continue
        # alone above the threshold it hits with every vector, or nearly
        if frame.gram.shape[0] and lead * lead >= kept:
            hits += _count_all(
                x, r, c, i, lead, norm2, step, scale, kept, error, frame, counts, room, sums
            )
            continue
        near = partner_floor(frame.bounds[i], lead, kept) - error
        if number < 0:
            floor = least - (most + error) ** 2
            low = math.sqrt(floor) * (1.0 - 1e-6) - error if floor > 0.0 else 0.0
            number = gather(patterns, r, max(0.0, low), room.order)
            for k in range(c.shape[1] if error > 0.0 else 0):
                room.sure[k] = False
        if frame.gram.shape[0] and number * DENSE >= c.shape[1]:
            count = sift(c, r, frame.gram, i, lead, error, kept, room.flags, partners)
        else:
            count = pick(c, r, room.order, number, frame.gram, i, lead, error, near, kept, partners)
        for k in range(count):
            j = partners[k]
            value = _exact(x, c, r, j, error, frame.rows, room)
            hits += _count_pair(
                x, r, i, j, lead, value, norm2, step, scale, kept, frame, counts, room.best, sums
            )
    return hits


@fast_part
def _search_rows(x, c, patterns, number, begin, scale, bound, gamma, frame, counts, room, sums):
    """Count the hits of the first `number` rows that `room` names; return how many there are.

    A call of its own for every row would take longer than many a row: numba hands every number of
    every array over.
    """
    hits = 0
    for k in range(number):
        r = room.rows[k]
        at = r - begin
        hits += _search(
            x, c, patterns, r, room.norm2[at], scale, bound, gamma, frame, counts, room, sums[at]
        )
    return hits


@fast
def count_oblique(
    x, c, patterns, bound, gamma, frame, counts, room, spare, sample, code, start, ledger, state
):  # fmt: skip
    """Count the hits of rows; add what each input sums up to.

    Parameters
    ----------
    frame : Vectors
        The frame.
    counts : ObliqueCounts
        What is counted.
    x, c, patterns, bound, gamma, room, spare, sample, code, start, ledger, state
        As in `ppp.kernels.orthonormal.count_orthonormal`.

    Returns
    -------
    hits : int
    """
    norms, fourths, sums, rows = room.norm2, room.fourth, room.sums, room.rows
    total = 0
    for begin in range(0, x.shape[0], BATCH):
        end = min(x.shape[0], begin + BATCH)
        moments(x, c, False, begin, end, norms, fourths)
        number, unusual = _name_rows(
            patterns, begin, end, frame.lowest, bound, gamma, norms, fourths, rows, start, state
        )
        hits = _search_rows(
            x, c, patterns, number, begin, 1.0, bound, gamma, frame, counts, room, sums
        )
        for k in range(unusual):
            r = rows[BATCH - 1 - k]
            at = r - begin
            state[start + r], scale, spare.room.norm2[0], fourths[at] = rescale(
                x, r, False, frame.rows, spare, ledger.counts
            )
            if state[start + r] == EXTREME:
                # of the types of the other call: literals would have all compiled once more
                hits += _search_rows(
                    spare.x, spare.c, spare.patterns, np.int64(1), np.int64(0), scale, bound, gamma,
                    frame, counts, spare.room, sums[at : at + 1],
                )  # fmt: skip
        total += hits
        quiet = hits == unusual == 0
        close(begin, end, start, quiet, sample, code, state, fourths, sums, ledger)
    return total


@fast_part
def _name_rows(patterns, begin, end, lowest, bound, gamma, norm2, fourth, rows, start, state):
    """Name the rows to search at the front of `rows`, those of unusual size from its end on.

    Returns how many there are of each; makes Σ c⁴ into Σ c⁴/‖x‖⁴.
    """
    number, unusual = 0, 0
    for r in range(begin, end):
        at = r - begin
        square = norm2[at]
        if LEAST <= square <= MOST:
            state[start + r] = VALID
            fourth[at] /= square * square
            most = highest(patterns, r) + gamma * math.sqrt(square)
            rows[number] = r
            # two c² reach twice that only if the larger one reaches it: mostly it does not
            number += most * most >= lowest * threshold(bound, square, 1.0) * (1 - MARGIN)
        else:
            unusual += 1
            rows[BATCH - unusual] = r
    return number, unusual
