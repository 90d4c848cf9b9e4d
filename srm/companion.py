"""Sweeping: a sweep that a projection's scan feeds, so that one pass fills both tallies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppp.planes import PAIRS, TABLE_LIMIT, Planes, triangle
from ppp.reservoir import Reservoir
from ppp.rule import Rule
from ppp.value_checks import check_flag
from srm.checks import as_pairs, check_counts, check_epsilon, check_pair, check_seen, check_table
from srm.counting import TABLE_NUMBERS, Spotlight, SweepCounter
from srm.curve import SRMResult
from srm.rotations import rotation_curves


@dataclass(frozen=True)
class Sweeping:
    """A sweep along with a projection, in one pass: `ppp.project(x, also=[srm.Sweeping()])`.

    It goes through the planes of the projection.

    Parameters
    ----------
    epsilon : float, optional
        Cosine of the cone's half-angle, in [−1, 1]; by default the projection's.
    angles, signed, per_plane, planes, null_repeats, seed
        As in `srm.sweep`.
    pairs : {"combination", "permutation"}, optional
        By default as in the projection.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> x = np.random.default_rng(0).laplace(size=(500, 4))
    >>> result = ppp.project(x, also=[Sweeping(angles=24)])
    >>> curve = result.also[0]
    >>> curve.values.shape, bool(curve.pooled.max() > curve.expected)
    ((6, 24), True)
    """

    epsilon: float | None = None
    angles: int = 360
    pairs: str | None = None
    signed: bool = False
    per_plane: bool | None = None
    planes: Sequence[tuple[int, int]] | None = None
    null_repeats: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epsilon is not None:
            check_epsilon(self.epsilon)
        check_counts(self.angles, self.null_repeats, self.seed)
        check_flag(signed=self.signed)
        object.__setattr__(self, "signed", bool(self.signed))
        if self.per_plane is not None:
            check_flag(per_plane=self.per_plane)
        if self.pairs is not None and self.pairs not in PAIRS:
            raise ValueError(f'pairs must be "combination" or "permutation", got {self.pairs!r}')
        if self.planes is not None:
            object.__setattr__(self, "planes", as_pairs(self.planes))

    def plan(self, planes: Planes, rule: Rule | None) -> list[Any]:
        """Return the sinks: the counter, and a reservoir of rows for the rotations.

        Parameters
        ----------
        planes, rule
            Of the projection; no rule where the sweep is alone and has its own epsilon.

        Returns
        -------
        list
        """
        swept = planes if self.pairs is None else Planes.of(planes.frame, self.pairs)
        lines = _lines(swept, self.angles, self.per_plane, self.planes)
        epsilon = self.epsilon
        if epsilon is None:
            if rule is None:
                raise ValueError("a sweep on its own needs an epsilon, got None")
            epsilon = rule.epsilon
        spotlight = Spotlight(float(epsilon), int(self.angles))
        counter = SweepCounter(swept, spotlight, self.signed, lines)
        return [counter, Reservoir(self.seed)] if self.null_repeats else [counter]

    def result(self, gathered: Sequence[Any]) -> SRMResult:
        """Make the curves of what the sinks gathered.

        Parameters
        ----------
        gathered : sequence
            As `plan` ordered them.

        Returns
        -------
        SRMResult
        """
        counter, null = gathered[0], None
        check_seen(counter.rows, counter.zero, counter.nonfinite)
        if self.null_repeats:
            null = rotation_curves(
                gathered[1], counter.planes, counter.spotlight, self.signed, self.null_repeats,
                self.seed,
            )  # fmt: skip
        return SRMResult.of(counter, named=self.planes, null=null)


def _lines(
    swept: Planes,
    angles: int,
    per_plane: bool | None,
    named: Sequence[tuple[int, int]] | None,
) -> np.ndarray | None:
    """Return the line of each pair in the table of curves; empty for all, None for no table."""
    m = swept.frame.m
    if named is not None:
        if m * (m - 1) // 2 > TABLE_LIMIT:
            raise ValueError(
                f"planes are named among at most {TABLE_LIMIT:,} pairs, this frame has "
                f"{m * (m - 1) // 2:,}: sweep the frame of just their vectors, "
                "Frame.given(frame.vectors[[i, j]]), in which the plane has the same curve"
            )
        slots = [_slot(pair, m) for pair in named]
        used = sorted(set(slots))
        check_table(len(used) * (1 + swept.ordered), angles, "name fewer planes")
        lines = np.full(m * (m - 1) // 2, -1, np.int64)
        lines[used] = np.arange(len(used))
        parallel = triangle(swept.degenerate[:, 0], swept.degenerate[:, 1], m)
        for pair, slot in zip(named, slots, strict=True):
            if slot in parallel:
                raise ValueError(
                    f"vectors {pair[0]} and {pair[1]} are parallel or antipodal: they span no "
                    "plane, leave it out of `planes`"
                )
        return lines
    if per_plane is None:
        per_plane = swept.tabled and swept.count * angles <= TABLE_NUMBERS
    if per_plane:
        check_table(
            swept.count, angles, "name some `planes`, or per_plane=False for the pooled curve"
        )
    return np.empty(0, np.int64) if per_plane else None


def _slot(pair: tuple[int, int], m: int) -> int:
    i, j = sorted(check_pair(pair, m))
    return int(triangle(np.array(i), np.array(j), m))
