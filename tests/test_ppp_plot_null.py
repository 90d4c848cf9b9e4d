"""Maps against the null, statistics over training, groups of networks: numbers and words."""

import numpy as np
import pytest

import ppp
from ppp.maps import null_map
from ppp.pictures import with_draws
from ppp.scan import tally_of
from ppp.views import null_views

pytestmark = pytest.mark.usefixtures("closed_figures")


def project(x, **options):
    return ppp.project(x, **{"epsilon": 0.75, "null_repeats": 19, "null_draws": 8} | options)


def gaussian(rows=3000, n=8, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, n))


def laplace(rows=600, n=6, seed=0):
    return np.random.default_rng(seed).laplace(size=(rows, n))


# Maps


def test_z_of_isotropic_data_is_standard():
    z = [null_map(project(gaussian(seed=k), seed=k), 48).z for k in range(6)]
    z = np.stack(z)
    z = z[np.isfinite(z)]
    assert abs(z.mean()) < 0.25
    assert 0.75 < z.std() < 1.25


def test_z_and_ratio_find_a_planted_beam_where_it_is():
    x = gaussian()
    x[:300] = 0.1 * x[:300]
    x[:300, 2] = 4.0
    found = null_map(project(x), 64)
    row, column = np.unravel_index(np.nanargmax(found.z), found.z.shape)
    centres = found.extent * ((2 * np.arange(64) + 1) / 64 - 1)
    at = np.array([centres[column], centres[row]])
    assert found.z[row, column] > 8
    assert found.log_ratio[row, column] > 1
    # b_2 is first in some planes and second in others: the beam is on either positive half-axis
    assert min(np.abs(at - [4, 0]).max(), np.abs(at - [0, 4]).max()) < 1.0


def test_ratio_is_of_the_images_and_grey_where_the_null_is_empty():
    found = null_map(project(gaussian()), 48)
    enough = found.mean * 4 * np.pi * found.sigma**2 >= 1
    np.testing.assert_array_equal(np.isnan(found.z), ~enough)
    np.testing.assert_allclose(
        np.exp2(found.log_ratio[enough]), found.observed[enough] / found.mean[enough]
    )
    assert 0 < enough.mean() < 1


def test_each_rotation_serves_as_its_mirror_images():
    found = null_map(project(gaussian(800)), 32)
    assert (found.draws, found.images) == (8, 32)
    np.testing.assert_allclose(found.mean, found.mean.T)
    np.testing.assert_allclose(found.mean, found.mean[::-1, ::-1])
    oblique = np.eye(8)[:3] + 0.2
    found = null_map(project(gaussian(800), frame=oblique), 32)
    assert (found.draws, found.images) == (8, 16)


def test_other_nulls_have_no_symmetry_to_use():
    found = null_map(with_draws(project(gaussian(800), null="recolour"), 4), 32)
    assert (found.draws, found.images) == (4, 4)


def test_drawing_maps_shows_their_numbers():
    result = project(gaussian(800))
    figure = ppp.plot_against_null(result, size=32)
    panels = [ax for ax in figure.axes if ax.images]
    found = null_map(result, 32)
    np.testing.assert_array_equal(panels[0].images[0].get_array(), found.observed)
    np.testing.assert_array_equal(panels[1].images[0].get_array(), found.mean)
    shown = panels[2].images[0]
    np.testing.assert_array_equal(
        shown.get_array().filled(np.nan), np.clip(found.log_ratio, -3.0, 3.0)
    )
    assert shown.get_clim() == (-3.0, 3.0)
    low, high = panels[3].images[0].get_clim()
    assert low == -high
    assert high >= 4


def test_a_map_needs_two_draws():
    with pytest.raises(ValueError, match="at least 2 full draws, got 1"):
        null_map(project(gaussian(300), null_draws=1))


# Full draws of any null


@pytest.mark.parametrize("kind", ["gaussian", "recolour", "sign-flip", "column-permutation"])
def test_full_draws_are_those_that_the_tests_use(kind):
    result = project(laplace(), null=kind, null_repeats=5, null_draws=0)
    pictured = with_draws(result, 3)
    sums = result.nulls.values["kappa"][:3]
    drawn = [ppp.statistics.observe(t, result.planes, result.rule)["kappa"] for t in pictured.drawn]
    np.testing.assert_allclose(drawn, sums)
    assert all(tally.grid.sum() + tally.outside == tally.hits for tally in pictured.drawn)


def test_rotations_counted_beside_the_data_are_kept():
    result = project(laplace(), null_draws=4)
    assert with_draws(result, 3) is result


def test_draws_on_a_part_of_the_rows_are_scaled_to_all():
    x = gaussian(12_000)
    result = with_draws(project(x, null="gaussian", null_draws=0), 2)
    views = null_views(result)
    assert [one.valid for one in views] == [10_000, 10_000]
    assert [one.weight for one in views] == pytest.approx([1.2, 1.2])
    assert views[0].expected == pytest.approx(result.expected / 1.2)
    found = null_map(result, 48)
    inside = np.isfinite(found.log_ratio)
    total = found.observed[inside].sum() / found.mean[inside].sum()
    assert total == pytest.approx(1.0, abs=0.1)
    tally = tally_of(x, result.planes, result.rule)
    assert tally.hits == result.tally.hits


