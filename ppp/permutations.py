"""Exact permutation tests over a handful of networks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Up to this many relabellings all are made; beyond, this many are drawn at random.
ENUMERATED = 100_000
#: Differences this close, relative to the largest value, count as tied.
TIE = 1e-11


def sign_test(differences: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Test paired differences by exchanging the two networks of any pair.

    Parameters
    ----------
    differences : sequence of float (R,)
        One per pair.
    seed : int
        Of the random exchanges, where there are too many to try all.

    Returns
    -------
    p : float
        Two-sided: share of the exchanges, the observed one among them, whose mean difference is
        at least as large in size.
    least : float
        The smallest p that so many pairs can give.

    Examples
    --------
    >>> sign_test([1.0, 2.0, 1.5, 0.5])
    (0.125, 0.125)
    """
    given = np.asarray(differences, dtype=np.float64)
    size = float(np.abs(given).sum())
    total = 2**given.size
    if total <= ENUMERATED:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=given.size)))
        return _share(signs @ given, size), min(1.0, 2 / total)
    signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(ENUMERATED, given.size))
    signs[0] = 1.0  # the observation is one of the members
    return _share(signs @ given, size), 1 / ENUMERATED


def label_test(
    first: Sequence[float], second: Sequence[float], seed: int = 0
) -> tuple[float, float]:
    """Test two unpaired groups by exchanging their labels.

    Parameters
    ----------
    first, second : sequences of float
        One value a network.
    seed : int
        Of the random relabellings, where there are too many to try all.

    Returns
    -------
    p : float
        Two-sided: share of the relabellings, the observed one among them, whose difference of
        means is at least as large in size.
    least : float
        The smallest p that groups of these sizes can give.

    Examples
    --------
    >>> p, least = label_test([5.0, 6.0, 7.0], [1.0, 2.0, 3.0])
    >>> round(p, 3), round(least, 3)
    (0.1, 0.1)
    """
    a, b = len(first), len(second)
    pooled = np.array([*first, *second], dtype=np.float64)
    total = math.comb(a + b, a)
    if total <= ENUMERATED:
        chosen = np.zeros((total, a + b))
        for at, members in enumerate(itertools.combinations(range(a + b), a)):
            chosen[at, list(members)] = 1.0
        least = (2 if a == b else 1) / total
    else:
        rng = np.random.default_rng(seed)
        chosen = np.zeros((ENUMERATED, a + b))
        chosen[:, :a] = 1.0
        chosen[1:] = rng.permuted(chosen[1:], axis=1)
        least = 1 / ENUMERATED
    means = chosen @ pooled / a - (1 - chosen) @ pooled / b
    return _share(means, float(np.abs(pooled).max(initial=0.0))), min(1.0, least)


def _share(members: Array, scale: float) -> float:
    """Share of the members at least as far from zero as the first, made of numbers so large."""
    size = np.abs(members)
    return float(np.mean(size >= size[0] - TIE * scale))
