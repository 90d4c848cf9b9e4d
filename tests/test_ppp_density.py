"""The density from the grid against the exact sum of Gaussians, and its laws."""

from types import SimpleNamespace

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppp.density import (
    NARROWEST,
    bin_centres,
    density,
    pixel_centres,
    thin,
    window,
)
from ppp.density_errors import error_bound


def binned(w, half_width, bins):
    """Bin in-plane coordinates as the projection's rule says."""
    grid, outside, _ = naive.binned(np.asarray(w), half_width, bins, 4)
    return grid, outside


def exact(w, extent, sigma, size):
    """Sum one Gaussian a hit, straight from the definition."""
    centres = pixel_centres(extent, size)
    image = np.zeros((size, size))
    for first, second in w:
        across = np.exp(-0.5 * ((centres - first) / sigma) ** 2)
        upwards = np.exp(-0.5 * ((centres - second) / sigma) ** 2)
        image += np.outer(upwards, across) / (2 * np.pi * sigma**2)
    return image


def clouds(seed, hits):
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((hits, 2))
    narrow = np.abs(rng.standard_normal((hits, 2))) * [1.0, 0.1]
    return {"round": w, "beam": narrow}


@pytest.mark.parametrize("cloud", ["round", "beam"])
@pytest.mark.parametrize(("bins", "allowed"), [(256, 6e-2), (1024, 1.5e-2)])
def test_many_hits_come_close_to_the_exact_sum(cloud, bins, allowed):
    w = clouds(0, 4000)[cloud]
    grid, _ = binned(w, 4.0, bins)
    sigma = 0.15
    made = density(grid, 4.0, size=96, extent=3.0, sigma=sigma)
    truth = exact(w, 3.0, sigma, 96)
    assert np.abs(made.image - truth).max() < allowed * truth.max()


def test_variance_correction_removes_the_widening_of_the_bins():
    # Without it the image of this cloud would be broader by h^2 / 12, here by 3.3 %.
    w = np.random.default_rng(1).normal(0, 0.3, (100_000, 2))
    grid = np.histogram2d(*w.T, bins=16, range=[[-2, 2], [-2, 2]])[0].astype(np.int64)
    sigma = 0.25
    made = density(grid, 2.0, size=400, extent=2.0, sigma=sigma)
    across = made.image.sum(axis=0)
    variance = (across * made.centres**2).sum() / across.sum()
    assert variance == pytest.approx((w[:, 0] ** 2).mean() + sigma**2, rel=5e-3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-0.9, 0.9)] * 2), min_size=1, max_size=4),
    st.sampled_from([16, 64]),
    st.floats(NARROWEST, 4.0),
)
def test_the_stated_bound_holds_for_the_worst_hits(w, bins, widths):
    sigma = widths * 2.0 / bins
    grid, _ = binned(w, 1.0, bins)
    made = density(grid, 1.0, size=24, extent=1.2, sigma=sigma)
    worst = made.bound * made.image.max()
    assert np.abs(made.image - exact(w, 1.2, sigma, 24)).max() <= worst * (1 + 1e-9)


def test_the_bound_is_reached_to_a_third_by_hits_in_the_corners_of_their_bins():
    # a bound that nothing comes near says nothing
    h, sigma = 2 / 64, 0.08
    for offset, share in ((1e-9, 0.3), (h / 2, 0.0)):
        w = np.full((50, 2), offset)
        grid, _ = binned(w, 1.0, 64)
        made = density(grid, 1.0, size=96, extent=0.5, sigma=sigma)
        error = np.abs(made.image - exact(w, 0.5, sigma, 96)).max() / made.image.max()
        assert share * made.bound < error <= made.bound


def test_bound_shrinks_with_finer_bins():
    assert error_bound(1.0, 0.25) < error_bound(1.0, 1.0) / 3


def test_bins_are_half_open_so_zero_belongs_to_the_positive_side():
    grid, _ = binned([(0.0, 0.0)], 1.0, 16)
    assert grid[8, 8] == 1
    assert bin_centres(1.0, 16)[8] == 1 / 16
    assert bin_centres(1.0, 16)[7] == -1 / 16
    made = density(grid, 1.0, size=200, extent=0.5, sigma=0.1)
    row, column = np.unravel_index(made.image.argmax(), made.image.shape)
    assert made.centres[column] == pytest.approx(1 / 16, abs=0.005)
    assert made.centres[row] == pytest.approx(1 / 16, abs=0.005)


