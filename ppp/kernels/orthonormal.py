"""Counting the hits of an orthonormal frame, one pass over the rows.

A hit needs c_i² + c_j² ≥ T, hence Σ c⁴ ≥ T²/2: the fourth moment, which every row is asked for
anyway, turns away most rows. What is left needs a leader, c_i² ≥ T/2, and partners c_j² ≥ T − c_i².
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from ppp.kernels.rows import (
    EXTREME,
    LEAST,
    MARGIN,
    MOST,
    VALID,
    close_input,
    dot,
    examine,
    fast,
    inlined,
    jit,
    power_sums,
    sum_squares,
    threshold,
)
from ppp.kernels.turning import place, turn

#: With this few candidates, all are recomputed in float64; with more, the doubtful ones.
FEW = 12


class Counts(NamedTuple):
    """A worker's counters, of size zero where they are not wanted.

    `grids` (2, G + 2, G + 2) has a guard bin at each end, leader first: [0] when the leader is the
    plane's first vector, [1] when it is the second. `seen` (m, m) counts leader by partner, `full`
    (m,) the rows whose leader hits with every other vector. `relative` counts angles from the
    leader's axis (see `ppp.kernels.turning.unfold`), `angle` those too near an edge for that.
    """

    grids: np.ndarray
    seen: np.ndarray
    full: np.ndarray
    relative: np.ndarray
    angle: np.ndarray
    edge: np.ndarray
    below: np.ndarray
    per_unit: float


class Room(NamedTuple):
    """Room for one row: its scaled copy and coordinates, and its candidates."""

    x: np.ndarray
    c: np.ndarray
    order: np.ndarray
    value: np.ndarray
    bins: np.ndarray
    sure: np.ndarray


@inlined
def grid_bin(w, per_unit, half):
    """Return the guarded bin of a coordinate: 0 below the grid, 2 half + 1 beyond it."""
    position = np.floor(w * per_unit)
    # a product that underflows still lies below zero
    position = -1.0 if (position == 0.0) & (w < 0.0) else position
    position = position if position >= -half else -half - 1.0
    position = position if position < half else half + 0.0
    return np.int32(position) + np.int32(half + 1)


@inlined
def gather(c, rc, floor, error, order):
    """Compress the indices whose c² may reach `floor`; return how many."""
    limit = math.sqrt(floor) * (1.0 - 1e-6) - error if floor > 0.0 else 0.0
    count = c.shape[1]
    if limit > 0.0:
        count = 0
        least = c.dtype.type(limit)
        for i in range(c.shape[1]):
            order[count] = i
            count += abs(c[rc, i]) >= least
    else:
        for i in range(c.shape[1]):
            order[i] = i
    return count


@inlined
def read_exactly(x, r, c, rc, number, scale, per_unit, half, order, value, bins, sure):
    """Fill values and bins of the candidates of a row whose coordinates are float64-exact."""
    for k in range(number):
        value[k] = c[rc, order[k]]
        sure[k] = True
    if half:
        for k in range(number):
            bins[k] = grid_bin(value[k] * scale, per_unit, half)


@inlined
def read_nearly(
    x, r, c, rc, number, error, least, scale, per_unit, half, vectors, order, value, bins, sure
):  # fmt: skip
    """Fill values and bins; recompute in float64 possible leaders and values near a bin's edge."""
    doubt = error * scale * per_unit
    for k in range(number):
        near = np.float64(c[rc, order[k]])
        exact = number <= FEW or (abs(near) + error) ** 2 >= least
        if not exact and half:
            inside = near * scale * per_unit
            inside -= math.floor(inside)
            exact = inside < doubt or inside > 1.0 - doubt
        if exact:
            near = dot(x, r, vectors, order[k])
        value[k] = near
        sure[k] = exact
        if half:
            bins[k] = grid_bin(near * scale, per_unit, half)


@inlined
def settle(
    x, r, lead, number, lowest, error, scale, per_unit, half, vectors, order, value, bins, sure,
    edge, below,
):  # fmt: skip
    """Recompute the candidates for which float32 leaves a hit, or its angle, in doubt."""
    own = lead * lead
    for k in range(number):
        if sure[k]:
            continue
        near = value[k]
        reach = error * (2.0 * abs(near) + error)
        doubtful = abs(own + near * near - lowest) <= reach
        if half and not doubtful:
            first, left = place((near - error) / lead, edge, below)
            last, right = place((near + error) / lead, edge, below)
            doubtful = first != last or left or right
        if doubtful:
            value[k] = dot(x, r, vectors, order[k])
            sure[k] = True
            if half:
                bins[k] = grid_bin(value[k] * scale, per_unit, half)


