"""The hits of one row of an orthonormal frame's coordinates.

A hit needs c_i² + c_j² ≥ T, so a leader, c_i² ≥ T/2, and partners c_j² ≥ T − c_i². Where the
largest |c| reaches T alone, it hits with every other vector: see `ppp.kernels.saturated`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ppp.kernels.basis import hide, on_axis, show
from ppp.kernels.bunched import scatter_bunched, weigh_bunched
from ppp.kernels.rows import FAINT, MARGIN, dot, fast_part, inlined, open_row, part, threshold
from ppp.kernels.saturated import grid_bin, scatter_all, weigh_all
from ppp.kernels.turning import column, doubt, turn_from
from ppp.kernels.waves import waves

#: With this few candidates, all are recomputed in float64; with more, the doubtful ones.
FEW = 12
#: Coordinates that share one maximum: stretches without a candidate are passed over.
STRETCH = 32


class Patterns(NamedTuple):
    """Coordinates as bit patterns, whose order without the sign is that of |c|.

    So their maxima are plain integer reductions. `peaks` holds those of a row's stretches,
    `heights` is the same memory read as floats.
    """

    bits: np.ndarray
    mask: np.integer
    peaks: np.ndarray
    heights: np.ndarray

    @classmethod
    def of(cls, c: np.ndarray) -> Patterns:
        """Return the patterns of coordinates (R, m) in float32 or float64."""
        kind = np.dtype(np.int32 if c.dtype == np.float32 else np.int64).type
        heights = np.zeros(c.shape[1] // STRETCH + 1, c.dtype)
        return cls(c.view(kind), kind(np.iinfo(kind).max), heights.view(kind), heights)


@inlined
def largest(bits, rc, begin, end, mask):
    """Return the largest |c| of a stretch, as its bits."""
    kind = bits.dtype.type
    most = kind(0)
    for k in range(begin, end):
        most = kind(max(most, kind(bits[rc, k] & mask)))
    return most


@inlined
def measure(bits, rc, mask, peaks, heights):
    """Fill the maxima of |c| over stretches; return the largest."""
    most = 0.0
    for at in range(0, bits.shape[1], STRETCH):
        peaks[at // STRETCH] = largest(bits, rc, at, min(bits.shape[1], at + STRETCH), mask)
        most = max(most, heights[at // STRETCH])
    return most


@inlined
def gather(c, rc, least, heights, order):
    """Compress the indices with |c| ≥ least; return how many."""
    count = 0
    level = c.dtype.type(least)
    for begin in range(0, c.shape[1], STRETCH):
        if heights[begin // STRETCH] >= level:
            for i in range(begin, min(c.shape[1], begin + STRETCH)):
                order[count] = i
                count += abs(c[rc, i]) >= level
    return count


@inlined
def highest(patterns, rc):
    """Return the largest |c| of a row, and put it first among the peaks."""
    bits, mask, peaks, heights = patterns
    peaks[0] = largest(bits, rc, 0, bits.shape[1], mask)
    return np.float64(heights[0])


@inlined
def runner_up(patterns, rc):
    """Return the first index of the largest |c|, how many reach it, and the largest that does not.

    The largest of all is what `highest` left.
    """
    bits, mask, peaks, heights = patterns
    kind, top = bits.dtype.type, peaks[0]
    end, most = np.int32(bits.shape[1]), kind(0)
    first, many = end, np.int32(0)
    # to the end, without a branch: that is a few vector instructions
    for k in range(bits.shape[1]):
        here = kind(bits[rc, k] & mask)
        same = here == top
        first = np.int32(min(first, np.int32(k) if same else end))
        most = kind(max(most, kind(0) if same else here))
        many = np.int32(many + (np.int32(1) if same else np.int32(0)))
    peaks[0] = most
    return np.int64(first), np.int64(many), np.float64(heights[0])


@inlined
def read_exactly(c, rc, number, scale, per_unit, half, order, value, bins, sure):
    """Fill values and bins of the candidates of a row whose coordinates are float64-exact."""
    for k in range(number):
        value[k] = c[rc, order[k]]
        sure[k] = True
    if half:
        for k in range(number):
            bins[k] = grid_bin(value[k] * scale, per_unit, np.float64(half))


@inlined
def read_nearly(
    x, r, c, number, error, least, scale, per_unit, half, vectors, order, value, bins, sure
):  # fmt: skip
    """Fill values and bins; recompute in float64 possible leaders and values near a bin's edge.

    Of rows of unusual size, which are scaled, all values are.
    """
    doubtful = error * per_unit
    for k in range(number):
        near = np.float64(c[r, order[k]])
        exact = scale != 1.0 or number <= FEW or (abs(near) + error) ** 2 >= least
        if not exact and half:
            inside = near * per_unit
            inside -= math.floor(inside)
            exact = inside < doubtful or inside > 1.0 - doubtful
        if exact:
            near = dot(x, r, vectors, order[k])
        value[k] = near
        sure[k] = exact
        if half:
            bins[k] = grid_bin(near * scale, per_unit, np.float64(half))


@inlined
def settle(
    x, r, lead, number, lowest, error, per_unit, half, angles, vectors, order, value, bins, sure
):  # fmt: skip
    """Recompute the candidates for which float32 leaves a hit, or its angle, in doubt."""
    own = lead * lead
    faint = abs(lead) < FAINT
    inverse = np.float32(0.0 if faint else 1.0 / lead)
    margin = doubt(angles) + np.float32(error / abs(lead) * angles)
    plain = angles // 4 + 3
    for k in range(number):
        if sure[k]:
            continue
        near = value[k]
        reach = error * (2.0 * abs(near) + error)
        doubtful = faint or abs(own + near * near - lowest) <= reach
        if half and not doubtful:
            doubtful = column(near, lead, inverse, angles, margin) >= plain
        if doubtful:
            value[k] = dot(x, r, vectors, order[k])
            sure[k] = True
            if half:
                bins[k] = grid_bin(value[k], per_unit, np.float64(half))


@inlined
def is_hit(own, square, lowest, after):
    """Return whether leader and partner hit; a pair is taken once, from its larger |c|."""
    return own + square >= lowest and (square < own or (square == own and after))


@part
def weigh_faint(lead, at, number, lowest, value, sums):
    """Do what `weigh` does for a leader whose inverse may be infinite.

    Only a threshold of about zero has such leaders.
    """
    own, hits = lead * lead, 0
    for k in range(number):
        if is_hit(own, value[k] * value[k], lowest, k > at) and k != at:
            cos4, cos8 = waves(lead, value[k], 0.0)
            hits += 1
            sums[2] += cos4
            sums[3] += cos8
    sums[1] += hits
    return hits


@inlined
def weigh(lead, at, number, lowest, value, sums):
    """Add a leader's hits to the row's sums; return how many there are."""
    own = lead * lead
    if abs(lead) < FAINT:
        return weigh_faint(lead, at, number, lowest, value, sums)
    inverse = 1.0 / lead
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
    number, at, lead, lowest, i, order, value, bins, grids, touched, seen, relative, angle
):  # fmt: skip
    """Count a leader's hits among the candidates: those after it, then those before it."""
    tabled = seen.shape[0] > 0
    own = lead * lead
    faint = abs(lead) < FAINT
    inverse = np.float32(0.0 if faint else 1.0 / lead)
    negative = 1 if lead < 0.0 else 0
    margin = doubt(angle.shape[0])
    row, last = bins[at], relative.shape[1] - 1
    for side in range(2):
        begin, end = (at + 1, number) if side == 0 else (0, at)
        turned = 2 * side + negative
        grid, angles = grids[side, row], relative[turned]
        open_row(grids, touched, side, row)
        for k in range(begin, end):
            if is_hit(own, value[k] * value[k], lowest, side == 0):
                grid[np.uint32(bins[k])] += np.uint32(1)
                if tabled:
                    seen[i, order[k]] += np.uint32(1)
                place = column(value[k], lead, inverse, angle.shape[0], margin)
                if place < last and not faint:
                    angles[np.uint32(place)] += np.uint32(1)
                else:
                    angle[turn_from(lead, value[k], side, angle.shape[0])] += 1


