"""The band of isotropy where few samples reach a plane: the curve's own law, not a Gaussian's."""

import numpy as np
import pytest

import ppp
import srm
from ppp.fluctuation import srm_level
from srm.few import greatest_deviations


@pytest.mark.parametrize(
    ("n", "epsilon", "rows", "angles", "signed"),
    [
        (5, 0.6, 40, 36, False),
        (5, 0.6, 40, 1, False),
        (4, 0.3, 12, 7, True),
        (2, 0.8, 10, 5, False),
        (3, 0.0, 9, 2, True),
        (3, 0.0, 9, 1, False),
    ],
)
def test_drawn_curves_deviate_as_sweeps_of_isotropic_rows_do(n, epsilon, rows, angles, signed):
    rng, level = np.random.default_rng(0), 0.0 if signed else srm_level(n, epsilon)
    drawn = greatest_deviations(n, epsilon, level, rows, angles, signed, 4000, 1)
    swept = []
    for _ in range(300):
        curve = srm.sweep(
            rng.standard_normal((rows, n)), epsilon=epsilon, angles=angles, signed=signed,
            planes=[(0, 1)],
        )  # fmt: skip
        swept.append(np.abs(curve.values - level).max())
    assert (np.diff(drawn) >= 0).all()
    # both the middle and the tail, in standard errors of 300 sweeps
    assert abs(np.mean(swept) - drawn.mean()) < 4.5 * drawn.std() / np.sqrt(300)
    for share in (0.5, 0.9):
        edge = np.quantile(drawn, share) + 1e-9
        truth = (drawn > edge).mean()
        spread = np.sqrt(max(truth, 0.01) / 300)
        assert abs((np.array(swept) > edge).mean() - truth) < 4.5 * spread


@pytest.mark.parametrize(
    ("n", "rows", "epsilon", "signed"),
    [(24, 4000, 0.75, False), (12, 1000, 0.75, True), (6, 100, 0.75, False), (6, 60, -0.7, False)],
)
def test_planes_that_few_samples_reach_reject_isotropy_no_more_than_they_say(
    n, rows, epsilon, signed
):
    p = []
    for seed in range(6):
        x = np.random.default_rng([seed, n]).standard_normal((rows, n))
        p += list(srm.sweep(x, epsilon=epsilon, angles=36, signed=signed).test().planes)
    # planes of one sweep share samples; a Gaussian process rejected 11 to 32 %
    assert np.mean(np.array(p) <= 0.05) < 0.075
    assert np.mean(np.array(p) <= 0.01) < 0.025


@pytest.mark.parametrize(
    ("n", "rows", "epsilon", "angles"),
    [(2, 2000, 0.99999, 360), (2, 1100, 0.999, 360), (3, 8000, 0.99, 120)],
)
def test_narrow_cones_that_see_few_samples_reject_isotropy_no_more_than_they_say(
    n, rows, epsilon, angles
):
    p = []
    for seed in range(200):
        x = np.random.default_rng([seed, n]).standard_normal((rows, n))
        p.append(srm.sweep(x, epsilon=epsilon, angles=angles, planes=[(0, 1)]).test().planes[0])
    # a Gaussian process rejected 8 to 41 %
    assert np.mean(np.array(p) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(p) <= 0.5) > 0.2


def test_few_samples_on_one_vector_are_found():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((4000, 24))
    x[:8] = 0.05 * rng.standard_normal((8, 24))
    x[:8, 3] += 1
    curve = srm.sweep(x, epsilon=0.75, angles=72)
    found = curve.test()
    on = (curve.first == 3) | (curve.second == 3)
    assert found.planes[on].max() < 0.001
    assert (found.adjusted[on] < 0.05).all()
    assert (found.planes[~on] < 0.01).mean() < 0.03
    assert curve.values[on].max() > found.high


@pytest.mark.parametrize(("epsilon", "x"), [(1.0, np.eye(4)), (1, 3 * np.eye(4)[:1])])
def test_whatever_a_cone_without_width_sees_is_significant_at_any_number_of_angles(epsilon, x):
    for angles in (1, 4):
        curve = srm.sweep(x, epsilon=epsilon, angles=angles)
        seen = curve.seen[0].any(axis=1)
        assert seen.any()
        np.testing.assert_allclose(curve.test().planes[seen], 1 / 4001)
        np.testing.assert_array_equal(curve.test().planes[~seen], 1.0)


def test_a_class_without_a_direction_says_nothing():
    x = np.random.default_rng(3).standard_normal((60, 4))
    x[40:] = 0
    label = np.repeat(["some", "none"], [40, 20])
    curve = srm.sweep(x, epsilon=-0.5, angles=12, label=label)
    assert curve.of_label("none").rows.tolist() == [0]
    np.testing.assert_array_equal(curve.of_label("none").test().planes, 1.0)
    assert curve.of_label("some").test().planes.min() > 1e-3


def test_the_same_test_again_draws_nothing_anew():
    curve = srm.sweep(ppp.haar_rotation(8, 0), epsilon=0.5, angles=12)
    first = curve.test()
    greatest_deviations.cache_clear()
    again = curve.test()
    np.testing.assert_array_equal(first.planes, again.planes)
    curve.test(level=0.5)
    assert greatest_deviations.cache_info().misses == 1
