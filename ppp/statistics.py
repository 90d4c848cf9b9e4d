"""Alignment statistics of a tally: log Q, A4, B4, A8, B8 and kappa, with their intervals.

All are ratios of sums over inputs, so a tally is all they need: no hit is stored, and the
standard error clusters by input because one input's rows, and one row's hits, are dependent.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppp.closed import retention
from ppp.shape import SHAPES
from ppp.table import plain
from ppp.tally import MOMENTS
from ppp.value_checks import check_share

if TYPE_CHECKING:
    from ppp.draws import Nulls
    from ppp.planes import Planes
    from ppp.rule import Rule
    from ppp.tally import Tally

Array = NDArray[np.float64]

#: Numerator and denominator of each statistic, columns of the moments.
RATIOS = {
    "kappa": ("quartic", "rows"),
    "log_q": ("hits", "rows"),
    "a4": ("cos4", "hits"),
    "b4": ("vote4", "votes"),
    "a8": ("cos8", "hits"),
    "b8": ("vote8", "votes"),
}
NAMES = tuple(RATIOS)
#: What the headline combines: none of them alone sees every kind of structure.
HEADLINE = ("log_q", "b4", "b8", "kappa")
#: Below this many effective clusters an interval is printed with a warning.
FEW = 50.0
#: The sign of A4 can be read above this epsilon, 1/sqrt(2), only.
READABLE = 0.5**0.5
COLUMN = {name: index for index, name in enumerate(MOMENTS)}


class Geometry(NamedTuple):
    """What turns sums into statistics: dimension, vectors, planes (each once) and epsilon."""

    n: int
    m: int
    planes: int
    epsilon: float

    @classmethod
    def of(cls, planes: Planes, rule: Rule) -> Geometry:
        """Read the numbers off a set of planes and a rule.

        Under a rule of distance what isotropy expects depends on the rows' norms: epsilon is then
        NaN, and so is `expected`.
        """
        epsilon = rule.epsilon if rule.distance is None else float("nan")
        return cls(planes.frame.n, planes.frame.m, planes.unordered, epsilon)

    @property
    def expected(self) -> float:
        """Hits that isotropy expects of one row, over all planes."""
        if np.isnan(self.epsilon):
            return float("nan")
        return self.planes * retention(self.n, self.epsilon)

    def scale(self, name: str) -> float:
        """Factor on the ratio of sums: 1 under isotropy for kappa and Q."""
        if name == "kappa":
            return self.n * (self.n + 2) / (3.0 * self.m)
        if name == "log_q":
            # Without an expectation the hits of a row still rank observation and draws.
            return 1.0 / self.expected if self.expected > 0 else 1.0
        return 1.0


@dataclass(frozen=True)
class Statistic:
    """One statistic with all that may be said about it.

    Attributes
    ----------
    name : str
        One of `NAMES`, "combined", or a shape statistic.
    value : float or None
        On all rows seen; None when undefined, and then `note` says why.
    p : float or None
        Monte-Carlo p-value on the tested rows.
    z : float or None
        Distance of the tested rows' value from the null's mean, in its standard deviations.
    interval : tuple of float or None
        Interval around `value`, clustered by input.
    null_mean, null_sd : float or None
        Mean and standard deviation over the null draws.
    tested : float or None
        The value on the rows that were tested against the null.
    n_eff : float or None
        Effective number of inputs, ``(sum w)^2 / sum w^2`` over the ratio's weights w.
    p_adjusted : float or None
        Benjamini-Hochberg adjusted p, where several results were tested together.
    note : str
        Why something is undefined, or how to read the number with care.

    Examples
    --------
    >>> Statistic("a4", 0.31, tested=0.31, null_mean=0.01).effect
    0.3
    """

    name: str
    value: float | None
    p: float | None = None
    z: float | None = None
    interval: tuple[float, float] | None = None
    null_mean: float | None = None
    null_sd: float | None = None
    tested: float | None = None
    n_eff: float | None = None
    p_adjusted: float | None = None
    note: str = ""

    @property
    def effect(self) -> float | None:
        """Value on the tested rows minus the null's mean."""
        if self.tested is None or self.null_mean is None:
            return None
        return self.tested - self.null_mean


