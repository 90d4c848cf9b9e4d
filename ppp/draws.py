"""Nulls: the draws of a null control, and where an observation stands among them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppp.ranks import ample_repeats, least_repeats, min_p, p_value
from ppp.shape import SECTORS, SHAPES
from ppp.statistics import HEADLINE, NAMES, Geometry, from_sums
from ppp.tally import Tally

Array = NDArray[np.float64]

#: A further stage of draws is worth its cost while p is at most this many over K + 1.
UNRESOLVED = 10.0
#: What files of earlier versions may lack.
LATER = ("observed_sectors", "sectors", "norms")
#: A p that could not be this small, as few draws define its statistic, gets a note.
LEVEL = 0.05
#: A null whose spread is this small, relative to its size, does not vary: rounding alone.
CONSTANT = 1e-9


@dataclass(frozen=True)
class Nulls:
    """Draws of one null control on the tested rows, kept as moment sums.

    Attributes
    ----------
    kind : str
        Name of the control; "rotation" is the random-basis null.
    seed : int
        Draw b comes from ``numpy.random.default_rng([seed, b])``.
    geometry : Geometry
        What turns sums into statistics.
    classes : tuple
        Labels of the classes, as in the tally.
    observed_sums : (L, 8) float64 array
        Moments of the tested rows themselves, by class.
    sums : (K, L, 8) float64 array
        Moments of each draw, by class.
    observed_shape : (S,) float64 array
        Shape statistics of the tested rows, in the order of `SHAPES`; NaN where undefined.
    shapes : (K, S) float64 array
        Shape statistics of each draw.
    rows, inputs : int
        Size of what was tested.
    stages : tuple of int
        Number of draws at the end of each stage; one entry unless K grew.
    exact : bool
        Whether p is exact under the hypothesis the control states.
    observed_sectors : (16,) int64 array
        Hits of the tested rows by sector of 22.5 degrees; empty where angles were not counted.
    sectors : (K, 16) int64 array
        The same of each draw.
    norms : (N,) float64 array
        Norms of the tested rows under a rule of distance, which depends on them; else empty.
    tallies : list of Tally
        Full draws, for pictures; may be empty.
    """

    kind: str
    seed: int
    geometry: Geometry
    classes: tuple[Hashable, ...]
    observed_sums: Array
    sums: Array
    observed_shape: Array
    shapes: Array
    rows: int
    inputs: int
    stages: tuple[int, ...]
    exact: bool = True
    observed_sectors: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    sectors: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, SECTORS), np.int64))
    norms: Array = field(default_factory=lambda: np.empty(0))
    tallies: list[Tally] = field(default_factory=list, repr=False)

    @property
    def repeats(self) -> int:
        """Number of draws K."""
        return len(self.sums)

    @property
    def values(self) -> dict[str, Array]:
        """Statistic name -> (K,) float64 array over the draws; NaN where a draw is undefined."""
        return self.of_class(None)

    @property
    def observed(self) -> dict[str, float]:
        """Statistic name -> value on the tested rows; NaN where undefined."""
        return self.observed_of_class(None)

    def of_class(self, label: Hashable | None) -> dict[str, Array]:
        """Values over the draws of one class; of all classes together for None."""
        sums = self._pick(self.sums, label)
        found = {name: from_sums(name, sums, self.geometry) for name in NAMES}
        if label is None:
            found |= {name: self.shapes[:, at] for at, name in enumerate(SHAPES)}
        return found

    def observed_of_class(self, label: Hashable | None) -> dict[str, float]:
        """Values on the tested rows of one class; of all classes together for None."""
        sums = self._pick(self.observed_sums, label)
        found = {name: float(from_sums(name, sums, self.geometry)) for name in NAMES}
        if label is None:
            found |= {name: float(self.observed_shape[at]) for at, name in enumerate(SHAPES)}
        return found

    def p(self, name: str, label: Hashable | None = None, side: str = "two") -> float | None:
        """Monte-Carlo p-value of one statistic, or of "combined"; None where undefined.

        Parameters
        ----------
        name : str
            A statistic, or "combined" for the smallest p of log Q, B4, B8 and kappa ranked
            symmetrically over the observation and the draws.
        label : hashable, optional
            One class.
        side : {"two", "upper", "lower"}
            Ignored for "combined".

        Returns
        -------
        float or None
            With several stages: p of the first stage that resolved it, at most the threshold
            of the stage before.

        Notes
        -----
        Drawing goes on while ``p <= 10/(K + 1)``. Stage j can return a p at or below alpha only
        if the p from its own K draws is, and stages before it return more than their threshold,
        so the result stays a valid p-value.
        """
        observed, values = self.observed_of_class(label), self.of_class(label)
        if name == "combined":
            # All of them, defined or not: leaving out what the observation lacks would treat it
            # unlike the draws, and the rank would no longer be exact.
            names = list(HEADLINE)
            if all(np.isnan(observed[known]) for known in names):
                return None
        else:
            names = [name]
            if np.isnan(observed[name]) or np.isnan(values[name]).all():
                return None
        ceiling = 1.0
        for stage in self.stages:
            draws = {known: values[known][:stage] for known in names}
            if name == "combined":
                p = min_p({known: observed[known] for known in names}, draws)
            elif np.isnan(draws[name]).all():
                p = 1.0
            else:
                p = p_value(observed[name], draws[name], side)
            p = min(p, ceiling)
            if p > UNRESOLVED / (stage + 1):
                break
            ceiling = UNRESOLVED / (stage + 1)
        return p

    def defined(self, name: str, label: Hashable | None = None) -> int:
        """Return in how many draws a statistic is defined: its p rests on these alone."""
        return int((~np.isnan(self.of_class(label)[name])).sum())

    def coarse(self, name: str, label: Hashable | None = None) -> str:
        """Say so where too few draws define a statistic for its p to be small; empty if enough."""
        defined, needed = self.defined(name, label), least_repeats(LEVEL)
        if not 0 < defined < needed <= self.repeats:
            return ""
        have = "have hits" if name in NAMES else "define it"
        return (
            f"only {defined} of {self.repeats:,} draws {have}, so p >= {2 / (defined + 1):.2g}: "
            f"null_repeats={ample_repeats(defined / self.repeats, LEVEL)} would do"
        )

    def spread(
        self, name: str, label: Hashable | None = None
    ) -> tuple[float, float] | tuple[None, None]:
        """Mean and standard deviation of a statistic over its defined draws."""
        values = self.of_class(label)[name]
        values = values[~np.isnan(values)]
        if values.size < 2:
            return None, None
        mean, sd = float(values.mean()), float(values.std(ddof=1))
        return mean, (sd if sd > CONSTANT * max(1.0, abs(mean)) else 0.0)

    def unresolved(self) -> bool:
        """Whether a headline p is still so small that more draws would sharpen it."""
        least = UNRESOLVED / (self.repeats + 1)
        found = [self.p(name) for name in (*HEADLINE, "combined")]
        return any(p is not None and p <= least for p in found)

    def arrays(self) -> dict[str, Any]:
        """Return everything but the pictures by name, as `restore` takes it."""
        return {
            "kind": self.kind, "seed": self.seed, "geometry": tuple(self.geometry),
            "observed_sums": self.observed_sums, "sums": self.sums,
            "observed_shape": self.observed_shape, "shapes": self.shapes,
            "rows": self.rows, "inputs": self.inputs, "stages": self.stages, "exact": self.exact,
            "observed_sectors": self.observed_sectors, "sectors": self.sectors,
            "norms": self.norms,
        }  # fmt: skip

    @classmethod
    def restore(cls, classes: tuple[Hashable, ...], state: Mapping[str, Any]) -> Nulls:
        """Return the nulls whose `arrays` these are."""
        n, m, planes, epsilon = state["geometry"]
        observed_sums, sums, observed_shape, shapes = (
            np.asarray(state[name], dtype=np.float64)
            for name in ("observed_sums", "sums", "observed_shape", "shapes")
        )
        return cls(
            kind=str(state["kind"]), seed=int(state["seed"]),
            geometry=Geometry(int(n), int(m), int(planes), float(epsilon)),
            classes=tuple(classes), rows=int(state["rows"]), inputs=int(state["inputs"]),
            stages=tuple(int(stage) for stage in state["stages"]),
            exact=bool(state["exact"]), observed_sums=observed_sums, sums=sums,
            observed_shape=observed_shape, shapes=shapes,
            **{name: state[name] for name in LATER if name in state},
        )  # fmt: skip

    def _pick(self, sums: Array, label: Hashable | None) -> Array:
        if label is None:
            return sums.sum(axis=-2)
        if label not in self.classes:
            raise ValueError(f"label must be one of {list(self.classes)}, got {label!r}")
        return sums[..., self.classes.index(label), :]