def test_first_vector_points_right_and_second_up():
    grid, _ = binned([(0.8, 0.1)], 1.0, 64)
    image = density(grid, 1.0, size=50, extent=1.0, sigma=0.05).image
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert column > 40
    assert 25 <= row < 30


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_device_draws_the_same_image(device):
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no cuda device here")
    grid, _ = binned(clouds(8, 400)["beam"], 4.0, 64)
    one, other = (density(grid, 4.0, size=40, extent=2.0, device=each) for each in (None, device))
    np.testing.assert_allclose(one.image, other.image, rtol=1e-12, atol=1e-12 * one.image.max())


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_lengths_may_be_of_any_precision(kind):
    grid = np.eye(16, dtype=np.int64)
    plain = density(grid, 1.0, 32, extent=0.5, sigma=0.125)
    np.testing.assert_array_equal(
        density(grid, 1.0, 32, extent=kind(0.5), sigma=kind(0.125)).image, plain.image
    )
    assert density(grid, 1.0, 32, extent=kind(0.5)).sigma == density(grid, 1.0, 32, 0.5).sigma


def test_transposing_the_grid_transposes_the_image():
    grid, _ = binned(clouds(3, 500)["beam"], 4.0, 64)
    one = density(grid, 4.0, size=40, extent=2.0, sigma=0.2).image
    other = density(grid.T, 4.0, size=40, extent=2.0, sigma=0.2).image
    np.testing.assert_allclose(other, one.T, atol=1e-12)


def test_densities_add_as_grids_do():
    first, _ = binned(clouds(4, 300)["round"], 4.0, 64)
    second, _ = binned(clouds(5, 200)["beam"], 4.0, 64)
    settings_ = {"size": 32, "extent": 2.0, "sigma": 0.2}
    together = density(first + second, 4.0, **settings_)
    apart = density(first, 4.0, **settings_).image + density(second, 4.0, **settings_).image
    np.testing.assert_allclose(together.image, apart, atol=1e-9)
    assert together.sum == 500


def test_integral_is_the_number_of_hits():
    w = clouds(6, 777)["round"]
    grid, outside = binned(w, 8.0, 128)
    made = density(grid, 8.0, size=300, extent=8.0, sigma=0.2)
    assert outside == 0
    assert made.image.sum() * (16.0 / 300) ** 2 == pytest.approx(777, rel=1e-6)


def test_window_is_the_quantile_of_all_radii_with_its_margin():
    radii = np.linspace(1.0, 3.0, 2000)
    angle = np.linspace(0, 40, 2000)
    w = np.stack([radii * np.cos(angle), radii * np.sin(angle)], axis=1)
    grid, _ = binned(w, 4.0, 1024)
    shown = window([SimpleNamespace(grid=grid, half_width=4.0, outside=0)])
    assert shown.extent == pytest.approx(1.05 * np.quantile(radii, 0.999), abs=0.01)
    assert shown.sigma == pytest.approx(shown.extent / 100)


def test_one_heavy_tail_does_not_leave_everything_else_a_dot():
    w = np.concatenate([np.full((900, 2), 0.1), np.full((100, 2), 3.0)])
    grid, _ = binned(w, 4.0, 256)
    shown = window([SimpleNamespace(grid=grid, half_width=4.0, outside=0)])
    assert shown.extent == pytest.approx(4 * 0.1 * np.sqrt(2), rel=0.1)


def test_window_spans_several_tallies_and_never_goes_finer_than_their_bins():
    near, _ = binned([(0.1, 0.1)] * 10, 1.0, 64)
    far, _ = binned([(6.0, 0.1)] * 20, 8.0, 64)
    tallies = [
        SimpleNamespace(grid=near, half_width=1.0, outside=0),
        SimpleNamespace(grid=far, half_width=8.0, outside=0),
    ]
    shown = window(tallies)
    assert shown.extent == pytest.approx(1.05 * 6.1, abs=0.3)
    assert shown.sigma == pytest.approx(NARROWEST * 0.25)
    assert window(tallies, size=10).sigma == pytest.approx(NARROWEST * 2 * shown.extent / 10)
    for tally in tallies:
        made = density(tally.grid, tally.half_width, 16, shown.extent, shown.sigma)
        assert made.sum == tally.grid.sum()