@inlined
def is_hit(own, square, lowest, after):
    """Return whether leader and partner hit; a pair is taken once, from its larger |c|."""
    return own + square >= lowest and (square < own or (square == own and after))


@inlined
def weigh(lead, at, number, lowest, value, sums):
    """Add a leader's hits to the row's sums; return how many there are."""
    own = lead * lead
    inverse = 1.0 / lead if lead != 0.0 else 0.0
    hits, first, second = 0, 0.0, 0.0
    for k in range(number):
        square = value[k] * value[k]
        hit = (own + square >= lowest) & ((square < own) | ((square == own) & (k > at)))
        t2 = (value[k] * inverse) ** 2
        part = 1.0 / (1.0 + t2)
        # cos 4φ = 1 − 8 t²/(1 + t²)²
        wave = t2 * part * part if hit else 0.0
        hits += hit
        first += wave
        second += wave * wave
    sums[1] += hits
    sums[2] += hits - 8.0 * first
    sums[3] += hits - 32.0 * first + 128.0 * second
    return hits


@inlined
def scatter(
    begin, end, at, every, lead, lowest, tabled, i, order, value, bins, grid, seen, relative, angle,
    edge, below, second,
):  # fmt: skip
    """Count a leader's hits among the candidates begin … end − 1, all on one side of it."""
    own = lead * lead
    inverse = 1.0 / lead if lead != 0.0 else 0.0
    # one counter a loop: their stores then do not wait for each other
    for k in range(begin, end):
        square = value[k] * value[k]
        if every or is_hit(own, square, lowest, k > at):
            grid[np.uint32(bins[k])] += np.uint32(1)
            if tabled:
                seen[i, order[k]] += np.uint32(1)
    for k in range(begin, end):
        square = value[k] * value[k]
        if every or is_hit(own, square, lowest, k > at):
            steps, doubtful = place(value[k] * inverse, edge, below)
            if not doubtful:
                relative[steps] += np.uint32(1)
            elif lead == 0.0:  # only where a rule of distance keeps rows that lie off the plane
                angle[0] += 1
            elif value[k] == 0.0:
                relative[relative.shape[0] - 1] += np.uint32(1)
            elif second:
                angle[turn(value[k], lead, angle.shape[0])] += 1
            else:
                angle[turn(lead, value[k], angle.shape[0])] += 1


@inlined
def vote(number, value, sums):
    """Add cos 4φ and cos 8φ of the row's best plane, that of the two largest |c|."""
    first, second = 0.0, 0.0
    for k in range(number):
        square = value[k] * value[k]
        if square > first:
            second = first
            first = square
        elif square > second:
            second = square
    total = first + second
    cos4 = 1.0 - 8.0 * (first / total) * (second / total) if total > 0.0 else 1.0
    sums[4] += 1.0
    sums[5] += cos4
    sums[6] += 2.0 * cos4 * cos4 - 1.0


