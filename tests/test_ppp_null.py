"""Null controls: what each keeps, what each breaks, and that p is calibrated."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import ppp
from ppp import controls, draws, null, statistics
from ppp.frame import Frame, haar_rotation
from ppp.null import run_nulls
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import tally_of

RULE = Rule(0.75)


def planes_of(frame):
    return Planes.of(frame, "combination")


def standard(n):
    return planes_of(Frame.standard(n))


def once(x, planes, kind, seed=0):
    return controls.prepare(x, planes, kind)(np.random.default_rng(seed))


# --- what a control keeps --------------------------------------------------------------------


def test_rotation_keeps_the_rows_and_the_angles_between_vectors():
    frame = Frame.given(np.random.default_rng(0).standard_normal((7, 5)))
    x = np.random.default_rng(1).standard_normal((20, 5))
    rows, planes = once(x, planes_of(frame), "rotation")
    assert rows is x
    turned = planes.frame.vectors
    np.testing.assert_allclose(turned @ turned.T, frame.gram, atol=1e-12)
    assert not np.allclose(turned, frame.vectors)


def test_counting_a_turned_frame_is_counting_turned_rows():
    x = np.random.default_rng(2).laplace(size=(500, 6))
    nulls = run_nulls(x, None, None, standard(6), RULE, repeats=3, seed=4)
    for index in range(3):
        q = haar_rotation(6, np.random.default_rng([4, index]))
        tally = tally_of(x @ q, standard(6), RULE)
        expected = statistics.observe(tally, standard(6), RULE)
        for name in statistics.NAMES:
            assert nulls.values[name][index] == pytest.approx(expected[name], rel=1e-9)


@given(seed=st.integers(0, 10**6), rank=st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_recolour_keeps_mean_and_covariance_of_any_rank(seed, rank):
    rng = np.random.default_rng(seed)
    x = rng.laplace(size=(50, rank)) @ rng.standard_normal((rank, 6)) + rng.standard_normal(6)
    rows, _ = once(x, standard(6), "recolour", seed)
    np.testing.assert_allclose(rows.mean(axis=0), x.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.cov(rows.T), np.cov(x.T), atol=1e-7 * np.abs(np.cov(x.T)).max())
    assert not np.allclose(rows, x)


def test_sign_flips_leave_every_even_statistic_as_it_is():
    x = np.random.default_rng(3).laplace(size=(400, 5))
    for frame in (Frame.standard(5), Frame.haar(5, 1)):
        nulls = run_nulls(x, None, None, planes_of(frame), RULE, "sign-flip", repeats=19)
        for name in statistics.NAMES:
            assert nulls.p(name) == 1.0
            np.testing.assert_allclose(nulls.values[name], nulls.observed[name], rtol=1e-9)
        joined = statistics.against(
            statistics.evaluate(tally_of(x, planes_of(frame), RULE), planes_of(frame), RULE), nulls
        )
        assert joined["kappa"].z is None
        assert "no z, because the null does not vary" in joined["kappa"].note


def test_sign_flips_see_relu():
    x = np.maximum(0, np.random.default_rng(4).laplace(size=(600, 6)))
    nulls = run_nulls(x, None, None, standard(6), RULE, "sign-flip", repeats=39)
    assert nulls.observed["resultant"] > 0.5
    assert nulls.p("resultant") == pytest.approx(0.05)


def test_column_permutation_keeps_every_unit_and_breaks_their_dependence():
    rng = np.random.default_rng(5)
    x = np.repeat(rng.laplace(size=(300, 1)), 4, axis=1)
    rows, _ = once(x, standard(4), "column-permutation")
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(x, axis=0))
    assert np.abs(np.corrcoef(rows.T) - np.eye(4)).max() < 0.3


@pytest.mark.parametrize("sample", [None, np.arange(40)[::-1]])
def test_inputs_of_one_row_are_exchanged_row_by_row(sample):
    x = np.random.default_rng(5).laplace(size=(40, 4))
    draw = controls.prepare(x, standard(4), "column-permutation", sample)
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(draw(rng)[0], np.random.default_rng(3).permuted(x, axis=0))
    flipped = controls.prepare(x, standard(4), "sign-flip", sample)(np.random.default_rng(3))[0]
    signs = 1.0 - 2.0 * np.random.default_rng(3).integers(0, 2, size=x.shape)
    np.testing.assert_array_equal(flipped, x * signs)


@given(seed=st.integers(0, 10**6), most=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_rows_of_an_input_are_changed_together(seed, most):
    rng = np.random.default_rng(seed)
    sample = rng.permutation(np.repeat(np.arange(30) * 7, rng.integers(1, most + 1, 30)))
    x = rng.laplace(size=(len(sample), 3))
    flipped = controls.prepare(x, standard(3), "sign-flip", sample)(rng)[0]
    moved = controls.prepare(x, standard(3), "column-permutation", sample)(rng)[0]
    inputs = [np.flatnonzero(sample == each) for each in np.unique(sample)]
    for unit in range(3):
        before = sorted(tuple(x[at, unit]) for at in inputs)
        assert sorted(tuple(moved[at, unit]) for at in inputs) == before
        assert all(len(set((flipped / x)[at, unit])) == 1 for at in inputs)


def test_a_permutation_that_can_move_nothing_is_refused():
    sample = np.repeat(np.arange(12), np.arange(1, 13))
    x = np.random.default_rng(0).laplace(size=(len(sample), 3))
    with pytest.raises(ValueError, match="got 12 inputs of 12 different numbers of rows"):
        ppp.project(x, null="column-permutation", sample=sample).summary()
    x, sample = np.vstack([x, x[:1]]), np.append(sample, 99)  # a second input of one row
    assert ppp.project(x, null="column-permutation", sample=sample).statistics["combined"].p


def test_changes_in_an_incomplete_frame_leave_the_rest_of_a_row_alone():
    frame = Frame.given(haar_rotation(6, 1)[:3])
    x = np.random.default_rng(6).standard_normal((30, 6))
    for kind in ("sign-flip", "column-permutation"):
        rows, _ = once(x, planes_of(frame), kind)
        outside = np.eye(6) - frame.vectors.T @ frame.vectors
        np.testing.assert_allclose(rows @ outside, x @ outside, atol=1e-12)
        assert not np.allclose(rows, x)


@pytest.mark.parametrize(
    "kind", ["gaussian", "uniform-embedded", "uniform-standardised", "gaussian-embedded"]
)
def test_generated_data_have_the_size_of_the_observed(kind):
    x = 3 * np.random.default_rng(7).standard_normal((400, 6))
    x[:7] = 0
    rows, planes = once(x, standard(6), kind)
    assert rows.shape == (393, 6)
    assert planes.frame.is_standard
    assert math.sqrt(np.mean(rows**2)) == pytest.approx(3, rel=0.06)


def test_bounded_inputs_point_one_way_until_they_are_standardised():
    x = np.random.default_rng(8).standard_normal((300, 8))
    spread = {}
    for kind in ("uniform-embedded", "uniform-standardised", "gaussian-embedded"):
        rows, _ = once(x, standard(8), kind)
        spread[kind] = np.linalg.norm((rows / np.linalg.norm(rows, axis=1)[:, None]).mean(axis=0))
    assert spread["uniform-embedded"] > 0.8  # the embedded vector of ones
    assert spread["uniform-standardised"] < 0.2
    assert spread["gaussian-embedded"] < 0.2


# --- draws -----------------------------------------------------------------------------------


def test_draws_depend_on_seed_and_number_alone():
    x = np.random.default_rng(9).laplace(size=(300, 5))
    few = run_nulls(x, None, None, standard(5), RULE, repeats=5, seed=3, workers=1)
    more = run_nulls(x, None, None, standard(5), RULE, repeats=9, seed=3, workers=3)
    other = run_nulls(x, None, None, standard(5), RULE, repeats=5, seed=4)
    np.testing.assert_array_equal(few.sums, more.sums[:5])
    assert not np.array_equal(few.sums, other.sums)


def test_what_is_saved_comes_back():
    x = np.random.default_rng(10).laplace(size=(200, 5))
    label = np.repeat([0, 1], 100)
    nulls = run_nulls(x, None, label, standard(5), RULE, repeats=7)
    again = draws.Nulls.restore(nulls.classes, nulls.arrays())
    assert again.p("combined") == nulls.p("combined")
    np.testing.assert_array_equal(again.of_class(1)["b4"], nulls.of_class(1)["b4"])
    assert replace(again, observed_sums=0, sums=0, observed_shape=0, shapes=0) == replace(
        nulls, observed_sums=0, sums=0, observed_shape=0, shapes=0
    )


def test_rows_that_are_not_finite_are_left_out():
    x = np.random.default_rng(11).laplace(size=(100, 5))
    broken = np.vstack([x, np.full((3, 5), np.nan)])
    a = run_nulls(x, None, None, standard(5), RULE, "recolour", repeats=3)
    b = run_nulls(broken, None, None, standard(5), RULE, "recolour", repeats=3)
    np.testing.assert_array_equal(a.sums, b.sums)
    assert b.rows == 100


def test_draws_are_made_of_whole_inputs():
    x = np.random.default_rng(12).laplace(size=(90, 5))
    sample = np.repeat(np.arange(30), 3)
    nulls = run_nulls(x, sample, None, standard(5), RULE, repeats=2)
    assert (nulls.rows, nulls.inputs) == (90, 30)


def test_blas_threads_are_left_as_they_were():
    from threadpoolctl import threadpool_info

    before = [pool["num_threads"] for pool in threadpool_info()]
    x = np.random.default_rng(13).laplace(size=(100, 5))
    run_nulls(x, None, None, standard(5), RULE, repeats=8, workers=4)
    assert [pool["num_threads"] for pool in threadpool_info()][: len(before)] == before


# --- growth of K -----------------------------------------------------------------------------


def test_small_p_grow_the_number_of_draws_and_large_ones_do_not():
    aligned = np.random.default_rng(14).laplace(size=(500, 4))
    nulls = run_nulls(aligned, None, None, standard(4), RULE, repeats=19, limit=1999)
    assert nulls.stages == (19, 199, 1999)
    assert nulls.p("kappa") < 0.01
    turned = aligned @ haar_rotation(4, 3)
    calm = run_nulls(turned, None, None, standard(4), RULE, repeats=199, limit=1999)
    assert calm.stages == (199,)


def test_staged_p_never_rejects_more_than_its_level():
    # kappa alone is drawn at random: exchangeable members, so p must hold every level.
    rng = np.random.default_rng(15)
    x = np.ones((2, 3))
    template = run_nulls(x, None, None, standard(3), RULE, repeats=1)
    p = []
    for _ in range(1500):
        quartic = rng.random(400)
        sums = np.zeros((399, 1, 8))
        sums[:, 0, 0] = 1
        sums[:, 0, 7] = quartic[1:]
        observed = np.zeros((1, 8))
        observed[0, [0, 7]] = 1, quartic[0]
        nulls = replace(template, sums=sums, observed_sums=observed, stages=(39, 399))
        p.append(nulls.p("kappa"))
    p = np.array(p)
    for alpha in (0.005, 0.01, 0.05, 0.1, 0.25, 0.3, 0.5):
        rejected = int((p <= alpha).sum())
        assert stats.binomtest(rejected, len(p), alpha, "greater").pvalue > 1e-3, alpha
    assert 0 < (p <= 0.02).mean() < 0.04


def test_members_without_hits_are_ranked_like_all_others():
    # Every member in turn is the observation of one table, half of them without hits: exact.
    rng = np.random.default_rng(17)
    sums = rng.uniform(0.2, 1.0, size=(60, 1, 8))
    sums[:, 0, 0] = 1
    sums[::2, 0, 1:7] = 0
    template = run_nulls(np.eye(3), None, None, standard(3), RULE, repeats=1)
    p = [
        replace(template, observed_sums=sums[at], sums=np.delete(sums, at, axis=0), stages=(59,)).p(
            "combined"
        )
        for at in range(60)
    ]
    for alpha in np.arange(1, 60) / 60:
        assert np.mean(np.array(p) <= alpha + 1e-12) <= alpha + 1e-12
    assert min(p) == pytest.approx(1 / 60)


# --- calibration, quick form -----------------------------------------------------------------


def rejections(make, kind, runs, n, rows, repeats=19, frame=None, sample=None):
    count = dict.fromkeys((*statistics.HEADLINE, "resultant", "combined"), 0)
    planes = planes_of(frame or Frame.standard(n))
    for run in range(runs):
        x = make(np.random.default_rng([99, run]), rows, n)
        nulls = run_nulls(x, sample, None, planes, Rule(0.6), kind, repeats=repeats, seed=run)
        for name in count:
            p = nulls.p(name)
            count[name] += p is not None and p <= 0.1
    return count


def correlated(rng, rows, n):
    mix = np.random.default_rng(5).standard_normal((n, n)) * np.linspace(0.2, 2, n)
    return rng.standard_normal((rows, n)) @ mix.T


def rotated_laplace(rng, rows, n):
    return rng.laplace(size=(rows, n)) @ haar_rotation(n, rng)


@pytest.mark.parametrize("make", [rotated_laplace], ids=["rotated Laplace"])
def test_rotation_rejects_at_its_level(make):
    runs = 250
    for name, count in rejections(make, "rotation", runs, n=8, rows=200).items():
        assert stats.binomtest(count, runs, 0.1).pvalue > 1e-3, (name, count)


def test_recolour_rejects_gaussians_of_any_covariance_at_its_level():
    runs = 250
    for name, count in rejections(correlated, "recolour", runs, n=8, rows=200).items():
        assert stats.binomtest(count, runs, 0.1).pvalue > 1e-3, (name, count)


def clustered(rng, rows, n):
    """Inputs of twenty nearly identical rows, independent coordinates of either sign."""
    inputs = np.repeat(rng.laplace(size=(rows // 20, n)), 20, axis=0)
    return inputs + 0.01 * rng.standard_normal((rows, n))


@pytest.mark.parametrize(
    ("kind", "names"),
    [("column-permutation", ("kappa", "resultant", "combined")), ("sign-flip", ("resultant",))],
)
def test_exchanges_of_whole_inputs_reject_at_their_level(kind, names):
    runs, rows = 120, 600
    sample = np.arange(rows) // 20
    count = rejections(clustered, kind, runs, n=6, rows=rows, sample=sample)
    for name in names:
        assert stats.binomtest(count[name], runs, 0.1).pvalue > 1e-3, (name, count)


def test_the_gaussian_control_rejects_what_is_merely_correlated():
    count = rejections(correlated, "gaussian", 20, n=8, rows=200)
    assert stats.binomtest(count["combined"], 20, 0.1, "greater").pvalue < 1e-3


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "bootstrap"}, "null must be one of rotation, recolour, .*got 'bootstrap'"),
        ({"repeats": 0}, "null_repeats must be at least 1, got 0"),
        ({"repeats": 20, "limit": 10}, "limit of the draws must be at least 20, got 10"),
        ({"rows": np.zeros((5, 4))}, "at least one row that is finite and not zero, got none"),
        (
            {"kind": "recolour", "rows": np.ones((5, 4))},
            "vary in at least two directions, got 0",
        ),
        (
            {"kind": "sign-flip", "planes": planes_of(Frame.given(np.tri(4)))},
            "sign-flip null needs an orthonormal frame.*Use rotation",
        ),
    ],
)
def test_bad_input_is_answered_with_rule_value_and_way_out(change, message):
    given_ = {
        "rows": np.eye(4), "sample": None, "label": None, "planes": standard(4), "rule": RULE,
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        run_nulls(**given_)


# --- the announced cost ----------------------------------------------------------------------


def test_the_cost_is_that_of_making_and_counting_a_draw(monkeypatch, capsys):
    now = {"s": 0.0}
    prepare, count = null.prepare_changed, null._Counter.count

    def slow_draws(*given):
        observed, draw = prepare(*given)

        def made(rng):
            now["s"] += 10
            return draw(rng)

        return observed, made

    def slow_count(self, rows, planes):
        now["s"] += 500 if len(rows) == 8 else 3  # compiling, before the first draw is counted
        return count(self, rows, planes)

    monkeypatch.setattr(null, "prepare_changed", slow_draws)
    monkeypatch.setattr(null._Counter, "count", slow_count)
    monkeypatch.setattr(null.time, "thread_time", lambda: now["s"])
    x = np.random.default_rng(16).laplace(size=(100, 5))
    run_nulls(x, None, None, standard(5), RULE, repeats=3, progress=True, workers=1)
    said = capsys.readouterr().err
    assert "3 × rotation on 100 × 5:" in said  # at once, the time after the first draw
    assert "3 × rotation on 100 × 5, about 39 s" in said


def test_a_later_stage_says_its_own_cost(capsys):
    x = np.random.default_rng(14).laplace(size=(500, 4))
    run_nulls(x, None, None, standard(4), RULE, repeats=19, limit=199, progress=True)
    said = capsys.readouterr().err
    assert "19 × rotation on 500 × 4, about" in said
    assert "180 × rotation on 500 × 4, about" in said


def test_the_cost_is_shared_by_workers_and_said_in_minutes_where_long():
    assert null.describe_cost(99, 0.5, 2) == "about 25 s"
    assert null.describe_cost(2, 10.0, 16) == "about 10 s"
    assert null.describe_cost(99, 60.0, 2) == "about 50 min"
    assert null.describe_cost(3, 1e-6) == "about 1 s"
