"""Counting the hits of an orthonormal frame, one pass over the rows.

A hit needs c_i² + c_j² ≥ T, hence Σ c⁴ ≥ T²/2: the fourth moment, which every row is asked for
anyway, turns away most rows; the others are searched (`ppp.kernels.searching`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppp.kernels.bunched import Edges
from ppp.kernels.inputs import COLUMNS, close
from ppp.kernels.rows import (
    BATCH,
    EXTREME,
    LEAST,
    LOOSE,
    MOST,
    VALID,
    fast,
    fast_part,
    moments,
    threshold,
    two_largest,
)
from ppp.kernels.searching import search_rows
from ppp.kernels.unusual import rescale

#: Rows this narrow are looked at once more before they are searched: many have Σ c⁴ without a hit.
NARROW = 64


class Counts(NamedTuple):
    """A worker's counters, of size zero where they are not wanted.

    `grids` (4, G + 2, G + 2) has a guard bin at each end, leader first: [0] when the leader is the
    plane's first vector, [1] when it is the second, and a second set that takes half of the hits;
    `touched` (4, G + 2) says which of their rows were counted into, the others hold anything.
    `single` says whether float32 bins a float32 number exactly: the product with `per_unit` neither
    rounds nor leaves its range.
    `seen` (m, m) counts leader by partner, `full` (m,) the rows whose leader hits with every other
    vector. `relative` (8, columns) counts angles from the leader's axis (see
    `ppp.kernels.turning.unfold`), two sets likewise, `angle` those too near an edge for that.
    """

    grids: np.ndarray
    touched: np.ndarray
    seen: np.ndarray
    full: np.ndarray
    relative: np.ndarray
    angle: np.ndarray
    per_unit: float
    single: bool


class Room(NamedTuple):
    """Room for the candidates of a row, and for what is known of the rows of a batch.

    Of a candidate: index, value, grid bin, angular column, and whether its value is exact. Of a
    batch: Σ x², Σ c⁴/‖x‖⁴, sums, the rows to search, and of saturated ones the leaders, their exact
    coordinates, the largest |c| of the others, the edges of bins that may hold these, and whether
    anything is in doubt of them.
    """

    order: np.ndarray
    value: np.ndarray
    bins: np.ndarray
    marks: np.ndarray
    sure: np.ndarray
    norm2: np.ndarray
    fourth: np.ndarray
    sums: np.ndarray
    rows: np.ndarray
    tops: np.ndarray
    leads: np.ndarray
    seconds: np.ndarray
    edges: Edges
    flags: np.ndarray

    @classmethod
    def of(cls, m: int, angles: int) -> Room:
        """Return room for m coordinates, and for so many angular bins."""
        return cls(
            np.zeros(m + 1, np.int64),
            np.zeros(m + 1),
            np.zeros(m + 1, np.int32),
            np.zeros(m + 1, np.int32),
            np.zeros(m + 1, np.bool_),
            np.zeros(BATCH),
            np.zeros(BATCH),
            np.zeros((BATCH, COLUMNS)),
            np.zeros(BATCH, np.int64),
            np.zeros(BATCH, np.int64),
            np.zeros(BATCH),
            np.zeros(BATCH),
            Edges.of(m, angles),
            np.zeros((1, m), np.int32),
        )

    def aside(self) -> Room:
        """Return room for a row that is searched beside those of a batch."""
        return self._replace(norm2=np.zeros(1), rows=np.zeros(1, np.int64))


@fast
def count_orthonormal(
    x, c, patterns, whole, bound, gamma, reach, basis, counts, room, spare, sample, code, start,
    ledger, state,
):  # fmt: skip
    """Count the hits of rows; add what each input sums up to.

    Parameters
    ----------
    x, c : (R, n) and (R, m) arrays
        Rows and their coordinates c = x · b (the very rows for the standard basis).
    patterns : Patterns
        Of c.
    whole : bool
        Whether c is x.
    bound : Bound
        The rule's threshold.
    gamma : float
        Each c is within gamma·‖x‖ of the truth; zero where c is exact, or float64.
    reach : float
        A row with Σ c⁴ < reach·‖x‖⁴ has no hit.
    basis : Basis
        The frame.
    counts, room, spare, ledger
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
    norms, fourths, sums, rows = room.norm2, room.fourth, room.sums, room.rows
    total = 0
    for begin in range(0, x.shape[0], BATCH):
        end = min(x.shape[0], begin + BATCH)
        moments(x, c, whole, begin, end, norms, fourths)
        quiet = _is_quiet(end - begin, norms, fourths, reach)
        if quiet:
            state[start + begin : start + end] = VALID
        else:
            number, unusual = _name_rows(
                c, begin, end, bound, gamma, reach, norms, fourths, rows, start, state
            )
            if number:
                total += search_rows(
                    x, c, patterns, number, whole, norms, begin, 1.0, bound, gamma, basis, counts,
                    room, sums,
                )  # fmt: skip
            for k in range(unusual):
                r = rows[BATCH - 1 - k]
                at = r - begin
                state[start + r], scale, spare.room.norm2[0], fourths[at] = rescale(
                    x, r, whole, basis.rows, spare, ledger.counts
                )
                if state[start + r] == EXTREME:
                    # of the types of the other call: literals would have all compiled once more
                    total += search_rows(
                        spare.x, spare.c, spare.patterns, np.int64(1), np.bool_(False),
                        spare.room.norm2, np.int64(0), scale, bound, gamma, basis, counts,
                        spare.room, sums[at : at + 1],
                    )  # fmt: skip
        close(begin, end, start, quiet, sample, code, state, fourths, sums, ledger)
    return total


@fast_part
def _is_quiet(rows, norm2, fourth, reach):
    """Make Σ c⁴ into Σ c⁴/‖x‖⁴; return whether all rows are of usual size and without a hit."""
    loud = 0
    for r in range(rows):
        share = fourth[r] / (norm2[r] * norm2[r])
        fourth[r] = share
        loud += not ((norm2[r] >= LEAST) & (norm2[r] <= MOST) & (share < reach))
    return loud == 0


@fast_part
def _name_rows(c, begin, end, bound, gamma, reach, norm2, fourth, rows, start, state):
    """Name the rows to search at the front of `rows`, those of unusual size from its end on.

    Returns how many there are of each.
    """
    number, unusual = 0, 0
    for r in range(begin, end):
        at = r - begin
        if LEAST <= norm2[at] <= MOST:
            state[start + r] = VALID
            rows[number] = r
            near = fourth[at] >= reach
            if near and c.shape[1] < NARROW and gamma == 0.0:
                near = two_largest(c, r) >= threshold(bound, norm2[at], 1.0) * (1.0 - LOOSE)
            number += near
        else:
            unusual += 1
            rows[BATCH - unusual] = r
    return number, unusual
