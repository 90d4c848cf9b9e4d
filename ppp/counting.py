"""PlaneCounter: the sink that fills a tally."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppp.kernels import cpu
from ppp.orthonormal_counting import OrthonormalCounter
from ppp.planes import Planes
from ppp.prepared import Prepared
from ppp.rule import SLACK, Rule
from ppp.tally import MOMENTS, Tally


def search_arguments(planes: Planes, rule: Rule) -> tuple[Any, ...]:
    """Return what the kernels that list hits need to know of planes and rule, in their order."""
    frame = planes.frame
    gram = np.empty((0, 0)) if frame.orthonormal else frame.gram
    vectors = np.empty((0, 0)) if frame.orthonormal else frame.vectors
    bounds = planes.leader_bounds
    return bound_of(rule), vectors, gram, frame.orthonormal, bounds, float(bounds.min())


def bound_of(rule: Rule) -> Any:
    """Return the rule's threshold as kernels take it."""
    share = rule.epsilon**2 * (1 - SLACK)
    distance2 = -1.0 if rule.distance is None else rule.distance**2
    return cpu.Bound(share, 1 - SLACK, distance2)


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
        self._tally = Tally(planes, rule, half_width, detailed)
        self._fast: OrthonormalCounter | None = None
        if planes.frame.orthonormal:
            self._fast = OrthonormalCounter(self._tally, bound_of(rule))
            return
        self._arguments = search_arguments(planes, rule)
        self._swapped = np.zeros((0, 0), np.int64)
        if self._tally.swapped is not None:
            self._swapped = self._tally.swapped
        m = planes.frame.m
        self._order = np.empty(m + 1, np.int64)
        self._found = np.empty((m, 3))

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        if self._fast is not None:
            self._fast.flush()
        return self._tally

    def fork(self) -> PlaneCounter:
        """Return an empty counter of the same kind, for another worker."""
        tally = self._tally
        return PlaneCounter(tally.planes, tally.rule, tally.half_width, tally.detailed)

    def append(self, block: Prepared) -> None:
        """Count a block."""
        if self._fast is not None:
            self._fast.append(block)
            return
        tally = self._tally
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
                sums[piece.start : piece.start + len(piece)],
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
        tally, state = self._tally, block.state
        tally.rows += block.rows
        tally.zero += int((state == cpu.ZERO).sum())
        tally.nonfinite += int((state == cpu.NONFINITE).sum())
        starts = block.input_starts()
        if len(starts) < block.rows:
            sums = np.add.reduceat(sums, starts, axis=0)
        for label, mask in block.by_class(starts):
            tally.add_inputs(label, sums[mask])
