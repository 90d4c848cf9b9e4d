"""Sweeping: a sweep that a projection's scan feeds, so that one pass fills both tallies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ppp.planes import PAIRS, Planes
from ppp.reservoir import Reservoir
from ppp.rule import Rule
from srm.counting import Spotlight, SweepCounter
from srm.curve import SRMResult
from srm.rotations import rotation_curves
from srm.sweeping import _check, _lines


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
        _check(1.0 if self.epsilon is None else self.epsilon, self.angles, self.null_repeats)
        if self.pairs is not None and self.pairs not in PAIRS:
            raise ValueError(f'pairs must be "combination" or "permutation", got {self.pairs!r}')

    def plan(self, planes: Planes, rule: Rule) -> list[Any]:
        """Return the sinks: the counter, and a reservoir of rows for the rotations.

        Parameters
        ----------
        planes, rule
            Of the projection.

        Returns
        -------
        list
        """
        swept = planes if self.pairs is None else Planes.of(planes.frame, self.pairs)
        lines = _lines(swept, self.angles, self.per_plane, self.planes)
        epsilon = rule.epsilon if self.epsilon is None else self.epsilon
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
        if self.null_repeats:
            null = rotation_curves(
                gathered[1], counter.planes, counter.spotlight, self.signed, self.null_repeats,
                self.seed,
            )  # fmt: skip
        return SRMResult.of(counter, named=self.planes, null=null)