@pytest.mark.parametrize(
    ("null", "draws", "text"),
    [(None, 1, "has no draws"), ("gaussian", 0, r"\[1, 19\]"), ("gaussian", 20, "got 20")],
)
def test_draws_that_cannot_be_made_say_why(null, draws, text):
    with pytest.raises(ValueError, match=text):
        with_draws(project(laplace(), null=null, null_draws=0), draws)


# Statistics over training


def run(seed, columns=(0, 1, 4)):
    return {f"epoch {e}": project(laplace(seed=10 * seed + e), null_draws=0) for e in columns}


def test_lines_are_the_statistics_and_bands_the_null():
    rows = {"one/0": run(0), "one/1": run(1), "other/0": run(2)}
    figure = ppp.plot_training(rows, statistics=["kappa", "log_q"])
    ax = figure.axes[0]
    lines = [line for line in ax.lines if line.get_marker() == "o"]
    for line, row in zip(lines, rows.values(), strict=True):
        values = [result.statistics["kappa"].value for result in row.values()]
        np.testing.assert_allclose(line.get_ydata(), values)
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    draws = np.concatenate(
        [rows[name]["epoch 1"].nulls.values["kappa"] for name in ("one/0", "one/1")]
    )
    low, high = np.quantile(draws, [0.025, 0.975])
    vertices = ax.collections[0].get_paths()[0].vertices
    at_one = vertices[vertices[:, 0] == 1][:, 1]
    assert (at_one.min(), at_one.max()) == pytest.approx((low, high))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "4"]


def test_groups_may_be_given_and_missing_snapshots_are_gaps():
    rows = {"a": run(0), "b": run(1, columns=(0, 4))}
    figure = ppp.plot_training(rows, statistics=["a4"], groups={"a": "both", "b": "both"})
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert lines[0].get_color() == lines[1].get_color()
    assert np.isnan(lines[1].get_ydata()).tolist() == [False, True, False]


def test_a_statistic_without_hits_is_a_gap_and_no_error():
    signs = project(np.sign(gaussian(300, 18)), null_draws=0)
    figure = ppp.plot_training({"net": {"epoch 0": signs}}, statistics=["a4", "kappa"])
    assert np.isnan(figure.axes[0].lines[0].get_ydata()).all()
    assert np.isfinite(figure.axes[1].lines[0].get_ydata()).all()


def test_results_without_a_null_have_no_band():
    rows = {"net": {"epoch 0": project(laplace(), null=None, null_draws=0)}}
    figure = ppp.plot_training(rows, statistics=["kappa"])
    assert np.isfinite(figure.axes[0].lines[0].get_ydata()).all()


@pytest.mark.parametrize(
    ("rows", "statistics", "text"),
    [({}, ["kappa"], "at least one network"), ({"a": {0: None}}, ["kurtosis"], None)],
)
def test_training_without_networks_or_with_unknown_statistics(rows, statistics, text):
    if rows:
        rows, text = {"a": {0: project(laplace(), null=None, null_draws=0)}}, "got 'kurtosis'"
    with pytest.raises(ValueError, match=text):
        ppp.plot_training(rows, statistics=statistics)


@pytest.mark.parametrize("statistics", ["kappa", [], None, 3])
def test_statistics_of_a_figure_are_a_list_of_names(statistics):
    rows = {"a": {0: project(laplace(), null=None, null_draws=0)}}
    with pytest.raises(ValueError, match=r'such as \["kappa"\], got'):
        ppp.plot_training(rows, statistics=statistics)


# Groups of networks


def test_each_network_is_a_dot_and_pairs_are_joined():
    groups = {
        "plain": [project(gaussian(300, seed=k), null=None, null_draws=0) for k in range(3)],
        "heavy": [project(laplace(300, 8, seed=k), null=None, null_draws=0) for k in range(3)],
    }
    comparison = ppp.compare(groups, paired=True)
    figure = ppp.plot_comparison(comparison, statistics=["kappa"])
    ax = figure.axes[0]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    for line, group in zip(dots, groups.values(), strict=True):
        np.testing.assert_allclose(
            line.get_ydata(), [result.statistics["kappa"].value for result in group]
        )
    joins = [line for line in ax.lines if line.get_linestyle() == "-" and line not in dots]
    assert len(joins) == 3
    p = next(d.p for d in comparison.differences if d.statistic == "kappa")
    assert f"p = {p:.2g}" in ax.get_xlabel()
    unpaired = ppp.plot_comparison(ppp.compare(groups, paired=False), statistics=["kappa"])
    assert not [
        line
        for line in unpaired.axes[0].lines
        if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"
    ]


def test_every_pair_of_several_groups_has_its_p():
    groups = {
        name: [project(laplace(200, 8, seed=k + at), null=None, null_draws=0) for k in range(2)]
        for at, name in ((0, "a"), (5, "b"), (9, "c"))
    }
    comparison = ppp.compare(groups, statistics=["kappa"])
    lines = comparison.plot().axes[0].get_xlabel().splitlines()
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    assert lines == [
        f"{one} – {two}: p = {d.p:.2g}"
        for (one, two), d in zip(pairs, comparison.differences, strict=True)
    ]


def test_a_statistic_that_was_not_compared_is_named():
    group = [project(laplace(200, seed=k), null=None, null_draws=0) for k in range(2)]
    comparison = ppp.compare({"a": group, "b": group}, statistics=["kappa"])
    with pytest.raises(ValueError, match="among those compared, kappa, got a4"):
        ppp.plot_comparison(comparison, statistics=["a4"])
