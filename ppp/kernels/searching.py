"""The hits of one row of an orthonormal frame's coordinates.

A hit needs c_i² + c_j² ≥ T, so a leader, c_i² ≥ T/2, and partners c_j² ≥ T − c_i². Where the
largest |c| reaches T alone, it hits with every other vector: see `ppp.kernels.saturated`.
"""

from __future__ import annotations

import math

import numpy as np

from ppp.kernels.amending import amend
from ppp.kernels.basis import hide, on_axis, show
from ppp.kernels.bunched import scatter_bunched, weigh_bunched
from ppp.kernels.peaks import gather, highest, runner_up
from ppp.kernels.rows import FAINT, MARGIN, dot, fast_part, inlined, open_row, part, threshold
from ppp.kernels.saturated import grid_bin, scatter_all, weigh_all
from ppp.kernels.snapping import snapped, step_of
from ppp.kernels.turning import column, doubt, turn_from
from ppp.kernels.waves import add_waves, waves

#: Least share of ‖x‖² that a leader has whose hits are told by products in float32.
LEAN = 0.01
#: With this few candidates, all are recomputed in float64; with more, the doubtful ones.
FEW = 12


@inlined
def read_exactly(c, rc, number, step, scale, per_unit, half, order, value, bins, sure):
    """Fill values and bins of the candidates of a row whose coordinates are float64-exact."""
    for k in range(number):
        value[k] = c[rc, order[k]]
        sure[k] = True
    if half:
        for k in range(number):
            bins[k] = grid_bin(snapped(value[k], step) * scale, per_unit, np.float64(half))


