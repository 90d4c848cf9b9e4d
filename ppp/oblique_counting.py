"""ObliqueCounter: a worker's counting of frames that are not orthonormal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppp.kernels import cpu
from ppp.kernels.orthonormal import fold_grids
from ppp.kernels.searching import Patterns
from ppp.orthonormal_counting import (
    FLUSH_HITS,
    SINGLE_WIDTH,
    error_share,
    fold_pairs,
    piece_rows,
)
from ppp.prepared import Piece, Prepared
from ppp.tally import MOMENTS, Tally


class ObliqueCounter:
    """Count blocks of rows against an oblique frame.

    Parameters
    ----------
    tally : Tally
        What is counted into.
    arguments : tuple
        What `ppp.counting.search_arguments` gave.

    Notes
    -----
    Rows in float32 are multiplied in float32 first: most frames turn most rows away, and only the
    others are multiplied again, in float64, by which every hit is decided.
    """

    def __init__(self, tally: Tally, arguments: tuple[Any, ...]) -> None:
        self._tally, self._arguments = tally, arguments
        frame = tally.planes.frame
        self._counts = _counts(tally)
        self._pending = 0
        self._order, self._found = np.empty(frame.m + 1, np.int64), np.empty((frame.m, 3))
        self._single = frame.vectors.astype(np.float32) if frame.n >= SINGLE_WIDTH else None

    def append(self, block: Prepared) -> None:
        """Count a block."""
        sums = np.zeros((block.rows, len(MOMENTS)))
        step = piece_rows(self._tally.planes.frame.m)
        for piece in block.pieces:
            for start in range(0, len(piece), step):
                part = slice(start, min(len(piece), start + step))
                into = sums[piece.start + part.start : piece.start + part.stop]
                self._count(piece, part, into)
        self._add_rows(block, sums)

    def flush(self) -> None:
        """Empty the counters into the tally."""
        tally, counts = self._tally, self._counts
        if not self._pending or not tally.detailed:
            return
        tally.outside += fold_grids(counts.grids, counts.touched, tally.grid)
        if tally.swapped is not None:
            tally.outside += fold_grids(counts.swapped, counts.swapped_touched, tally.swapped)
        tally.angle += counts.angle
        if len(counts.seen):
            fold_pairs(counts.seen, np.zeros(len(counts.seen), np.int64), tally.pairs)
        for array in (counts.seen, counts.angle):
            array.fill(0)
        self._pending = 0

    def _count(self, piece: Piece, part: slice, sums: np.ndarray) -> None:
        x, norm2, state, scale = (array[part] for array in piece.norms)
        if self._single is not None and x.dtype == np.float32:
            bound, lowest = self._arguments[0], self._arguments[-1]
            c = x @ self._single.T
            may_hit = np.empty(len(x), np.bool_)
            gamma = error_share(x.shape[1])
            cpu.sift_rows(
                c, Patterns.of(c), norm2, state, scale, bound, lowest, gamma, sums, may_hit
            )
            rows = np.flatnonzero(may_hit)
            if not len(rows):
                return
            inner = np.zeros((len(rows), sums.shape[1]))
            self._count_exactly(x[rows], norm2[rows], state[rows], scale[rows], inner)
            sums[rows] = inner
            return
        self._count_exactly(x, norm2, state, scale, sums)

    def _count_exactly(
        self,
        x: np.ndarray,
        norm2: np.ndarray,
        state: np.ndarray,
        scale: np.ndarray,
        sums: np.ndarray,
    ) -> None:
        tally = self._tally
        c = x.astype(np.float64, copy=False) @ tally.planes.frame.vectors.T
        hits = cpu.count_rows(
            x,
            c,
            norm2,
            state,
            scale,
            *self._arguments,
            self._counts,
            sums,
            self._order,
            self._found,
        )
        tally.hits += hits
        self._pending += hits
        if self._pending > FLUSH_HITS:
            self.flush()

    def _add_rows(self, block: Prepared, sums: np.ndarray) -> None:
        tally, state = self._tally, block.state
        tally.rows += block.rows
        tally.zero += int((state == cpu.ZERO).sum())
        tally.nonfinite += int((state == cpu.NONFINITE).sum())
        starts = block.input_starts()
        if len(starts) < block.rows:
            sums = np.add.reduceat(sums, starts, axis=0)
        for label, mask in block.by_class(starts):
            tally.add_inputs(label, sums[mask])


def _counts(tally: Tally) -> cpu.ObliqueCounts:
    planes, rule, detailed = tally.planes, tally.rule, tally.detailed
    m = planes.frame.m
    side = rule.bins + 2 if detailed else 0
    swapped = side if tally.swapped is not None else 0
    tabled = detailed and planes.tabled
    return cpu.ObliqueCounts(
        np.zeros((2, side, side), np.uint32),
        np.zeros((2, side), np.bool_),
        np.zeros((2, swapped, swapped), np.uint32),
        np.zeros((2, swapped), np.bool_),
        np.zeros((m, m) if tabled else (0, 0), np.uint32),
        np.zeros(rule.angles if detailed else 0, np.int64),
        rule.bins / (2 * tally.half_width),
    )