@inlined
def vote(first, second, sums):
    """Add cos 4φ and cos 8φ of the row's best plane, that of the two largest c²."""
    total = first + second
    cos4 = 1.0 - 8.0 * (first / total) * (second / total) if total > 0.0 else 1.0
    sums[4] += 1.0
    sums[5] += cos4
    sums[6] += 2.0 * cos4 * cos4 - 1.0


@inlined
def vote_among(number, order, value, ring, sums):
    """Vote where the two largest c² are among the candidates, which this uses up."""
    best, first, second = 0, 0.0, 0.0
    for k in range(number):
        square = value[k] * value[k]
        if square > first:
            best, first = k, square
    hide(order[best], number, order, value, ring)
    for k in range(number):
        square = value[k] * value[k]
        second = square if square > second else second
    vote(first, second, sums)


@inlined
def search(
    x, r, c, norm2, scale, lowest, most, top, gamma, basis, sums, heights, counts, room
):  # fmt: skip
    """Count the hits of one row but those of the axis of `top`; return how many.

    No other |c| is larger than `most`.
    """
    vectors, ring = basis
    grids, seen, angle, per_unit = counts.grids, counts.seen, counts.angle, counts.per_unit
    order, value, bins, sure = room.order, room.value, room.bins, room.sure
    half = max(0, (grids.shape[1] - 2) // 2)
    error = gamma * math.sqrt(norm2)
    most += error
    least = 0.5 * lowest * (1.0 - MARGIN)
    floor = lowest * (1.0 - MARGIN) - most * most
    low = math.sqrt(floor) * (1.0 - 1e-6) - error if floor > 0.0 else 0.0
    number = gather(c, r, max(0.0, low), heights, order)
    if number < 2:
        return 0
    if gamma == 0.0:
        read_exactly(c, r, number, scale, per_unit, half, order, value, bins, sure)
    else:
        read_nearly(
            x, r, c, number, error, least, scale, per_unit, half, vectors, order, value, bins,
            sure,
        )  # fmt: skip
    if top >= 0:
        hide(top, number, order, value, ring)
    total = 0
    for at in range(number):
        lead = value[at]
        if not (sure[at] and lead * lead >= least):
            continue
        if ring.shape[0]:
            hide(order[at], number, order, value, ring)
        if gamma > 0.0 and number > FEW:
            settle(
                x, r, lead, number, lowest, error, per_unit, half, angle.shape[0], vectors,
                order, value, bins, sure,
            )  # fmt: skip
        hits = weigh(lead, at, number, lowest, value, sums)
        total += hits
        if half and hits:
            scatter(
                number, at, lead, lowest, order[at], order, value, bins, grids, counts.touched,
                seen, counts.relative, angle,
            )  # fmt: skip
        if ring.shape[0]:
            show(c, r, number, order, value, order[at], ring)
    if total and top < 0:
        vote_among(number, order, value, ring, sums)
    return total


@fast_part
def search_rows(
    x, c, patterns, number, whole, norm2, begin, scale, bound, gamma, basis, counts, room, sums
):  # fmt: skip
    """Count the hits of the first `number` rows that `room` names, and fill their sums.

    Parameters
    ----------
    x, c, patterns, gamma, basis, counts, room
        As in `ppp.kernels.orthonormal.count_orthonormal`.
    number : int
        How many of `room.rows` to search.
    whole : bool
        Whether c is x, and `room.fourth` holds what it sums up to.
    norm2 : (B,) float64 array
        Σ x² of rows `begin`, begin + 1, …
    scale : float
        Undoes the scaling of rows of unusual size.
    sums : (B, K) float64 array
        The row's sums, from row `begin` on; columns as in `ppp.tally.MOMENTS`.

    Returns
    -------
    hits : int
    """
    bits, mask, peaks, heights = patterns
    rows, tops, ring = room.rows, room.tops, basis.ring
    total = saturated = 0
    for at in range(number):
        r = rows[at]
        square = norm2[r - begin]
        lowest = threshold(bound, square, scale)
        most, top = highest(patterns, r), np.int64(-1)
        # float32 holds the bins of rows of usual size only
        if gamma == 0.0 and scale == 1.0 and most * most >= lowest and most > FAINT:
            top, many, below = runner_up(patterns, r)
            second = most if many > on_axis(top, ring) else below
            rows[saturated], tops[saturated], room.seconds[saturated] = r, top, second
            saturated += 1
            vote(most * most, second * second, sums[r - begin])
            most = second
        if most * most >= 0.5 * lowest * (1.0 - MARGIN) or gamma > 0.0:
            measure(bits, r, mask, peaks, heights)
            total += search(
                x, r, c, square, scale, lowest, most, top, gamma, basis, sums[r - begin],
                heights, counts, room,
            )  # fmt: skip
    # each step of the saturated rows in a loop of its own: they then overlap in the processor
    for at in range(saturated):
        r, top = rows[at], tops[at]
        square, row = norm2[r - begin], sums[r - begin]
        fourth = room.fourth[r - begin] * square * square
        mates = on_axis(top, ring)
        total += mates * (c.shape[1] - mates)
        if not whole or not weigh_bunched(c, r, top, square, fourth, room.seconds[at], row):
            weigh_all(c, r, top, mates, row)
    for at in range(saturated if counts.grids.shape[1] else 0):
        lead, last = tops[at], -1
        # all vectors of an axis lead alike
        while lead != last:
            if not scatter_bunched(c, rows[at], lead, room.seconds[at], ring, counts, room.edges):
                scatter_all(c, rows[at], lead, scale, ring, counts, room)
            if counts.full.shape[0]:
                counts.full[lead] += 1
            lead, last = ring[lead] if ring.shape[0] else tops[at], tops[at]
    return total