def from_sums(name: str, sums: Array, geometry: Geometry) -> Array:
    """Evaluate one statistic on arrays of moment sums.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    sums : (..., 8) float64 array
        Moments as a tally keeps them.
    geometry : Geometry
        Dimension, vectors, planes, epsilon.

    Returns
    -------
    (...) float64 array
        NaN where undefined. For log Q no hits count as half a hit, below any draw that has one:
        ranks are then those of the hits, and no logarithm of zero is taken.
    """
    top, bottom = RATIOS[name]
    above, below = sums[..., COLUMN[top]], sums[..., COLUMN[bottom]]
    if name == "log_q":
        above = np.where((above == 0) & (below > 0), 0.5, above)
    ratio = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    ratio *= geometry.scale(name)
    if name == "log_q":
        np.log(ratio, out=ratio, where=ratio > 0)
    return ratio


def observe(
    tally: Tally, planes: Planes, rule: Rule, label: Hashable | None = None
) -> dict[str, float | None]:
    """Values of the alignment statistics of a tally, None where undefined.

    Parameters
    ----------
    tally : Tally
        Counts of one scan.
    planes : Planes
        The planes scanned.
    rule : Rule
        The rule that kept samples.
    label : hashable, optional
        One class of `tally.classes`; all classes together if not given.

    Returns
    -------
    dict name -> float or None
        "kappa", "log_q", "a4", "b4", "a8", "b8".

    Raises
    ------
    ValueError
        For a label that the tally has not.
    """
    found = evaluate(tally, planes, rule, label=label)
    return {name: found[name].value for name in NAMES}


def select(tally: Tally, label: Hashable | None) -> tuple[Array, Array]:
    """Moments (8,) and products (8, 8) of one class, or of all."""
    if label is None:
        return tally.moments.sum(axis=0), tally.products.sum(axis=0)
    if label not in tally.classes:
        raise ValueError(f"label must be one of {list(tally.classes)}, got {label!r}")
    at = tally.classes.index(label)
    return tally.moments[at], tally.products[at]


def evaluate(
    tally: Tally,
    planes: Planes,
    rule: Rule,
    label: Hashable | None = None,
    level: float = 0.95,
) -> dict[str, Statistic]:
    """Alignment statistics of a tally with their cluster-robust intervals, without a null.

    Parameters
    ----------
    tally : Tally
        Counts of one scan.
    planes : Planes
        The planes scanned.
    rule : Rule
        The rule that kept samples.
    label : hashable, optional
        One class of `tally.classes`; all classes together if not given.
    level : float
        Coverage asked of the intervals, in (0, 1).

    Returns
    -------
    dict name -> Statistic
        In the order of `NAMES`.

    Notes
    -----
    The standard error of a ratio of sums s / w over inputs is ``sqrt(sum (s - R w)^2) / sum w``
    (clusters are inputs), read off the summed products, never from hits taken as independent.
    """
    check_share(level=level)
    geometry = Geometry.of(planes, rule)
    sums, products = select(tally, label)
    expected = rule.expected(int(sums[COLUMN["rows"]]), geometry.n, planes.count)
    return {name: _evaluate(name, sums, products, geometry, level, expected) for name in NAMES}


def _evaluate(
    name: str, sums: Array, products: Array, geometry: Geometry, level: float, expected: float
) -> Statistic:
    why = undefined(name, sums, geometry, expected)
    if why:
        return Statistic(name, None, note=f"undefined, because {why}")
    value = float(from_sums(name, sums, geometry))
    top, bottom = (COLUMN[column] for column in RATIOS[name])
    weight = COLUMN["hits"] if name == "log_q" else bottom
    n_eff = float(sums[weight] ** 2 / products[weight, weight])
    ratio = sums[top] / sums[bottom]
    square = products[top, top] - 2 * ratio * products[top, bottom]
    square += ratio**2 * products[bottom, bottom]
    # Round-off may leave a tiny negative where every input agrees.
    error = np.sqrt(max(0.0, square)) / sums[bottom] * geometry.scale(name)
    if name == "log_q":
        error /= ratio * geometry.scale(name)
    return Statistic(
        name,
        value,
        interval=_interval(value, float(error), n_eff, level),
        n_eff=n_eff,
        note=_care(name, n_eff, geometry),
    )


def _interval(value: float, error: float, n_eff: float, level: float) -> tuple[float, float] | None:
    from scipy.stats import norm

    if n_eff < 1.5:
        return None
    reach = float(norm.ppf((1 + level) / 2)) * error
    return value - reach, value + reach


