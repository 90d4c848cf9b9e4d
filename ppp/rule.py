"""Rule: which samples a plane keeps, and how hits are binned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

from ppp.closed import expected_hits
from ppp.value_checks import is_number, told

#: Relative slack of the threshold, so that ties come out alike in any order of summation.
SLACK = 2.0**-40
#: Most bins along a side: the counters of a worker take 16 bytes a bin, 1 GiB.
MOST_BINS = 2**13
#: Most angular bins.
MOST_ANGLES = 2**20


@dataclass(frozen=True)
class Rule:
    """Keep a sample when ‖w‖/‖x‖ ≥ ε, w its coordinates in the plane.

    Parameters
    ----------
    epsilon : float
        Threshold in (0, 1]: the cosine of the largest angle to the plane.
    bins : int
        Bins G along each side of the in-plane grid; a multiple of four, so that grids of
        different extent merge exactly; at most 8 192.
    angles : int
        Bins of the angular histogram over [0, 2π); a multiple of four, at most 2²⁰.
    distance : float, optional
        Keep only samples at most this far from the plane, in the units of the activations; with
        epsilon 0 this is the whole rule, else both must hold.

    Raises
    ------
    ValueError
        If a value is out of range.

    Notes
    -----
    PPP paper, Sec. 3. The paper writes `>`, its code `>=`; we use `>=`. In full: keep when
    c_i² + u² ≥ ε²‖x‖²(1 − 2⁻⁴⁰) in float64, u = (c_j − g c_i)/√(1 − g²). Rows that are zero or
    not finite are never kept; they are counted. The rule of distance (footnote 7) is
    c_i² + u² ≥ ‖x‖²(1 − 2⁻⁴⁰) − distance².

    Examples
    --------
    >>> Rule(epsilon=0.75).epsilon
    0.75
    >>> Rule(epsilon=1.2)
    Traceback (most recent call last):
    ValueError: epsilon must lie in (0, 1], got 1.2
    """

    epsilon: float
    bins: int = 1024
    angles: int = 720
    distance: float | None = None

    def __post_init__(self) -> None:
        if self.distance is not None and not (is_number(self.distance) and self.distance >= 0):
            raise ValueError(
                f"distance must be finite and not negative, got {told(self.distance)}: leave it "
                "out (None) for the rule of the angle alone"
            )
        free = self.distance is not None and is_number(self.epsilon) and self.epsilon == 0
        if not free and not (is_number(self.epsilon) and 0 < self.epsilon <= 1):
            raise ValueError(f"epsilon must lie in (0, 1], got {told(self.epsilon)}")
        for name in ("bins", "angles"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 4 or value % 4:
                raise ValueError(f"{name} must be a positive multiple of four, got {value!r}")
            object.__setattr__(self, name, int(value))
        if self.bins > MOST_BINS:
            raise ValueError(
                f"bins go up to {MOST_BINS:,} a side, got {self.bins:,}: the counters of each "
                f"worker would take {16 * self.bins**2 / 2**30:,.0f} GiB"
            )
        if self.angles > MOST_ANGLES:
            raise ValueError(f"angles go up to {MOST_ANGLES:,}, got {self.angles:,}")
        object.__setattr__(self, "epsilon", float(self.epsilon))
        if self.distance is not None:
            object.__setattr__(self, "distance", float(self.distance))

    def expected(self, rows: int, n: int, planes: int) -> float:
        """Return the hits that isotropy would give, N·P·(1 − ε²)^((n−2)/2), in any frame.

        Parameters
        ----------
        rows : int
            Rows N that are neither zero nor non-finite.
        n : int
            Dimension of the activations.
        planes : int
            Number of planes P.

        Returns
        -------
        float
            NaN with a rule of distance, which depends on the norms as well.

        Examples
        --------
        >>> round(Rule(0.75).expected(2_000, 24, 276), 1)
        62.0
        """
        if self.distance is not None:
            return math.nan
        return expected_hits(rows, n, self.epsilon, planes)
