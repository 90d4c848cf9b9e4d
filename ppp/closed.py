"""Closed forms: what a projection shows when the data prefer no direction.

Every formula assumes isotropy: ``v / |v|`` uniform on the unit sphere of R^n, rows independent.
Then ``u_i = v_i^2 / |v|^2`` is Dirichlet(1/2, ..., 1/2), and one plane keeps a share
``p = (1 - epsilon^2)^((n - 2) / 2)`` of the rows, whatever the plane.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def check_dimension(n: int, least: int = 2, why: str = "a plane needs two directions") -> int:
    """Return `n`, or raise a ValueError that says why it is too small."""
    if n < least:
        raise ValueError(f"the dimension must be at least {least} ({why}), got {n}")
    return int(n)


def check_epsilon(epsilon: float) -> float:
    """Return `epsilon`, or raise a ValueError when it lies outside (0, 1]."""
    if not 0.0 < epsilon <= 1.0:
        raise ValueError(f"epsilon must lie in (0, 1], got {epsilon}")
    return float(epsilon)


def retention(n: int, epsilon: float) -> float:
    """Share of isotropic rows that one plane keeps.

    Parameters
    ----------
    n : int
        Dimension of the activations, at least 2.
    epsilon : float
        Threshold on the unit-normalised in-plane length, in (0, 1].

    Returns
    -------
    float
        ``(1 - epsilon**2) ** ((n - 2) / 2)``; 1 for ``n = 2``.

    Raises
    ------
    ValueError
        For ``n < 2`` or epsilon outside (0, 1].

    Notes
    -----
    ``u_i + u_j`` is Beta(1, (n - 2)/2). Holds for any plane, of any frame.

    Examples
    --------
    >>> round(retention(24, 0.75), 6)
    0.000112
    """
    check_dimension(n)
    t = check_epsilon(epsilon) ** 2
    return float((1.0 - t) ** ((n - 2) / 2))


def plane_count(n: int) -> int:
    """Planes ``M = n(n - 1)/2`` of an orthonormal frame of `n` vectors, each taken once."""
    return n * (n - 1) // 2


def expected_hits(rows: int, n: int, epsilon: float, planes: int | None = None) -> float:
    """Hits that isotropic rows would give, summed over planes.

    Parameters
    ----------
    rows : int
        Rows that are neither zero nor non-finite.
    n : int
        Dimension of the activations.
    epsilon : float
        Threshold in (0, 1].
    planes : int, optional
        Number of planes, each counted once; ``n(n - 1)/2`` if not given.

    Returns
    -------
    float
        ``rows * planes * retention(n, epsilon)``.

    Examples
    --------
    >>> round(expected_hits(2_000, 24, 0.75), 1)
    62.0
    """
    count = plane_count(check_dimension(n)) if planes is None else planes
    return rows * count * retention(n, epsilon)


def epsilon_for_retention(n: int, share: float) -> float:
    """Epsilon at which one plane keeps a given share of isotropic rows.

    Parameters
    ----------
    n : int
        Dimension, at least 3.
    share : float
        Target retention, in (0, 1).

    Returns
    -------
    float
        ``sqrt(1 - share**(2 / (n - 2)))``.

    Raises
    ------
    ValueError
        For ``n = 2``, where the only plane keeps every row at any epsilon, or a share outside
        (0, 1).

    Examples
    --------
    >>> [round(epsilon_for_retention(n, 0.01), 2) for n in (16, 64, 512)]
    [0.69, 0.37, 0.13]
    """
    check_dimension(n, 3, "with n = 2 the one plane keeps every row at any epsilon")
    if not 0.0 < share < 1.0:
        raise ValueError(f"the target retention must lie in (0, 1), got {share}")
    # expm1 keeps digits where the share is close to one.
    return math.sqrt(-math.expm1(math.log(share) * 2 / (n - 2)))


def epsilon_for_hits(rows: int, n: int, hits: float, planes: int | None = None) -> float:
    """Epsilon at which isotropic rows would give `hits` hits over all planes.

    Parameters
    ----------
    rows : int
        Rows that are neither zero nor non-finite.
    n : int
        Dimension, at least 3.
    hits : float
        Wanted expectation, in (0, rows * planes).
    planes : int, optional
        Number of planes, each counted once; ``n(n - 1)/2`` if not given.

    Returns
    -------
    float
        The epsilon, in (0, 1).

    Raises
    ------
    ValueError
        When more hits are asked for than rows times planes can give.

    Examples
    --------
    >>> [round(epsilon_for_hits(10_000, n, 1_000), 3) for n in (24, 64, 512)]
    [0.717, 0.523, 0.232]
    """
    count = plane_count(check_dimension(n)) if planes is None else planes
    most = rows * count
    if not 0.0 < hits < most:
        raise ValueError(
            f"the expected hits must lie in (0, {most}), the rows times the planes, got {hits}: "
            "ask for fewer hits or give more rows"
        )
    return epsilon_for_retention(n, hits / most)


def radius_tail(radius: ArrayLike, n: int, epsilon: float) -> Array:
    """Probability that a kept row has in-plane length of at least `radius`.

    Parameters
    ----------
    radius : array_like
        Unit-normalised in-plane lengths; any shape.
    n : int
        Dimension, at least 3.
    epsilon : float
        Threshold in (0, 1).

    Returns
    -------
    ndarray
        ``((1 - radius**2) / (1 - epsilon**2)) ** ((n - 2) / 2)``, 1 below epsilon, 0 above 1.

    Examples
    --------
    >>> radius_tail([0.5, 0.75, 1.0], 24, 0.75).tolist()
    [1.0, 1.0, 0.0]
    """
    _check_density(n, epsilon)
    r = np.clip(np.asarray(radius, dtype=np.float64), epsilon, 1.0)
    return np.asarray(((1.0 - r * r) / (1.0 - epsilon**2)) ** ((n - 2) / 2), dtype=np.float64)


def radius_second_moment(n: int, epsilon: float) -> float:
    """Mean squared in-plane length of a kept row: ``t + (1 - t) * 2/n`` with ``t = epsilon**2``.

    Examples
    --------
    >>> radius_second_moment(2, 0.75)
    1.0
    """
    check_dimension(n)
    t = check_epsilon(epsilon) ** 2
    return t + (1.0 - t) * 2.0 / n


def _check_density(n: int, epsilon: float) -> None:
    check_dimension(n, 3, "with n = 2 every unit-normalised row lies on the unit circle")
    if check_epsilon(epsilon) == 1.0:
        raise ValueError("epsilon must lie below 1 for a density: at 1 isotropy keeps no row")


def density(radius: ArrayLike, n: int, epsilon: float) -> Array:
    """Density of unit-normalised rows in one plane, per unit area, per row seen.

    Parameters
    ----------
    radius : array_like
        Distance from the origin of the plane; any shape.
    n : int
        Dimension, at least 3.
    epsilon : float
        Threshold in (0, 1).

    Returns
    -------
    ndarray
        ``(n - 2)/(2 pi) * (1 - r**2) ** ((n - 4)/2)`` where epsilon <= r < 1, else 0. It
        integrates to ``retention(n, epsilon)`` over the plane.

    Raises
    ------
    ValueError
        For ``n = 2``, where no density exists.

    Examples
    --------
    >>> density([0.5, 0.8], 4, 0.75).round(4).tolist()
    [0.0, 0.3183]
    """
    _check_density(n, epsilon)
    r = np.asarray(radius, dtype=np.float64)
    inside = (r >= epsilon) & (r < 1.0)
    rest = np.where(inside, 1.0 - r * r, 1.0)
    value = (n - 2) / (2 * math.pi) * rest ** ((n - 4) / 2)
    return np.asarray(np.where(inside, value, 0.0), dtype=np.float64)


def raw_density(radius: ArrayLike, norms: ArrayLike, n: int, epsilon: float) -> Array:
    """Density in raw coordinates: the mean of ``f(r / R) / R**2`` over the rows' norms R.

    Parameters
    ----------
    radius : array_like
        Distances from the origin of the plane, in the units of the activations; any shape.
    norms : array_like (N,)
        Norms of the rows, all positive.
    n : int
        Dimension, at least 3.
    epsilon : float
        Threshold in (0, 1).

    Returns
    -------
    ndarray
        Density per unit area and row, in the shape of `radius`.

    Examples
    --------
    >>> raw_density([1.6], [1.0, 2.0], 4, 0.75).round(4).tolist()
    [0.0398]
    """
    r = np.asarray(radius, dtype=np.float64)
    lengths = np.asarray(norms, dtype=np.float64).ravel()
    if lengths.size == 0 or not bool(np.all(lengths > 0)):
        raise ValueError("norms must be positive and at least one: leave zero rows out")
    total = np.zeros(r.shape, dtype=np.float64)
    for length in lengths:
        total += density(r / length, n, epsilon) / length**2
    return total / lengths.size
