"""Curves of few isotropic samples, drawn as they are: too few to be a Gaussian process."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ppp.closed import retention

#: Numbers that are held at a time: 16 MiB an array.
ROOM = 2**21


def samples_in_reach(n: int, epsilon: float) -> float:
    """Return the share of isotropic samples that some spotlight of a plane sees.

    Parameters
    ----------
    n : int
        Width of the activations.
    epsilon : float
        Cosine of the cone's half-angle, in [0, 1].

    Returns
    -------
    float

    Examples
    --------
    >>> samples_in_reach(4, 0.5)
    0.75
    """
    return retention(n, epsilon) if epsilon > 0 else 1.0


@lru_cache(maxsize=16)
def greatest_deviations(
    n: int,
    epsilon: float,
    level: float,
    rows: int,
    angles: int,
    signed: bool,
    draws: int,
    seed: int,
) -> np.ndarray:
    """Draw the greatest deviation of an isotropic curve from its level.

    Parameters
    ----------
    n : int
        Width of the activations.
    epsilon : float
        Cosine of the cone's half-angle, in [0, 1].
    level : float
        Expected share of samples seen; 0 where signed.
    rows : int
        Samples of a curve.
    angles : int
        Angles A, evenly around the circle.
    signed : bool
        Whether the opposite spotlight's count is subtracted.
    draws : int
        Number of curves.
    seed : int
        Seed of the draws.

    Returns
    -------
    (draws,) float64 array
        Greatest |S(θ) − level| over the angles, in rising order; not to be written to.

    Notes
    -----
    Under isotropy a binomial number of samples lies within reach of a plane's spotlights; their
    ρ² = ‖w‖²/‖x‖² is Beta(1, (n − 2)/2) above ε², and their direction φ uniform. Each is seen from
    φ − arccos(ε/ρ) to φ + arccos(ε/ρ). So the draws follow the curve's own law, for any number
    of samples.

    Examples
    --------
    >>> found = greatest_deviations(6, 1.0, 0.0, 50, 8, False, 3, 0)
    >>> found.tolist()
    [0.0, 0.0, 0.0]
    """
    share = samples_in_reach(n, epsilon)
    step = max(1, int(ROOM // max(angles, rows * share)))
    found, rng = np.empty(draws), np.random.default_rng(seed)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        curve = np.repeat(np.arange(size), rng.binomial(rows, share, size))
        phi = rng.uniform(0, 2 * np.pi, len(curve))
        below = rng.uniform(size=len(curve)) ** (2 / (n - 2)) if n > 2 else np.zeros(len(curve))
        rho = np.sqrt(1 - (1 - epsilon**2) * below)
        half = np.arccos(np.minimum(epsilon / rho, 1.0))
        seen = _seen(curve, phi, half, size, angles)
        if signed:
            seen -= _seen(curve, phi + np.pi, half, size, angles)
        found[start : start + size] = np.abs(seen / rows - level).max(axis=1)
    found.sort()
    found.flags.writeable = False
    return found


def _seen(
    curve: np.ndarray, phi: np.ndarray, half: np.ndarray, curves: int, angles: int
) -> np.ndarray:
    """Return how many arcs φ ± half of each curve hold each angle, (curves, A)."""
    step = 2 * np.pi / angles
    first = np.ceil((phi - half) / step).astype(np.int64)
    after = np.floor((phi + half) / step).astype(np.int64) + 1
    whole = after - first >= angles  # a single angle
    first, after = first % angles, after % angles
    size, place = curves * angles, curve * angles
    change = np.bincount(place + first, minlength=size) - np.bincount(place + after, minlength=size)
    # arcs that end before they begin go through angle 0
    through = np.bincount(curve[whole | (after < first)], minlength=curves)
    return np.asarray(np.cumsum(change.reshape(curves, angles), axis=1) + through[:, None])
