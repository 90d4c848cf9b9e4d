"""ObliqueCounter: a worker's counting of a frame that is not orthonormal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppp.block_counting import BlockCounter
from ppp.frame import GRAM_LIMIT
from ppp.kernels.folding import fold_grids, fold_pairs, spread
from ppp.kernels.leading import CHUNK
from ppp.kernels.oblique import count_oblique
from ppp.kernels.oblique_room import ObliqueCounts, ObliqueRoom, Vectors
from ppp.kernels.rows import Bound
from ppp.kernels.turning import turn
from ppp.tally import Tally

#: East, north, west, south.
_AXES = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))


class ObliqueCounter(BlockCounter):
    """Count blocks of rows against an oblique frame; parameters as in `BlockCounter`."""

    _kernel = staticmethod(count_oblique)
    # a pair in doubt costs a product in float64, and of a row that hits every plane there are many
    _depth = 512
    _counts: ObliqueCounts

    def __init__(self, tally: Tally, bound: Bound) -> None:
        super().__init__(tally, bound)
        frame, bounds = tally.planes.frame, tally.planes.leader_bounds
        # beyond its limit the Gram matrix is made on the fly, a cosine for every pair looked at
        gram = frame.gram if frame.m <= GRAM_LIMIT else np.empty((0, 0))
        single = np.empty((0, 0), np.float32) if self._single is None else self._single
        self._frame = Vectors(frame.vectors, single, gram, bounds, float(bounds.min()))
        self._counts = _counts(tally)

    def _room(self, c: np.ndarray) -> ObliqueRoom:
        return ObliqueRoom.of(c.shape[1], c.dtype)

    def _terms(self, gamma: float) -> tuple[Any, ...]:
        return self._bound, gamma, self._frame

    def _empty(self) -> None:
        tally, counts = self._tally, self._counts
        tally.outside += fold_grids(counts.grids, counts.touched, tally.grid)
        if tally.swapped is not None:
            tally.outside += fold_grids(counts.swapped, counts.swapped_touched, tally.swapped)
        tally.angle += counts.angle[:-1]
        if len(counts.seen):
            spread(counts.full, CHUNK, counts.seen)
            full = np.zeros(len(counts.seen), np.int64)
            fold_pairs(counts.seen, full, np.zeros(0, np.int64), tally.pairs)
        counts.angle.fill(0)


def _counts(tally: Tally) -> ObliqueCounts:
    planes, rule, detailed = tally.planes, tally.rule, tally.detailed
    m = planes.frame.m
    side = rule.bins + 2 if detailed else 0
    swapped = side if tally.swapped is not None else 0
    tabled = detailed and planes.tabled
    return ObliqueCounts(
        np.zeros((2, side, side + 1), np.uint32),
        np.zeros((2, side), np.bool_),
        np.zeros((2, swapped, swapped + 1), np.uint32),
        np.zeros((2, swapped), np.bool_),
        np.zeros((m, m) if tabled else (0, 0), np.uint32),
        np.zeros((m, -(-m // CHUNK)) if tabled else (0, 0), np.uint32),
        np.zeros(rule.angles + 1 if detailed else 0, np.uint32),
        np.array([turn(*axis, rule.angles) for axis in _AXES], np.float32),
        rule.bins / (2 * tally.half_width),
    )
