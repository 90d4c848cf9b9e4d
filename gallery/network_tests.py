"""Exact tests whose unit is the network, which the verdicts of the gallery rest on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import scipy.stats

LEVEL = 0.05
#: Differences of rounding size are ties.
TIE = 1e-9


def by_chance(told: int, of: int) -> float:
    """Return the chance that so many networks, or more, are told at LEVEL where nothing is there.

    Examples
    --------
    >>> round(by_chance(1, 5), 2), round(by_chance(2, 5), 3)
    (0.23, 0.023)
    """
    return float(scipy.stats.binom.sf(told - 1, of, LEVEL)) if told else 1.0


def more_often(told: int, of: int, others: int, of_others: int) -> float:
    """Return Fisher's exact one-sided p: are networks of the first kind told more often?

    Examples
    --------
    >>> round(more_often(5, 5, 1, 5), 3), round(more_often(2, 2, 0, 2), 3)
    (0.024, 0.167)
    """
    table = [[told, of - told], [others, of_others - others]]
    return float(scipy.stats.fisher_exact(table, alternative="greater").pvalue)


def sign_test(better: int, worse: int) -> float:
    """Return the one-sided p of so many signs or more on one side; 1 where there are none."""
    if not better + worse:
        return 1.0
    return float(scipy.stats.binomtest(better, better + worse, alternative="greater").pvalue)


def rank_trend(values: np.ndarray, *, repeated: bool) -> tuple[np.ndarray, float, float]:
    """Relate values to their columns by rank, row by row, and combine the rows exactly.

    Parameters
    ----------
    values : (rows, columns) array
        One row a network or a seed, columns in the order of a number; minus infinity ranks last,
        NaN is left out of its row.
    repeated : bool
        Whether the columns of a row are measured on one and the same network. They are then not
        exchangeable, as neighbours may be alike, and only the direction of each row counts: it is
        turned round or not. Columns of different networks take every order.

    Returns
    -------
    rho : (rows,) array
        Spearman's correlation of every row; NaN where all of its values tie.
    p : float
        Two-sided, of the mean correlation among all such rearrangements of every row.
    least : float
        The least p that these rows could have given.

    Notes
    -----
    Over all orders this is Page's test, ties included; over two, the exact sign-flip test.

    Examples
    --------
    >>> rho, p, least = rank_trend(np.array([[1, 2, 3], [0, 5, 7]]), repeated=False)
    >>> rho.round(6).tolist(), round(p, 4), round(least, 4)
    ([1.0, 1.0], 0.0556, 0.0556)
    >>> rank_trend(np.array([[1, 2, 3], [0, 5, 7]]), repeated=True)[1]
    0.5
    """
    rho, sums, chances = [], np.zeros(1), np.ones(1)
    for row in np.asarray(values, dtype=float):
        drawn = _rearranged(row[~np.isnan(row)], repeated)
        rho.append(drawn[0] if len(drawn) else np.nan)
        if len(drawn):
            sums, chances = _added(sums, chances, drawn)
    if not np.isfinite(rho).any():
        return np.array(rho), 1.0, 1.0
    extreme = np.abs(sums)
    p = chances[extreme >= abs(np.nansum(rho)) - TIE].sum()
    return np.array(rho), float(p), float(chances[extreme >= extreme.max() - TIE].sum())


def _rearranged(row: np.ndarray, repeated: bool) -> Sequence[float] | np.ndarray:
    """Return the rank correlations of a row in every order, its own first; none if all tie."""
    if len(np.unique(row)) < 2:
        return []
    ranks = scipy.stats.rankdata(row)
    at = np.arange(len(row)) - (len(row) - 1) / 2
    own = (ranks - ranks.mean()) / np.linalg.norm(ranks - ranks.mean()) / np.linalg.norm(at)
    if repeated:
        return np.array([own @ at, -(own @ at)])
    return np.array([own @ np.array(order) for order in itertools.permutations(at)])


def _added(
    sums: np.ndarray, chances: np.ndarray, drawn: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distribution of a sum with one more independent term, equally likely values."""
    totals = np.round(np.add.outer(sums, drawn).ravel(), 10)
    distinct, where = np.unique(totals, return_inverse=True)
    return distinct, np.bincount(where, np.repeat(chances / len(drawn), len(drawn)))
