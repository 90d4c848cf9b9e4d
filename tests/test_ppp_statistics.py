"""Alignment statistics against slow definitions, known data and their own laws."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppp
from ppp import shape, statistics
from ppp.frame import Frame, haar_rotation
from ppp.null import run_nulls
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import tally_of

RULE = Rule(0.75)


def of(x, frame=None, rule=RULE, sample=None, label=None):
    planes = Planes.of(frame or Frame.standard(x.shape[1]), "combination")
    tally = tally_of(x, planes, rule, sample, label, detailed=True)
    return tally, planes


def values(x, frame=None, rule=RULE, **more):
    tally, planes = of(x, frame, rule, **more)
    return statistics.observe(tally, planes, rule)


def oblique(m=7, n=5, seed=3):
    return Frame.given(np.random.default_rng(seed).standard_normal((m, n)))


def slow(x, frame, epsilon):
    """All six statistics by loops, straight from their definitions."""
    sums = naive.input_sums(x, frame.vectors, frame.gram, epsilon, list(range(len(x)))).sum(axis=0)
    rows, hits, cos4, cos8, votes, vote4, vote8, quartic = sums
    n, m = frame.n, frame.m
    planes = len(naive.pairs_of(frame.gram, ordered=False))
    expected = rows * planes * (1 - epsilon**2) ** ((n - 2) / 2)
    return {
        "kappa": n * (n + 2) / (3 * m) * quartic / rows,
        "log_q": math.log(hits / expected),
        "a4": cos4 / hits,
        "b4": vote4 / votes,
        "a8": cos8 / hits,
        "b8": vote8 / votes,
    }


@pytest.mark.parametrize("kind", ["standard", "haar", "incomplete", "over-complete"])
def test_values_equal_the_slow_definitions(kind):
    x = np.random.default_rng(0).laplace(size=(60, 5))
    frames = {
        "standard": Frame.standard(5),
        "haar": Frame.haar(5, 1),
        "incomplete": Frame.given(haar_rotation(5, 2)[:3]),
        "over-complete": Frame.given(np.vstack([np.eye(5), -np.eye(5)])),
    }
    frame = frames[kind]
    assert values(x, frame) == pytest.approx(slow(x, frame, 0.75), rel=1e-9)


def test_a4_and_b4_are_means_over_hits_and_over_samples_in_their_best_plane():
    x = np.random.default_rng(1).standard_normal((300, 4))
    hit, vote = [], []
    for row in x / np.linalg.norm(x, axis=1, keepdims=True):
        for i in range(4):
            for j in range(i + 1, 4):
                if row[i] ** 2 + row[j] ** 2 >= 0.75**2:
                    hit.append(math.cos(4 * math.atan2(row[j], row[i])))
        first, second = sorted(range(4), key=lambda k: -abs(row[k]))[:2]
        if row[first] ** 2 + row[second] ** 2 >= 0.75**2:
            vote.append(math.cos(4 * math.atan2(row[second], row[first])))
    found = values(x)
    assert found["a4"] == pytest.approx(np.mean(hit))
    assert found["b4"] == pytest.approx(np.mean(vote))


def test_known_data_give_known_numbers():
    axis = np.eye(6).repeat(5, axis=0)
    found = values(axis)
    assert found["kappa"] == pytest.approx(8 / 3)  # (n + 2) / 3, the largest there is
    assert found["a4"] == found["b4"] == found["a8"] == found["b8"] == 1
    diagonal = (axis + np.roll(axis, 1, axis=1)) / math.sqrt(2)
    found = values(diagonal)
    assert found["kappa"] == pytest.approx(8 / 6)  # (n + 2) / 6
    assert found["b4"] == pytest.approx(-1)
    assert found["b8"] == pytest.approx(1)
    code = np.random.default_rng(2).choice([-1.0, 1.0], size=(50, 6))
    found = values(code)
    assert found["kappa"] == pytest.approx(8 / 18)  # (n + 2) / (3 n): dense codes lie below 1
    assert found["log_q"] is None


def test_isotropic_data_stand_where_the_table_says():
    x = np.random.default_rng(3).standard_normal((60_000, 24))
    found = values(x)
    assert found["kappa"] == pytest.approx(1, abs=4 * math.sqrt(8 * 23 / (3 * 6e4 * 28 * 30)))
    assert found["b4"] == pytest.approx(-0.62, abs=0.06)  # not zero: report it against a null
    assert abs(found["log_q"]) < 0.35


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-6, 1e6))
@settings(max_examples=15, deadline=None)
def test_statistics_ignore_scale_signs_order_and_names_of_neurons(seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.laplace(size=(80, 5))
    reference = values(x)
    for changed in (
        x * scale,
        x * rng.choice([-1.0, 1.0], size=x.shape),
        rng.permutation(x),
        x[:, rng.permutation(5)],
    ):
        assert values(changed) == pytest.approx(reference, rel=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_turning_data_and_frame_together_changes_nothing(seed):
    x = np.random.default_rng(seed).laplace(size=(80, 5))
    q, frame = haar_rotation(5, seed), oblique()
    assert values(x @ q.T, frame.rotated(q)) == pytest.approx(values(x, frame), rel=1e-7)


def test_permutation_pairs_read_the_same_statistics():
    x = np.random.default_rng(4).laplace(size=(200, 5))
    planes = Planes.of(Frame.standard(5), "permutation")
    tally = tally_of(x, planes, RULE, detailed=True)
    assert statistics.observe(tally, planes, RULE) == pytest.approx(values(x))


# --- intervals -------------------------------------------------------------------------------


def test_the_standard_error_clusters_by_input():
    x = np.random.default_rng(5).laplace(size=(300, 6))
    sample = np.repeat(np.arange(100), 3)
    sums = naive.input_sums(x, np.eye(6), np.eye(6), 0.75, list(sample))
    tally, planes = of(x, sample=sample)
    found = statistics.evaluate(tally, planes, RULE)
    hits, cos4, rows = sums[:, 1], sums[:, 2], sums[:, 0]
    a4 = cos4.sum() / hits.sum()
    error = math.sqrt(((cos4 - a4 * hits) ** 2).sum()) / hits.sum()
    assert found["a4"].interval == pytest.approx((a4 - 1.959964 * error, a4 + 1.959964 * error))
    assert found["a4"].n_eff == pytest.approx(hits.sum() ** 2 / (hits**2).sum())
    share = hits.sum() / rows.sum()
    relative = math.sqrt(((hits - share * rows) ** 2).sum()) / hits.sum()
    low, high = found["log_q"].interval
    assert (high - low) / 2 == pytest.approx(1.959964 * relative)
    assert found["kappa"].n_eff == pytest.approx(100)


def test_repeating_an_input_does_not_narrow_the_interval_but_more_inputs_do():
    x = np.random.default_rng(6).laplace(size=(400, 6))
    once, planes = of(x)
    repeated, _ = of(np.repeat(x, 4, axis=0), sample=np.repeat(np.arange(400), 4))
    copied, _ = of(np.repeat(x, 4, axis=0))

    def width(tally, name):
        low, high = statistics.evaluate(tally, planes, RULE)[name].interval
        return high - low

    for name in statistics.NAMES:
        assert width(repeated, name) == pytest.approx(width(once, name))
        assert width(copied, name) == pytest.approx(width(once, name) / 2)


def test_a_higher_level_gives_a_wider_interval():
    tally, planes = of(np.random.default_rng(7).laplace(size=(400, 6)))
    narrow = statistics.evaluate(tally, planes, RULE, level=0.5)["a4"].interval
    wide = statistics.evaluate(tally, planes, RULE, level=0.99)["a4"].interval
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_few_effective_inputs_are_said():
    x = np.random.default_rng(8).standard_normal((40, 12))
    x[:3] = np.eye(12)[:3]
    tally, planes = of(x)
    note = statistics.evaluate(tally, planes, RULE)["a4"].note
    assert "n_eff = " in note
    assert "too narrow" in note
    tally, planes = of(np.eye(12)[:1])
    found = statistics.evaluate(tally, planes, RULE)["a4"]
    assert found.interval is None
    assert "a single input" in found.note


# --- what is undefined says why --------------------------------------------------------------


def test_no_hits_is_a_result_with_its_expectation_and_no_nan():
    x = np.tanh(9 * np.random.default_rng(9).standard_normal((2000, 24)))
    tally, planes = of(x)
    found = statistics.evaluate(tally, planes, RULE)
    assert found["log_q"].value is None
    assert found["log_q"].note == (
        "undefined, because no sample passes at epsilon = 0.75; 62 hits expected under isotropy"
    )
    assert found["kappa"].value < 0.5
    nulls = run_nulls(x, None, None, planes, RULE, repeats=19)
    joined = statistics.against(found, nulls)
    assert joined["log_q"].p == pytest.approx(0.1)  # ranked by hits: fewer than every draw
    assert joined["log_q"].value is None
    assert joined["a4"].p is None
    for statistic in joined.values():
        for number in (statistic.value, statistic.p, statistic.z, statistic.tested):
            assert number is None or math.isfinite(number)


@pytest.mark.parametrize("pairs", ["combination", "permutation"])
def test_hits_expected_in_words_are_those_of_the_result(pairs):
    x = np.tanh(9 * np.random.default_rng(9).standard_normal((1600, 24)))
    result = ppp.project(x, pairs=pairs, null=None)
    assert f"; {result.expected:.3g} hits expected" in result.statistics["log_q"].note


def test_no_valid_row_and_epsilon_one_are_undefined_in_words():
    tally, planes = of(np.zeros((5, 4)))
    found = statistics.evaluate(tally, planes, RULE)
    assert {s.note for s in found.values()} == {"undefined, because no row is finite and non-zero"}
    rule = Rule(1.0)
    tally, planes = of(np.eye(4), rule=rule)
    found = statistics.evaluate(tally, planes, rule)
    assert found["log_q"].note == "undefined, because isotropy expects no hit at epsilon = 1"
    assert found["a4"].value == 1


def test_a_rule_of_distance_has_no_expectation_but_is_tested_by_rank():
    rule = Rule(0.75, distance=0.4)
    x = np.random.default_rng(12).laplace(size=(600, 6))
    tally, planes = of(x, rule=rule)
    found = statistics.evaluate(tally, planes, rule)
    assert found["log_q"].note == (
        "undefined, because no closed form is known for the rule of distance"
    )
    nulls = run_nulls(x, None, None, planes, rule, repeats=19)
    assert statistics.against(found, nulls)["log_q"].p == pytest.approx(0.1)
    assert found["a4"].value is not None


def test_the_sign_of_a4_is_marked_where_it_cannot_be_read():
    x = np.random.default_rng(10).laplace(size=(300, 6))
    for epsilon, marked in ((0.7, True), (math.sqrt(0.5), True), (0.72, False)):
        tally, planes = of(x, rule=Rule(epsilon))
        note = statistics.evaluate(tally, planes, Rule(epsilon))["a4"].note
        assert ("unreadable" in note) == marked


# --- classes ---------------------------------------------------------------------------------


def test_a_class_reads_as_if_it_were_alone():
    rng = np.random.default_rng(11)
    x = np.vstack([rng.laplace(size=(100, 6)), rng.standard_normal((100, 6))])
    label = np.repeat(["sparse", "round"], 100)
    tally, planes = of(x, label=label)
    alone = values(x[:100])
    assert statistics.observe(tally, planes, RULE, label="sparse") == pytest.approx(alone)
    nulls = run_nulls(x, None, label, planes, RULE, repeats=19, seed=5)
    single = run_nulls(x[:100], None, None, planes, RULE, repeats=19, seed=5)
    for name in statistics.NAMES:
        np.testing.assert_allclose(
            nulls.of_class("sparse")[name], single.values[name], rtol=1e-9, equal_nan=True
        )
    found = statistics.evaluate(tally, planes, RULE, label="sparse")
    joined = statistics.against(found, nulls, "sparse")
    assert joined["kappa"].p == single.p("kappa")
    with pytest.raises(ValueError, match=r"label must be one of .*'sparse'.* got 'cat'"):
        statistics.evaluate(tally, planes, RULE, label="cat")


# --- shape -----------------------------------------------------------------------------------


def angles(*degrees, spread=0.0, each=2000, seed=0):
    rng = np.random.default_rng(seed)
    phi = np.concatenate([rng.normal(d, spread, each) for d in degrees]) % 360
    return np.histogram(phi, bins=720, range=(0, 360))[0]


def test_beams_are_counted_and_their_width_is_measured():
    four = shape.shape(angles(0, 90, 180, 270, spread=4.0), np.array([5, 5]))
    assert four["beams"] == 4
    assert four["beam_width"] == pytest.approx(8.0, rel=0.1)
    assert four["resultant"] < 0.05
    eight = shape.shape(angles(*range(0, 360, 45), spread=4.0), np.array([5, 5]))
    assert eight["beams"] == 8
    flat = shape.shape(np.full(720, 100), np.array([5, 5]))
    assert flat["beams"] == 0
    assert math.isnan(flat["beam_width"])
    assert flat["kl"] == pytest.approx(0, abs=1e-12)


def test_one_sided_hits_have_a_large_resultant():
    positive = shape.shape(angles(0, 90, spread=1.0), np.array([1, 1]))
    assert positive["resultant"] == pytest.approx(math.sqrt(0.5), abs=0.01)
    assert positive["rayleigh"] == pytest.approx(4000 * positive["resultant"] ** 2)
    assert positive["kl"] == pytest.approx(math.log(8), abs=0.02)


def test_gini_by_all_pairs():
    counts = np.array([3, 0, 7, 1, 1])
    by_pairs = np.abs(counts[:, None] - counts).sum() / (2 * len(counts) * counts.sum())
    assert shape.gini(counts) == pytest.approx(by_pairs)
    assert math.isnan(shape.gini(np.zeros(3, int)))


def test_sectors_are_centred_on_axes_and_diagonals():
    for degree in range(0, 360, 45):
        sectors = shape.sector_counts(angles(degree, spread=3.0))
        assert int(np.argmax(sectors)) == degree / 22.5