def _search(
    x, r, c, rc, norm2, fourth, scale, lowest, gamma, vectors, sums,
    grids, seen, full, relative, angle, edge, below, per_unit, order, value, bins, sure,
):  # fmt: skip
    """Count the hits of one row; return how many."""
    half = max(0, (grids.shape[1] - 2) // 2)
    tabled = seen.shape[0] > 0
    error = gamma * math.sqrt(norm2)
    # max |c| is at most the fourth root of Σ c⁴
    most = math.sqrt(math.sqrt(fourth)) * (1.0 + MARGIN) + error
    least = 0.5 * lowest * (1.0 - MARGIN)
    number = gather(c, rc, lowest * (1.0 - MARGIN) - most * most, error, order)
    total = 0
    if number > 1:
        if gamma == 0.0:
            read_exactly(x, r, c, rc, number, scale, per_unit, half, order, value, bins, sure)
        else:
            read_nearly(
                x, r, c, rc, number, error, least, scale, per_unit, half, vectors,
                order, value, bins, sure,
            )  # fmt: skip
        for at in range(number):
            lead = value[at]
            if not sure[at] or lead * lead < least:
                continue
            if gamma > 0.0 and number > FEW:
                settle(
                    x, r, lead, number, lowest, error, scale, per_unit, half, vectors,
                    order, value, bins, sure, edge, below,
                )  # fmt: skip
            hits = weigh(lead, at, number, lowest, value, sums)
            total += hits
            if half and hits:
                i = order[at]
                negative = 1 if lead < 0.0 else 0
                every = hits == number - 1
                whole = tabled and hits == c.shape[1] - 1
                if whole:
                    full[i] += 1
                scatter(
                    0, at, at, every, lead, lowest, tabled and not whole, i, order, value,
                    bins, grids[1, bins[at]], seen, relative[2 + negative], angle, edge, below,
                    True,
                )  # fmt: skip
                scatter(
                    at + 1, number, at, every, lead, lowest, tabled and not whole, i, order, value,
                    bins, grids[0, bins[at]], seen, relative[negative], angle, edge, below, False,
                )  # fmt: skip
        if total:
            vote(number, value, sums)
    return total


_search_inlined = numba.njit(inline="always")(_search)
_search_called = fast(_search)


@fast
def _count_unusual(
    x, r, whole, bound, vectors, room_x, room_c, ledger_counts, sums,
    grids, seen, full, relative, angle, edge, below, per_unit, order, value, bins, sure,
):  # fmt: skip
    """Count a row whose Σ x² leaves the ordinary range, scaled and in float64."""
    state, scale = examine(x, r, room_x)
    if state != VALID:
        ledger_counts[state - 1] += 1
        return state, 0
    for i in range(room_c.shape[1]):
        room_c[0, i] = room_x[0, i] if whole else dot(room_x, 0, vectors, i)
    norm2 = sum_squares(room_x, 0)
    _, fourth = power_sums(room_c, 0)
    sums[0] += 1.0
    sums[7] += fourth / (norm2 * norm2)
    lowest = threshold(bound, norm2, scale)
    hits = _search_called(
        room_x, 0, room_c, 0, norm2, fourth, scale, lowest, 0.0, vectors, sums,
        grids, seen, full, relative, angle, edge, below, per_unit, order, value, bins, sure,
    )  # fmt: skip
    return state, hits


@fast
def count_orthonormal(
    x, c, whole, bound, gamma, reach, vectors, counts, room, sample, code, start, ledger, state
):  # fmt: skip
    """Count the hits of rows; add what each input sums up to.

    Parameters
    ----------
    x, c : (R, n) and (R, m) arrays
        Rows and their coordinates c = x · b (the very rows for the standard basis).
    whole : bool
        Whether c is x.
    bound : Bound
        The rule's threshold.
    gamma : float
        Each c is within gamma·‖x‖ of the truth; zero where c is float64.
    reach : float
        A row with Σ c⁴ < reach·‖x‖⁴ has no hit.
    vectors : (m, n) float64 array
        The frame.
    counts, room, ledger
        What is counted, scratch, and the sums over inputs.
    sample : (B,) int64 array
        Input of each row of the block, in which these rows begin at `start`.
    code : (B,) int64 array
        Class of each row of the block, or empty: all of class 0.
    state : (B,) uint8 array
        Filled with the states of the rows.

    Returns
    -------
    hits : int
    """
    grids, seen, full, relative = counts.grids, counts.seen, counts.full, counts.relative
    angle, edge, below, per_unit = counts.angle, counts.edge, counts.below, counts.per_unit
    order, value, bins, sure = room.order, room.value, room.bins, room.sure
    room_x, room_c, sums, ledger_counts = room.x, room.c, ledger.current, ledger.counts
    inputs, moments, products = ledger.inputs, ledger.moments, ledger.products
    total = 0
    for r in range(x.shape[0]):
        at = start + r
        if whole:
            norm2, fourth = power_sums(x, r)
        else:
            norm2 = sum_squares(x, r)
            _, fourth = power_sums(c, r)
        square = norm2 * norm2
        if LEAST <= norm2 <= MOST:
            state[at] = VALID
            sums[0] += 1.0
            sums[7] += fourth / square
            if fourth >= reach * square:
                lowest = threshold(bound, norm2, 1.0)
                total += _search_inlined(
                    x, r, c, r, norm2, fourth, 1.0, lowest, gamma, vectors, sums,
                    grids, seen, full, relative, angle, edge, below, per_unit,
                    order, value, bins, sure,
                )  # fmt: skip
        else:
            found, hits = _count_unusual(
                x, r, whole, bound, vectors, room_x, room_c, ledger_counts, sums,
                grids, seen, full, relative, angle, edge, below, per_unit,
                order, value, bins, sure,
            )  # fmt: skip
            state[at] = EXTREME if found == VALID else found
            total += hits
        if at + 1 == sample.shape[0] or sample[at + 1] != sample[at]:
            close_input(inputs, moments, products, sums, code[at] if code.shape[0] else 0)
    return total


@jit
def fold_grids(grids, grid):
    """Move guarded counts into a tally's grid, emptying them; return how many lay beyond it."""
    outside = 0
    size = grid.shape[0]
    for leader in range(2):
        for a in range(size + 2):
            for b in range(size + 2):
                count = np.int64(grids[leader, a, b])
                if count == 0:
                    continue
                grids[leader, a, b] = 0
                if not (0 < a <= size and 0 < b <= size):
                    outside += count
                elif leader == 0:
                    grid[a - 1, b - 1] += count
                else:
                    grid[b - 1, a - 1] += count
    return outside
