"""Monte-Carlo p-values: the rank of an observation among draws of a null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIDES = ("two", "upper", "lower")
#: Members this close, relative to the largest, count as tied: sums in another order differ so.
TIE = 1e-11

Array = NDArray[np.float64]


def p_value(observed: float, null_values: ArrayLike, side: str = "two") -> float:
    """Rank of an observation among null draws, as an exact Monte-Carlo p-value.

    Parameters
    ----------
    observed : float
        The statistic of the data.
    null_values : array_like (K,)
        The statistic of the draws. Undefined draws (NaN) are left out: given which members are
        defined, the rest are still exchangeable.
    side : {"two", "upper", "lower"}
        "upper" asks whether the observation is large, "lower" small, "two" either.

    Returns
    -------
    float
        ``(1 + #{T_b >= T}) / (K + 1)`` for "upper", likewise "lower"; for "two"
        ``min(1, 2 * min(upper, lower))``. Never below 1/(K + 1).

    Raises
    ------
    ValueError
        For an observation that is not finite, or no defined draw.

    Notes
    -----
    Ties count against the observation, and so do differences of rounding size (1e-11 relative).

    Examples
    --------
    >>> p_value(3.0, [0.0, 1.0, 2.0, 5.0], side="upper")
    0.4
    """
    if side not in SIDES:
        raise ValueError(f'side must be "two", "upper" or "lower", got {side!r}')
    if not np.isfinite(observed):
        raise ValueError(f"a p-value needs a defined observation, got {observed}")
    values = np.asarray(null_values, dtype=np.float64).ravel()
    values = values[~np.isnan(values)]
    if values.size == 0:
        raise ValueError("a p-value needs at least one defined draw of the null, got none")
    slack = TIE * max(abs(observed), float(np.abs(values).max(initial=0.0)))
    upper = (1 + int((values >= observed - slack).sum())) / (values.size + 1)
    lower = (1 + int((values <= observed + slack).sum())) / (values.size + 1)
    return {"two": min(1.0, 2 * min(upper, lower)), "upper": upper, "lower": lower}[side]


def member_p(values: ArrayLike) -> Array:
    """Two-sided p of every one of K + 1 members among all of them.

    Parameters
    ----------
    values : array_like (K + 1,)
        A statistic of the observation and of the draws, in any order; NaN where undefined.

    Returns
    -------
    (K + 1,) float64 array
        The p-value each member would get as the observation; 1 where undefined.

    Examples
    --------
    >>> member_p([0.0, 1.0, 2.0, 3.0]).tolist()
    [0.5, 1.0, 1.0, 0.5]
    """
    members = np.asarray(values, dtype=np.float64).ravel()
    p = np.ones(members.size)
    defined = ~np.isnan(members)
    known = members[defined]
    if known.size:
        slack = TIE * float(np.abs(known).max())
        order = np.sort(known)
        below = np.searchsorted(order, known + slack, side="right")
        above = known.size - np.searchsorted(order, known - slack, side="left")
        p[defined] = np.minimum(1.0, 2 * np.minimum(below, above) / known.size)
    return p


def min_p(observed: Mapping[str, float], null_values: Mapping[str, ArrayLike]) -> float:
    """Combine several statistics: the smallest of their p-values, ranked over all members.

    Parameters
    ----------
    observed : mapping name -> float
        The statistics of the data; NaN where undefined.
    null_values : mapping name -> array_like (K,)
        The same statistics of the same K draws, in the same order.

    Returns
    -------
    float
        Share of the K + 1 members, the observation among them, that are at least as extreme as
        the observation: smaller smallest p, or the same and as far out. Exact, since every
        member is treated alike (ranking the draws among themselves and the observation apart
        rejects too often).

    Raises
    ------
    ValueError
        When the statistics were not all taken from the same number of draws.

    Notes
    -----
    Some member holds either end of every statistic, so up to twice as many members as there are
    statistics share the smallest p. They are told apart by their largest distance from the mean
    of the K + 1 members in standard deviations: without that, a combination of four could
    hardly fall below 8/(K + 1).

    Examples
    --------
    >>> draws = {"a": [0.0, 1.0, 2.0, 3.0], "b": [5.0, 2.0, 1.0, 3.0]}
    >>> min_p({"a": 1.5, "b": 99.0}, draws)
    0.2
    """
    members = [
        np.concatenate([[value], np.asarray(null_values[name], dtype=np.float64).ravel()])
        for name, value in observed.items()
    ]
    if len({each.size for each in members}) != 1:
        raise ValueError(
            "a combination needs the same draws for every statistic, got "
            f"{sorted({each.size - 1 for each in members})} draws"
        )
    smallest = np.min([member_p(each) for each in members], axis=0)
    farthest = np.max([_distance(each) for each in members], axis=0)
    tied = np.abs(smallest - smallest[0]) <= TIE
    ahead = (smallest < smallest[0]) & ~tied
    return float((ahead | (tied & (farthest >= farthest[0] * (1 - TIE)))).mean())


def _distance(members: Array) -> Array:
    """Distance of each member from the mean of all, in their standard deviations; 0 if undefined.

    A spread of rounding size counts as none.
    """
    known = members[~np.isnan(members)]
    away = np.zeros(members.size)
    if known.size:
        spread = float(known.std())
        if spread > TIE * float(np.abs(known).max()):
            away = np.abs(np.nan_to_num(members - known.mean(), nan=0.0)) / spread
    return away


def adjust(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini-Hochberg adjusted p-values of a family of tests.

    Parameters
    ----------
    p_values : sequence of float or None
        One per test (layer, snapshot, plane, class); None where a test is undefined.

    Returns
    -------
    list of float or None
        Adjusted p-values in the same order; rejecting those at most q holds the expected share
        of false rejections at q when the tests are independent or positively dependent.

    Notes
    -----
    Benjamini and Hochberg (1995), through `scipy.stats.false_discovery_control`.

    Examples
    --------
    >>> adjust([0.01, None, 0.02, 0.5])
    [0.03, None, 0.03, 0.5]
    """
    from scipy.stats import false_discovery_control

    given = [p for p in p_values if p is not None]
    if not given:
        return [None] * len(p_values)
    adjusted = iter(float(p) for p in false_discovery_control(given))
    return [None if p is None else next(adjusted) for p in p_values]


def least_repeats(alpha: float, side: str = "two") -> int:
    """Fewest null draws with which a p-value can reach `alpha`.

    Examples
    --------
    >>> least_repeats(0.05), least_repeats(0.05, side="upper")
    (39, 19)
    """
    if not 0 < alpha < 1:
        raise ValueError(f"the level alpha must lie in (0, 1), got {alpha}")
    tails = 2 if side == "two" else 1
    # The small allowance keeps 2 / 0.05 from rounding up to 41 members.
    return int(np.ceil(tails / alpha - 1e-9)) - 1


def ample_repeats(share: float, alpha: float) -> int:
    """Draws of which enough will be defined for a two-sided p to reach `alpha`.

    Parameters
    ----------
    share : float
        Share of the draws in which the statistic is defined, above 0.
    alpha : float
        Level of the test.

    Returns
    -------
    int
        Rounded up to tens. The number defined varies: the fewest that are needed lie two
        standard deviations below its mean.

    Examples
    --------
    >>> ample_repeats(1.0, 0.05), ample_repeats(0.3, 0.05)
    (40, 170)
    """
    # mean - 2 sqrt(mean (1 - share)) = needed, solved for the root of the mean
    spread = np.sqrt(1 - share)
    mean = (spread + np.sqrt(spread**2 + least_repeats(alpha))) ** 2
    return 10 * int(np.ceil(mean / share / 10 - 1e-9))
