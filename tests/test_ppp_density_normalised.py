"""A density over that of isotropy, of its null, of other data: closed forms, laws, pictures."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import ppp
from ppp.cli import plot as command
from ppp.density import Window, pixel_centres
from ppp.density_isotropic import isotropic_image
from ppp.plot_null import DIVERGING, TIMES, UNKNOWN


def normal(rows=6000, n=6, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, n))


def slow_image(norms, n, epsilon, window, size, distance=None, rings=2000):
    """The isotropic density from equal shares of rows, each a ring of many Gaussians."""
    centres = pixel_centres(window.extent, size)
    phi = 2 * np.pi * np.arange(720) / 720
    image = np.zeros((size, size))
    for norm in norms:
        least = epsilon
        if distance is not None:
            least = max(least, math.sqrt(max(0.0, 1 - (distance / norm) ** 2)))
        kept = (1 - least**2) ** ((n - 2) / 2)
        for k in range(rings):
            beyond = kept * (k + 0.5) / rings
            rho = math.sqrt(1 - beyond ** (2 / (n - 2)))
            x, y = norm * rho * np.cos(phi), norm * rho * np.sin(phi)
            across = np.exp(-0.5 * ((centres[:, None] - x) / window.sigma) ** 2)
            upwards = np.exp(-0.5 * ((centres[:, None] - y) / window.sigma) ** 2)
            image += kept / rings * (upwards @ across.T) / len(phi)
    return image / (2 * np.pi * window.sigma**2 * len(norms))


@pytest.mark.parametrize(
    ("norms", "n", "epsilon", "distance"),
    [
        ([1.0], 3, 0.5, None),
        ([1.0], 3, 0.99, None),
        ([1.0, 0.4], 4, 0.75, None),
        ([0.7, 0.8, 1.1], 9, 0.3, None),
        ([0.5, 1.0], 6, 0.2, 0.6),
    ],
)
def test_isotropic_image_equals_a_slow_sum_over_rings(norms, n, epsilon, distance):
    shown = Window(1.3, 0.08)
    rule = ppp.Rule(epsilon, distance=distance)
    made = isotropic_image(norms, n, rule, shown, 20)
    truth = slow_image(norms, n, epsilon, shown, 20, distance)
    assert np.abs(made - truth).max() < 1e-3 * truth.max()


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(3, 40),
    epsilon=st.floats(0.05, 0.95),
    norm=st.floats(0.2, 1.0),
    unit=st.sampled_from([1e-3, 1.0, 64.0]),
)
def test_isotropic_image_holds_the_kept_share_and_scales(n, epsilon, norm, unit):
    shown = Window(1.5, 0.1)
    image = isotropic_image([norm, 0.5], n, ppp.Rule(epsilon), shown, 60)
    share = (1 - epsilon**2) ** ((n - 2) / 2)
    assert image.sum() * (3.0 / 60) ** 2 == pytest.approx(share, rel=1e-6)
    wide = Window(1.5 * unit, 0.1 * unit)
    scaled = isotropic_image([norm * unit, 0.5 * unit], n, ppp.Rule(epsilon), wide, 60)
    np.testing.assert_allclose(scaled * unit**2, image, rtol=1e-9, atol=1e-9 * image.max())
    np.testing.assert_allclose(image, image.T)
    np.testing.assert_allclose(image, image[::-1], atol=1e-12 * image.max())


@pytest.mark.parametrize("by", ["isotropic", "null", "data", "tallies"])
@pytest.mark.parametrize("pairs", ["combination", "permutation"])
def test_isotropic_data_are_one_within_the_error_of_their_counts(by, pairs):
    options = {"epsilon": 0.5, "pairs": pairs, "null_repeats": 9}
    result = ppp.project(normal(), null_draws=6, **options)
    others = [ppp.project(normal(seed=k), **options) for k in (5, 6, 7)]
    divisor = {"data": others, "tallies": [other.tally for other in others]}.get(by, by)
    found = ppp.density_ratio(result, divisor, size=64)
    seen = ~np.isnan(found.image)
    assert seen.mean() > 0.5
    total = found.observed[seen].sum() / found.divisor[seen].sum()
    assert total == pytest.approx(1, abs=0.01)
    # hits of one sample in several planes add to the error of independent ones; so do the
    # divisor's own where it is counted
    standardised = (found.image - 1)[seen] / found.spread[seen]
    assert 0.7 < standardised.std() < 1.9
    assert np.array_equal(np.isnan(found.spread), ~seen)


def test_aligned_data_exceed_isotropy_along_the_axes_and_fall_short_between():
    x = np.random.default_rng(1).laplace(size=(8000, 8))
    found = ppp.density_ratio(ppp.project(x, epsilon=0.7, null=None), size=96)
    middle, off = 48, int(48 + 48 * 0.45 / math.sqrt(2))
    on_axis, diagonal = found.image[middle, int(48 + 48 * 0.45)], found.image[off, off]
    assert on_axis > 1.5 * diagonal
    assert found.by == "isotropy, for the norms of 8,000 rows"


def test_a_projection_over_itself_is_one_and_over_twice_its_rows_too():
    x = normal(3000)
    result = ppp.project(x, epsilon=0.6, null=None)
    twice = ppp.project(np.concatenate([x, x]), epsilon=0.6, null=None)
    for other in (result, twice, [result, twice], result.tally):
        found = ppp.density_ratio(result, other, size=48)
        np.testing.assert_allclose(found.image[~np.isnan(found.image)], 1, rtol=1e-12)
    own = ppp.density_ratio(result.tally, twice, size=48)
    np.testing.assert_allclose(own.image, ppp.density_ratio(result, twice, size=48).image)


@pytest.mark.parametrize("by", ["isotropic", "null"])
def test_a_scaled_activation_has_the_same_ratio(by):
    x = np.random.default_rng(2).laplace(size=(4000, 6))
    one, other = (
        ppp.density_ratio(ppp.project(factor * x, epsilon=0.6, null_draws=2), by, size=48)
        for factor in (1.0, 32.0)
    )
    np.testing.assert_allclose(other.image, one.image, rtol=1e-9)
    assert other.extent == 32 * one.extent


def test_pixels_without_a_divisor_are_undefined_by_the_stated_rule():
    result = ppp.project(normal(2000, 12), epsilon=0.6, null=None)
    for least in (1.0, 0.1):
        found = ppp.density_ratio(result, size=48, least=least)
        few = found.divisor * 4 * np.pi * found.sigma**2 < least
        assert few.any()
        np.testing.assert_array_equal(np.isnan(found.image), few)
        np.testing.assert_allclose(
            found.image[~few], (found.observed / found.divisor)[~few], rtol=1e-12
        )


def test_pixels_near_an_edge_that_hits_lie_beyond_are_undefined():
    x = normal(3000)
    x[:2] *= 1000  # beyond the grid, which is made for the rest
    result = ppp.project(x, epsilon=0.5, null=None)
    assert result.tally.outside > 0
    half = result.tally.half_width
    found = ppp.density_ratio(result, size=64, extent=half, sigma=half / 30, least=1e-9)
    near = np.abs(pixel_centres(half, 64)) <= half * (1 - 4 / 30)
    assert np.isnan(found.image[~near]).all()
    assert not np.isnan(found.image[np.ix_(near, near)]).all()


def test_norms_may_be_given_where_the_rows_are_gone(tmp_path):
    x = normal(1500)
    result = ppp.project(x, epsilon=0.5)
    result.save(tmp_path / "r.h5")
    loaded = ppp.PPPResult.load(tmp_path / "r.h5")
    norms = np.linalg.norm(x, axis=1)
    np.testing.assert_allclose(
        ppp.density_ratio(loaded, norms=norms, size=32).image,
        ppp.density_ratio(result, size=32).image,
        rtol=1e-9,
    )
    with pytest.raises(ValueError, match="neither a tally nor a loaded result has: give norms="):
        ppp.density_ratio(loaded)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ppp.density_ratio(ppp.project(normal(50, 2))), "with n = 2 every row lies in the"),
        (lambda: ppp.density_ratio(ppp.project(np.eye(4), epsilon=1)), "epsilon must lie below 1"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), "noise"), "projection, got 'noise'"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), "null"), "project it with null_draws"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)).tally, "null"), "its tally alone"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), []), "at least one projection"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), 3), "other projections, got 3"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), least=0), "positive, got 0"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), sigma=np.nan), "finite, got nan"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), extent=0), "extent must be .* got 0"),
        (lambda: isotropic_image([1.0], 5, ppp.Rule(0.5), Window(1, 0), 8), "sigma .* got 0"),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), norms=[-1.0]), "positive and finite"),
        (lambda: ppp.density_ratio(ppp.project(normal(50) * 1e20)), "divide them all by one"),
        (
            lambda: ppp.density_ratio(ppp.project(normal(50)), ppp.project(normal(50, 7))),
            "n = 6 and 7, epsilon = 0.75 and 0.75",
        ),
        (
            lambda: ppp.density_ratio(
                ppp.project(normal(50), distance=2.0), ppp.project(normal(50))
            ),
            "distance = 2.0 and None",
        ),
        (lambda: ppp.density_ratio(normal(50)), "must be what ppp.project returns, got ndarray"),
        (
            lambda: ppp.density_ratio(ppp.project(normal(50)), norms="a"),
            "norms must be real numbers, got str",
        ),
        (lambda: ppp.density_ratio(ppp.project(normal(50)), least="a"), "positive, got 'a'"),
        (
            lambda: ppp.density_ratio(ppp.project(normal(50)), [ppp.project(normal(50)), "x"]),
            "or other projections, got 'x'$",
        ),
    ],
)
def test_what_cannot_be_divided_says_why(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_the_picture_says_what_it_is_divided_by_and_greys_the_rest():
    result = ppp.project(normal(2000, 10), epsilon=0.6, null_draws=2)
    found = ppp.density_ratio(result, "null", size=48)
    ax = result.plot(normalise="null", size=48)
    image = ax.images[0]
    assert image.get_cmap().name == DIVERGING
    assert image.get_clim() == (-3, 3)
    drawn = np.ma.filled(image.get_array(), np.nan)
    np.testing.assert_array_equal(np.isnan(drawn), np.isnan(found.image))
    inside = ~np.isnan(found.image) & (found.image > 0.2) & (found.image < 5)
    np.testing.assert_allclose(2 ** drawn[inside], found.image[inside])
    assert plt.matplotlib.colors.to_hex(ax.get_facecolor()) == UNKNOWN
    said = " ".join(text.get_text() for text in ax.texts)
    assert "divided by the null: mean of 2 × rotation" in said
    assert "grey: the divisor has under 1 hit in a Gaussian" in said
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "times the null"
    assert [label.get_text() for label in bar.get_yticklabels()] == list(TIMES.values())
    few = ppp.project(normal(30, 10), epsilon=0.9).plot(normalise="isotropic", size=48)
    assert "here everywhere: lower epsilon" in " ".join(text.get_text() for text in few.texts)
    with pytest.raises(ValueError, match="leave out scale and thinned"):
        result.plot(normalise="null", thinned=True)
    plt.close("all")


def test_the_command_divides_one_network(tmp_path):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", normal(800, 8))
    quick = ["--null-repeats", "9", "--quiet", "--size", "48"]
    for by in ("isotropic", "null"):
        out = tmp_path / f"{by}.png"
        done = CliRunner().invoke(
            command, [str(tmp_path / "a.npy"), "--normalise", by, "-o", str(out), *quick]
        )
        assert done.exit_code == 0, done.output
        assert out.stat().st_size > 1000
    both = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "--normalise", "null", *quick]
    done = CliRunner().invoke(command, [*both, "-o", str(tmp_path / "no.png")])
    assert done.exit_code == 2
    assert "--normalise draws one network at a time, got a, b" in done.output
    scaled = [str(tmp_path / "a.npy"), "--normalise", "null", "--scale", "max", *quick]
    done = CliRunner().invoke(command, [*scaled, "-o", str(tmp_path / "no.png")])
    assert done.exit_code == 2
    assert "a ratio has its own colours" in done.output
    bare = [str(tmp_path / "a.npy"), "--normalise", "null", "--null", "none", *quick]
    done = CliRunner().invoke(command, [*bare, "-o", str(tmp_path / "no.png")])
    assert done.exit_code == 2
    assert 'by="null" needs full null draws' in done.output
