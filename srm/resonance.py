"""Tests of a sweep: the analytic band of isotropy, and random rotations of the frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ppp.fluctuation import srm_pair
from srm.few import ROOM, greatest_deviations, samples_in_reach

if TYPE_CHECKING:
    from srm.curve import SRMResult

#: Draws of the curve that make a band simultaneous over all angles; of a Gaussian process, which
#: is cheap, up to four times as many, while they have at most `NUMBERS` numbers.
DRAWS = 4000
NUMBERS = 2**23
#: Variance of the number of samples that a spotlight sees, up to which curves are drawn sample by
#: sample: their counts are still skewed.
SKEWED = 250.0
#: Samples within reach of a plane that are so drawn, all curves together: some seconds. And curves
#: drawn in any case, however long a million samples in a narrow cone of the plane itself take.
SAMPLES, LEAST_DRAWS = 2**25, 400
#: Least spread of rotations, as a share of their typical one: where none of them sees anything.
FLOOR = 0.1
#: Shares of samples that differ by less are equal.
ROUNDING = 1e-12


class Against(NamedTuple):
    """A curve against rotations.

    Parameters
    ----------
    statistic, p : float
        Greatest deviation from the rotations' mean in their standard deviations (at least a tenth
        of what these typically are, where hardly any rotation sees anything), and its p.
    low, high : (A,) float64 arrays
        A band that the curve leaves exactly where p is at most 1 − `level`.
    level : float
        The band's coverage: what was asked for, or the most that K rotations can give, K/(K + 1).
    """

    statistic: float
    p: float
    low: np.ndarray
    high: np.ndarray
    level: float


class Resonance(NamedTuple):
    """What the tests of a sweep found.

    Parameters
    ----------
    statistics, planes : (T,) float64 arrays
        Greatest deviation of each plane's curve from the isotropic level in standard deviations,
        and its p.
    adjusted : (T,) float64 array
        The p adjusted for the number of planes (Benjamini and Hochberg).
    low, high : float
        The band about the level that a plane's curve stays in under isotropy, at all angles.
    rotation : Against or None
        The pooled curve against rotations of the frame.
    """

    statistics: np.ndarray
    planes: np.ndarray
    adjusted: np.ndarray
    low: float
    high: float
    rotation: Against | None = None


def against_band(curve: SRMResult, level: float, seed: int) -> Resonance:
    """Compare each plane's curve with isotropy, simultaneously over its angles.

    Parameters
    ----------
    curve : SRMResult
        The sweep. Its rows are taken to be independent: rows of one input are not, and rotations
        are then the test to use.
    level : float
        Coverage of the band.
    seed : int
        Seed of the Gaussian process.

    Returns
    -------
    Resonance

    Notes
    -----
    The covariance of S(θ) and S(θ + δ) is (P₂(δ) − P²)/N with P₂ in closed form; the greatest of a
    Gaussian process with this covariance over the A angles sets the band. Where a
    spotlight sees few samples the curve is no Gaussian process: its own law is then drawn, sample
    by sample.
    """
    from scipy.stats import false_discovery_control

    rows = int(curve.rows.sum())
    covariance = _covariance(curve)
    deviation = np.sqrt(covariance[0] / max(1, rows))
    greatest = _greatest(curve, covariance, rows, seed)
    reach = np.abs(curve.values - curve.expected).max(axis=1, initial=0)
    if not rows:
        reach[:] = 0  # nothing was seen of which anything could be said
    above = len(greatest) - np.searchsorted(greatest, reach - ROUNDING, side="left")
    p = (1 + above) / (len(greatest) + 1)
    # epsilon 1 or −1: isotropy leaves nothing to chance
    statistics = np.where(reach > 0, np.inf, 0.0) if deviation == 0 else reach / deviation
    half = float(np.quantile(greatest, level, method="higher"))
    adjusted = false_discovery_control(p) if len(p) else p
    low, high = curve.expected - half, curve.expected + half
    return Resonance(statistics, p, adjusted, low, high)


def against_rotations(curves: np.ndarray, level: float) -> Against:
    """Compare an observed curve with those of rotated frames.

    Parameters
    ----------
    curves : (K + 1, A) array
        The observed one first.
    level : float
        Coverage of the band, simultaneous over all angles.

    Returns
    -------
    Against

    Notes
    -----
    Each of the K + 1 members, the observed one and the rotations alike, is measured by max over θ
    of its deviation from the mean of the others, in their standard deviations: so p = rank/(K + 1)
    is exact. The band lies round the mean of the rotations, and reaches as far as all but the share
    1 − `level` of the members do.
    """
    greatest, mean, spread = _apart(curves)
    members, slack = len(curves), 1 - 1e-12
    p = float((greatest >= greatest[0] * slack).mean())
    # the observed curve is outside when this many of the others are less far from theirs
    inside = min(math.ceil(level * members - 1e-9), members - 1)
    reach = float(np.sort(greatest[1:])[inside - 1])
    low, high = mean - reach * spread, mean + reach * spread
    return Against(float(greatest[0]), p, low, high, min(level, 1 - 1 / members))


def _apart(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each curve's greatest deviation from the others, and what it is of the first.

    Returns
    -------
    greatest : (K + 1,) array
        In standard deviations of the others.
    mean, spread : (A,) arrays
        Of all but the first.
    """
    others = len(curves) - 1
    off = curves - curves.mean(axis=0)
    square = np.square(off)
    variance = (square.sum(axis=0) - square) / others - square / others**2
    least = FLOOR * math.sqrt(square.mean())
    spread = np.maximum(np.sqrt(np.maximum(variance, 0.0)), least)
    spread[spread == 0] = 1.0  # all curves are alike
    far = off * (1 + 1 / others)
    greatest: np.ndarray = np.abs(far / spread).max(axis=1)
    return greatest, curves[0] - far[0], spread[0]


