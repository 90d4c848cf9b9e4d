"""SweepCounter: the sink that turns blocks into spotlight counts."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from ppp.counting import search_arguments
from ppp.planes import Planes
from ppp.prepared import Prepared
from ppp.rule import SLACK, Rule
from ppp.tally import CLASS_LIMIT
from srm.kernels import sweep_rows
from srm.kernels_sifting import sift

#: Rows of another class, in the state that kernels read.
OTHER = 255
#: Most numbers in the tables of planes by angles, all classes together: 256 MiB.
TABLE_NUMBERS = 2**25


class Spotlight:
    """What a probe sees: x̂ · p(θ) ≥ τ(ε), with the slack of ties.

    Parameters
    ----------
    epsilon : float
        Cosine of the cone's half-angle, in [−1, 1].
    angles : int
        Number of angles A, evenly from 0 to 2π without the end.

    Notes
    -----
    τ = ε√(1 − 2⁻⁴⁰) for ε > 0, as in the projection, else ε − 2⁻⁴⁰. For ε ≤ 0 the rows that
    a spotlight does *not* see are counted: those with x̂ · (−p) > |τ|.
    """

    def __init__(self, epsilon: float, angles: int) -> None:
        self.epsilon, self.angles = epsilon, angles
        self.complement = epsilon <= 0
        limit = epsilon * np.sqrt(1 - SLACK) if epsilon > 0 else SLACK - epsilon
        self.limit = float(limit)
        theta = 2 * np.pi * np.arange(angles) / angles
        self.cosines, self.sines = np.cos(theta), np.sin(theta)

    @property
    def rule(self) -> Rule:
        """A rule that keeps at least every row that some angle tells from the others."""
        return Rule(min(1.0, self.limit))

    def sees(self, w: np.ndarray, norm: np.ndarray, theta: float) -> np.ndarray:
        """Return which rows the spotlight at θ sees.

        Parameters
        ----------
        w : (N, 2) array
            In-plane coordinates.
        norm : (N,) array
            ‖x‖.
        theta : float
            Angle from b_i towards b_j, radians.

        Returns
        -------
        (N,) bool array
        """
        along = w[:, 0] * np.cos(theta) + w[:, 1] * np.sin(theta)
        least = -self.limit if self.complement else self.limit
        return along >= least * norm


class SweepCounter:
    """Count what every spotlight of every plane sees.

    Parameters
    ----------
    planes : Planes
        Planes to sweep.
    spotlight : Spotlight
        Its cone and angles.
    signed : bool
        Count the opposite probe too.
    lines : (m(m−1)/2,) int64 array or None
        Line of each pair in the table, −1 for none; empty for all of them in order, None for no
        table at all.
    """

    def __init__(
        self, planes: Planes, spotlight: Spotlight, signed: bool, lines: np.ndarray | None
    ) -> None:
        self.planes, self.spotlight, self.signed = planes, spotlight, signed
        self.lines = lines
        self.counts: dict[Hashable, Counted] = {}
        self.rows = self.zero = self.nonfinite = 0
        self._arguments = search_arguments(planes, spotlight.rule)
        m = planes.frame.m
        self._order, self._found = np.empty(m + 1, np.int64), np.empty((m, 3))

    def fork(self) -> SweepCounter:
        """Return an empty counter of the same kind, for another worker."""
        return SweepCounter(self.planes, self.spotlight, self.signed, self.lines)

    def append(self, block: Prepared) -> None:
        """Count a block."""
        labels, code = block.classes
        state = block.state
        self.rows += block.rows
        self.zero += int((state == 1).sum())
        self.nonfinite += int((state == 2).sum())
        for at, label in enumerate(labels):
            mine = state if not len(code) else np.where(code == at, state, OTHER)
            counted = self._of(label)
            counted.valid += int((mine == 0).sum())
            for piece in block.pieces:
                self._sweep(piece, mine[piece.start : piece.start + len(piece)], counted)

    def merge(self, other: SweepCounter) -> None:
        """Add another worker's counts."""
        for name in ("rows", "zero", "nonfinite"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for label, theirs in other.counts.items():
            mine = self._of(label)
            mine.valid += theirs.valid
            mine.table += theirs.table
            mine.pooled += theirs.pooled

    def finish(self) -> SweepCounter:
        """Return the counter itself."""
        return self

    def seen(self, label: Hashable) -> tuple[np.ndarray, np.ndarray]:
        """Return how many rows of a class are seen: table (T, A) and pooled (A,), signed if asked.

        Parameters
        ----------
        label : hashable
            The class.

        Returns
        -------
        table, pooled : int64 arrays
        """
        counted = self.counts[label]
        ordered = self.planes.ordered
        table = self._read(counted.table, counted.valid)
        pooled = self._read(counted.pooled, counted.valid * self.planes.unordered)
        return (np.concatenate(table) if ordered else table[0]), pooled.sum(axis=0)

    def _read(self, changes: np.ndarray, total: int) -> np.ndarray:
        seen = np.cumsum(changes, axis=-1)[..., :-1]
        if self.spotlight.complement:
            # the opposite probe stands for what is not seen
            seen = total - seen
        return seen[:, 0] - seen[:, 1] if self.signed else seen[:, 0]

    def _of(self, label: Hashable) -> Counted:
        if label not in self.counts:
            lines = 0
            if self.lines is not None:
                m = self.planes.frame.m
                lines = int(self.lines.max(initial=-1)) + 1 if len(self.lines) else m * (m - 1) // 2
            orders, signs = 1 + self.planes.ordered, 1 + self.signed
            self._check_room(orders * max(1, lines))
            self.counts[label] = Counted(orders, signs, lines, self.spotlight.angles)
        return self.counts[label]

    def _check_room(self, curves: int) -> None:
        """Refuse a further class whose curves would not fit beside those that are there."""
        classes, angles = len(self.counts) + 1, self.spotlight.angles
        if classes > CLASS_LIMIT:
            raise ValueError(
                f"labels may have at most {CLASS_LIMIT:,} classes, got more: leave them out "
                "(labels=False, or --no-labels), or group them"
            )
        if classes > 1 and classes * curves * angles > TABLE_NUMBERS:
            fewer = "" if self.lines is None else ", name few `planes`, use per_plane=False"
            raise ValueError(
                f"{curves:,} curves at {angles:,} angles are kept for at most "
                f"{TABLE_NUMBERS // (curves * angles):,} classes, got more: group the labels, "
                f"leave them out{fewer} or take fewer angles"
            )

    def _sweep(self, piece: Any, state: np.ndarray, counted: Counted) -> None:
        light, c = self.spotlight, piece.coordinates(self.planes.frame)
        share, lowest = self._arguments[0].share, self._arguments[-1]
        busy = np.empty(len(piece), np.uint8)
        sift(c, piece.norm2, state.astype(np.uint8, copy=False), share, lowest, busy, OTHER)
        sweep_rows(
            piece.x,
            c,
            piece.norm2,
            busy,
            *self._arguments,
            light.limit,
            light.complement,
            light.cosines,
            light.sines,
            np.empty(0, np.int64) if self.lines is None else self.lines,
            counted.table,
            counted.pooled,
            self._order,
            self._found,
        )


class Counted:
    """One class: `table` (D, S, T, A + 1) and `pooled` (D, S, A + 1) changes between angles."""

    def __init__(self, orders: int, signs: int, lines: int, angles: int) -> None:
        self.valid = 0
        self.table = np.zeros((orders, signs, lines, angles + 1), np.int64)
        self.pooled = np.zeros((orders, signs, angles + 1), np.int64)