@inlined
def read_nearly(
    x, r, c, number, error, step, least, scale, per_unit, half, vectors, order, value, bins, sure
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
            bins[k] = grid_bin(snapped(near, step) * scale, per_unit, np.float64(half))


@inlined
def settle(
    x, r, lead, number, lowest, error, step, per_unit, half, angles, vectors, order, value, bins,
    sure,
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
                bins[k] = grid_bin(snapped(value[k], step), per_unit, np.float64(half))


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
        wave = t2 * part * part if hit else 0.0
        hits += hit
        first += wave
        second += wave * wave
    add_waves(hits, first, second, sums)
    return hits


@inlined
def scatter(
    number, at, lead, lowest, step, i, order, value, bins, grids, touched, seen, relative, angle
):  # fmt: skip
    """Count a leader's hits among the candidates: those after it, then those before it."""
    tabled = seen.shape[0] > 0
    own, main = lead * lead, snapped(lead, step)
    faint = abs(main) < FAINT
    inverse = np.float32(0.0 if faint else 1.0 / main)
    negative = 1 if main < 0.0 else 0
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
                near = snapped(value[k], step)
                place = column(near, main, inverse, angle.shape[0], margin)
                if place < last and not faint:
                    angles[np.uint32(place)] += np.uint32(1)
                else:
                    angle[turn_from(main, near, side, angle.shape[0])] += 1


@inlined
def vote(first, second, sums):
    """Add cos 4φ and cos 8φ of the row's best plane, that of the two largest c²."""
    total = first + second
    cos4 = 1.0 - 8.0 * (first / total) * (second / total) if total > 0.0 else 1.0
    sums[4] += 1.0
    sums[5] += cos4
    sums[6] += 2.0 * cos4 * cos4 - 1.0


@inlined
def vote_among(number, order, value, sure, axes, sums):
    """Vote where the two largest c² are among the candidates, which this uses up."""
    best, first, second = 0, 0.0, 0.0
    for k in range(number):
        square = value[k] * value[k]
        if square > first:
            best, first = k, square
    hide(order[best], number, order, value, sure, axes)
    for k in range(number):
        square = value[k] * value[k]
        second = square if square > second else second
    vote(first, second, sums)


@inlined
def search(
    x, r, c, patterns, norm2, scale, lowest, most, top, gamma, basis, sums, counts, room
):  # fmt: skip
    """Count the hits of one row but those of the axis of `top`; return how many.

    No other |c| is larger than `most`.
    """
    vectors, axes, ring, exact = basis
    grids, seen, angle, per_unit = counts.grids, counts.seen, counts.angle, counts.per_unit
    order, value, bins, sure = room.order, room.value, room.bins, room.sure
    half = max(0, (grids.shape[1] - 2) // 2)
    error, step = gamma * math.sqrt(norm2), 0.0 if exact else step_of(norm2)
    most += error
    least = 0.5 * lowest * (1.0 - MARGIN)
    floor = lowest * (1.0 - MARGIN) - most * most
    low = math.sqrt(floor) * (1.0 - 1e-6) - error if floor > 0.0 else 0.0
    number = gather(patterns, r, max(0.0, low), order)
    if number < 2:
        return 0
    if gamma == 0.0:
        read_exactly(c, r, number, step, scale, per_unit, half, order, value, bins, sure)
    else:
        read_nearly(
            x, r, c, number, error, step, least, scale, per_unit, half, vectors, order, value,
            bins, sure,
        )  # fmt: skip
    if top >= 0:
        hide(top, number, order, value, sure, axes)
    total = 0
    for at in range(number):
        lead = value[at]
        if not (sure[at] and lead * lead >= least):
            continue
        if ring.shape[0]:
            hide(order[at], number, order, value, sure, axes)
        if gamma > 0.0 and number > FEW:
            settle(
                x, r, lead, number, lowest, error, step, per_unit, half, angle.shape[0], vectors,
                order, value, bins, sure,
            )  # fmt: skip
        hits = weigh(lead, at, number, lowest, value, sums)
        total += hits
        if half and hits:
            scatter(
                number, at, lead, lowest, step, order[at], order, value, bins, grids,
                counts.touched, seen, counts.relative, angle,
            )  # fmt: skip
        if ring.shape[0]:
            show(c, r, number, order, value, order[at], axes)
    if total and top < 0:
        vote_among(number, order, value, sure, axes, sums)
    return total


@inlined
def place(x, r, c, at, lead, second, error, step, scale, basis, counts, room):
    """Count the planes, bins and angles of a saturated row's leader, whose exact c is `lead`."""
    half = (counts.grids.shape[1] - 2) // 2
    kind = c.dtype.type
    if error > 0.0:
        row = grid_bin(lead, counts.per_unit, np.float64(half))
    else:
        # in the precision in which those of the others are found
        row = grid_bin(kind(lead), kind(counts.per_unit), kind(half))
    bunched = scatter_bunched(c, r, at, row, second, basis.ring, counts, room.edges)
    if not bunched:
        scatter_all(c, r, at, row, step, scale, basis.ring, counts, room)
    if error > 0.0:
        amend(x, r, c, at, row, lead, error, step, not bunched, basis.rows, counts, room)
    if counts.full.shape[0]:
        counts.full[at] += 1


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
    rows, tops, ring = room.rows, room.tops, basis.ring
    # float32 tells the bins of rows of usual size, of their products only where those are exact
    usual = scale == 1.0 and (gamma == 0.0 or counts.single)
    total = saturated = 0
    for at in range(number):
        r = rows[at]
        square = norm2[r - begin]
        lowest = threshold(bound, square, scale)
        most, top = highest(patterns, r), np.int64(-1)
        error = gamma * math.sqrt(square)
        if usual and (most + error) ** 2 >= lowest and most > FAINT:
            leader, many, below = runner_up(patterns, r)
            lead = np.float64(c[r, leader]) if gamma == 0.0 else dot(x, r, basis.rows, leader)
            # what rounding hides is small beside a leader only where that is not small itself
            if lead * lead >= lowest and (basis.exact or lead * lead >= LEAN * square):
                top, second = leader, most if many > on_axis(leader, ring) else below
                rows[saturated], tops[saturated] = r, top
                room.leads[saturated], room.seconds[saturated] = lead, second
                saturated += 1
                vote(lead * lead, second * second, sums[r - begin])
                most = second
        if (most + error) ** 2 >= 0.5 * lowest * (1.0 - MARGIN):
            total += search(
                x, r, c, patterns, square, scale, lowest, most, top, gamma, basis,
                sums[r - begin], counts, room,
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
        r, top, square = rows[at], tops[at], norm2[rows[at] - begin]
        error, step = gamma * math.sqrt(square), 0.0 if basis.exact else step_of(square)
        lead = snapped(room.leads[at], step)
        mate, last = top, -1
        # all vectors of an axis lead alike
        while mate != last:
            place(x, r, c, mate, lead, room.seconds[at], error, step, scale, basis, counts, room)
            mate, last = ring[mate] if ring.shape[0] else top, top
            lead = np.float64(c[r, mate])
    return total
