"""Figures: the numbers in them, the words on them; pictures are left to eyes."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.image import AxesImage

import ppp
from ppp.density import density
from ppp.plot_panels import SPREAD, THIN_SPACE, count, decimal, short, span
from ppp.views import view

pytestmark = pytest.mark.usefixtures("closed_figures")


def laplace(rows=600, n=8, seed=0, scale=1.0, **options):
    x = scale * np.random.default_rng(seed).laplace(size=(rows, n))
    return ppp.project(x, **{"null": None, "epsilon": 0.75} | options)


def saturated(rows=50, n=8):
    signs = np.sign(np.random.default_rng(0).standard_normal((rows, n)))
    return ppp.project(signs, null=None, epsilon=0.75)


def pictures(figure):
    """Every image in a figure but the colour bars."""
    images = [artist for ax in figure.axes for artist in ax.images]
    return [image for image in images if isinstance(image, AxesImage)]


def words(figure):
    """All text in a figure, figure by figure part."""
    return "\n".join(text.get_text() for text in figure.findobj(plt.Text)).replace(THIN_SPACE, " ")


def test_one_density_draws_the_density_of_the_result():
    result = laplace()
    ax = ppp.plot_density(result, size=64)
    drawn = ax.images[0]
    made = result.density(64)
    np.testing.assert_allclose(drawn.get_array(), made.image)
    assert drawn.get_extent() == [-made.extent, made.extent, -made.extent, made.extent]
    assert drawn.origin == "lower"
    assert ax.get_aspect() == 1.0
    top = made.image.mean() + SPREAD * made.image.std()
    assert drawn.get_clim() == pytest.approx((0.0, top))


def test_one_density_states_setting_hits_and_expectation():
    result = laplace()
    text = words(ppp.plot_density(result, size=32).figure)
    assert "n = 8" in text
    assert "N = 600 samples" in text
    assert "ε = .75 (within 41.4° of a plane)" in text
    assert "28 planes (combination)" in text
    hits, expected = count(result.hits), count(result.expected)
    assert f"{hits} hits,  {expected} expected".replace(THIN_SPACE, " ") in text


def test_a_given_axes_is_drawn_into_and_returned():
    figure, (left, right) = plt.subplots(1, 2)
    assert ppp.plot_density(laplace(), left, size=16, colorbar=False) is left
    assert left.images
    assert not right.images
    assert len(figure.axes) == 2


def test_extent_and_title_are_taken_over():
    ax = ppp.plot_density(laplace(), size=16, extent=9.0, title="encoder.2")
    assert ax.images[0].get_extent() == [-9, 9, -9, 9]
    assert ax.get_title(loc="left") == "encoder.2"


def test_pooled_planes_have_generic_axes_a_single_plane_the_frames_labels():
    pooled = ppp.plot_density(laplace(), size=16)
    assert pooled.get_xlabel() == "along the first vector, $b_i$"
    assert pooled.get_ylabel() == "towards the second vector, $b_j$"
    frame = ppp.Frame.given(np.eye(8)[[2, 5]], labels=["cat", "dog"])
    single = ppp.plot_density(laplace(frame=frame), size=16)
    assert (single.get_xlabel(), single.get_ylabel()) == ("along cat", "towards dog")


def test_no_hits_look_intended_and_name_the_expectation():
    result = saturated()
    assert result.hits == 0
    figure = ppp.plot_density(result, size=16).figure
    text = words(figure)
    expected = count(result.expected)
    assert f"no sample within 41.4° of any plane\n{expected} expected under isotropy" in text
    assert len(figure.axes) == 1, "a colour bar without colours says nothing"


def test_hits_beyond_the_grid_and_rows_left_out_are_stated():
    x = np.random.default_rng(0).laplace(size=(3000, 8))
    x[-1] = 0.0
    x[-2, 0] = np.nan
    x[-3] = 0.0
    x[-3, 0] = 1e6
    result = ppp.project(x, null=None, epsilon=0.75)
    assert result.tally.outside == 7
    assert "7 beyond the picture" in words(ppp.plot_density(result, size=16, extent=60.0).figure)
    w = ppp.points(x, epsilon=0.75).w
    text = words(ppp.plot_density(result, size=16, extent=4.0).figure)
    unseen = int((np.abs(w) >= 4.0).any(axis=1).sum())
    assert unseen > 100
    assert f"{count(unseen)} beyond the picture".replace(THIN_SPACE, " ") in text
    assert "2 zero or non-finite rows left out" in text


def test_permutation_shows_every_hit_twice():
    once, twice = laplace(), laplace(pairs="permutation")
    np.testing.assert_array_equal(view(twice).grid, view(once).grid + view(once).grid.T)
    assert view(twice).hits == 2 * view(once).hits
    assert view(twice).outside == 2 * view(once).outside
    assert "56 planes (permutation)" in words(ppp.plot_density(twice, size=16).figure)


def test_thinning_shows_fewer_hits_and_states_them_all():
    result = laplace()
    plain = ppp.plot_density(result, size=64).images[0].get_array()
    thinned = ppp.plot_density(result, size=64, thinned=True)
    share = thinned.images[0].get_array().sum() / plain.sum()
    assert share == pytest.approx(round(result.hits**0.9) / result.hits, rel=0.1)
    assert count(result.hits).replace(THIN_SPACE, " ") in words(thinned.figure)
    assert "beyond" not in words(thinned.figure)


def test_grid_rows_share_extent_and_colours_and_rows_do_not():
    rows = {
        "small": {"epoch 0": laplace(seed=1), "epoch 1": laplace(seed=2, scale=2.0)},
        "large": {"epoch 0": laplace(seed=3, scale=8.0)},
    }
    figure = ppp.plot_grid(rows, size=32)
    first, second, third = pictures(figure)
    assert first.get_extent() == second.get_extent()
    assert first.get_clim() == second.get_clim()
    assert third.get_extent()[1] > 3 * first.get_extent()[1]
    pixels = np.stack([first.get_array(), second.get_array()])
    assert first.get_clim()[1] == pytest.approx(pixels.mean() + SPREAD * pixels.std())
    text = words(figure)
    assert "not recorded" in text
    assert "small" in text
    assert "epoch 1" in text


def test_scales_end_where_they_say():
    rows = {
        "small": {"0": laplace(seed=1)},
        "large": {"0": laplace(seed=3, scale=2.0), "1": laplace(seed=4)},
    }
    row = pictures(ppp.plot_grid(rows, size=32, scale="max"))
    assert row[0].get_clim()[1] == pytest.approx(row[0].get_array().max())
    assert row[1].get_clim()[1] == pytest.approx(max(each.get_array().max() for each in row[1:]))
    shared = pictures(ppp.plot_grid(rows, size=32, scale="shared"))
    top = max(each.get_array().max() for each in shared)
    assert [each.get_clim()[1] for each in shared] == pytest.approx([top] * 3)
    assert len({tuple(each.get_extent()) for each in shared}) == 1


def test_grid_panels_are_the_densities_at_the_rows_window():
    cells = {"0": laplace(seed=1), "1": laplace(seed=2)}
    figure = ppp.plot_grid({"row": cells}, size=256)
    shown = pictures(figure)
    extent = shown[0].get_extent()[1]
    for picture, result in zip(shown, cells.values(), strict=True):
        tally = result.tally
        made = density(tally.grid, tally.half_width, 256, extent, extent / 100)
        np.testing.assert_allclose(picture.get_array(), made.image)


def test_an_empty_panel_of_a_grid_says_what_isotropy_expects():
    figure = ppp.plot_grid({"row": {"0": saturated(), "1": laplace()}}, size=16)
    text = words(figure)
    assert f"no hits\n{short(saturated().expected)} expected" in text
    assert f"0 / {short(saturated().expected)}" in text


def test_a_row_without_any_hit_has_no_colour_bar():
    figure = ppp.plot_grid({"row": {"0": saturated()}}, size=16)
    assert len(figure.axes) == 1


def test_observation_and_null_share_extent_and_colours():
    result = laplace(null="rotation", null_repeats=9, null_draws=3)
    figure = ppp.plot_with_null(result, size=32)
    shown = pictures(figure)
    assert len(shown) == 4
    assert len({picture.get_clim() for picture in shown}) == 1
    assert len({tuple(picture.get_extent()) for picture in shown}) == 1
    for picture, tally in zip(shown[1:], result.drawn, strict=True):
        share = picture.get_array().sum() / shown[0].get_array().sum()
        assert share == pytest.approx(tally.hits / result.tally.hits, rel=0.05)
    titles = [ax.get_title() for ax in figure.axes[:4]]
    assert titles[0].startswith("observed:")
    assert titles[1:] == ["rotation 1", "rotation 2", "rotation 3"]


def test_drawing_a_null_does_not_compute_one():
    result = laplace(null="rotation", null_repeats=9, null_draws=2)
    ppp.plot_with_null(result, size=16)
    assert "nulls" not in vars(result)
    assert "statistics" not in vars(result)


def test_several_networks_beside_their_nulls_make_a_matrix():
    one = laplace(null="rotation", null_repeats=9, null_draws=2)
    other = laplace(seed=5, null="rotation", null_repeats=9, null_draws=2)
    figure = ppp.plot_with_null({"tanh": one, "isotropic-tanh": other}, size=16, draws=1)
    assert len(pictures(figure)) == 4
    assert "isotropic-tanh" in words(figure)


def test_a_grid_may_end_in_null_draws_of_its_last_column():
    last = laplace(null="rotation", null_repeats=9, null_draws=2)
    figure = ppp.plot_grid({"row": {"0": laplace(), "1": last}}, size=16, draws=1)
    assert len(pictures(figure)) == 3
    assert "rotation 1" in words(figure)


def test_plots_are_the_same_after_scaling_the_activations_by_a_power_of_two():
    small = ppp.plot_density(laplace(), size=32).images[0]
    large = ppp.plot_density(laplace(scale=4.0), size=32).images[0]
    assert large.get_extent()[1] == 4 * small.get_extent()[1]
    np.testing.assert_allclose(large.get_array() * 16, small.get_array(), rtol=1e-9, atol=1e-99)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ppp.plot_density(laplace(), scale="log"), "scale must be one of row, max, shared"),
        (lambda: ppp.plot_grid({}), "at least one row of results, got none"),
        (lambda: ppp.plot_grid({"a": {}}), "got none for a"),
        (lambda: laplace().plot(extent=0), "extent must be positive and finite, got 0"),
        (lambda: laplace().plot(extent=-1), "extent must be positive and finite, got -1"),
        (lambda: laplace().plot(extent=np.nan), "extent must be positive and finite, got nan"),
        (lambda: laplace().plot(extent="a"), "extent must be positive and finite, got 'a'"),
        (lambda: laplace().plot(size=0), "size must be at least 2 pixels, got 0"),
        (lambda: ppp.plot_grid({"a": {0: laplace()}}, size=0), "size must be at least 2 pixels"),
        (lambda: ppp.plot_against_null(laplace(), size=0), "size must be at least 2 pixels"),
        (lambda: ppp.plot_density(np.eye(3)), "must be what ppp.project returns, got ndarray"),
        (
            lambda: ppp.plot_density({"a": laplace()}),
            "must be what ppp.project returns, got dict",
        ),
        (
            lambda: ppp.plot_against_null(np.eye(3)),
            "must be what ppp.project returns, got ndarray",
        ),
        (lambda: ppp.plot_grid(laplace()), 'must be a mapping, got PPPResult: give {"network"'),
        (lambda: ppp.plot_grid({"a": laplace()}), r"rows\['a'\] must be a mapping, got PPPResult"),
        (
            lambda: ppp.plot_grid({"a": {0: 1}}),
            r"rows\['a'\]\[0\] must be what ppp.project returns, got int",
        ),
        (lambda: ppp.plot_training(laplace()), "rows must be a mapping, got PPPResult"),
        (lambda: ppp.plot_comparison([laplace()]), "got list: give ppp.compare"),
        (
            lambda: ppp.plot_with_null([laplace()]),
            "must be what ppp.project returns, got list",
        ),
        (
            lambda: ppp.plot_with_null({"a": 1}),
            r"result\['a'\] must be what ppp.project returns, got int",
        ),
        (lambda: ppp.plot_with_null({}), "at least one result, got none"),
        (lambda: ppp.plot_with_null(laplace(), draws=0), "draws must be at least 1, got 0"),
        (lambda: ppp.plot_points(np.eye(3)), "type Points, got ndarray: give ppp.points"),
        (lambda: ppp.plot_with_null(laplace()), "carries no full null draws"),
        (lambda: ppp.plot_with_null({"x": laplace()}), "result x carries no full null draws"),
    ],
)
def test_bad_values_name_the_rule_and_the_value(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@given(st.integers(0, 10**12))
def test_short_counts_stay_short_and_close(number):
    text = short(number)
    assert len(text) <= 5
    factor = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1.0)
    assert float(text.rstrip("kMGT")) * factor == pytest.approx(number, rel=0.005, abs=0.5)


def test_numbers_are_written_as_people_read_them():
    assert count(60_000) == f"60{THIN_SPACE}000"
    assert (count(0), count(8.22), count(1e-5)) == ("0", "8.2", "1e-05")
    assert (decimal(0.75), decimal(1.0), decimal(-0.5)) == (".75", "1", "-0.5")
    assert (span([3, 3]), span([1, 5])) == ("3", "1–5")


def test_views_replace_their_grid_when_thinned():
    one = view(laplace())
    assert dataclasses.replace(one.thinned(), grid=one.grid).hits == one.hits


# Points and classes


def test_points_lie_where_they_are_listed_in_the_colour_of_their_angle():
    x = np.random.default_rng(0).laplace(size=(300, 6))
    found = ppp.points(x, epsilon=0.7)
    norms = np.linalg.norm(x, axis=1)[found.row]
    share = np.hypot(*found.w.T) / norms
    np.testing.assert_allclose(found.ratio, share, rtol=1e-12)
    assert found.angle.max() <= np.degrees(np.arccos(0.7)) + 1e-6
    ax = ppp.plot_points(found, extent=1e9)
    dots = ax.collections[0]
    drawn = {(*w, angle) for w, angle in zip(dots.get_offsets(), dots.get_array(), strict=True)}
    assert drawn == {(*w, angle) for w, angle in zip(found.w, found.angle, strict=True)}
    assert f"{len(found)} of {len(found)} hits drawn" in ax.texts[0].get_text().replace(
        "\u2009", ""
    )


def test_points_may_be_those_of_one_plane_and_few_of_many():
    found = ppp.points(np.random.default_rng(1).laplace(size=(300, 6)))
    ax = ppp.plot_points(found, plane=3, most=5)
    offsets = {tuple(each) for each in ax.collections[0].get_offsets()}
    assert len(offsets) == 5
    assert offsets <= {tuple(each) for each in found.w[found.plane == 3]}
    assert ax.get_xlabel() == "along neuron 0"
    assert ax.get_ylabel() == "towards neuron 4"
    assert f"5 of {int((found.plane == 3).sum())} hits" in ax.texts[0].get_text()
    with pytest.raises(ValueError, match=r"plane must lie in \[0, 15\), got 15"):
        ppp.plot_points(found, plane=15)
    for plane in ((1, 0), (0, 6), (2, 2), (-1, 2)):
        with pytest.raises(ValueError, match="two vectors 0 … 5 that are not parallel, the small"):
            ppp.plot_points(found, plane=plane)
    for plane in ("0", 1.0, (0, 1, 2), (0.0, 1.0)):
        with pytest.raises(ValueError, match=r"an index in \[0, 15\) or two vectors, such as"):
            ppp.plot_points(found, plane=plane)
    with pytest.raises(ValueError, match="extent must be positive and finite, got 0"):
        ppp.plot_points(found, extent=0)
    with pytest.raises(ValueError, match="most must be a whole number, got '1e9'"):
        ppp.plot_points(found, most="1e9")
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        ppp.plot_points(found, most=0)
    none = ppp.plot_points(ppp.points(np.sign(found.w), epsilon=1e-9), extent=0.1)
    assert "beyond the picture" in none.texts[0].get_text()
    empty = ppp.plot_points(ppp.points(np.ones((3, 8))))
    said = "no sample within 41.4° of any plane\n7 expected under isotropy"
    assert said in [text.get_text() for text in empty.texts]


def test_a_plane_of_points_may_be_named_by_its_vectors():
    x = np.random.default_rng(1).laplace(size=(300, 6))
    for pairs, pair in (("combination", (2, 4)), ("permutation", (4, 2))):
        found = ppp.points(x, pairs=pairs)
        both = list(zip(found.planes.first, found.planes.second, strict=True))
        named = ppp.plot_points(found, plane=pair)
        indexed = ppp.plot_points(found, plane=both.index(pair))
        np.testing.assert_array_equal(
            named.collections[0].get_offsets(), indexed.collections[0].get_offsets()
        )
        assert named.get_xlabel() == f"along neuron {pair[0]}"


def test_extreme_rows_keep_their_angle():
    found = ppp.points(np.array([[3.0, 4.0, 1.0]]) * np.array([[1e-200], [1.0], [1e200]]))
    np.testing.assert_allclose(found.ratio[found.plane == 0], 5 / np.sqrt(26), rtol=1e-12)


def test_classes_are_projected_as_if_each_were_alone():
    rng = np.random.default_rng(2)
    x, label = rng.laplace(size=(400, 6)), rng.integers(0, 3, 400)
    sample = np.repeat(np.arange(200), 2)
    label = label[sample]
    found = ppp.project_classes(x, label=label, sample=sample, null_repeats=9)
    assert list(found) == [0, 1, 2]
    for key, result in found.items():
        alone = ppp.project(x[label == key], sample=sample[label == key], null_repeats=9)
        assert result.kept.tolist() == alone.kept.tolist()
        assert str(result.table()) == str(alone.table())
    assert sum(result.tally.rows for result in found.values()) == 400
    with pytest.raises(
        ValueError, match=r"carry no labels: give label=.*vectors and images are none: labels="
    ):
        ppp.project_classes(x)
    with pytest.raises(ValueError, match="which can be read again"):
        ppp.project_classes(iter([x]))
    with pytest.raises(ValueError, match="at most 100 classes"):
        ppp.project_classes(x, label=np.arange(400))
