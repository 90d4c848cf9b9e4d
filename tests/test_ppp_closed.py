"""Closed forms against Monte Carlo, against plain loops and at their limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from ppp import closed, fluctuation, quadrature

CASES = [(24, 0.75), (12, 0.75), (10, 0.6), (3, 0.8), (4, 0.5), (5, 0.99)]


def isotropic(rows, n, seed=0):
    x = np.random.default_rng(seed).standard_normal((rows, n))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def sums_per_row(x, epsilon):
    """Hits and sum of cos 4 phi of every row, planes by two loops over vectors."""
    hits, cos4 = np.zeros(len(x)), np.zeros(len(x))
    u = x**2
    for i in range(x.shape[1]):
        for j in range(i + 1, x.shape[1]):
            kept = u[:, i] + u[:, j] >= epsilon**2
            hits[kept] += 1
            cos4[kept] += np.cos(4 * np.arctan2(x[kept, j], x[kept, i]))
    return hits, cos4


def agrees(estimates, truth, sigmas=4.5):
    """Whether the mean of independent estimates is the truth, within its standard error."""
    error = np.std(estimates, ddof=1) / math.sqrt(len(estimates))
    assert error > 0
    assert abs(np.mean(estimates) - truth) < sigmas * error, (np.mean(estimates), truth, error)


@pytest.mark.parametrize(("n", "epsilon"), CASES)
def test_retention_and_radius_agree_with_monte_carlo(n, epsilon):
    x = isotropic(200_000, n)
    rho = np.hypot(x[:, 0], x[:, 1])
    kept = rho >= epsilon
    agrees(kept.astype(float), closed.retention(n, epsilon))
    if kept.sum() > 50:
        agrees(rho[kept] ** 2, closed.radius_second_moment(n, epsilon))
        middle = (epsilon + 1) / 2
        agrees((rho[kept] >= middle).astype(float), float(closed.radius_tail(middle, n, epsilon)))


@pytest.mark.parametrize(("n", "epsilon"), CASES)
def test_variances_agree_with_monte_carlo(n, epsilon):
    hits, cos4 = sums_per_row(isotropic(150_000, n, seed=n), epsilon)
    mean = closed.expected_hits(1, n, epsilon)
    agrees(hits, mean)
    agrees((hits - mean) ** 2, fluctuation.hits_variance(1, n, epsilon))
    agrees(cos4**2, fluctuation.cos4_variance(1, n, epsilon))


def test_variance_below_one_over_root_two_counts_planes_that_share_no_vector():
    hits, _ = sums_per_row(isotropic(100_000, 6, seed=1), 0.45)
    mean = closed.expected_hits(1, 6, 0.45)
    truth = fluctuation.hits_variance(1, 6, 0.45)
    agrees((hits - mean) ** 2, truth)
    apart = 15 * 4 * 3 / 2 * (1 - 2 * 0.45**2) ** 2
    assert abs(np.mean((hits - mean) ** 2) - (truth - apart)) > 0.5 * apart


@pytest.mark.parametrize(("n", "epsilon"), CASES)
def test_adjacent_planes_agree_with_a_plain_average_over_the_sphere(n, epsilon):
    rng = np.random.default_rng(2)
    omega = rng.standard_normal((400_000, 3))
    omega /= np.linalg.norm(omega, axis=1, keepdims=True)
    i, j, k = (omega**2).T
    ratio = epsilon**2 / (i + np.minimum(j, k))
    both = ratio <= 1 if n == 3 else stats.beta.sf(ratio, 1.5, (n - 3) / 2)
    cos = (1 - 8 * i * j / (i + j) ** 2) * (1 - 8 * i * k / (i + k) ** 2)
    p, c = quadrature.adjacent_planes(n, epsilon)
    agrees(both, p)
    agrees(both * cos, c)


def test_the_numbers_of_the_paper_setting():
    assert fluctuation.hits_variance(1, 24, 0.75) / closed.expected_hits(1, 24, 0.75) == (
        pytest.approx(8.95, abs=0.005)
    )
    cos4 = fluctuation.cos4_variance(1, 24, 0.75)
    assert cos4 / (closed.expected_hits(1, 24, 0.75) / 2) == pytest.approx(9.83, abs=0.005)


def test_variances_add_over_rows():
    assert fluctuation.hits_variance(7, 10, 0.6) == pytest.approx(
        7 * fluctuation.hits_variance(1, 10, 0.6)
    )
    assert fluctuation.cos4_variance(7, 10, 0.6) == pytest.approx(
        7 * fluctuation.cos4_variance(1, 10, 0.6)
    )


def test_two_dimensions_keep_everything():
    assert closed.retention(2, 0.9) == 1
    assert fluctuation.hits_variance(50, 2, 0.9) == 0
    assert fluctuation.cos4_variance(50, 2, 0.9) == 25
    for undefined in (
        lambda: closed.density(0.8, 2, 0.75),
        lambda: closed.radius_tail(0.8, 2, 0.75),
        lambda: closed.epsilon_for_retention(2, 0.5),
        lambda: closed.epsilon_for_hits(100, 2, 50),
    ):
        with pytest.raises(ValueError, match="dimension must be at least 3"):
            undefined()


@pytest.mark.parametrize("n", [3, 4, 5, 24])
def test_density_integrates_to_the_retention(n):
    epsilon = 0.6
    ring = integrate.quad(
        lambda s: 2 * math.pi * math.sin(s) * float(closed.density(math.sin(s), n, epsilon))
        * math.cos(s),
        math.asin(epsilon), math.pi / 2,
    )[0]  # fmt: skip
    assert ring == pytest.approx(closed.retention(n, epsilon), rel=1e-6)


def test_raw_density_is_the_mean_over_norms_and_integrates_to_the_retention():
    norms = np.array([0.5, 1.0, 3.0])
    r = (np.arange(300_000) + 0.5) * 1e-5
    total = np.sum(2 * math.pi * r * closed.raw_density(r, norms, 6, 0.6)) * 1e-5
    assert total == pytest.approx(closed.retention(6, 0.6), rel=1e-4)
    by_hand = [float(closed.density(0.7 / R, 6, 0.6)) / R**2 for R in norms]
    assert float(closed.raw_density(0.7, norms, 6, 0.6)) == pytest.approx(sum(by_hand) / 3)


@pytest.mark.parametrize(("n", "epsilon"), [(2, 0.4), (3, 0.7), (12, 0.3), (24, 0.5), (5, -0.2)])
def test_spotlight_level_agrees_with_monte_carlo(n, epsilon):
    x = isotropic(200_000, n, seed=3)
    agrees((x[:, 0] >= epsilon).astype(float), fluctuation.srm_level(n, epsilon))


@pytest.mark.parametrize(("n", "epsilon"), [(2, 0.4), (3, 0.7), (12, 0.3), (24, 0.4)])
@pytest.mark.parametrize("delta", [0.2, 0.9, -1.4])
def test_spotlight_covariance_agrees_with_monte_carlo(n, epsilon, delta):
    x = isotropic(400_000, n, seed=4)
    first = x[:, 0] >= epsilon
    second = math.cos(delta) * x[:, 0] + math.sin(delta) * x[:, 1] >= epsilon
    pair = fluctuation.srm_pair(delta, n, epsilon)
    both = (first & second).astype(float)
    if both.any():
        agrees(both, pair)
    else:
        assert pair < 1e-4
    level = fluctuation.srm_level(n, epsilon)
    assert fluctuation.srm_covariance(delta, n, epsilon, 50) == pytest.approx(
        (pair - level**2) / 50
    )


def test_spotlights_in_two_dimensions_are_arcs():
    assert fluctuation.srm_level(2, 0.5) == pytest.approx(1 / 3)
    assert fluctuation.srm_pair(0.4, 2, 0.5) == pytest.approx((math.pi / 3 - 0.2) / math.pi)
    assert fluctuation.srm_pair(math.pi, 2, 0.5) == 0


@given(
    n=st.integers(3, 300),
    share=st.floats(1e-3, 0.99),
    rows=st.integers(10, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_epsilon_and_retention_are_inverse(n, share, rows):
    epsilon = closed.epsilon_for_retention(n, share)
    assert 0 < epsilon < 1
    assert closed.retention(n, epsilon) == pytest.approx(share, rel=1e-6)
    hits = share * rows * closed.plane_count(n)
    assert closed.epsilon_for_hits(rows, n, hits) == pytest.approx(epsilon, rel=1e-9)


@given(n=st.integers(3, 200), epsilon=st.floats(0.01, 0.98), step=st.floats(0.001, 0.01))
@settings(max_examples=60, deadline=None)
def test_monotone_in_epsilon_and_never_negative(n, epsilon, step):
    assert closed.retention(n, epsilon + step) <= closed.retention(n, epsilon)
    assert fluctuation.srm_level(n, epsilon + step) <= fluctuation.srm_level(n, epsilon)
    assert fluctuation.hits_variance(10, n, epsilon) >= 0
    assert fluctuation.cos4_variance(10, n, epsilon) >= 0
    assert 0 <= fluctuation.srm_pair(0.3, n, epsilon) <= fluctuation.srm_level(n, epsilon) + 1e-12


def test_kappa_variance_agrees_with_monte_carlo():
    n = 12
    u = isotropic(200_000, n, seed=5) ** 2
    kappa = (n + 2) / 3 * (u**2).sum(axis=1)
    agrees(kappa, 1.0)
    agrees((kappa - 1) ** 2, fluctuation.kappa_variance(1, n))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: closed.retention(1, 0.5), "dimension must be at least 2 .* got 1"),
        (lambda: closed.retention(4, 0.0), r"epsilon must lie in \(0, 1\], got 0.0"),
        (lambda: closed.retention(4, float("nan")), r"epsilon must lie in \(0, 1\], got nan"),
        (lambda: closed.density(0.5, 4, 1.0), "epsilon must lie below 1"),
        (lambda: closed.epsilon_for_retention(4, 1.0), r"must lie in \(0, 1\), got 1.0"),
        (lambda: closed.epsilon_for_hits(10, 4, 60), r"must lie in \(0, 60\).*got 60"),
        (lambda: closed.raw_density(0.5, [0.0], 4, 0.5), "norms must be positive"),
        (lambda: closed.raw_density(0.5, [], 4, 0.5), "norms must be positive"),
        (lambda: fluctuation.srm_level(4, 1.5), r"epsilon must lie in \[-1, 1\]"),
        (lambda: fluctuation.srm_pair(0.1, 4, -0.5), r"epsilon must lie in \(0, 1\], got -0.5"),
        (lambda: fluctuation.srm_covariance(0.1, 4, 0.5, 0), "at least one row, got 0"),
    ],
)
def test_bad_input_is_answered_with_rule_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
