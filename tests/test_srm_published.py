"""The published conventions at their edges: what they refuse, what is drawn, odd rows."""

import matplotlib.pyplot as plt
import naive_srm
import numpy as np
import pytest
import torch

import ppp
import srm
from ppp.fluctuation import srm_level


def rows(count=60, n=4, seed=0):
    return np.random.default_rng(seed).laplace(size=(count, n))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"label": np.zeros(60, int)}, "label"),
        ({"planes": [(0, 1)]}, "planes"),
        ({"per_plane": False}, "per_plane"),
        ({"null_repeats": 3}, "null_repeats"),
        ({"planes": [(0, 1)], "null_repeats": 3}, "planes, null_repeats"),
    ],
)
def test_what_the_published_code_does_not_do_is_refused_not_ignored(options, named):
    with pytest.raises(ValueError, match=f"leave out {named}, or compat"):
        srm.sweep(rows(), angles=8, compat="reference", **options)
    srm.sweep(rows(), angles=8, per_plane=True, compat="reference")


def test_a_table_that_does_not_fit_is_refused_before_the_work():
    with pytest.raises(ValueError, match=r"448,500,000\s+numbers, the limit is 33,554,432"):
        srm.sweep(np.ones((2, 300)), angles=10_000, compat="reference")


def test_rows_that_are_huge_tiny_or_not_finite_change_no_other_row():
    x = rows()
    plain = srm.sweep(x, epsilon=0.5, angles=12, compat="reference")
    scaled = x * np.geomspace(1e-250, 1e250, 60)[:, None]
    again = srm.sweep(scaled, epsilon=0.5, angles=12, compat="reference")
    np.testing.assert_array_equal(again.seen, plain.seen)
    odd = np.array([[0.0] * 4, [np.nan, 1, 1, 1], [np.inf, 0, 0, 0], [5e-324, 0, 0, 0]])
    more = srm.sweep(np.vstack([x, odd]), epsilon=0.5, angles=12, compat="reference")
    alone = srm.sweep(odd[3:], epsilon=0.5, angles=12, compat="reference")
    np.testing.assert_array_equal(more.seen, plain.seen + alone.seen)
    assert (more.rows[0], more.zero, more.nonfinite) == (64, 1, 2)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_weights_of_a_layer_are_a_frame_as_their_numbers_are(kind):
    weight = torch.nn.Linear(4, 3).weight.to(kind)
    plain = weight.detach().double().numpy()
    found, want = (
        srm.sweep(rows(), frame, 0.3, 9, compat="reference") for frame in (weight, plain)
    )
    np.testing.assert_array_equal(found.seen, want.seen)


@pytest.mark.parametrize("epsilon", [0.6, -0.3, 0.0])
def test_the_isotropic_level_counts_the_rows_of_the_denominator(epsilon):
    x = np.random.default_rng(1).standard_normal((20_000, 6))
    x[:5000] = 0
    curve = srm.sweep(x, epsilon=epsilon, angles=6, compat="reference")
    level = srm_level(6, epsilon)
    expected = 0.75 * level + (0.25 if epsilon <= 0 else 0.0)
    assert curve.expected == pytest.approx(expected)
    assert curve.values.mean() == pytest.approx(curve.expected, rel=0.03)


def test_probes_of_their_own_length_have_no_one_level_and_no_test(tmp_path):
    x = rows()
    long = srm.sweep(x, 2 * np.eye(4), 0.9, 9, compat="reference")
    unit = srm.sweep(x, np.eye(4), 0.9, 9, compat="reference")
    assert np.isnan(long.expected)
    assert not np.isnan(unit.expected)
    long.save(tmp_path / "curve.h5")
    assert np.isnan(srm.SRMResult.load(tmp_path / "curve.h5").expected)
    for curve in (long, unit):
        with pytest.raises(ValueError, match="got compat='reference': sweep again without it"):
            curve.test()
    labels = [[line.get_label() for line in curve.plot().lines] for curve in (long, unit)]
    assert ["isotropic level" in each for each in labels] == [False, True]
    plt.close("all")


@pytest.mark.parametrize("polar", [False, True])
def test_the_places_of_the_vectors_are_where_their_own_samples_are_seen(polar):
    # one sample on each of b_0, b_1 and their opposites, of an oblique frame
    vectors = np.array([[1.0, 0, 0], [0.5, np.sqrt(0.75), 0], [0, 0, 1]])
    frame = ppp.Frame.given(vectors)
    for compat in (None, "reference"):
        for name, x in (("$b_j$", vectors[1]), ("$-b_j$", -vectors[1]), ("$-b_i$", -vectors[0])):
            curve = srm.sweep(x[None], frame, 0.99, 721, compat=compat)
            ax = curve.plot(polar=polar, plane=(0, 1))
            highest = np.flatnonzero(curve.values[curve.line((0, 1))])
            middle = np.degrees(curve.angles[highest]).mean() % 360
            named = ax if polar else ax.child_axes[0]
            texts = [label.get_text() for label in named.get_xticklabels()]
            at = np.degrees(named.get_xticks()) if polar else named.get_xticks()
            places = dict(zip(texts, at, strict=True))
            assert places[name] == pytest.approx(middle, abs=1), (compat, name)
            if not polar:
                towards = "$-b_j$" if compat else "$b_j$"
                assert f"towards {towards} (degrees)" in ax.get_xlabel()
            plt.close("all")


def test_signed_permutation_of_the_published_code_is_its_direct_form_both_ways():
    x = rows()
    both = srm.sweep(x, "standard", 0.55, 11, "permutation", signed=True, compat="reference")
    there = naive_srm.direct(x, np.eye(4), 0.55, 11, True)
    back = naive_srm.direct(x, np.eye(4)[::-1], 0.55, 11, True)
    order = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    for k, (i, j) in enumerate(order):
        np.testing.assert_allclose(both.values[both.line((i, j))], there[k], atol=1e-12)
        at = order.index((3 - j, 3 - i))
        np.testing.assert_allclose(both.values[both.line((j, i))], back[at], atol=1e-12)
