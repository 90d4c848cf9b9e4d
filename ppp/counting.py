"""PlaneCounter: the sink that fills a tally."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppp.device_counting import DeviceCounter
from ppp.engines import Engine
from ppp.frame import GRAM_LIMIT
from ppp.kernels import cpu
from ppp.oblique_counting import ObliqueCounter
from ppp.orthonormal_counting import OrthonormalCounter
from ppp.planes import Planes
from ppp.prepared import Prepared
from ppp.rule import SLACK, Rule
from ppp.tally import Tally


def search_arguments(planes: Planes, rule: Rule) -> tuple[Any, ...]:
    """Return what the kernels that list hits need to know of planes and rule, in their order."""
    frame = planes.frame
    # beyond its limit the Gram matrix is made on the fly, a cosine for every pair looked at
    tabled = not frame.orthonormal and frame.m <= GRAM_LIMIT
    gram = frame.gram if tabled else np.empty((0, 0))
    vectors = np.empty((0, 0)) if frame.orthonormal else frame.vectors
    bounds = planes.leader_bounds
    return bound_of(rule), vectors, gram, frame.orthonormal, bounds, float(bounds.min())


def bound_of(rule: Rule) -> Any:
    """Return the rule's threshold as kernels take it."""
    share = rule.epsilon**2 * (1 - SLACK)
    distance = -1.0 if rule.distance is None else rule.distance
    return cpu.Bound(share, 1 - SLACK, distance)


#: The numba engine.
CPU = Engine()


def _counter_of(
    tally: Tally, engine: Engine
) -> OrthonormalCounter | ObliqueCounter | DeviceCounter:
    bound = bound_of(tally.rule)
    if engine.device is not None:
        return DeviceCounter(tally, bound, engine.device)
    frame = tally.planes.frame
    if frame.orthonormal or frame.axial:
        return OrthonormalCounter(tally, bound)
    return ObliqueCounter(tally, bound)


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
    engine : Engine
        Who counts.
    """

    def __init__(
        self,
        planes: Planes,
        rule: Rule,
        half_width: float = 1.0,
        detailed: bool = True,
        engine: Engine = CPU,
    ) -> None:
        self._tally, self._engine = Tally(planes, rule, half_width, detailed), engine
        self._counter = _counter_of(self._tally, engine)

    def __getstate__(self) -> tuple[Tally, Engine]:
        """Travel with everything that was counted in the tally, and with nothing else."""
        return self.tally, self._engine

    def __setstate__(self, state: tuple[Tally, Engine]) -> None:
        """Go on counting into the tally, with scratch of its own: its arrays share memory."""
        self._tally, self._engine = state
        self._counter = _counter_of(*state)

    @property
    def alone(self) -> bool:
        """Whether it must be fed by the caller's own thread: a device is one worker by itself."""
        return self._engine.device is not None

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        self._counter.flush()
        return self._tally

    def fork(self) -> PlaneCounter:
        """Return an empty counter of the same kind, for another worker."""
        tally = self._tally
        return PlaneCounter(
            tally.planes, tally.rule, tally.half_width, tally.detailed, self._engine
        )

    def append(self, block: Prepared) -> None:
        """Count a block."""
        self._counter.append(block)

    def merge(self, other: PlaneCounter) -> None:
        """Add another worker's counts."""
        self.tally.merge(other.tally)

    def finish(self) -> Tally:
        """Return the tally, its classes in rising order."""
        tally = self.tally
        tally.sort_classes()
        return tally
