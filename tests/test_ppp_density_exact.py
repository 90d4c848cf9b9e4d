"""The exact sum of Gaussians against a loop, and the density's errors against what they state."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppp
from ppp.density import density, pixel_centres
from ppp.density_errors import error_bound, likely_error
from ppp.density_exact import ROOM, exact_density


def binned(w, half_width, bins):
    edges = np.linspace(-half_width, half_width, bins + 1)
    return np.histogram2d(*w.T, bins=[edges, edges])[0].astype(np.int64)


def test_the_exact_sum_is_the_definition_pixel_by_pixel():
    w = np.random.default_rng(0).standard_normal((30, 2))
    made = ppp.exact_density(w, ppp.Window(2.0, 0.3), size=9)
    centres = pixel_centres(2.0, 9)
    for row in range(9):
        for column in range(9):
            terms = (
                math.exp(-((centres[column] - a) ** 2 + (centres[row] - b) ** 2) / (2 * 0.3**2))
                for a, b in w
            )
            truth = math.fsum(terms) / (2 * math.pi * 0.3**2)
            assert made.image[row, column] == pytest.approx(truth, rel=1e-12)
    assert (made.sum, made.bound, made.likely, made.extent, made.sigma) == (30, 0, 0, 2.0, 0.3)


def test_the_exact_sum_is_the_same_in_pieces():
    size = 4
    step = ROOM // (2 * size)
    w = np.random.default_rng(1).standard_normal((step + 5, 2))
    shown = ppp.Window(2.0, 0.3)
    whole = exact_density(w, shown, size).image
    parts = exact_density(w[:1000], shown, size).image + exact_density(w[1000:], shown, size).image
    np.testing.assert_allclose(whole, parts, rtol=1e-10)


def test_points_far_from_the_image_add_nothing():
    shown = ppp.Window(1.0, 0.01)
    far = exact_density(np.array([[1e3, 0.0], [0.0, -1e300]]), shown, 16)
    assert 0 <= far.image.max() < 1e-100
    assert far.sum == 2
    assert not exact_density(np.empty((0, 2)), shown, 16).image.any()


@pytest.mark.parametrize("pairs", ["combination", "permutation"])
@pytest.mark.parametrize("frame", ["standard", "oblique"])
def test_a_projection_is_drawn_as_its_listed_points_are(pairs, frame):
    rng = np.random.default_rng(2)
    x = rng.laplace(size=(3000, 6))
    made = "standard" if frame == "standard" else ppp.Frame.given(rng.standard_normal((8, 6)))
    result = ppp.project(x, made, 0.6, pairs, null=None)
    shown = result.density(size=80)
    truth = ppp.exact_density(
        ppp.points(x, made, 0.6, pairs), ppp.Window(shown.extent, shown.sigma), 80
    )
    assert truth.sum == result.hits
    error = np.abs(shown.image - truth.image).max()
    assert error < shown.likely * shown.image.max() < 0.2 * truth.image.max()


#: Grid of half-width 8, image of half-width 4: the widths of the benchmark, on fewer pixels.
CLOUDS = {
    "smooth": lambda rng: rng.standard_normal((100_000, 2)),
    "laplace": lambda rng: rng.laplace(size=(50_000, 2)),
    "ring": lambda rng: ring(rng, 40_000),
}
WORST = {
    "thin beam": lambda rng: np.stack(
        [rng.laplace(size=20_000), 0.25 / 64 + 1e-4 * rng.standard_normal(20_000)], axis=1
    ),
    "exact zeros": lambda rng: np.stack([rng.laplace(size=20_000), np.zeros(20_000)], axis=1),
    "one point": lambda rng: np.full((1000, 2), 1.0 + 1e-9),
    "lattice": lambda rng: rng.integers(-200, 200, (20_000, 2)) / 64,
}


def ring(rng, count):
    angle = 2 * np.pi * rng.random(count)
    return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.standard_normal(
        (count, 2)
    )


def errors(w, bins):
    made = density(binned(w, 8.0, bins), 8.0, size=128, extent=4.0, sigma=0.04)
    truth = exact_density(w, ppp.Window(4.0, 0.04), 128).image
    return made, float(np.abs(made.image - truth).max())


@pytest.mark.parametrize("bins", [512, 1024])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_hits_spread_within_their_bins_keep_the_likely_error(cloud, bins):
    w = CLOUDS[cloud](np.random.default_rng(3))
    made, error = errors(w, bins)
    highest = made.image.max()
    assert error <= made.likely * highest < made.bound * highest
    assert error > 0.1 * made.likely * highest  # it says something


@pytest.mark.parametrize("cloud", WORST)
def test_no_hits_break_the_bound(cloud):
    w = WORST[cloud](np.random.default_rng(4))
    made, error = errors(w, 1024)
    highest = made.image.max()
    assert 0.1 * made.bound * highest < error <= made.bound * highest
    if cloud != "lattice":
        assert error > made.likely * highest  # these are not spread evenly, as documented


def test_the_likely_error_falls_with_hits_and_with_finer_bins():
    rng = np.random.default_rng(5)
    few, many = rng.standard_normal((5000, 2)), rng.standard_normal((500_000, 2))
    shown = {"size": 64, "extent": 4.0, "sigma": 0.1}
    one, other = (density(binned(w, 8.0, 512), 8.0, **shown) for w in (few, many))
    assert other.likely == pytest.approx(one.likely / 10, rel=0.2)
    fine = density(binned(few, 8.0, 2048), 8.0, **shown)
    assert fine.likely == pytest.approx(one.likely / 4, rel=0.05)
    assert density(np.zeros((8, 8), np.int64), 1.0, size=8).likely == 0


def of_rows(x, **shown):
    """A projection's tally, its density, and how far that is from the exact one at most."""
    result = ppp.project(x, null=None)
    made = result.density(**shown)
    truth = exact_density(ppp.points(x), ppp.Window(made.extent, made.sigma), len(made.image))
    return result.tally, made, float(np.abs(truth.image - made.image).max() / made.image.max())


