"""PlaneCounter: the sink that fills a tally."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppp.kernels import cpu
from ppp.planes import Planes
from ppp.prepared import Prepared
from ppp.rule import SLACK, Rule
from ppp.tally import MOMENTS, Tally


def search_arguments(planes: Planes, rule: Rule) -> tuple[Any, ...]:
    """Return what the kernels need to know of planes and rule, in their order."""
    frame = planes.frame
    gram = np.empty((0, 0)) if frame.orthonormal else frame.gram
    bounds = planes.leader_bounds
    epsilon2 = rule.epsilon**2 * (1 - SLACK)
    return epsilon2, frame.vectors, gram, frame.orthonormal, bounds, float(bounds.min())


class PlaneCounter:
    """Count the hits of every plane.

    Parameters
    ----------
    planes : Planes
        Planes to count.
    rule : Rule
        The rule that keeps samples.
    half_width : float
        Of the tally's grid.
    detailed : bool
        False counts pooled hits and moments only.
    """

    def __init__(
        self, planes: Planes, rule: Rule, half_width: float = 1.0, detailed: bool = True
    ) -> None:
        self.tally = Tally(planes, rule, half_width, detailed)
        self._arguments = search_arguments(planes, rule)
        self._swapped = np.zeros((0, 0), np.int64)
        if self.tally.swapped is not None:
            self._swapped = self.tally.swapped
        m = planes.frame.m
        self._order = np.empty(m + 1, np.int64)
        self._found = np.empty((m, 3))

    def fork(self) -> PlaneCounter:
        """Return an empty counter of the same kind, for another worker."""
        tally = self.tally
        return PlaneCounter(tally.planes, tally.rule, tally.half_width, tally.detailed)

    def append(self, block: Prepared) -> None:
        """Count a block."""
        tally = self.tally
        sums = np.zeros((block.rows, len(MOMENTS)))
        for piece in block.pieces:
            hits, outside = cpu.count_rows(
                piece.x,
                piece.coordinates(tally.planes.frame),
                piece.norm2,
                piece.state,
                piece.scale,
                *self._arguments,
                tally.grid,
                self._swapped,
                tally.half_width,
                tally.angle,
                tally.pairs,
                sums[piece.start : piece.start + len(piece.x)],
                self._order,
                self._found,
            )
            tally.hits += hits
            tally.outside += outside
        self._add_rows(block, sums)

    def merge(self, other: PlaneCounter) -> None:
        """Add another worker's counts."""
        self.tally.merge(other.tally)

    def finish(self) -> Tally:
        """Return the tally."""
        return self.tally

    def _add_rows(self, block: Prepared, sums: np.ndarray) -> None:
        tally, state = self.tally, block.state
        tally.rows += block.rows
        tally.zero += int((state == cpu.ZERO).sum())
        tally.nonfinite += int((state == cpu.NONFINITE).sum())
        starts = block.input_starts()
        if len(starts) < block.rows:
            sums = np.add.reduceat(sums, starts, axis=0)
        for label, mask in block.by_class(starts):
            tally.add_inputs(label, sums[mask])
