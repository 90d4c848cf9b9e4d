"""Closed forms of second order: how much isotropic rows scatter about their expectation.

Hits of one row in several planes depend on each other, so their total varies far more than
independent hits would: the statistical artefact of the PPP paper's App. A.1, in numbers.
"""

from __future__ import annotations

import math

from ppp.closed import check_dimension, check_epsilon, plane_count, retention
from ppp.quadrature import adjacent_planes, shared_spotlight


def srm_level(n: int, epsilon: float) -> float:
    """Spotlight resonance of isotropic rows: ``P[x . p >= epsilon]`` for a unit probe p.

    Parameters
    ----------
    n : int
        Dimension, at least 2.
    epsilon : float
        Threshold in [-1, 1].

    Returns
    -------
    float
        ``I_{1 - epsilon^2}((n - 1)/2, 1/2) / 2`` for epsilon >= 0, its complement below.

    Examples
    --------
    >>> srm_level(3, 0.5)
    0.25
    """
    from scipy.special import betainc

    check_dimension(n)
    if not -1.0 <= epsilon <= 1.0:
        raise ValueError(f"epsilon must lie in [-1, 1] for a spotlight, got {epsilon}")
    tail = 0.5 * float(betainc((n - 1) / 2, 0.5, 1.0 - epsilon**2))
    return tail if epsilon >= 0 else 1.0 - tail


def srm_pair(delta: float, n: int, epsilon: float) -> float:
    """Probability that two spotlights `delta` radians apart both see one isotropic row.

    Parameters
    ----------
    delta : float
        Angle between the probes, radians; folded into [0, pi].
    n : int
        Dimension, at least 2.
    epsilon : float
        Threshold in (0, 1].

    Returns
    -------
    float
        ``(1/pi) * int_{delta/2}^{arccos epsilon} (1 - epsilon^2/cos^2 x)^((n-2)/2) dx``.

    Examples
    --------
    >>> abs(srm_pair(0.0, 24, 0.5) - srm_level(24, 0.5)) < 1e-12
    True
    """
    check_dimension(n)
    folded = math.acos(max(-1.0, min(1.0, math.cos(delta))))
    return shared_spotlight(folded, n, check_epsilon(epsilon))


def srm_covariance(delta: float, n: int, epsilon: float, rows: int) -> float:
    """Covariance of the resonances at two probes `delta` apart, over `rows` isotropic rows.

    Parameters
    ----------
    delta : float
        Angle between the probes, radians.
    n : int
        Dimension, at least 2.
    epsilon : float
        Threshold in (0, 1].
    rows : int
        Rows averaged over, at least 1.

    Returns
    -------
    float
        ``(P2(delta) - P**2) / rows``; the variance of one probe at ``delta = 0``.

    Examples
    --------
    >>> srm_covariance(0.0, 3, 0.5, 10) == (0.25 - 0.25**2) / 10
    True
    """
    if rows < 1:
        raise ValueError(f"the covariance needs at least one row, got {rows}")
    level = srm_level(n, epsilon)
    # cos(delta) == 1 is the variance of one probe: the level itself, without quadrature error.
    both = level if math.cos(delta) == 1.0 else srm_pair(delta, n, epsilon)
    return (both - level * level) / rows


def hits_variance(rows: int, n: int, epsilon: float) -> float:
    """Variance of the total number of hits over the planes of n orthonormal vectors.

    Parameters
    ----------
    rows : int
        Independent isotropic rows.
    n : int
        Dimension and number of orthonormal vectors.
    epsilon : float
        Threshold in (0, 1].

    Returns
    -------
    float
        ``rows * [M p + n(n-1)(n-2) p_s + M (n-2)(n-3)/2 p_d - M^2 p^2]``, where ``p_s`` is the
        probability that two planes sharing a vector both keep a row and ``p_d = (1 - 2t)_+^
        ((n-2)/2)`` the same for two planes that share none.

    Examples
    --------
    >>> from ppp.closed import expected_hits
    >>> round(hits_variance(1, 24, 0.75) / expected_hits(1, 24, 0.75), 2)
    8.95
    """
    p = retention(n, epsilon)
    m = plane_count(n)
    apart = max(0.0, 1.0 - 2.0 * epsilon**2) ** ((n - 2) / 2) if n >= 4 else 0.0
    second = m * p + m * (n - 2) * (n - 3) / 2 * apart
    if n >= 3:
        second += n * (n - 1) * (n - 2) * adjacent_planes(n, epsilon)[0]
    return max(0.0, rows * (second - (m * p) ** 2))


def cos4_variance(rows: int, n: int, epsilon: float) -> float:
    """Variance of the sum of cos 4 phi over all hits, planes of n orthonormal vectors.

    Parameters
    ----------
    rows : int
        Independent isotropic rows.
    n : int
        Dimension and number of orthonormal vectors.
    epsilon : float
        Threshold in (0, 1].

    Returns
    -------
    float
        ``rows * [M p / 2 + n(n-1)(n-2) c_s]``; ``c_s`` is ``E[cos 4 phi_ij cos 4 phi_ik]`` over
        rows kept by both planes.

    Examples
    --------
    >>> from ppp.closed import expected_hits
    >>> round(cos4_variance(1, 24, 0.75) / (expected_hits(1, 24, 0.75) / 2), 2)
    9.83
    """
    total = plane_count(n) * retention(n, epsilon) / 2
    if n >= 3:
        total += n * (n - 1) * (n - 2) * adjacent_planes(n, epsilon)[1]
    return rows * total


def kappa_variance(rows: int, n: int) -> float:
    """Variance of kappa over `rows` independent isotropic rows, n orthonormal vectors.

    Returns
    -------
    float
        ``8 (n - 1) / (3 rows (n + 4)(n + 6))``.

    Examples
    --------
    >>> round(kappa_variance(2_000, 24) ** 0.5, 4)
    0.006
    """
    check_dimension(n)
    return 8.0 * (n - 1) / (3.0 * rows * (n + 4) * (n + 6))
