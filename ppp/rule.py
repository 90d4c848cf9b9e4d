"""Rule: which samples a plane keeps, and how hits are binned."""

from __future__ import annotations

from dataclasses import dataclass

#: Relative slack of the threshold, so that ties come out alike in any order of summation.
SLACK = 2.0**-40


@dataclass(frozen=True)
class Rule:
    """Keep a sample when ‖w‖/‖x‖ ≥ ε, w its coordinates in the plane.

    Parameters
    ----------
    epsilon : float
        Threshold in (0, 1]: the cosine of the largest angle to the plane.
    bins : int
        Bins G along each side of the in-plane grid; a multiple of four, so that grids of
        different extent merge exactly.
    angles : int
        Bins of the angular histogram over [0, 2π).
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
        if self.distance is not None and not 0 <= self.distance < float("inf"):
            raise ValueError(
                f"distance must be finite and not negative, got {self.distance!r}: leave it out "
                "(None) for the rule of the angle alone"
            )
        free = self.distance is not None and self.epsilon == 0
        number = isinstance(self.epsilon, int | float)
        if not free and (not number or not 0 < self.epsilon <= 1):
            raise ValueError(f"epsilon must lie in (0, 1], got {self.epsilon!r}")
        if self.bins < 4 or self.bins % 4:
            raise ValueError(f"bins must be a positive multiple of four, got {self.bins!r}")
        if self.angles < 4 or self.angles % 4:
            raise ValueError(f"angles must be a positive multiple of four, got {self.angles!r}")
        object.__setattr__(self, "epsilon", float(self.epsilon))
