"""What the search of an oblique frame reads and writes: counters, vectors, scratch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppp.kernels.inputs import COLUMNS
from ppp.kernels.leading import Span
from ppp.kernels.rows import BATCH


class ObliqueCounts(NamedTuple):
    """A worker's counters, of size zero where they are not wanted.

    `grids` (2, G + 2, G + 3) has a guard bin at each end, and a column for what is no hit: [0] from
    pairs whose leader is the first vector, [1] transposed, from the others; `touched` says which
    rows may have been counted into. `swapped` likewise, for the planes (j, i). `seen` (m, m) counts
    leader by partner, `full` (m, S) how often a leader hit with all of a chunk of vectors. `angle`
    has one bin more, for what is no hit; `axes` (4,) are the bins of east, north, west and south.
    """

    grids: np.ndarray
    touched: np.ndarray
    swapped: np.ndarray
    swapped_touched: np.ndarray
    seen: np.ndarray
    full: np.ndarray
    angle: np.ndarray
    axes: np.ndarray
    per_unit: float


class Vectors(NamedTuple):
    """An oblique frame.

    Unit vectors (m, n), in float64 and in float32 (or none where nothing is multiplied in that),
    cosines (m, m) or none beyond the frame's limit, the share a_i of the threshold that a leader's
    c² reaches, and the smallest of these.
    """

    rows: np.ndarray
    single: np.ndarray
    gram: np.ndarray
    bounds: np.ndarray
    lowest: float


class ObliqueRoom(NamedTuple):
    """Room for the candidates of a row, a leader's pairs, and what is known of a batch.

    Indices that may lead, candidates for partners, those of the leader at hand, which vectors these
    are; coordinates in float64, where they were made. `best` holds ‖w‖²/‖x‖² of the row's best
    plane and that plane's number i m + j. Of a batch: Σ x², Σ c⁴, sums, the rows to search.
    """

    leaders: np.ndarray
    order: np.ndarray
    partners: np.ndarray
    flags: np.ndarray
    value: np.ndarray
    sure: np.ndarray
    best: np.ndarray
    span: Span
    norm2: np.ndarray
    fourth: np.ndarray
    sums: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, m: int, kind: np.dtype) -> ObliqueRoom:
        """Return room for m coordinates of a kind, float32 or float64."""
        return cls(
            np.zeros(m + 1, np.int64),
            np.zeros(m + 1, np.int64),
            np.zeros(m + 1, np.int64),
            np.zeros((1, m), np.int32),
            np.zeros(m),
            np.zeros(m, np.bool_),
            np.zeros(2),
            Span.of(m, kind),
            np.zeros(BATCH),
            np.zeros(BATCH),
            np.zeros((BATCH, COLUMNS)),
            np.zeros(BATCH, np.int64),
        )

    def aside(self) -> ObliqueRoom:
        """Return room for a row that is searched beside those of a batch."""
        return self._replace(norm2=np.zeros(1), rows=np.zeros(1, np.int64))
