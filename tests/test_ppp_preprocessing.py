"""Preprocessing: what each step does, what is recorded, and that the null meets it too."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import ppp
from ppp.frame import Frame, haar_rotation
from ppp.null import run_nulls
from ppp.planes import Planes
from ppp.preprocessing import PreprocessedBlocks, Preprocessing, check_steps
from ppp.rule import Rule
from ppp.streams import ArrayBlocks


def fitted(x, *steps):
    return Preprocessing.fit(x, steps)


def skewed(seed=0, rows=300, n=6):
    rng = np.random.default_rng(seed)
    return rng.laplace(size=(rows, n)) * np.arange(1, n + 1) + rng.standard_normal(n) * 5


def test_centre_and_scale_are_those_of_the_paper():
    x = skewed()
    x[:, 2] = 7.0  # constant: divided by one
    out = fitted(x, "centre", "scale").apply(x)
    expected = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    np.testing.assert_allclose(out, expected, atol=1e-9)


@given(seed=st.integers(0, 10**6), offset=st.sampled_from([0.0, 1e6]))
@settings(max_examples=15, deadline=None)
def test_whitened_rows_have_unit_covariance_and_axes_that_move_least(seed, offset):
    x = skewed(seed) + offset
    step = fitted(x, "whiten")
    out = step.apply(x)
    np.testing.assert_allclose(np.cov(out.T, bias=True), np.eye(6), atol=1e-6)
    matrix = step.fitted[0].matrix
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_whitening_of_rank_deficient_rows_stays_in_their_span():
    rng = np.random.default_rng(1)
    basis = rng.standard_normal((2, 6))
    x = rng.laplace(size=(300, 2)) @ basis
    out = fitted(x, "whiten").apply(x)
    assert np.linalg.matrix_rank(out, tol=1e-6) == 2
    np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(out.T, bias=True))[-2:], 1, atol=1e-6)


def test_centring_and_whitening_commute_with_rotations_and_scaling_does_not():
    x, q = skewed(2), haar_rotation(6, 3)
    for steps, commutes in ((("centre",), True), (("whiten",), True), (("scale",), False)):
        before = Preprocessing.fit(x @ q, steps).apply(x @ q)
        after = Preprocessing.fit(x, steps).apply(x) @ q
        assert np.allclose(before, after, atol=1e-6) == commutes


def test_outlier_units_are_dropped_or_clipped_and_recorded():
    x = np.random.default_rng(3).standard_normal((400, 8))
    x[:, 5] *= 50
    dropped = fitted(x, "drop-outliers", "centre")
    assert dropped.record == {"steps": ["drop-outliers", "centre"], "dropped": [5], "clipped": []}
    assert dropped.apply(x).shape == (400, 7)
    clipped = fitted(x, "clip-outliers")
    out = clipped.apply(x)
    assert clipped.record["clipped"] == [5]
    others = np.delete(np.arange(8), 5)
    np.testing.assert_array_equal(out[:, others], x[:, others])
    limit = 6 * np.median(np.sqrt((x**2).mean(axis=0)))
    assert np.abs(out[:, 5]).max() == pytest.approx(limit)


@pytest.mark.parametrize(
    ("steps", "passes"),
    [
        (("centre", "scale"), 1),
        (("drop-outliers", "centre", "whiten", "scale"), 1),
        (("drop-outliers", "scale", "clip-outliers"), 1),
        (("clip-outliers", "centre", "scale"), 2),
        (("centre", "clip-outliers", "whiten"), 2),
    ],
)
def test_steps_fitted_from_moments_are_those_fitted_one_by_one(steps, passes):
    x = skewed(11, rows=500, n=7)
    x[:, 2] *= 80
    made, read = x, 0
    for step in steps:  # the definition: each step on the rows that those before it gave
        made = Preprocessing.fit(made, step).apply(made)

    class Counted(ArrayBlocks):
        def blocks(self):
            nonlocal read
            read += 1
            return super().blocks()

    np.testing.assert_allclose(
        Preprocessing.fit(Counted(x), steps).apply(x), made, rtol=1e-7, atol=1e-9
    )
    assert read == passes


def test_a_unit_keeps_its_name_where_others_are_dropped():
    x = np.random.default_rng(12).standard_normal((300, 4))
    x[:, 1] *= 50
    result = ppp.project(x, preprocess="drop-outliers", null=None)
    assert result.planes.frame.labels == ("neuron 0", "neuron 2", "neuron 3")
    x[:, 3] *= 50  # an outlier among those that stay, clipped
    both = fitted(x[:, [0, 1, 0, 0, 3, 0, 0]], "drop-outliers")
    assert both.units.tolist() == [0, 2, 3, 5, 6]
    assert both.record["dropped"] == [1, 4]


def test_halves_of_a_tensor_and_bfloat16_are_fitted_as_their_numbers():
    rows = torch.randn(200, 4).to(torch.bfloat16)
    made = fitted(rows, "centre", "scale").apply(rows)
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(made.std(axis=0), 1, atol=1e-9)


def test_rows_that_are_zero_or_not_finite_stay_so_and_are_not_fitted():
    x = skewed(4)
    spoiled = np.vstack([x, np.zeros((5, 6)), np.full((2, 6), np.nan)])
    a, b = fitted(x, "centre", "scale"), fitted(spoiled, "centre", "scale")
    np.testing.assert_allclose(a.apply(x), b.apply(spoiled)[:300], atol=1e-9)
    assert not b.apply(spoiled)[300:305].any()
    assert np.isnan(b.apply(spoiled)[305:]).all()


def test_blocks_are_changed_on_the_way():
    x = skewed(5, rows=5000)
    step = fitted(x, "drop-outliers", "centre")
    stream = PreprocessedBlocks(ArrayBlocks(x), step)
    assert stream.shape == (5000, 6)
    np.testing.assert_array_equal(
        np.vstack([block.rows for block in stream.blocks()]), step.apply(x)
    )


def test_nothing_is_done_when_nothing_is_asked():
    x = skewed(6)
    for none in (None, "none", ()):
        np.testing.assert_array_equal(Preprocessing.fit(x, none).apply(x), x)


# --- the null meets the same steps -----------------------------------------------------------


def standard(n):
    return Planes.of(Frame.standard(n), "combination")


def test_an_observation_is_preprocessed_before_it_is_counted():
    x = skewed(7)
    for steps in (("centre",), ("scale",), ("whiten",), ("centre", "scale")):
        step = Preprocessing.fit(x, steps)
        seen = run_nulls(x, None, None, standard(6), Rule(0.7), repeats=1, preprocessing=step)
        plain = run_nulls(step.apply(x), None, None, standard(6), Rule(0.7), repeats=1)
        np.testing.assert_allclose(seen.observed_sums, plain.observed_sums, rtol=1e-9)


def test_dropped_units_stay_dropped_in_every_draw():
    x = np.random.default_rng(8).standard_normal((200, 8))
    x[:, 5] *= 50
    step = fitted(x, "drop-outliers")
    seen = run_nulls(x, None, None, standard(7), Rule(0.7), repeats=2, preprocessing=step)
    plain = run_nulls(np.delete(x, 5, 1), None, None, standard(7), Rule(0.7), repeats=2)
    np.testing.assert_allclose(seen.sums, plain.sums, rtol=1e-9)


def test_scaling_alone_is_no_alignment_because_the_null_is_scaled_alike():
    # Scaling gives equal variances in the frame it looks at: a null without it would reject.
    rejected = {"alike": 0, "observation only": 0}
    spread = np.diag([6.0, 1, 1, 1, 1, 1])
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((150, 6)) @ spread @ haar_rotation(6, rng)
        step = fitted(x, "scale")
        for name, rows, given_ in (("alike", x, step), ("observation only", step.apply(x), None)):
            nulls = run_nulls(
                rows, None, None, standard(6), Rule(0.6), repeats=19, seed=seed,
                preprocessing=given_, shapes=False,
            )  # fmt: skip
            rejected[name] += nulls.p("kappa") <= 0.1
    assert stats.binomtest(rejected["alike"], 60, 0.1).pvalue > 1e-3
    assert stats.binomtest(rejected["observation only"], 60, 0.1, "greater").pvalue < 1e-4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_steps("normalise"), "among none, drop-outliers, .*got 'normalise'"),
        (lambda: check_steps(["centre", "centre"]), "every step once, got 'centre' twice"),
        (lambda: check_steps(["centre", "drop-outliers"]), 'takes "drop-outliers" first'),
        (lambda: fitted(iter([np.eye(3)]), "centre"), "give an array or a store layer"),
        (lambda: fitted(np.zeros((4, 3)), "centre"), "at least one row that is finite"),
        (lambda: fitted(np.ones((1, 3)), "whiten"), "whitening needs at least two rows, got 1"),
        (lambda: fitted(np.array([[1e200, 1], [-1e200, 1]]), "scale"), "whose squares float64 can"),
    ],
)
def test_bad_input_is_answered_with_rule_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- from end to end -------------------------------------------------------------------------


@pytest.mark.parametrize("steps", ["centre", ("centre", "scale"), ("drop-outliers", "whiten")])
def test_a_projection_counts_and_tests_preprocessed_rows_and_records_it(steps):
    x = skewed(9, rows=700, n=8)
    x[:, 3] *= 60
    step = Preprocessing.fit(x, steps)
    result = ppp.project(x, epsilon=0.7, preprocess=steps, null_repeats=19, null_draws=2)
    plain = ppp.project(step.apply(x), epsilon=0.7, null=None)
    assert result.kept.tolist() == plain.kept.tolist()
    assert result.provenance["preprocess"] == step.record
    assert result.nulls.observed["kappa"] == pytest.approx(result.statistics["kappa"].value)
    np.testing.assert_allclose(result.tested_rows, step.apply(x))
    assert len(result.nulls.tallies) == (0 if "scale" in steps else 2)
    assert ppp.plane_statistics(result)["kept"] == plain.kept.tolist()


def test_nothing_is_recorded_when_nothing_was_done():
    result = ppp.project(skewed(10), null=None)
    assert result.provenance["preprocess"] == {}