@pytest.mark.parametrize("n", [18, 64, 256])
def test_hits_of_one_sample_are_moved_together(n):
    # beside one vector a sample has the same coordinate in all of its planes
    rng = np.random.default_rng(n)
    x = np.eye(n)[rng.integers(0, n, 300)] * rng.uniform(1, 2, (300, 1))
    tally, made, error = of_rows(x + 0.03 * rng.standard_normal((300, n)), size=48)
    assert 0.05 * made.likely < error < made.likely
    if n == 256:
        width = 2 * tally.half_width / tally.rule.bins
        assert error > 2 * likely_error(made.image.max(), made.sigma, width)


def test_the_errors_know_of_hits_beyond_the_grid():
    rng = np.random.default_rng(0)
    near = rng.standard_normal((20_000, 4))
    far = [17.0, 5.0, 0.0, 0.0] + 0.1 * rng.standard_normal((5000, 4))
    x = np.concatenate([near, far])  # the grid is that of the first rows
    tally, made, error = of_rows(x, size=48, extent=25.0, sigma=0.5)
    assert tally.beyond > 5000
    assert error > 1
    assert error < made.likely < made.bound
    _, within, error = of_rows(x, size=48, extent=4.0, sigma=0.5)
    assert error < within.likely < within.bound < 1
    assert within.bound == pytest.approx(of_rows(near, size=48, extent=4.0, sigma=0.5)[1].bound)
    empty = density(np.zeros((8, 8), np.int64), 1.0, size=8, outside=3)
    assert empty.bound == empty.likely == np.inf


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(0.7, 10.0), st.sampled_from([1e-3, 1.0, 1e3]))
def test_errors_do_not_depend_on_the_unit(hits, widths, unit):
    # hits per unit area fall with the square of the unit
    one = likely_error(hits, widths, 1.0)
    assert likely_error(hits / unit**2, widths * unit, unit) == pytest.approx(one)
    assert error_bound(widths * unit, unit) == pytest.approx(error_bound(widths, 1.0))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: exact_density(np.zeros((3, 3)), ppp.Window(1, 1)), r"\(H, 2\), got \(3, 3\)"),
        (lambda: exact_density([[np.nan, 0]], ppp.Window(1, 1)), "points must be finite"),
        (lambda: exact_density(np.zeros((1, 2)), ppp.Window(1, 1), 1), "at least 2 pixels, got 1"),
        (lambda: exact_density(np.zeros((1, 2)), ppp.Window(1, 0)), "sigma must be .* got 0"),
        (
            lambda: exact_density(np.zeros((1, 2)), ppp.Window(1, np.inf)),
            "sigma must be .* got inf",
        ),
        (lambda: exact_density(np.zeros((1, 2)), ppp.Window(np.inf, 1)), "extent must .* got inf"),
        (lambda: exact_density(np.zeros((1, 2)) * 1j, ppp.Window(1, 1)), "got dtype complex128"),
        (lambda: exact_density([[1, 2], [3]], ppp.Window(1, 1)), "points must fill an array"),
        (lambda: exact_density(np.zeros((1, 2)), (1, 0.1)), r"ppp\.Window\(.*\), got \(1, 0.1\)"),
    ],
)
def test_what_cannot_be_summed_says_why(call, text):
    with pytest.raises(ValueError, match=text):
        call()
