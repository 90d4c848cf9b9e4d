"""Sweeping: a sweep that another scan feeds, so that one pass fills both tallies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppp.frame import Frame, as_frame
from ppp.planes import Planes
from ppp.reservoir import Reservoir
from srm.counting import Spotlight, SweepCounter
from srm.curve import SRMResult
from srm.rotations import rotation_curves
from srm.sweeping import _check as check_request
from srm.sweeping import _lines as table_lines


@dataclass(frozen=True)
class Sweeping:
    """A sweep to be made along with a projection: `ppp.project(x, also=[srm.Sweeping()])`.

    Parameters
    ----------
    frame, epsilon, angles, pairs, signed, per_plane, planes, null_repeats, seed
        As in `srm.sweep`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import ppp
    >>> x = np.random.default_rng(0).laplace(size=(500, 4))
    >>> result = ppp.project(x, also=[Sweeping(angles=24)])
    >>> curve = result.also[0]
    >>> curve.values.shape, bool(curve.pooled.max() > curve.expected)
    ((6, 24), True)
    """

    frame: Frame | str | np.ndarray = "standard"
    epsilon: float = 0.75
    angles: int = 360
    pairs: str = "combination"
    signed: bool = False
    per_plane: bool | None = None
    planes: Sequence[tuple[int, int]] | None = None
    null_repeats: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_request(self.epsilon, self.angles, self.null_repeats)

    def plan(self, pilot: list[Any]) -> list[Any]:
        """Return the sinks: the counter and, for the rotations, a reservoir of rows.

        Parameters
        ----------
        pilot : list of blocks
            The first ones.

        Returns
        -------
        list
        """
        if not pilot:
            raise ValueError("a sweep needs at least one row of activations, got none")
        made = as_frame(self.frame, int(pilot[0].rows.shape[1]), self.seed)
        swept = Planes.of(made, self.pairs)
        lines = table_lines(swept, self.angles, self.per_plane, self.planes)
        spotlight = Spotlight(float(self.epsilon), int(self.angles))
        return [SweepCounter(swept, spotlight, self.signed, lines), Reservoir(self.seed)]

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
        counter, kept = gathered
        null = rotation_curves(
            kept, counter.planes, counter.spotlight, self.signed, self.null_repeats, self.seed
        )
        return SRMResult.of(counter, named=self.planes, null=null)
