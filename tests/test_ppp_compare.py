"""Comparing networks: exact tests over networks, families of results, sweeps, single planes."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import ppp
from ppp import comparison, families, permutations, plane_table, sweeping
from ppp.frame import Frame, haar_rotation
from ppp.statistics import NAMES, Statistic
from ppp.untrained import untrained_copy

values = st.lists(st.integers(-4, 4).map(float), min_size=2, max_size=5)


def network(seed, aligned, n=12, rows=600):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, n))
    if aligned:
        x[:120] = 0.05 * x[:120] + np.eye(n)[rng.integers(0, n, 120)]
    return ppp.project(x, null_repeats=19)


# --- exact tests -----------------------------------------------------------------------------


@given(values)
@settings(max_examples=40, deadline=None)
def test_the_sign_test_counts_every_exchange(differences):
    mean = abs(np.mean(differences))
    every = [
        abs(np.mean(np.array(differences) * signs)) >= mean - 1e-9
        for signs in itertools.product([1, -1], repeat=len(differences))
    ]
    assert permutations.sign_test(differences)[0] == pytest.approx(np.mean(every))


@given(values, values)
@settings(max_examples=40, deadline=None)
def test_the_label_test_agrees_with_scipy(first, second):
    p, least = permutations.label_test(first, second)
    expected = stats.permutation_test(
        (first, second), lambda a, b: abs(np.mean(a) - np.mean(b)), alternative="greater",
        n_resamples=np.inf,
    )  # fmt: skip
    assert p == pytest.approx(expected.pvalue)
    assert p >= least - 1e-12


def test_many_networks_are_relabelled_at_random_and_still_agree():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(16) + 0.8, rng.standard_normal(16)
    assert permutations.label_test(a, b)[0] == pytest.approx(
        stats.ttest_ind(a, b).pvalue, rel=0.25, abs=0.002
    )
    d = rng.standard_normal(20) + 0.5
    assert permutations.sign_test(d)[0] == pytest.approx(
        stats.ttest_1samp(d, 0).pvalue, rel=0.25, abs=0.002
    )


def test_the_least_p_is_reached_by_full_separation():
    p, least = permutations.sign_test([1.0, 2.0, 3.0, 1.0, 5.0])
    assert p == least == 2 / 32
    p, least = permutations.label_test([5.0, 6.0, 7.0], [1.0, 2.0])
    assert p == least == 0.1


# --- compare ---------------------------------------------------------------------------------


def test_aligned_networks_are_told_from_isotropic_ones():
    groups = {
        "tanh": [network(seed, True) for seed in range(5)],
        "isotropic": [network(seed, False) for seed in range(5)],
    }
    found = ppp.compare(groups)
    by_name = {d.statistic: d for d in found.differences}
    assert by_name["kappa"].value > 0
    assert by_name["kappa"].separated
    assert by_name["kappa"].p == pytest.approx(2 / math.comb(10, 5))
    assert found.consistency["tanh"] > 0.8
    assert found.consistency_p["tanh"] == 1 / 20  # the least that 19 rotations can give
    assert found.consistency_p["isotropic"] > 0.1
    # Planted along the positive vectors: beams at 0 and 90 degrees only.
    assert found.beams["tanh"].tolist() == [5, 0, 0, 0, 5] + [0] * 11
    assert found.beams["isotropic"].sum() < 5
    assert "5 × tanh, 5 × isotropic" in found.summary()
    assert "unpaired" in found.summary()
    assert "Beams of tanh correlate between networks" in found.summary()
    assert "(p = 0.05 against rotation)" in found.summary()
    figure = found.plot(statistics=["kappa", "a4"])
    assert len(figure.axes) == 2
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [len(line.get_ydata()) for line in dots] == [5, 5]
    assert "p .05" in figure.get_supxlabel()
    paired = ppp.compare(groups, paired=True)
    assert paired.differences[0].p == paired.differences[0].least == 2 / 32
    assert found.values["kappa"]["tanh"].shape == (5,)
    assert found.table()["statistic"] == list(NAMES)


def test_groups_of_one_kind_do_not_differ():
    groups = {
        name: [network(seed + at, False) for seed in range(4)] for at, name in ((0, "a"), (9, "b"))
    }
    found = ppp.compare(groups)
    assert min(d.p for d in found.differences) > 2 / math.comb(8, 4) - 1e-12
    assert all(d.p_adjusted >= d.p for d in found.differences)


def test_networks_without_hits_are_said_not_hidden():
    rng = np.random.default_rng(1)
    saturated = [
        ppp.project(np.tanh(9 * rng.standard_normal((400, 24))), null=None) for _ in range(3)
    ]
    free = [ppp.project(rng.laplace(size=(400, 24)), null=None) for _ in range(3)]
    found = {d.statistic: d for d in ppp.compare({"tanh": saturated, "free": free}).differences}
    assert found["a4"].value is None
    assert found["a4"].note == "undefined, because 3 of 3 networks of tanh have no hits"
    assert found["log_q"].separated  # none ranks below some
    assert found["kappa"].separated


def test_the_p_of_consistency_is_the_rank_among_rotations():
    nets = [network(seed, False, n=6, rows=300) for seed in range(3)]
    p = comparison._consistency_p(nets)[0]
    seen = [np.corrcoef([net.nulls.observed_sectors for net in nets])]
    seen += [np.corrcoef([net.nulls.sectors[b] for net in nets]) for b in range(19)]
    alike = [each[np.triu_indices(3, 1)].mean() for each in seen]
    assert p == pytest.approx(np.mean(np.array(alike) >= alike[0]))


def test_beams_of_unaligned_networks_are_called_consistent_no_more_often_than_asked():
    # Sparse but turned at random, each network for itself: what rotation takes for true.
    rejected = 0
    for run in range(40):
        nets = []
        for net in range(3):
            rng = np.random.default_rng([run, net])
            x = rng.laplace(size=(150, 6)) @ haar_rotation(6, rng)
            nets.append(ppp.project(x, null_repeats=9, workers=1))
        rejected += comparison._consistency_p(nets)[0] <= 0.1
    assert stats.binomtest(rejected, 40, 0.1, "greater").pvalue > 1e-3


def test_what_networks_share_in_any_direction_is_not_called_beams_of_the_frame():
    # One covariance, turned at random: shared by the networks, but not with the frame.
    rejected = 0
    for run in range(40):
        rng = np.random.default_rng([7, run])
        mix = np.exp(rng.standard_normal(6))[:, None] * haar_rotation(6, rng)
        nets = [
            ppp.project(rng.standard_normal((150, 6)) @ mix, null_repeats=19, workers=1)
            for _ in range(3)
        ]
        rejected += comparison._consistency_p(nets)[0] <= 0.1
    assert stats.binomtest(rejected, 40, 0.1, "greater").pvalue > 1e-3


def test_rotations_of_different_seeds_give_no_p_of_consistency():
    x = np.random.default_rng(3).laplace(size=(2, 200, 6))
    own, one = (
        [ppp.project(each, null_repeats=3, seed=seed) for each, seed in zip(x, seeds, strict=True)]
        for seeds in ((4, 7), (4, 4))
    )
    found = ppp.compare({"own": own, "one": one})
    note = (
        "no p, because the networks were turned by rotations of different seeds, 4 and 7: "
        "project all networks of a group with one seed"
    )
    assert (found.consistency_p["own"], found.consistency_note["own"]) == (None, note)
    assert found.consistency_p["one"] is not None
    assert f"({note})" in found.summary()


def test_consistency_without_hits_or_rotations_says_why():
    rng = np.random.default_rng(5)
    empty = [ppp.project(np.sign(rng.standard_normal((90, 24))), null_repeats=3) for _ in range(2)]
    free = [ppp.project(rng.laplace(size=(200, 24)), null=None) for _ in range(2)]
    found = ppp.compare({"signs": empty, "free": free})
    assert found.consistency["signs"] is None
    assert found.consistency_p == {"signs": None, "free": None}
    assert "fewer than two networks have tested hits" in found.consistency_note["signs"]
    assert "(no p, because not every network has a rotation null)" in found.summary()
    assert "signs correlate between networks: undefined, because fewer than" in found.summary()
    assert "nan" not in found.summary().lower()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": {"a": [1, 2]}}, "at least two groups, got 1"),
        ({"groups": [[1, 2], [3, 4]]}, "must be a mapping from name to networks, .* got list"),
        ({"groups": {"a": [1, 2], "b": [1]}}, "at least two networks, got 1 in 'b'"),
        ({"groups": {"a": [1, 2], "b": [1, 2, 3]}, "paired": True}, "one network per seed"),
        ({"groups": {"a": [1, 2], "b": [1, 2]}, "statistics": ["a5"]}, "among kappa.*got 'a5'"),
    ],
)
def test_bad_groups_are_answered_with_rule_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        comparison.compare(**change)


# --- families --------------------------------------------------------------------------------


def test_p_values_are_adjusted_over_layers_statistic_by_statistic():
    family = {
        layer: {"kappa": Statistic("kappa", 1.0, p=p), "a4": Statistic("a4", None)}
        for layer, p in (("one", 0.01), ("two", 0.02), ("three", 0.9))
    }
    found = families.adjusted(family)
    assert [s["kappa"].p_adjusted for s in found.values()] == pytest.approx([0.03, 0.03, 0.9])
    assert found["one"]["a4"].p_adjusted is None


def test_a_family_is_tabulated():
    results = {"first": network(0, True), "second": network(1, False)}
    table = families.family_table(results, "kappa")
    assert table["result"] == ["first", "second"]
    assert table["p_adjusted"][0] == pytest.approx(min(1, 2 * table["p"][0]), abs=0.2)
    with pytest.raises(ValueError, match=r"the statistic must be one of kappa, .*got 'q'"):
        families.family_table(results, "q")


def test_classes_are_tested_one_by_one():
    rng = np.random.default_rng(2)
    x = np.vstack([rng.laplace(size=(600, 8)), rng.standard_normal((600, 8))])
    result = ppp.project(x, label=np.repeat([0, 1], 600), null_repeats=99)
    found = families.by_class(result)
    assert found[0]["kappa"].p_adjusted == pytest.approx(0.04)
    assert found[1]["kappa"].value == pytest.approx(1, abs=0.1)
    assert found[0]["kappa"].value > 1.15
    with pytest.raises(ValueError, match=r"the inputs carry no labels.*images are none: labels="):
        families.by_class(ppp.project(x, null_repeats=19))


# --- single planes ---------------------------------------------------------------------------


def test_planes_are_tabulated_with_family_wise_p():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((800, 12))
    x[:60, :2] *= 20
    result = ppp.project(x, pairs="permutation")
    table = ppp.plane_statistics(result)
    assert len(table) == 66
    assert table["kept"] == ppp.project(x).kept.tolist()
    assert table["p"][0] == 0.02
    assert table["log_q"][0] == pytest.approx(math.log(table["kept"][0] / table["expected"][0]))
    hits = ppp.points(x)
    wave = np.cos(4 * np.arctan2(hits.w[:, 1], hits.w[:, 0]))
    assert table["a4"][4] == pytest.approx(wave[hits.plane == 4].mean())


def test_no_plane_stands_out_by_chance():
    rejected = 0
    for seed in range(40):
        x = np.random.default_rng(seed).standard_normal((200, 5))
        table = ppp.plane_statistics(ppp.project(x, null_repeats=39, seed=seed))
        rejected += min(table["p"]) <= 0.05
    assert stats.binomtest(rejected, 40, 0.05, "greater").pvalue > 1e-3


def test_oblique_planes_count_their_two_vectors_as_axes():
    frame = Frame.given([[1.0, 0.0], [1.0, 2.0]])
    g = np.full(3, frame.gram[0, 1])
    along = np.array([[1.0, 0.0], [g[0], math.sqrt(1 - g[0] ** 2)]])
    middle = along.sum(axis=0, keepdims=True)
    found = plane_table.cos4(np.vstack([along, middle]), g)
    np.testing.assert_allclose(found, [1, 1, -1], atol=1e-12)


# --- sweep and control model -----------------------------------------------------------------


def test_a_sweep_runs_through_expected_hits():
    x = np.random.default_rng(4).laplace(size=(2000, 24))
    sweep = ppp.sweep_epsilon(x, null_repeats=19)
    table = sweep.table()
    assert table["epsilon"] == sorted(table["epsilon"])
    assert 0.75 in table["epsilon"]
    expected = dict(zip(table["epsilon"], table["expected"], strict=True))
    assert sorted(round(e) for e in expected.values()) == [10, 62, 100, 1000, 10000, 100000]
    assert table["kappa"] == pytest.approx([table["kappa"][0]] * len(table))
    notes = dict(zip(table["epsilon"], table["note"], strict=True))
    assert all(("unreadable" in note) == (e <= 0.5**0.5) for e, note in notes.items())
    with pytest.raises(ValueError, match="give an array or a store layer"):
        sweeping.sweep_epsilon(iter([x]))
    with pytest.raises(ValueError, match="at least one epsilon, got none"):
        sweeping.sweep_epsilon(x, [])


def test_an_untrained_copy_is_fresh_repeatable_and_leaves_the_model_alone():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh())
    model[1].running_mean += 3
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    one, two, other = (untrained_copy(model, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(one[0].weight, two[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)
    assert not torch.equal(one[0].weight, model[0].weight)
    assert one[1].running_mean.abs().max() == 0

    class Bare(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(3))

    with pytest.raises(ValueError, match=r"know reset_parameters\(\); scale belong to none"):
        untrained_copy(Bare())


def test_networks_are_compared_under_one_distance():
    x = [np.random.default_rng(seed).laplace(size=(100, 4)) for seed in range(4)]
    far, near = (
        [ppp.project(each, distance=distance, null=None) for each in x] for distance in (2.0, 1.0)
    )
    with pytest.raises(ValueError, match=r"under one distance, got 2\.0 and 1\.0"):
        ppp.compare({"a": far[:2], "b": near[2:]})
    assert ppp.compare({"a": far[:2], "b": far[2:]}).groups == ("a", "b")


@pytest.mark.parametrize("value", [0.3, 1e-9, -7.1, 1e9, 0.0])
def test_groups_of_equal_values_do_not_differ(value):
    """Means of three and of seven are rounded apart."""
    for few, many in itertools.product((3, 4, 5), (4, 6, 7)):
        assert permutations.label_test([value] * few, [value] * many)[0] == 1.0
