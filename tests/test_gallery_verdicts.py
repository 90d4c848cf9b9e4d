"""Verdicts of the gallery: each can fail, and counts networks, not what they share."""

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats

from ppp.ranks import adjust, least_repeats

GALLERY = Path(__file__).parents[1] / "gallery"


def result(hits=100, kappa=1.0, p=0.5, kind="none", **statistics):
    """A projection as far as verdicts look at it."""
    values = {"kappa": kappa, **statistics}
    return SimpleNamespace(
        hits=hits,
        nulls=None,
        verdict=SimpleNamespace(kind=kind),
        statistics={key: SimpleNamespace(value=value, p=p) for key, value in values.items()}
        | {"combined": SimpleNamespace(value=None, p=p)},
    )


def columns(first, last, **about):
    """A network that keeps so many before training and so many after it."""
    return {0: result(first), 9: result(last, **about)}


# Trends


def brute_force(values, repeated):
    """Mean Spearman correlation and its p over all rearrangements, by enumeration."""
    spots = np.arange(values.shape[1])
    orders = [spots, spots[::-1]] if repeated else list(itertools.permutations(spots))
    rho = [[scipy.stats.spearmanr(order, row).statistic for order in orders] for row in values]
    means = [np.mean(chosen) for chosen in itertools.product(*rho)]
    return means[0], np.mean(np.abs(means) >= abs(means[0]) - 1e-12)


