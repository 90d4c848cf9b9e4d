"""Verdicts: planted truths are named, and nothing is claimed that was not tested."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ppp import naming, sensitivity, statistics, verdict
from ppp.frame import Frame, haar_rotation
from ppp.null import run_nulls
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import tally_of
from ppp.sensitivity import detectable, plant_rows

RULE = Rule(0.75)


def analysed(x, frame=None, rule=RULE, kind="rotation", repeats=99, seed=0, label=None):
    planes = Planes.of(frame or Frame.standard(x.shape[1]), "combination")
    nulls = run_nulls(x, None, label, planes, rule, kind, repeats=repeats, seed=seed)
    found = statistics.evaluate(tally_of(x, planes, rule, label=label), planes, rule)
    return statistics.against(found, nulls), nulls, planes, rule


def verdict_on(x, **options):
    return verdict.judge(*analysed(x, **options))


def planted(kinds, n=24, rows=2000, share=0.05, seed=0, frame=None):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, n))
    frame = frame or Frame.standard(n)
    for at, kind in enumerate(kinds):
        many = round(share * rows)
        x[at * many : (at + 1) * many] = plant_rows(frame, kind, many, 10.0, seed + at)
    return x


TRUTHS = {
    "aligned": ["axis"],
    "anti-aligned": ["diagonal"],
    "superposed": ["axis", "diagonal"],
    "none": [],
}


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_truths_are_named(truth, seed):
    found = verdict_on(planted(TRUTHS[truth], seed=seed), seed=seed)
    assert found.kind == truth, str(found)


@pytest.mark.parametrize("kinds", [["axis"], ["diagonal"]])
@pytest.mark.parametrize("seed", [0, 3])
def test_the_same_data_turned_are_not_aligned(kinds, seed):
    x = planted(kinds, seed=seed) @ haar_rotation(24, seed + 50)
    assert verdict_on(x, seed=seed).kind == "none"


def test_saturated_data_are_dense_and_without_hits():
    x = np.tanh(9 * np.random.default_rng(0).standard_normal((2000, 24)))
    found = verdict_on(x)
    assert found.kind == "dense"
    assert "no sample passes at epsilon = 0.75, 62 hits expected under isotropy" in found.text
    assert "nan" not in str(found).lower()


def test_alignment_with_an_oblique_frame_is_named_in_that_frame():
    frame = Frame.given(np.random.default_rng(4).standard_normal((14, 10)))
    x = planted(["axis"], n=10, frame=frame, share=0.2)
    assert verdict_on(x, frame=frame).kind == "aligned"
    turned = x @ haar_rotation(10, 7)
    assert verdict_on(turned, frame=frame).kind == "none"


def test_a_positive_names_p_value_interval_and_size():
    text = verdict_on(planted(["axis"])).text
    assert text.startswith(
        "Aligned with the vectors of this frame, beyond rotation, p = 0.01; A4 ="
    )
    for part in ("A4 =", "[", "kappa =", "n_eff =", "(rotated:"):
        assert part in text


def test_other_controls_do_not_speak_of_the_frame():
    heavy = np.random.default_rng(1).standard_t(3, size=(1000, 8))
    for kind, words in (
        ("recolour", "The sample departs from Gaussian data of the same mean and covariance"),
        ("gaussian", "The sample departs from isotropic Gaussian data"),
    ):
        found = verdict_on(heavy, kind=kind)
        assert found.kind == "other"
        assert words in found.text
        assert "aligned with" not in found.text
    calm = verdict_on(np.random.default_rng(2).standard_normal((500, 6)), kind="recolour")
    assert calm.kind == "none"
    assert "the recolour null (99 draws, 500 rows)" in calm.text
    picture = verdict_on(heavy[:200], kind="uniform-embedded", repeats=19)
    assert picture.kind == "undefined"
    assert "for pictures" in picture.text


def test_dependence_between_coordinates_is_said_in_a_sentence():
    x = np.random.default_rng(0).exponential(size=(800, 6))
    x[:, 1] += x[:, 0]
    found = verdict_on(x, kind="column-permutation")
    assert (found.kind, found.text) == ("other", "The coordinates depend on each other; p = 0.01.")


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (np.abs, "other", "The signs of the coordinates carry structure: resultant = "),
        (np.copy, "none", "No structure in the signs of the coordinates was found: resultant = "),
        (np.sign, "undefined", "No verdict: the headline statistics do not change when signs are"),
    ],
)
def test_signs_are_judged_by_the_statistic_that_flips_change(make, kind, text):
    x = make(np.random.default_rng(0).standard_normal((800, 24)))
    statistics_, nulls, planes, rule = analysed(x, kind="sign-flip")
    found = verdict.judge(statistics_, nulls, planes, rule)
    assert found.kind == kind
    assert found.text.startswith(text)
    assert "the headline statistics do not change when signs are flipped" in found.text
    p = statistics_["resultant"].p
    assert p is None or f"p = {verdict.readable_p(p)};" in found.text


def test_signs_need_the_draws_of_a_two_sided_test():
    x = np.abs(np.random.default_rng(0).standard_normal((300, 6)))
    few = verdict_on(x, kind="sign-flip", repeats=19)
    assert (few.kind, "at least 39 are needed" in few.text) == ("undefined", True)
    assert verdict_on(x, kind="sign-flip", repeats=39).kind == "other"


def test_too_few_repeats_give_no_verdict():
    found = verdict_on(planted(["axis"]), repeats=9)
    assert found.kind == "undefined"
    assert found.text == (
        "No verdict: 9 repeats of the null cannot give p <= 0.05; at least 19 are needed."
    )


# --- what could have been seen ---------------------------------------------------------------


def test_a_negative_carries_what_would_have_been_seen():
    found = verdict_on(planted([]))
    assert "It would have been found in 4 of 5 such samples had 0." in str(found)
    assert "% along single vectors of the frame, or " in str(found)
    assert "2,000 rows" in found.text


@pytest.mark.parametrize("plant", sensitivity.PLANTS)
def test_what_is_said_to_be_detectable_is_detected_when_really_planted(plant):
    _, nulls, planes, rule = analysed(planted([], n=12))
    found = detectable(nulls, planes, rule, plant)

    def power(share):
        seen = 0
        for seed in range(1, 13):
            x = planted([plant], n=12, share=share, seed=seed)
            seen += run_nulls(x, None, None, planes, rule, seed=seed).p("combined") <= 0.05
        return seen / 12

    assert power(1.5 * found.share) >= 0.75
    assert power(found.share / 4) <= 0.75


def test_a_file_without_norms_leaves_out_what_a_distance_would_have_shown():
    found, nulls, planes, rule = analysed(planted([], n=6), rule=Rule(0.75, distance=2.0))
    assert any("4 of 5" in note for note in verdict.judge(found, nulls, planes, rule).notes)
    older = replace(nulls, norms=np.empty(0))
    assert not any("4 of 5" in note for note in verdict.judge(found, older, planes, rule).notes)


def test_what_no_share_would_show_is_said():
    rows = planted([], n=8, rows=30)
    _, nulls, planes, rule = analysed(rows)
    never = detectable(nulls, planes, rule, "dense", degrees=89.0)
    assert never.share is None
    assert str(never) == (
        "no share of rows along ±1 combinations of all its vectors would have been seen"
    )


def test_more_rows_show_smaller_effects():
    few = detectable(*analysed(planted([], rows=500))[1:]).share
    many = detectable(*analysed(planted([], rows=8000))[1:]).share
    assert many < few / 2


def test_planted_rows_lie_where_they_are_said_to_lie():
    frame = Frame.haar(8, 3)
    c = plant_rows(frame, "axis", 50, 0.0, 0) @ frame.vectors.T
    np.testing.assert_allclose(np.sort(np.abs(c), axis=1)[:, -2:], [[0, 1]] * 50, atol=1e-12)
    c = plant_rows(frame, "diagonal", 50, 0.0, 0) @ frame.vectors.T
    np.testing.assert_allclose(np.sort(np.abs(c), axis=1)[:, -2:], math.sqrt(0.5), atol=1e-12)
    c = plant_rows(frame, "dense", 50, 0.0, 0) @ frame.vectors.T
    np.testing.assert_allclose(np.abs(c), math.sqrt(1 / 8), atol=1e-12)
    x, near = (plant_rows(Frame.haar(40, 3), "axis", 4000, d, 0) for d in (0.0, 10.0))
    cosine = (x * near).sum(axis=1) / np.linalg.norm(near, axis=1)
    assert np.degrees(np.arccos(np.median(cosine))) == pytest.approx(10, rel=0.1)


def test_dense_codes_are_said_to_be_invisible_and_counted():
    x = planted(["dense"], share=0.3, n=32)
    notes = verdict.invisible(
        Frame.standard(32), Rule(0.75), verdict.hypercube_mass(x, Frame.standard(32))
    )
    assert "epsilon = 0.75 > sqrt(2/32) = 0.25: rows along ±1 combinations" in notes[0]
    share = verdict.hypercube_mass(x, Frame.standard(32))
    assert share == pytest.approx(0.3, abs=0.02)
    assert f"{100 * share:.2g} % of the tested rows" in notes[0]
    assert verdict.invisible(Frame.standard(32), Rule(0.25), 0.5) == ()
    oblique = Frame.given(np.random.default_rng(0).standard_normal((5, 3)))
    assert verdict.invisible(oblique, Rule(1)) == ()


def test_a_diagonal_of_the_hypercube_gives_no_hit_just_above_the_bound_and_hits_below():
    x = plant_rows(Frame.standard(8), "dense", 20, 0.0, 0)
    planes = Planes.of(Frame.standard(8), "combination")
    assert tally_of(x, planes, Rule(0.501)).hits == 0
    assert tally_of(x, planes, Rule(0.499)).hits == 20 * 28


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plant_rows(Frame.standard(3), "corner", 1, 0.0, 0),
            "plant must be one of axis, diagonal, dense, got 'corner'",
        ),
        (
            lambda: detectable(*analysed(np.eye(4), repeats=9)[1:]),
            "9 draws cannot show what is detectable at alpha = 0.05: at least 20 are needed",
        ),
        (
            lambda: detectable(*analysed(np.eye(4))[1:-1], Rule(0.0, distance=1.0)),
            "a rule of distance needs the norms of the tested rows.*run them again",
        ),
        (
            lambda: detectable(*analysed(np.eye(4))[1:], power=1.0),
            "power must lie between 0 and 1, got 1.0",
        ),
        (
            lambda: verdict.hypercube_mass(np.zeros((3, 3)), Frame.standard(3)),
            "no row is finite and non-zero",
        ),
    ],
)
def test_bad_input_is_answered_with_rule_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("seed", range(4))
def test_rows_about_one_diagonal_are_not_called_aligned(seed):
    """Noise lifts them over epsilon in planes beside, where they hit as if aligned."""
    x = np.random.default_rng([2024, seed]).standard_normal((1000, 16)) * 0.1
    x[:, :2] += 1
    found = verdict_on(x, seed=1000 + seed)
    assert found.kind in ("concentrated", "anti-aligned"), str(found)


@pytest.mark.parametrize("seed", range(4))
def test_beams_on_vectors_and_on_diagonals_are_superposed(seed):
    rng = np.random.default_rng([3030, seed, 24])
    x = (rng.random((1500, 24)) < 1 / 8) + 0.03 * rng.standard_normal((1500, 24))
    found, nulls, planes, rule = analysed(x, seed=seed)
    judged = verdict.judge(found, nulls, planes, rule)
    assert judged.kind == "superposed", str(judged)
    # what is printed is what rejects
    assert "B4" not in judged.text
    assert ("B8 = " in judged.text) == (found["b8"].p <= 0.05)


def test_two_vectors_at_once_are_their_diagonals():
    planes = Planes.of(Frame.standard(2), "combination")
    low = {"kappa": statistics.Statistic("kappa", 0.7, p=0.01, z=-4.0)}
    assert naming.kind_of(low, planes, RULE, 0.05) == "anti-aligned"
    three = Planes.of(Frame.standard(3), "combination")
    assert naming.kind_of(low, three, RULE, 0.05) == "dense"


def test_what_few_draws_cannot_name_is_said():
    x = np.random.default_rng(0).laplace(size=(2000, 12))
    found = verdict_on(x, repeats=19)
    assert found.kind == "related"
    assert "(39 rotations or more may name it, here 19)" in found.text
    assert "may name it" not in verdict_on(x, repeats=39).text


@pytest.mark.parametrize("plant", sensitivity.PLANTS)
def test_the_unit_of_data_and_distance_is_not_what_is_detectable(plant):
    x = np.random.default_rng(3).standard_normal((2000, 6))

    def share(unit):
        rule = Rule(0.0, distance=0.3 * unit)
        return detectable(*analysed(unit * x, rule=rule)[1:], plant=plant).share

    assert share(1.0) == share(2.0**-7) == share(2.0**7)


def test_rows_within_a_distance_are_detected_when_really_planted():
    rule = Rule(0.0, distance=30.0)
    x = 100 * np.random.default_rng(3).standard_normal((2000, 6))
    _, nulls, planes, _ = analysed(x, rule=rule)
    many = round(2000 * detectable(nulls, planes, rule).share)
    seen = 0
    for seed in range(1, 13):
        x = 100 * np.random.default_rng([7, seed]).standard_normal((2000, 6))
        beam = plant_rows(Frame.standard(6), "axis", many, 10.0, seed)
        size = np.linalg.norm(x[:many], axis=1) / np.linalg.norm(beam, axis=1)
        x[:many] = beam * size[:, None]
        seen += run_nulls(x, None, None, planes, rule, seed=seed).p("combined") <= 0.05
    assert seen / 12 >= 0.6


def test_directions_that_few_rotations_can_test_are_said_to_be_untested():
    x = np.eye(24)[np.random.default_rng(0).integers(0, 24, 2000)]
    found, nulls, planes, rule = analysed(x)
    judged = verdict.judge(found, nulls, planes, rule)
    assert judged.kind == "concentrated"
    assert (
        "(not tested: A4 = 1, but only 30 of 99 rotations have hits; null_repeats=170 would do)"
    ) in judged.text
    assert found["b4"].note == (
        "only 30 of 99 draws have hits, so p >= 0.065: null_repeats=170 would do"
    )
    assert found["kl"].note.startswith("only 30 of 99 draws define it")
    assert found["kappa"].note == ""
    assert verdict_on(x, repeats=170).kind == "aligned"


def test_directions_that_no_rotation_can_test_are_said_to_be_untested():
    x = np.eye(64)[np.random.default_rng(0).integers(0, 64, 2000)]
    text = verdict_on(x).text
    assert "A4 = 1, but none of 99 rotations has hits; a lower epsilon may do)" in text


def test_one_dead_neuron_of_many_is_not_called_a_concentration_on_few():
    x = np.random.default_rng(0).standard_normal((2000, 24))
    x[:, 3] = 0
    assert verdict_on(x).text.startswith("Concentrated on some vectors of this frame")


@pytest.mark.parametrize(("n", "rows"), [(24, 5), (64, 300), (24, 60)])
@pytest.mark.parametrize("plant", sensitivity.PLANTS)
def test_less_than_a_row_is_never_said_to_be_seen(n, rows, plant):
    x = np.random.default_rng([2027, n]).standard_normal((rows, n))
    _, nulls, planes, rule = analysed(x, seed=5)
    share = detectable(nulls, planes, rule, plant).share
    assert share is None or share * rows == pytest.approx(max(1, round(share * rows)))


def test_one_row_said_to_be_seen_is_seen():
    n, rows = 24, 60
    _, nulls, planes, rule = analysed(planted([], n=n, rows=rows))
    share = detectable(nulls, planes, rule, "axis").share
    seen = [
        run_nulls(planted(["axis"], n, rows, share, seed), None, None, planes, rule, seed=seed)
        for seed in range(1, 25)
    ]
    assert np.mean([each.p("combined") <= 0.05 for each in seen]) >= 0.6