def test_window_without_hits_is_a_quarter_of_the_grid():
    empty = SimpleNamespace(grid=np.zeros((16, 16), np.int64), half_width=8.0, outside=0)
    assert window([empty]).extent == 2.0
    assert not density(empty.grid, 8.0, size=8).image.any()


def test_hits_beyond_the_grid_push_the_window_to_its_edge():
    grid, _ = binned([(0.1, 0.1)], 1.0, 64)
    assert window([SimpleNamespace(grid=grid, half_width=1.0, outside=50)]).extent == 1.0
    assert density(grid, 1.0, size=8, outside=50).extent == 1.0


def test_sum_is_exact_beyond_float_precision_of_single_bins():
    grid = np.full((8, 8), 2**50, dtype=np.int64)
    assert density(grid, 1.0, size=8, extent=1.0, sigma=0.3).sum == 2**56


@pytest.mark.parametrize("seed", range(3))
def test_thinning_keeps_a_subset_of_the_asked_size(seed):
    grid, _ = binned(clouds(7, 3000)["beam"], 4.0, 32)
    thinned = thin(grid, seed=seed)
    assert thinned.sum() == round(int(grid.sum()) ** 0.9)
    assert (thinned <= grid).all()
    assert (thinned >= 0).all()
    np.testing.assert_array_equal(thinned, thin(grid, seed=seed))


def test_thinning_is_unbiased_over_seeds():
    grid = np.zeros((4, 4), dtype=np.int64)
    grid[0, 0], grid[3, 3] = 900, 100
    share = np.mean([thin(grid, seed=k)[0, 0] for k in range(200)]) / round(1000**0.9)
    assert share == pytest.approx(0.9, abs=0.01)


def test_thinning_nothing_keeps_nothing():
    assert not thin(np.zeros((4, 4), dtype=np.int64)).any()


EMPTY = np.zeros((8, 8), np.int64)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: density(np.zeros((4, 8)), 1.0), r"square, \(G, G\), got shape \(4, 8\)"),
        (lambda: density(np.zeros((0, 0), int), 1.0), r"square, \(G, G\), got shape \(0, 0\)"),
        (lambda: density(np.full((8, 8), 0.5), 1.0), "whole and not negative, got dtype float64"),
        (lambda: density(-np.eye(8, dtype=int), 1.0), "whole and not negative, got -1"),
        (lambda: density(EMPTY, 1.0, size=1), "at least 2 pixels, got 1"),
        (lambda: density(EMPTY, 1.0, size=64.5), "whole number of pixels, got 64.5"),
        (lambda: density(EMPTY, 1.0, extent=0.0, sigma=1.0), "extent must be positive .* got 0"),
        (lambda: density(EMPTY, 1.0, extent=np.inf), "extent must be positive and finite, got inf"),
        (lambda: density(EMPTY, 1.0, extent=1.0, sigma=0.1), "at least 0.63 bins"),
        (lambda: density(EMPTY, 1.0, sigma=np.nan), "sigma must be positive and finite, got nan"),
        (lambda: density(EMPTY, 1.0, sigma=np.inf), "sigma must be positive and finite, got inf"),
        (lambda: density(EMPTY, 1.0, sigma=1e200), r"length of 1e\+200 \(sigma\): divide all"),
        (lambda: density(EMPTY, np.nan), "half_width must be positive and finite, got nan"),
        (lambda: density(EMPTY, 1e-300), r"length of 1e-300 \(half_width\): divide all"),
        (lambda: density(np.ones((1, 1), int), 1.0), "extent must be positive and finite, got 0.0"),
        (lambda: window([]), "at least one tally"),
        (lambda: thin(np.zeros((4, 4), np.int64), power=1.5), r"\(0, 1\], got 1.5"),
        (lambda: thin(np.full((4, 4), 10**8)), "at most 1 000 000 000 hits, got 1600000000"),
    ],
)
def test_bad_values_name_the_rule_and_the_value(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_device_without_float64_is_refused(monkeypatch):
    grid = np.ones((32, 32), np.int64)
    monkeypatch.setattr("ppp.density.has_float64", lambda device: False)
    with pytest.raises(ValueError, match=r"device must be .* got 'cpu' \(it has no float64"):
        density(grid, 4.0, size=8, device="cpu")