@pytest.mark.parametrize("repeated", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_a_trend_is_the_exact_test_by_enumeration(gallery, repeated, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, (3, 3 + seed % 2)) + 0.7 * np.arange(3 + seed % 2)
    values[:, 1] = values[:, 0]  # a tie
    rho, p, least = gallery("network_tests").rank_trend(values, repeated=repeated)
    own, exact = brute_force(values, repeated)
    assert rho.mean() == pytest.approx(own)
    assert p == pytest.approx(exact)
    assert least <= p


def test_layers_of_two_networks_are_two_networks(gallery):
    """Five layers that rise in step with k were p 1e-7 as independent networks."""
    layers = {k: [result(kappa=k), result(kappa=k + 0.1)] for k in range(5)}
    trend = gallery("ppp_over").trend
    claim = trend("kappa", layers, "kappa", "k", repeated=True)
    assert claim.seen == "rising in every one, but too few for a test"
    assert "p 0.5" in claim.null
    assert trend("kappa", layers, "kappa", "k", repeated=False).seen == "yes, rising"


def test_six_networks_can_show_a_trend_over_their_layers(gallery):
    rng = np.random.default_rng(0)
    layers = {k: [result(kappa=-k + 0.1 * rng.random()) for _ in range(6)] for k in range(4)}
    claim = gallery("ppp_over").trend("kappa", layers, "kappa", "k", repeated=True)
    assert claim.seen == "yes, falling"
    mixed = {k: [*ones[:5], result(kappa=k)] for k, ones in layers.items()}
    assert gallery("ppp_over").trend("kappa", mixed, "kappa", "k", repeated=True).seen == "no"


def test_networks_without_hits_rank_last_in_log_q_and_nowhere_in_a4(gallery):
    """Left out, the widest ones would hide that less and less is kept."""
    kept = {12: -1.0, 18: -1.5, 24: -2.2, 32: None}
    widths = {
        n: [result(0 if q is None else 50, log_q=q, a4=q) for _ in range(5)]
        for n, q in kept.items()
    }
    trend = gallery("ppp_over").trend
    claim = trend("kept", widths, "log_q", "width", repeated=False)
    assert "32: undefined (5 without hits, ranked last)" in claim.found
    assert "-1.00, -1.00, -1.00, -1.00, -1.00" in claim.found
    assert claim.seen == "yes, falling"
    one_left = widths | {32: [result(3, log_q=0.2, a4=0.2), *widths[32][1:]]}
    lone = trend("kept", one_left, "log_q", "width", repeated=False)
    assert "32: 0.20 (4 without hits, ranked last)" in lone.found
    assert lone.seen == "yes, falling"
    a4 = trend("kept", widths, "a4", "width", repeated=False)
    assert "32: undefined (5 without hits, left out)" in a4.found


def test_layers_that_resemble_their_neighbours_show_no_trend(gallery):
    """A random walk over the layers of each network: as exchangeable they would rise or fall."""
    rank_trend = gallery("network_tests").rank_trend
    walks = np.random.default_rng(2).standard_normal((300, 6, 4)).cumsum(axis=2)
    rate = {
        repeated: np.mean([rank_trend(walk, repeated=repeated)[1] <= 0.05 for walk in walks])
        for repeated in (True, False)
    }
    assert rate[True] < 0.07
    assert rate[False] > 0.09


def test_without_any_order_there_is_no_trend(gallery):
    rho, p, least = gallery("network_tests").rank_trend(np.ones((3, 4)), repeated=False)
    assert np.isnan(rho).all()
    assert (p, least) == (1, 1)


# Structure


@pytest.mark.parametrize(
    ("plain", "isotropic", "seen"),
    [
        (["aligned"] * 5, [None] * 5, "yes"),
        (["aligned"] * 5, [None] * 4 + ["dense"], "yes, but for 1 of 5 isotropic networks"),
        (
            ["aligned"] * 5,
            [None] * 3 + ["dense"] * 2,
            "in part: the ablation has it too, 2 of 5",
        ),
        (
            ["aligned"] * 2,
            [None, "dense"],
            "in part: the ablation has it too, 1 of 2",
        ),
        (
            ["aligned"] * 2,
            [None] * 2,
            "yes, on too few networks to test them against the ablation",
        ),
        (
            ["dense"] * 4 + ["aligned"],
            [None] * 5,
            "in part: not one structure in all of tanh, 4 dense, 1 aligned",
        ),
        (
            ["aligned"] * 3 + [None] * 2,
            [None] * 5,
            "in part: told in 3 of 5 elementwise networks",
        ),
        (["aligned"] + [None] * 4, [None] * 5, "no"),
        (["aligned"] * 5, ["aligned"] * 5, "in part: the ablation has it too, 5 of 5"),
        (["aligned"] * 2, [], "yes, without an ablation beside it"),
    ],
)
def test_structure_repeats_where_it_is_one_and_not_in_the_ablation(gallery, plain, isotropic, seen):
    def network(kind):
        return columns(9, 9, kind=kind or "none", p=0.01 if kind else 0.4)

    groups = {"tanh": [network(kind) for kind in plain]}
    if isotropic:
        groups["isotropic-tanh"] = [network(kind) for kind in isotropic]
    claim = gallery("claim_structure").structure(groups)
    assert claim.seen == seen
    assert f"tanh: {len(plain) - plain.count(None)} of {len(plain)} networks told" in claim.found


def test_superposed_and_aligned_are_one_structure(gallery):
    seen = gallery("claim_structure").structure(
        {"tanh": [columns(9, 9, kind=kind, p=0.01) for kind in ("aligned", "superposed")]}
    )
    assert seen.seen == "yes, without an ablation beside it"
    assert "2 aligned" in seen.found


# Kept samples

RISES = [(2.0, 0.02)] * 5


@pytest.mark.parametrize(
    ("plain", "level", "seen"),
    [
        (RISES, [0.1, -0.1], "yes"),
        (RISES, [2.0, -2.0], "no: the isotropic ones do not stay level"),
        (RISES, [2.0, -2.0, 0.0], "in part: 2 of 3 isotropic ones do not stay level"),
        (RISES, [np.nan] * 2, "in part: the isotropic ones keep nothing to compare"),
        (RISES, [np.nan, 0.1], "yes"),
        (RISES, None, "yes; no isotropic networks beside them"),
        (
            [*RISES[1:], (-3.0, 0.02)],
            [0.0],
            "in part: a decade in 4 of 5",
        ),
        ([(9.0, 0.02), (-4.0, 0.02)], [0.0], "no: a rise of a decade in 1 of 2"),
        ([*RISES[1:], (2.0, 0.4)], [0.0], "in part: beyond random frames in 4 of 5"),
        ([(1.1, 0.02)] * 5, [0.0], "in part: nearer to tenfold than to a hundredfold"),
        ([(0.4, 0.02)] * 5, [0.0], "no: a rise of a decade in 0 of 5"),
        ([(np.nan, None)] * 2, [0.0], "no: a rise of a decade in 0 of 2"),
    ],
)
def test_rises_are_judged_network_by_network(gallery, plain, level, seen):
    assert gallery("claim_rise").risen(plain, level) == seen


def test_networks_without_hits_count_as_having_one(gallery):
    claim = gallery("claim_rise").rise(
        {"tanh": [columns(0, 1000)], "isotropic-tanh": [columns(0, 0), columns(500, 0)]}
    )
    assert "tanh: +3.00 decades" in claim.found
    assert "isotropic-tanh: -2.70 decades" in claim.found
    assert claim.seen == "no: the isotropic ones do not stay level"
    nothing = gallery("claim_rise").rise({"isotropic-tanh": [columns(0, 0)]})
    assert "nothing kept" in nothing.found


# The paper's other claims


def test_snapshots_without_directions_match_nothing(gallery):
    """Where no network has both snapshots the mean is undefined: that is no p of 0."""
    table = np.array([[np.nan, 0.2], [0.9, np.nan]])
    assert gallery("ppp_claims")._matched(table)[1:] == (1, 1)


def test_errors_count_seeds_not_settings(gallery):
    """Eight settings of one seed are not eight networks."""
    last = {}
    for depth in range(8):
        last[f"n 18 L {depth} norm tanh"] = np.array([0.4])
        last[f"n 18 L {depth} norm isotropic-tanh"] = np.array([0.3])
    claim = gallery("ppp_claims").errors(last)
    assert claim.seen == "in every seed, but too few for a test"
    assert "lower in 8 of 8 pairs" in claim.found
    five = {name: np.repeat(value, 5) for name, value in last.items()}
    five["n 18 L 0 norm isotropic-tanh"] = np.full(5, np.nan)
    assert gallery("ppp_claims").errors(five).seen == "yes"


# Beyond the paper


@pytest.mark.parametrize(
    ("onsets", "seen"),
    [
        ({"tanh 0": 1, "tanh 1": 20, "isotropic-tanh 0": None}, "yes"),
        (
            {"tanh 0": 0, "tanh 1": 1, "isotropic-tanh 0": None},
            "in part: in 1 of 2 elementwise networks; before any training in 1",
        ),
        (
            {"tanh 0": 1, "tanh 1": 1, "isotropic-tanh 0": 90},
            "in part: in 1 of 1 of the ablation too",
        ),
        ({"tanh 0": 90, "tanh 1": None}, "no: in 0 of 2 elementwise networks"),
    ],
)
def test_what_is_there_before_training_does_not_set_in(gallery, onsets, seen):
    assert gallery("beyond_verdicts").set_in(onsets, 125) == seen


@pytest.mark.parametrize(
    ("ps", "zs", "since"),
    [
        ((0.5, 0.01, 0.01, 0.01), (1, -3, -3, -3), 1),
        ((0.04, 0.01, 0.01, 0.01), (2, -3, -3, -3), 1),  # untrained, on the other side
        ((0.5, 0.01, 0.01, 0.01), (1, -3, 4, 4), 5),  # from dense to aligned
        ((0.5, 0.01, 0.06, 0.01), (1, -3, -3, -3), 9),
        ((0.01, 0.01, 0.01, 0.2), (1, 1, 1, 1), None),
        ((0.01, 0.01, 0.01, None), (1, 1, 1, None), None),
        ((0.01, 0.01, 0.01, 0.01), (1, 1, 1, 1), 0),
    ],
)
def test_structure_stays_from_where_it_is_the_last_ones(gallery, ps, zs, since):
    assert gallery("beyond_verdicts").onset((0, 1, 5, 9), ps, zs) == since


@pytest.mark.parametrize(
    ("told", "whole", "seen"),
    [
        ((6, 0), (0.01, 0.5), "yes"),
        ((5, 0), (0.01, 0.5), "in part: 5 of 10 in tanh 0"),
        ((6, 1), (0.01, 0.5), "in part: the ablation has it too, 1 of 10 in isotropic-tanh 0"),
        ((0, 0), (0.01, 0.5), "no, only in the whole"),
        ((0, 0), (0.6, 0.5), "no structure to place, neither in the whole nor in a class"),
    ],
)
def test_classes_without_structure_say_so(gallery, told, whole, seen):
    names = ("tanh 0", "isotropic-tanh 0")
    within = gallery("beyond_verdicts").within_classes
    assert within(*(dict(zip(names, each, strict=True)) for each in (told, whole)), 10) == seen


@pytest.mark.parametrize(
    ("ps", "seen"),
    [
        ([(0.5, 0.5)] * 4, "nothing to agree on: neither tells a network"),
        ([(0.01, 0.5), (0.5, 0.5)], "no: none is told by both, 1 by one alone"),
        ([(0.01, 0.01), (0.01, 0.5)], "in part: both tell 1, one alone 1"),
        ([(0.01, 0.01), (0.5, 0.5)], "yes"),
        ([(0.01, 0.01)] * 2, "yes, but both tell every network"),
    ],
)
def test_two_methods_agree_only_on_what_they_find(gallery, ps, seen):
    assert gallery("beyond_verdicts").agreement(ps)[2] == seen


def test_agreement_is_measured_against_chance(gallery):
    agreement = gallery("beyond_verdicts").agreement
    assert agreement([(0.01, 0.01)] * 3 + [(0.5, 0.5)] * 3)[1] == pytest.approx(1 / 20)
    assert agreement([(0.01, 0.5)] * 3 + [(0.5, 0.01)] * 3)[1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("isotropic", "untrained", "seen"),
    [
        ([(1.0, 0.5)] * 5, [0.5] * 5, "yes"),
        ([(0.9, 0.04)] + [(1.0, 0.5)] * 4, [0.5] * 5, "yes, but for 1 of 5 isotropic networks"),
        ([(1.4, 0.02)] * 5, [0.5] * 5, "in part: the ablation has it too, 5 of 5"),
        ([(1.0, 0.5)] * 5, [0.02] + [0.5] * 4, "yes; untrained 1 of 5, by chance p 0.23"),
        ([(1.0, 0.5)] * 5, [0.02] * 5, "no: untrained rows show it too, 5 of 5"),
    ],
)
def test_what_was_learned_is_neither_untrained_nor_in_the_ablation(
    gallery, isotropic, untrained, seen
):
    trained = {"tanh": [(1.4, 0.02)] * 5, "isotropic-tanh": isotropic}
    assert gallery("beyond_verdicts").learned(trained, untrained) == seen


def test_pairs_of_one_seed_count_once(gallery):
    """Six forms over two seeds were p .0002 as twelve pairs."""
    ones = np.ones((6, 2))
    found, p, seen = gallery("beyond_verdicts").higher(ones, 0 * ones)
    assert found == "higher in 12 of 12 pairs, in 2 of 2 seeds"
    assert p == 0.25
    assert seen == "in every seed, but too few for a test"
    assert gallery("beyond_verdicts").higher(np.ones((2, 5)), np.zeros((2, 5)))[2] == "yes"
    assert gallery("beyond_verdicts").higher(np.zeros((2, 5)), np.ones((2, 5)))[2] == "no"


@pytest.mark.parametrize("tests", [4, 10, 17])
def test_a_single_one_of_so_many_tests_can_pass(tests):
    """As many random frames as the scripts take, and no more than it needs."""
    for frames, passes in ((least_repeats(0.05 / tests), True), (least_repeats(0.05), False)):
        assert (adjust([2 / (frames + 1)] + [0.9] * (tests - 1))[0] <= 0.05) is passes


@pytest.mark.parametrize("script", ["classes", "training"])
def test_scripts_that_adjust_take_as_many_frames_as_a_single_test_needs(script):
    assert "least_repeats(LEVEL / " in (GALLERY / f"plot_beyond_{script}.py").read_text()


@pytest.mark.parametrize(
    ("script", "call"),
    [
        ("claim_layers", "repeated=True"),  # its groups are layers of the same networks
        ("claim_widths", "repeated(away, "),
        ("mixture_dose", "rank_trend("),
        ("beyond_classes", "within_classes(told, whole, count)"),
        ("beyond_heads", "higher(kappas["),
        ("beyond_srm", "agreement("),
        ("beyond_training", "set_in(onsets, "),
        ("beyond_training", 'onset(list(columns), table["p_adjusted"], table["z"])'),
        ("beyond_weights", "learned(once_trained, "),
    ],
)
def test_scripts_take_their_verdicts_from_what_is_tested_here(script, call):
    assert call in (GALLERY / f"plot_{script}.py").read_text()


def test_a_caption_says_which_epochs_are_shown(gallery, monkeypatch):
    runs = gallery("ppp_runs")
    monkeypatch.setattr(sys, "argv", ["script.py"])
    monkeypatch.setenv("PRESET", "fashion")
    assert "latent layer 0, after 125 epochs, preset fashion" in runs.caption(runs.Setting())
    over = runs.caption(runs.Setting(), over=(0, 1, 30))
    assert "latent layer 0, epochs 0 to 30, preset fashion" in over
    assert runs.caption(runs.Setting(), narrow=True).splitlines() == [
        "fashion-mnist standardised, n = 18, L = 0,",
        "latent layer 0, after 125 epochs, preset fashion",
    ]


@pytest.mark.parametrize(
    "script",
    [
        "affine_divergence", "beyond_heads", "beyond_thomson", "adaptive_ppp_over_widths",
        "frames_move_structure", "mixture_dose", "orbit_of_rotations", "outliers_refract",
    ],
)  # fmt: skip
def test_pictures_say_where_paper_is_not_the_papers(gallery, script):
    assert "{ours(preset)}" in (GALLERY / f"plot_{script}.py").read_text()
    assert gallery("presets").ours("paper") == "preset paper (ours, not the paper's)"
    assert gallery("presets").ours("quick") == "preset quick"