def undefined(name: str, sums: Array, geometry: Geometry, expected: float) -> str:
    """Say why a statistic is undefined on these sums; empty when it is defined.

    `expected` are the hits that isotropy would give, counted as `PPPResult.hits` are.
    """
    rows = sums[COLUMN["rows"]]
    if rows == 0:
        return "no row is finite and non-zero"
    if name == "kappa":
        return ""
    if name == "log_q" and np.isnan(geometry.expected):
        return "no closed form is known for the rule of distance"
    if name == "log_q" and geometry.expected == 0:
        return f"isotropy expects no hit at epsilon = {geometry.epsilon:g}"
    top, bottom = RATIOS[name]
    needed = top if name == "log_q" else bottom
    if sums[COLUMN[needed]] == 0:
        if np.isnan(geometry.expected):
            return "no sample passes"
        return (
            f"no sample passes at epsilon = {geometry.epsilon:g}; "
            f"{plain(expected, 3)} hits expected under isotropy"
        )
    return ""


def _care(name: str, n_eff: float, geometry: Geometry) -> str:
    notes = []
    if n_eff < 1.5:
        notes.append("no interval, because a single input carries it")
    elif n_eff < FEW:
        notes.append(f"n_eff = {n_eff:.3g} is small: the interval is too narrow")
    if name == "a4" and geometry.epsilon <= READABLE:
        notes.append(
            "the sign of A4 is unreadable at epsilon <= 0.707: a diagonal vector also hits as "
            "if aligned; read B4"
        )
    return "; ".join(notes)


def against(
    found: Mapping[str, Statistic], nulls: Nulls, label: Hashable | None = None
) -> dict[str, Statistic]:
    """Join statistics with a null: p, z, effect and the combination.

    Parameters
    ----------
    found : mapping name -> Statistic
        As `ppp.statistics.evaluate` gives them.
    nulls : Nulls
        Draws on the tested rows, which may be a part of all rows.
    label : hashable, optional
        One class, the same that `found` is about.

    Returns
    -------
    dict name -> Statistic
        Those of `found`, then for all classes together the shape statistics, then "combined",
        whose value is the smallest p among the headline statistics.
    """
    observed = nulls.observed_of_class(label)
    joined = {name: _join(statistic, observed, nulls, label) for name, statistic in found.items()}
    if label is None and nulls.observed_sectors.size:
        for name in SHAPES:
            statistic = Statistic(name, observed[name])  # of the tested rows
            if np.isnan(observed[name]):
                statistic = Statistic(name, None, note=_shapeless(name, observed))
            joined[name] = _join(statistic, observed, nulls, label)
    smallest = [joined[name].p for name in HEADLINE if name in joined]
    defined = [p for p in smallest if p is not None]
    p = nulls.p("combined", label)
    joined["combined"] = Statistic("combined", min(defined) if defined else None, p=p)
    return joined


def _shapeless(name: str, observed: Mapping[str, float]) -> str:
    """Say why a shape statistic is undefined."""
    if np.isnan(observed["kl"]):
        return "undefined, because no sample passes"
    if name in ("gini", "fullest", "emptiest"):
        return "undefined, because there are too many planes"
    if name.endswith("contrast"):
        return "undefined, because no hit lies in these directions or half-way between"
    return "undefined, because no beam stands out"


def _untested(value: float, nulls: Nulls) -> str:
    """Say why a defined statistic has no p."""
    if np.isnan(value):
        return f"no p, because it is undefined on the {nulls.rows:,} tested rows"
    return "no p, because it is undefined in every draw of the null"


def _join(
    statistic: Statistic,
    observed: Mapping[str, float],
    nulls: Nulls,
    label: Hashable | None,
) -> Statistic:
    name = statistic.name
    value, p = observed[name], nulls.p(name, label)
    if p is None:
        if statistic.value is None:
            return statistic
        note = "; ".join(filter(None, [statistic.note, _untested(value, nulls)]))
        return replace(statistic, note=note)
    mean, sd = nulls.spread(name, label)
    still = "no z, because the null does not vary" if sd == 0 else ""
    note = "; ".join(filter(None, [statistic.note, still, nulls.coarse(name, label)]))
    z = (value - mean) / sd if mean is not None and sd else None
    counted = statistic.value is not None  # log Q without hits is tested by its rank alone
    return replace(
        statistic, p=p, z=z if counted else None, null_mean=mean, null_sd=sd,
        tested=value if counted else None, note=note,
    )  # fmt: skip
