"""The radial profile: how far into their planes the kept samples lie, against isotropy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppp.closed import radius_tail
from ppp.counting import search_arguments
from ppp.kernels.radial import count_radii
from ppp.planes import Planes
from ppp.prepared import Prepared
from ppp.rule import Rule
from ppp.value_checks import check_whole

#: Most bins of a profile.
MOST = 2**20


@dataclass(frozen=True)
class RadialProfile:
    """Hits by ρ = ‖w‖/‖x‖, the share of a sample's norm that lies in the plane.

    Parameters
    ----------
    counts : (B,) int64 array
        Hits by bin, each plane once.
    edges : (B + 1,) float64 array
        Bins' edges, evenly from epsilon to 1.
    n : int
        Width of the activations.
    distance : float, optional
        Largest distance from the plane, where the rule has one.

    Examples
    --------
    >>> import ppp
    >>> x = np.random.default_rng(0).standard_normal((4000, 16))
    >>> profile = ppp.project(x, epsilon=0.6, also=[Radial(bins=20)]).also[0]
    >>> bool(np.abs(profile.tail - profile.expected_tail).max() < 0.02)
    True
    """

    counts: np.ndarray
    edges: np.ndarray
    n: int
    distance: float | None = None

    @property
    def tail(self) -> np.ndarray:
        """(B + 1,) share of the hits with ρ at or beyond each edge; NaN without hits."""
        beyond = np.append(np.cumsum(self.counts[::-1])[::-1], 0)
        with np.errstate(invalid="ignore"):
            return np.asarray(beyond / self.counts.sum(), np.float64)

    @property
    def expected_tail(self) -> np.ndarray:
        """(B + 1,) the same under isotropy, ((1 − x²)/(1 − ε²))^((n−2)/2).

        NaN where there is none; `note` says why.
        """
        if self.note:
            return np.full(len(self.edges), np.nan)
        return radius_tail(self.edges, self.n, float(self.edges[0]))

    @property
    def note(self) -> str:
        """Why isotropy expects no tail here; empty where it does."""
        if self.distance is not None:
            return "no expected tail, because a rule of distance depends on the norms as well"
        if self.n == 2:
            return "no expected tail, because in two dimensions every sample has ρ = 1"
        return ""


@dataclass(frozen=True)
class Radial:
    """A radial profile along with a projection, in one pass: `ppp.project(x, also=[Radial()])`.

    Parameters
    ----------
    bins : int
        Bins B of ρ over [ε, 1].

    Raises
    ------
    ValueError
        If there is no bin, or more than a million.
    """

    bins: int = 100

    def __post_init__(self) -> None:
        check_whole(bins=self.bins)
        if self.bins < 1:
            raise ValueError(f"bins must be at least 1, got {self.bins}")
        if self.bins > MOST:
            raise ValueError(f"bins must be at most {MOST:,}, got {self.bins:,}")

    def plan(self, planes: Planes, rule: Rule) -> list[Any]:
        """Return the sink.

        Parameters
        ----------
        planes, rule
            Of the projection.

        Returns
        -------
        list
        """
        if rule.epsilon == 1:
            raise ValueError("a radial profile over [epsilon, 1] needs epsilon below 1, got 1")
        return [RadialCounter(planes, rule, self.bins)]

    def result(self, gathered: Sequence[Any]) -> RadialProfile:
        """Make the profile of what the sink gathered.

        Parameters
        ----------
        gathered : sequence
            The sink alone.

        Returns
        -------
        RadialProfile
        """
        counter = gathered[0]
        edges = np.linspace(counter.rule.epsilon, 1.0, self.bins + 1)
        return RadialProfile(counter.counts, edges, counter.planes.frame.n, counter.rule.distance)


class RadialCounter:
    """The sink: integer counts that merge by addition.

    Parameters
    ----------
    planes, rule
        What is counted.
    bins : int
        Bins of ρ.
    """

    def __init__(self, planes: Planes, rule: Rule, bins: int) -> None:
        self.planes, self.rule = planes, rule
        self.counts = np.zeros(bins, np.int64)
        self._arguments = search_arguments(planes, rule)
        m = planes.frame.m
        self._order, self._found = np.empty(m + 1, np.int64), np.empty((m, 3))

    def fork(self) -> RadialCounter:
        """Return an empty counter of the same kind, for another worker."""
        return RadialCounter(self.planes, self.rule, len(self.counts))

    def append(self, block: Prepared) -> None:
        """Count a block."""
        for piece in block.pieces:
            count_radii(
                piece.x,
                piece.coordinates(self.planes.frame),
                piece.norm2,
                piece.state,
                piece.scale,
                *self._arguments,
                self.rule.epsilon,
                self.counts,
                self._order,
                self._found,
            )

    def merge(self, other: RadialCounter) -> None:
        """Add another worker's counts."""
        self.counts += other.counts

    def finish(self) -> RadialCounter:
        """Return the counter itself."""
        return self
