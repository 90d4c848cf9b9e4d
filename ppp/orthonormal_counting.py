"""OrthonormalCounter: a worker's counting of an orthonormal frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ppp.block_counting import BlockCounter
from ppp.kernels.basis import Basis
from ppp.kernels.folding import fold_grids, fold_pairs
from ppp.kernels.orthonormal import Counts, Room, count_orthonormal
from ppp.kernels.rows import Bound
from ppp.kernels.saturated import LARGE, SMALL
from ppp.kernels.turning import columns, unfold
from ppp.tally import Tally


class OrthonormalCounter(BlockCounter):
    """Count blocks of rows against an orthonormal frame; parameters as in `BlockCounter`.

    An axis of the space may have several vectors, on either side: they span no plane together.
    """

    _kernel = staticmethod(count_orthonormal)
    _counts: Counts

    def __init__(self, tally: Tally, bound: Bound) -> None:
        super().__init__(tally, bound)
        self._counts, rule = _counts(tally), tally.rule
        self._share = rule.epsilon**2 if rule.distance is None else 0.0
        self._exact = tally.planes.frame.exact
        self._basis, self._copies = _basis(self._vectors, self._axes, self._exact)

    def _ready(self, x: np.ndarray) -> np.ndarray:
        wider = self._exact and not self._counts.single
        return x.astype(np.float64, copy=False) if wider else x

    def _room(self, c: np.ndarray) -> Room:
        return Room.of(c.shape[1], len(self._counts.angle))

    def _terms(self, gamma: float) -> tuple[Any, ...]:
        return self._whole, self._bound, gamma, self._reach(gamma), self._basis

    def _empty(self) -> None:
        tally, counts = self._tally, self._counts
        tally.outside += self._empty_grids()
        relative = counts.relative[:4].astype(np.int64) + counts.relative[4:]
        tally.angle += counts.angle + unfold(relative, len(counts.angle))
        if len(counts.seen):
            fold_pairs(counts.seen, counts.full, self._basis.ring, tally.pairs)
        for array in (counts.relative, counts.angle):
            array.fill(0)

    def _empty_grids(self) -> int:
        """Move the grids into the tally's; return how many hits lie beyond."""
        tally, counts = self._tally, self._counts
        if tally.swapped is None:
            return int(fold_grids(counts.grids, counts.touched, tally.grid))
        # a plane of orthogonal vectors turned round: its coordinates change places
        grid = np.zeros_like(tally.grid)
        outside = int(fold_grids(counts.grids, counts.touched, grid))
        tally.grid += grid
        tally.swapped += grid.T
        return 2 * outside

    def _reach(self, gamma: float) -> float:
        """Return the least Σ c⁴/‖x‖⁴ of a row with a hit: (ε²)²/2, less what γ may hide.

        Every axis adds its own as often as it has vectors.
        """
        hidden = gamma * self._tally.planes.frame.m**0.25
        root = (self._copies * self._share**2 / 2) ** 0.25 - hidden
        return max(0.0, root) ** 4 * (1 - 1e-9)


def _basis(vectors: np.ndarray, axes: np.ndarray | None, exact: bool) -> tuple[Basis, int]:
    """Return what the kernel needs to know of the frame, and how few vectors an axis has."""
    none = np.zeros(0, np.int64)
    if axes is None:
        return Basis(vectors, none, none, exact), 1
    _, begins, many = np.unique(np.sort(axes), return_index=True, return_counts=True)
    if many.max() == 1:
        return Basis(vectors, none, none, exact), 1
    order, ends = np.argsort(axes, kind="stable"), begins + many - 1
    after = np.roll(order, -1)
    after[ends] = order[begins]
    ring = np.empty(len(axes), np.int64)
    ring[order] = after
    return Basis(vectors, axes.astype(np.int64), ring, exact), int(many.min())


def _counts(tally: Tally) -> Counts:
    planes, rule, detailed = tally.planes, tally.rule, tally.detailed
    m = planes.frame.m
    side = rule.bins + 2 if detailed else 0
    tabled = detailed and planes.tabled
    bins, per_unit = rule.angles if detailed else 0, rule.bins / (2 * tally.half_width)
    return Counts(
        np.empty((4, side, side), np.uint32),
        np.zeros((4, side), np.bool_),
        np.zeros((m, m) if tabled else (0, 0), np.uint32),
        np.zeros(m if tabled else 0, np.int64),
        np.zeros((8, columns(bins)), np.uint32),
        np.zeros(bins, np.int64),
        per_unit,
        SMALL <= per_unit <= LARGE and math.frexp(per_unit)[0] == 0.5,
    )
