"""Points: every kept sample with its plane, when counts are not enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ppp.counting import search_arguments
from ppp.kernels import cpu
from ppp.planes import Planes, triangle
from ppp.prepared import Prepared
from ppp.rule import Rule


@dataclass(frozen=True)
class Points:
    """Kept samples, one entry a hit.

    Parameters
    ----------
    w : (H, 2) float64 array
        In-plane coordinates.
    plane : (H,) int64 array
        Index into `planes`.
    sample : (H,) int64 array
        Input of the row.
    row : (H,) int64 array
        The row, counted from the first one.
    planes : Planes
        The planes.
    ratio : (H,) float64 array
        In-plane share of the row's norm, ‖w‖/‖x‖.
    rule : Rule
        The rule that kept them.
    valid, dropped : int
        Rows that were projected, and rows that are zero or not finite.
    """

    w: np.ndarray
    plane: np.ndarray
    sample: np.ndarray
    row: np.ndarray
    planes: Planes
    ratio: np.ndarray
    rule: Rule
    valid: int
    dropped: int

    @property
    def expected(self) -> float:
        """Hits that isotropy would give in all planes; NaN with a rule of distance."""
        return self.rule.expected(self.valid, self.planes.frame.n, self.planes.count)

    @property
    def angle(self) -> np.ndarray:
        """(H,) float64 angle between each row and the plane that keeps it, degrees."""
        return np.degrees(np.arccos(np.clip(self.ratio, 0.0, 1.0)))

    def __len__(self) -> int:
        """Return the number of hits."""
        return len(self.plane)


class PointCollector:
    """List the hits of every plane, with a limit.

    Parameters
    ----------
    planes : Planes
        Planes to look at.
    rule : Rule
        The rule that keeps samples.
    max_points : int
        Most hits that are listed.
    """

    def __init__(self, planes: Planes, rule: Rule, max_points: int) -> None:
        self.planes, self.rule, self.max_points = planes, rule, max_points
        self.count = 0
        self._arguments = search_arguments(planes, rule)
        m = planes.frame.m
        self._order, self._found = np.empty(m + 1, np.int64), np.empty((m, 3))
        self._place = _plane_of_slot(planes)
        self._parts: list[tuple[np.ndarray, ...]] = []
        self._rows = self._valid = 0

    def append(self, block: Prepared) -> None:
        """Collect a block, in order; a collector works alone."""
        for piece in block.pieces:
            w, slot, row = self._list(piece)
            self._valid += int((piece.state == cpu.VALID).sum())
            self.count += len(slot) * (1 + self.planes.ordered)
            if self.count > self.max_points:
                raise ValueError(
                    f"more than max_points = {self.max_points:,} hits: got {self.count:,} by row "
                    f"{self._rows + piece.start + len(piece.x):,}. Raise max_points, raise "
                    "epsilon, or use ppp.project, whose counts need no points"
                )
            at = block.sample[piece.start + row]
            ratio = np.hypot(w[0, :, 0], w[0, :, 1]) / np.sqrt(piece.norm2[row])
            with np.errstate(over="ignore"):  # a row longer than any number may be so in a plane
                w *= piece.scale[row, None]
            self._parts.append((w, slot, at, row + self._rows + piece.start, ratio))
        self._rows += block.rows

    def finish(self) -> Points:
        """Return the points, ordered by row, then by plane."""
        orders = 1 + self.planes.ordered
        w = np.concatenate([np.empty((orders, 0, 2)), *(part[0] for part in self._parts)], axis=1)
        slot, sample, row = (
            np.concatenate([np.empty(0, np.int64), *(part[k] for part in self._parts)])
            for k in (1, 2, 3)
        )
        ratio = np.concatenate([np.empty(0), *(part[4] for part in self._parts)])
        plane = self._place[0][slot]
        w = w.reshape(-1, 2)
        if self.planes.ordered:
            plane = np.concatenate([plane, self._place[1][slot]])
            sample, row, ratio = np.tile(sample, 2), np.tile(row, 2), np.tile(ratio, 2)
        order = np.lexsort((plane, row))
        w, plane, sample, row, ratio = (each[order] for each in (w, plane, sample, row, ratio))
        dropped = self._rows - self._valid
        return Points(w, plane, sample, row, self.planes, ratio, self.rule, self._valid, dropped)

    def _list(self, piece: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found, frame = 0, self.planes.frame
        for _ in range(2):  # count, then write: memory is what the hits need, no more
            w, slot, row = (
                np.empty((1 + self.planes.ordered, found, 2)),
                np.empty(found, np.int64),
                np.empty(found, np.int64),
            )
            found = cpu.list_rows(
                piece.x,
                piece.coordinates(frame),
                piece.norm2,
                piece.state,
                piece.scale,
                *self._arguments,
                frame.exact,
                w,
                slot,
                row,
                self._order,
                self._found,
            )
            if found + self.count > self.max_points:
                return w, np.empty(found, np.int64), row
        return w, slot, row


def _plane_of_slot(planes: Planes) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each pair's place in the triangle, the plane (i, j) and the plane (j, i)."""
    m = planes.frame.m
    i, j = planes.first, planes.second  # raises where there are too many planes, before the rest
    size = m * (m - 1) // 2
    forward, backward = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    up = i < j
    index = np.arange(len(i))
    forward[triangle(i[up], j[up], m)] = index[up]
    backward[triangle(j[~up], i[~up], m)] = index[~up]
    return forward, backward
