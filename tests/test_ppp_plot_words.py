"""Long names, long titles and little room: every word stays legible and on its figure."""

import numpy as np
import pytest
from legible import check_legible

import ppp
from ppp.plot_panels import short
from ppp.plot_words import fitted

pytestmark = pytest.mark.usefixtures("closed_figures")

LONG = [
    "isotropic-leaky-relu-normalised",
    "elementwise-leaky-relu-normalised",
    "hyperoctahedral-max-norm-leaky",
]
SHORT = ["tanh", "isotropic-tanh", "leaky-relu", "isotropic-leaky-relu"]


def projected(seed=0, rows=200, n=6, scale=1.0, **options):
    x = scale * np.random.default_rng(seed).laplace(size=(rows, n))
    return ppp.project(x, **{"null": None} | options)


def test_lines_end_at_the_best_place_that_fits_and_keep_every_letter():
    text = "n = 8,  N = 600 samples,  ε = .75 (within 41.4° of a plane)"
    assert fitted(text, 9.0, 8) == text
    assert fitted(text, 2.0, 8).split("\n")[0] == "n = 8,  N = 600 samples,"
    for inches in (0.05, 0.3, 1.0, 2.0):
        assert "".join(fitted(text, inches, 8).split()) == "".join(text.split())
    assert fitted("one\n\ntwo", 1.0, 8) == "one\n\ntwo"


@pytest.mark.parametrize("names", [SHORT[:2], LONG, SHORT, [f"network-{k}" for k in range(7)]])
@pytest.mark.parametrize("statistics", [None, ["kappa"]])
def test_groups_of_any_names_stand_beside_each_other(names, statistics):
    comparison = ppp.compare({name: [projected(k) for k in range(2)] for name in names})
    check_legible(ppp.plot_comparison(comparison, statistics=statistics))


TITLE = "Layer encoder.blocks.3.activation of the network of seed 0 on CIFAR-10, after 125 epochs"


def with_rows_left_out():
    x = np.random.default_rng(0).laplace(size=(3000, 8))
    x[:53], x[60, 1] = 0.0, 1e6
    return ppp.project(x, null=None)


def test_a_long_title_and_counts_fit_and_leave_the_picture_its_room():
    plain = ppp.plot_density(projected(rows=3000, n=8), size=16)
    ax = ppp.plot_density(with_rows_left_out(), size=16, title=TITLE)
    for each in (plain, ax):
        check_legible(each.figure)
    assert "53 zero or non-finite rows left out" in ax.texts[-1].get_text().replace("\n", " ")
    assert ax.get_window_extent().width > 0.85 * plain.get_window_extent().width


def test_long_titles_of_ratios_and_points_fit():
    check_legible(projected().plot(normalise="isotropic", size=16, title=TITLE).figure)
    points = ppp.points(np.random.default_rng(0).laplace(size=(200, 6)))
    check_legible(ppp.plot_points(points, title=TITLE).figure)


@pytest.mark.parametrize("panel", [1.2, 1.5, 2.5])
def test_the_key_of_one_panel_fits_below_it(panel):
    figure = ppp.plot_grid({"net/seed0": {"epoch 0": projected()}}, size=16, panel=panel)
    check_legible(figure)
    width = figure.axes[0].get_window_extent().width / figure.dpi
    assert width > 0.9 * panel, "the key takes no room from the panel"


def test_long_names_of_columns_stand_above_their_panels():
    columns = ("epoch 0", "a-snapshot-whose-name-goes-on-and-on after training", "40")
    figure = ppp.plot_grid({"net": {name: projected(n=6) for name in columns}}, size=16, panel=1.2)
    check_legible(figure)
    titles = [ax.get_title() for ax in figure.axes[:3]]
    assert "".join(titles[1].split()) == columns[1].replace(" ", "")


def test_a_narrow_map_has_its_words():
    draws = projected(null_draws=2, null="rotation", null_repeats=9)
    check_legible(ppp.plot_against_null(draws, size=16, panel=1.2, title=TITLE))


