"""An observation beside its null: words never lie on words, whatever the number of draws."""

import numpy as np
import pytest
from legible import check_legible

import ppp
from ppp.pictures import with_draws

pytestmark = pytest.mark.usefixtures("closed_figures")


def beside(draws, scale=1.0, null="rotation", **options):
    x = scale * np.random.default_rng(0).laplace(size=(400, 8))
    result = ppp.project(x, null=null, null_repeats=19)
    return ppp.plot_with_null(with_draws(result, draws), size=32, draws=draws, **options)


@pytest.mark.parametrize("draws", range(1, 13))
def test_no_words_lie_on_words(draws):
    figure = beside(draws)
    assert sum(ax.get_title().startswith("rotation") for ax in figure.axes) == draws
    check_legible(figure)


@pytest.mark.parametrize("scale", [1e-7, 3e-4, 12_345.0, 1e9])
def test_names_and_numbers_fit_whatever_the_unit(scale):
    check_legible(beside(3, scale))


@pytest.mark.parametrize("panel", [1.0, 1.3, 1.4, 3.0])
def test_words_fit_panels_of_any_size(panel):
    check_legible(beside(4, panel=panel))


def test_the_longest_names_fit():
    check_legible(beside(12, null="uniform-standardised"))


def test_panels_are_squares_in_two_lines():
    figure = beside(5)
    width, height = figure.get_size_inches()
    places = [ax.get_position() for ax in figure.axes[:6]]
    for place in places:
        assert place.width * width == pytest.approx(place.height * height)
    large, upper, lower = places[0], places[1:4], places[4:]
    assert {round(place.y1, 9) for place in upper} == {round(large.y1, 9)}
    assert {round(place.y0, 9) for place in lower} == {round(large.y0, 9)}


def test_without_any_hit_there_is_no_colour_bar():
    signs = np.sign(np.random.default_rng(0).standard_normal((50, 24)))
    figure = ppp.plot_with_null(ppp.project(signs, epsilon=0.99, null_draws=2), size=16)
    assert len(figure.axes) == 3
    check_legible(figure)
