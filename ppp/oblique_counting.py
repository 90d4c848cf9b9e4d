"""ObliqueCounter: a worker's counting of a frame that is not orthonormal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppp.block_counting import BlockCounter, fold_pairs
from ppp.frame import GRAM_LIMIT
from ppp.kernels.oblique import (
    ObliqueCounts,
    ObliqueRoom,
    Vectors,
    count_oblique,
)
from ppp.kernels.orthonormal import fold_grids
from ppp.kernels.rows import Bound
from ppp.tally import Tally


class ObliqueCounter(BlockCounter):
    """Count blocks of rows against an oblique frame; parameters as in `BlockCounter`."""

    _kernel = staticmethod(count_oblique)
    _counts: ObliqueCounts

    def __init__(self, tally: Tally, bound: Bound) -> None:
        super().__init__(tally, bound)
        frame, bounds = tally.planes.frame, tally.planes.leader_bounds
        # beyond its limit the Gram matrix is made on the fly, a cosine for every pair looked at
        gram = frame.gram if frame.m <= GRAM_LIMIT else np.empty((0, 0))
        self._frame = Vectors(frame.vectors, gram, bounds, float(bounds.min()))
        self._counts = _counts(tally)
        self._room = ObliqueRoom.of(frame.m)

    def _terms(self, gamma: float) -> tuple[Any, ...]:
        return self._bound, gamma, self._frame

    def _empty(self) -> None:
        tally, counts = self._tally, self._counts
        tally.outside += fold_grids(counts.grids, counts.touched, tally.grid)
        if tally.swapped is not None:
            tally.outside += fold_grids(counts.swapped, counts.swapped_touched, tally.swapped)
        tally.angle += counts.angle
        if len(counts.seen):
            fold_pairs(counts.seen, np.zeros(len(counts.seen), np.int64), tally.pairs)
        for array in (counts.seen, counts.angle):
            array.fill(0)


def _counts(tally: Tally) -> ObliqueCounts:
    planes, rule, detailed = tally.planes, tally.rule, tally.detailed
    m = planes.frame.m
    side = rule.bins + 2 if detailed else 0
    swapped = side if tally.swapped is not None else 0
    tabled = detailed and planes.tabled
    return ObliqueCounts(
        np.zeros((2, side, side), np.uint32),
        np.zeros((2, side), np.bool_),
        np.zeros((2, swapped, swapped), np.uint32),
        np.zeros((2, swapped), np.bool_),
        np.zeros((m, m) if tabled else (0, 0), np.uint32),
        np.zeros(rule.angles if detailed else 0, np.int64),
        rule.bins / (2 * tally.half_width),
    )