@pytest.mark.parametrize("scale", [1e12, 1e-9])
def test_powers_of_ten_stand_with_the_names_of_axes(scale):
    points = ppp.points(scale * np.random.default_rng(0).laplace(size=(200, 6)))
    for ax in (
        projected(scale=scale).plot(size=16),
        projected(scale=scale).plot(size=16, normalise="isotropic"),
        ppp.plot_points(points),
    ):
        check_legible(ax.figure)
        power = int(np.floor(np.log10(ax.get_xlim()[1])))
        for axis in (ax.xaxis, ax.yaxis):
            assert f"10^{{{power}}}" in axis.get_label_text()
            assert not axis.get_offset_text().get_text()
            shown = [float(t.get_text().replace("−", "-")) for t in axis.get_ticklabels()]
            np.testing.assert_allclose(np.multiply(shown, 10.0**power), axis.get_ticklocs())


def test_the_colours_of_tiny_activations_have_numbers_and_no_unit():
    ax = projected(scale=1e-9).plot(size=16)
    ax.figure.draw_without_rendering()
    ticks = [text.get_text() for text in ax.figure.axes[1].get_yticklabels()]
    assert not any("T" in text for text in ticks)
    assert len(set(ticks)) == len(ticks) > 2


def test_maps_without_hits_say_so_with_the_expectation():
    signs = np.sign(np.random.default_rng(0).standard_normal((300, 18)))
    for epsilon, texts in ((0.75, [1, 0]), (0.999, [1, 1])):
        result = ppp.project(signs, epsilon=epsilon, null_draws=4, null_repeats=9)
        figure = ppp.plot_against_null(result, size=16)
        assert [len(ax.texts) for ax in figure.axes[:2]] == texts
        said = figure.axes[0].texts[0].get_text()
        assert said == f"no hits\n{short(result.expected)} expected"
        check_legible(figure)
    said = figure.axes[1].texts[0].get_text()
    assert said == f"no hits in 4 draws\n{short(4 * result.expected)} expected"


def test_more_groups_than_colours_differ_by_line_and_marker():
    rows = {f"a group of name {k}/0": {"epoch 0": projected(k)} for k in range(8)}
    figure = ppp.plot_training(rows, statistics=["kappa"])
    lines = [line for line in figure.axes[0].lines if line.get_label()[0] != "_"]
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in lines}
    assert len(lines) == len(looks) == 8
    check_legible(figure)


def test_training_says_of_which_networks_it_shows_nothing():
    signs = np.sign(np.random.default_rng(0).standard_normal((300, 18)))
    none = {"epoch 0": ppp.project(signs, null=None)}
    figure = ppp.plot_training({"signs": none}, statistics=["a4", "kappa"])
    said = figure.axes[0].texts[0].get_text().replace("\n", " ")
    assert said.startswith("all networks: undefined, because no sample passes at epsilon = 0.75;")
    assert not figure.axes[1].texts
    check_legible(figure)
    rows = {"signs": none, "other": {"epoch 0": projected(n=18, rows=2000)}}
    figure = ppp.plot_training(rows, statistics=["a4"], title=TITLE)
    assert figure.axes[0].get_xlabel().startswith("signs: undefined")
    check_legible(figure)


def test_points_name_their_planes_also_where_none_is_seen():
    rows = np.ones((4, 8))
    rows[3] = 0
    points = ppp.points(rows)
    assert (points.valid, points.dropped) == (3, 1)
    expected = 3 * (1 - 0.75**2) ** 3
    assert points.expected == pytest.approx(28 * expected)
    for plane, which, number in ((None, "any", 28 * expected), ((0, 1), "this", expected)):
        ax = ppp.plot_points(points, plane=plane)
        nothing, said = (text.get_text() for text in ax.texts)
        number = ppp.plot_panels.count(number)
        assert (
            nothing == f"no sample within 41.4° of {which} plane\n{number} expected under isotropy"
        )
        planes = "28 planes (combination)" if plane is None else "1 plane"
        assert said.replace("\n", "  ") == (
            f"n = 8,  N = 3 samples,  ε = .75 (within 41.4° of a plane),  {planes}  "
            f"0 of 0 hits drawn,  {number} hits expected under isotropy,  "
            "1 zero or non-finite rows left out"
        )
        check_legible(ax.figure)
    near = ppp.points(rows, epsilon=0.0, distance=0.5)
    assert np.isnan(near.expected)
    assert "– expected under isotropy" in ppp.plot_points(near).texts[0].get_text()


def test_colours_of_angles_start_at_zero_where_every_sample_lies_in_its_plane():
    points = ppp.points(np.diag([1.0, 2.0, 3.0, 4.0]))
    assert not points.angle.any()
    ax = ppp.plot_points(points)
    assert ax.collections[0].get_clim() == (0.0, 1.0)
