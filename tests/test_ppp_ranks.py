"""Monte-Carlo p-values: exactness by enumeration, symmetry, ties."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ppp import ranks

numbers = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=30)


def slow_p(observed, draws, side):
    upper = (1 + sum(t >= observed for t in draws)) / (len(draws) + 1)
    lower = (1 + sum(t <= observed for t in draws)) / (len(draws) + 1)
    return {"upper": upper, "lower": lower, "two": min(1, 2 * min(upper, lower))}[side]


@given(numbers, st.sampled_from(ranks.SIDES))
@settings(max_examples=80, deadline=None)
def test_p_is_the_rank_by_counting(values, side):
    observed, draws = values[0], values[1:]
    assert ranks.p_value(observed, draws, side) == pytest.approx(slow_p(observed, draws, side))


@given(numbers)
@settings(max_examples=80, deadline=None)
def test_every_member_gets_the_p_it_would_get_as_the_observation(values):
    found = ranks.member_p(values)
    for at, p in enumerate(found):
        assert p == pytest.approx(slow_p(values[at], values[:at] + values[at + 1 :], "two"))


def test_min_p_rejects_no_more_than_its_level_over_every_ordering():
    # Exact by enumeration: each member of a fixed table is the observation in turn.
    table = np.random.default_rng(0).standard_normal((4, 200)).round(1)
    p = [
        ranks.min_p(
            {str(s): row[at] for s, row in enumerate(table)},
            {str(s): np.delete(row, at) for s, row in enumerate(table)},
        )
        for at in range(200)
    ]
    for alpha in np.arange(1, 200) / 200:
        assert np.mean(np.array(p) <= alpha + 1e-12) <= alpha + 1e-12
    assert min(p) <= 0.05


def test_min_p_of_one_statistic_is_its_two_sided_p_with_ties_of_the_two_ends_told_apart():
    draws = np.random.default_rng(1).standard_normal(99)
    for observed in (-3.0, 0.1, 2.5, 9.0):
        p = ranks.p_value(observed, draws)
        combined = ranks.min_p({"a": observed}, {"a": draws})
        assert p - 0.01 - 1e-12 <= combined <= p + 1e-12
    assert combined == pytest.approx(0.01)


def test_min_p_reaches_the_smallest_rank_when_one_of_several_statistics_stands_out():
    rng = np.random.default_rng(3)
    draws = {name: rng.standard_normal(99) for name in "abcd"}
    observed = {"a": 40.0, "b": 0.0, "c": 0.1, "d": float("nan")}
    assert ranks.min_p(observed, draws) == pytest.approx(0.01)


def test_undefined_draws_are_left_out_and_undefined_members_never_win():
    nan = float("nan")
    assert ranks.p_value(3.0, [1.0, nan, 2.0], "upper") == pytest.approx(1 / 3)
    assert ranks.member_p([nan, 1.0, 2.0])[0] == 1.0
    assert ranks.min_p({"a": 9.0, "b": nan}, {"a": [1.0] * 9, "b": [nan] * 9}) == pytest.approx(0.1)


def test_differences_of_rounding_size_are_ties():
    draws = 0.1 + 0.2 + np.linspace(-1e-15, 1e-15, 99)
    assert ranks.p_value(0.3, draws) == 1.0
    assert ranks.p_value(0.3, draws + 1e-3) == pytest.approx(0.02)


def test_p_is_uniform_on_the_grid_for_exchangeable_members():
    rng = np.random.default_rng(2)
    p = [ranks.p_value(x[0], x[1:], "upper") for x in rng.standard_normal((3000, 20))]
    counts = np.bincount(np.rint(np.array(p) * 20).astype(int), minlength=21)[1:]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_adjusted_p_follow_the_step_up_by_hand():
    p = [0.04, 0.001, None, 0.03, 0.8]
    given_p = sorted(x for x in p if x is not None)
    expected = {
        x: min(
            (y * len(given_p) / (rank + 1) for rank, y in enumerate(given_p) if y >= x), default=1
        )
        for x in given_p
    }
    assert ranks.adjust(p) == [None if x is None else pytest.approx(expected[x]) for x in p]
    assert ranks.adjust([None]) == [None]
    assert ranks.adjust([]) == []


def test_least_repeats_are_just_enough():
    for alpha, side in itertools.product((0.05, 0.01, 0.001, 0.2), ("two", "upper")):
        k = ranks.least_repeats(alpha, side)
        assert ranks.p_value(9.0, np.zeros(k), side) <= alpha + 1e-12
        assert ranks.p_value(9.0, np.zeros(k - 1), side) > alpha


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ranks.p_value(0.0, [1.0], "both"), 'side must be "two", "upper" or "lower"'),
        (lambda: ranks.p_value(float("nan"), [1.0]), "needs a defined observation, got nan"),
        (lambda: ranks.p_value(0.0, []), "at least one defined draw of the null, got none"),
        (lambda: ranks.min_p({"a": 0, "b": 0}, {"a": [1], "b": [1, 2]}), r"got \[1, 2\] draws"),
        (lambda: ranks.least_repeats(1.0), r"alpha must lie in \(0, 1\), got 1.0"),
    ],
)
def test_bad_input_is_answered_with_rule_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_as_many_draws_as_advised_leave_enough_defined(share, alpha):
    advised, needed = ranks.ample_repeats(share, alpha), ranks.least_repeats(alpha)
    assert stats.binom.sf(needed - 1, advised, share) > 0.95
    assert stats.binom.sf(needed - 1, 0.6 * advised, share) < 0.5