def _covariance(curve: SRMResult) -> np.ndarray:
    """Return N times the covariance of the curve at angles 0 and θ, (A,), under isotropy."""
    n, epsilon = curve.planes.frame.n, abs(curve.epsilon)
    folded = np.minimum(curve.angles, 2 * np.pi - curve.angles)
    both = np.array([_both_see(delta, n, epsilon) for delta in folded])
    if not curve.signed:
        # at a negative epsilon the rows not seen fluctuate, and they are those of |epsilon|
        level = curve.expected if curve.epsilon >= 0 else 1 - curve.expected
        return both - level**2
    opposite = np.array([_both_see(np.pi - delta, n, epsilon) for delta in folded])
    return 2 * (both - opposite)


def _both_see(delta: float, n: int, epsilon: float) -> float:
    """Return the chance that two probes δ apart both see an isotropic sample."""
    if epsilon == 0:
        return float((np.pi - delta) / (2 * np.pi))
    return srm_pair(float(delta), n, epsilon)


def _greatest(curve: SRMResult, covariance: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Return the sorted greatest deviations from the level, over the angles, of drawn curves."""
    if not rows or rows * covariance[0] > SKEWED:
        process = _of_process(covariance, np.random.default_rng(seed))
        return process * np.sqrt(covariance[0] / max(1, rows))
    n, epsilon = curve.planes.frame.n, abs(curve.epsilon)
    # what a negative epsilon does not see is what its opposite sees
    level = curve.expected if curve.epsilon >= 0 or curve.signed else 1 - curve.expected
    draws = SAMPLES / max(1.0, rows * samples_in_reach(n, epsilon))
    draws = int(min(max(draws, LEAST_DRAWS), DRAWS))
    return greatest_deviations(
        n, epsilon, level, rows, len(curve.angles), curve.signed, draws, seed
    )


def _of_process(covariance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the sorted maxima of |Z| over the angles, Z of unit variance on the circle."""
    spectrum = np.maximum(np.fft.fft(covariance).real, 0)
    total = spectrum.sum()
    if total <= 0:
        return np.zeros(DRAWS)
    shape, found = np.sqrt(spectrum / total), []
    step = max(1, ROOM // len(spectrum))
    pairs = max(DRAWS, min(4 * DRAWS, NUMBERS // len(spectrum))) // 2
    for start in range(0, pairs, step):
        size = (min(step, pairs - start), len(spectrum))
        noise = rng.standard_normal(size) + 1j * rng.standard_normal(size)
        process = np.fft.fft(noise * shape, axis=1)
        found += [np.abs(process.real).max(axis=1), np.abs(process.imag).max(axis=1)]
    return np.sort(np.concatenate(found))
