"""Density of the kept samples: a sum of narrow Gaussians, made from the integer grid of a tally.

Counts are binned once, exactly; the image is then ``A H A'`` with a Gaussian matrix ``A``, so its
cost depends on neither the number of hits nor the number of samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Protocol

import numpy as np

from ppp.density_errors import error_bound, likely_error, lost_bound
from ppp.engines import accelerators, has_float64, refusal
from ppp.value_checks import is_number, told

#: The image reaches this factor beyond the quantile of the radii.
MARGIN = 1.05
QUANTILE = 0.999
#: But never farther than this many medians: heavy tails would leave the rest a dot.
MEDIANS = 4.0
#: The default width of a Gaussian, as a fraction of the extent.
SIGMA = 1 / 100
#: The narrowest Gaussian, in bins or pixels: at 0.63 the ripple of the lattice,
#: 2 exp(-2 pi^2 (0.63^2 - 1/12)), is 0.4 %.
NARROWEST = 0.63
#: Most pixels along an image, which then holds 512 MiB.
PIXELS = 2**13
#: Bins further than this many widths from the image are left out (a relative 1e-14).
REACH = 8.0
#: Lengths below this, and above its inverse, have squares that float64 cannot divide by.
SHORTEST = 1e-150


class Gridded(Protocol):
    """What a density needs of a tally."""

    @property
    def grid(self) -> np.ndarray:
        """Hits, (G, G), first index along the first vector."""

    @property
    def half_width(self) -> float:
        """The grid covers [-half_width, half_width)."""

    @property
    def outside(self) -> int:
        """Hits beyond the grid."""


@dataclass(frozen=True)
class Window:
    """The part of the plane that an image shows, and the Gaussians it is drawn with.

    Parameters
    ----------
    extent : float
        The image covers [-extent, extent] on both axes, in the units of the activations.
    sigma : float
        Standard deviation of each Gaussian, in the same units.
    """

    extent: float
    sigma: float


@dataclass(frozen=True)
class Density:
    """Hits per unit area of a plane, with the origin in the centre.

    Parameters
    ----------
    image : (size, size) float64 array
        ``image[row, column]``: rows go upwards along the second vector, columns rightwards along
        the first, so it is drawn with ``origin="lower"``. Its integral is the number of hits whose
        Gaussians fall inside the image.
    extent : float
        The image covers [-extent, extent] on both axes.
    sigma : float
        Standard deviation of each Gaussian.
    sum : int
        Hits in the grid that the image was made from.
    bound : float
        Most by which any pixel can differ from the exact sum, wherever in their bins the hits
        lie, and wherever those beyond the grid do, in units of the image's maximum: see
        `ppp.density_errors.error_bound` and `lost_bound`.
    likely : float
        The same for hits that lie evenly within their bins: see `ppp.density_errors.likely_error`.
        Beams narrower than a bin, or exact zeros, may exceed it; nothing exceeds `bound`.
    """

    image: np.ndarray
    extent: float
    sigma: float
    sum: int
    bound: float
    likely: float

    @property
    def centres(self) -> np.ndarray:
        """Coordinates of the pixel centres along either axis, shape (size,)."""
        return pixel_centres(self.extent, self.image.shape[0])


def pixel_centres(extent: float, size: int) -> np.ndarray:
    """Return the ``size`` pixel centres of an image over [-extent, extent]."""
    return extent * ((2.0 * np.arange(size) + 1.0) / size - 1.0)


def bin_centres(half_width: float, bins: int) -> np.ndarray:
    """Return the bin centres of a grid over [-half_width, half_width).

    Bin k holds [k, k + 1) bin widths above -half_width, so an exact zero lies in bin ``bins / 2``,
    on the positive side, and is drawn half a bin from the origin.
    """
    return (np.arange(bins) + 0.5 - bins / 2) * (2.0 * half_width / bins)


def check_size(size: int) -> None:
    """Raise a ValueError for an image without pixels, or one that would not fit."""
    if not isinstance(size, Integral):
        raise ValueError(f"size must be a whole number of pixels, got {size!r}")
    if size < 2:
        raise ValueError(f"size must be at least 2 pixels, got {size}")
    if size > PIXELS:
        raise ValueError(
            f"size must be at most {PIXELS:,} pixels, got {size:,}, an image of {size**2:,}: take "
            "a smaller extent for more detail"
        )


def check_lengths(**named: float) -> None:
    """Raise a ValueError unless lengths are positive, and small and large enough to be squared."""
    for name, value in named.items():
        if not (is_number(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, got {told(value)}")
        if not SHORTEST < float(value) < 1 / SHORTEST:  # no float32 holds these bounds
            raise ValueError(
                f"a density per unit area cannot be held for a length of {value:.0e} ({name}): "
                "divide all activations by one number, which changes no plane"
            )


def check_given(**named: float | None) -> None:
    """Do what `check_lengths` does for those that are not left out."""
    check_lengths(**{name: value for name, value in named.items() if value is not None})


def check_device(device: str) -> None:
    """Raise a ValueError unless torch can use a device here, and that one has float64."""
    import torch

    reason = refusal(device)
    if not reason and not has_float64(torch.device(device)):
        reason = "it has no float64, in which a density is computed"
    if reason:
        usable = [each for each in accelerators() if has_float64(torch.device(each))]
        there = ", ".join(map(repr, (*usable, "cpu")))
        raise ValueError(
            f"device must be one that torch can use here, got {device!r} ({reason}): leave it out, "
            f"or take one of {there}"
        )


def density(
    grid: np.ndarray,
    half_width: float,
    size: int = 512,
    extent: float | None = None,
    sigma: float | None = None,
    outside: int = 0,
    device: str | None = None,
    together: float = 1.0,
) -> Density:
    """Sum a Gaussian at every hit of an integer grid.

    Parameters
    ----------
    grid : (G, G) integer array
        Hits, ``grid[ix, iy]``: the first index runs along the first vector.
    half_width : float
        The grid covers [-half_width, half_width) on both axes.
    size : int
        Pixels along either side.
    extent, sigma : float, optional
        What :func:`window` says for this grid, where left out.
    outside : int
        Hits beyond the grid, which the default extent and the errors take into account.
    device : str, optional
        Multiply on this torch device, in float64 ("cuda"); on the CPU by default.
    together : float
        Hits of the same input, as `ppp.density_errors.likely_error` wants them.

    Returns
    -------
    Density

    Raises
    ------
    ValueError
        For a grid that is not square or holds no counts, a size below 2, lengths that are not
        positive, a Gaussian too narrow for the bins, or a device that is not there.

    Notes
    -----
    Privileged-plane projection, Sec. 3 and App. E. Binning adds the variance h^2/12 of a bin of
    width h to every hit, so the Gaussians are made narrower by it.

    Examples
    --------
    >>> import numpy as np
    >>> grid = np.zeros((64, 64), dtype=np.int64)
    >>> grid[48, 32] = 10                     # ten hits along the first vector
    >>> d = density(grid, 1.0, size=100, extent=1.0, sigma=0.05)
    >>> row, column = np.unravel_index(d.image.argmax(), d.image.shape)
    >>> bool(d.centres[column] > 0.5), bool(abs(d.centres[row]) < 0.05), d.sum
    (True, True, 10)
    >>> round(float(d.image.sum() * (2 / 100) ** 2), 6)
    10.0
    """
    grid = np.asarray(grid)
    if grid.ndim != 2 or grid.shape[0] != grid.shape[1] or not grid.size:
        raise ValueError(f"grid must be square, (G, G), got shape {grid.shape}")
    if grid.dtype.kind not in "iub" or grid.min() < 0:
        least = f"dtype {grid.dtype}" if grid.dtype.kind not in "iub" else grid.min()
        raise ValueError(f"grid must hold counts of hits, whole and not negative, got {least}")
    check_size(size)
    check_lengths(half_width=half_width)
    check_given(extent=extent, sigma=sigma)
    if extent is None or sigma is None:
        shown = window([_Grid(grid, half_width, outside)], size, extent)
        extent, sigma = shown.extent, shown.sigma if sigma is None else sigma
        check_lengths(extent=extent)
    if device is not None:
        check_device(device)
    extent, sigma = float(extent), float(sigma)
    width = 2.0 * half_width / grid.shape[0]
    if sigma < NARROWEST * width * (1 - 1e-9):
        raise ValueError(
            f"sigma must be at least {NARROWEST} bins, {NARROWEST * width:.4g} for this grid, "
            f"got {sigma:.4g}: widen it, or scan again with a finer grid"
        )
    narrow = math.sqrt(sigma**2 - width**2 / 12)
    image = _spread(grid, half_width, extent, narrow, size, device)
    total, highest = int(grid.sum(dtype=np.int64)), float(image.max())
    lost = lost_bound(outside, half_width - extent, sigma)
    if highest == 0:
        off = math.inf if lost > 0 else 0.0
        return Density(image, extent, sigma, total, off, off)
    wider = _spread(grid, half_width, extent, math.sqrt(2.0) * sigma, size, device)
    bound = (error_bound(sigma, width) * float(wider.max()) + lost) / highest
    likely = likely_error(highest, sigma, width, together) + lost / highest
    return Density(image, extent, sigma, total, bound, likely)


def _spread(
    grid: np.ndarray, half_width: float, extent: float, sigma: float, size: int, device: str | None
) -> np.ndarray:
    """Return the sum of Gaussians at the centres of the bins: kernel @ hits @ kernel'."""
    centres = bin_centres(half_width, grid.shape[0])
    low, high = np.searchsorted(centres, [-extent - REACH * sigma, extent + REACH * sigma])
    near = slice(int(low), int(high))
    offset = (pixel_centres(extent, size)[:, None] - centres[near]) / sigma
    kernel = np.exp(-0.5 * offset**2) / (np.sqrt(2.0 * np.pi) * sigma)
    hits = grid[near, near].T.astype(np.float64)
    if device is None:
        return np.asarray(kernel @ hits @ kernel.T)
    import torch

    across = torch.tensor(kernel, device=device)
    return np.asarray((across @ torch.tensor(hits, device=device) @ across.T).cpu().numpy())


@dataclass(frozen=True)
class _Grid:
    """A grid on its own, where no tally is at hand."""

    grid: np.ndarray
    half_width: float
    outside: int = 0


def window(tallies: Iterable[Gridded], size: int = 512, extent: float | None = None) -> Window:
    """Choose one extent and one width for all images of a figure's row.

    The extent is 1.05 times the 99.9th percentile of the hits' radii over all tallies, hits beyond
    a grid counting as farthest out, but at most four times their median: one heavy tail would
    leave everything else a dot. Without hits it is a quarter of the grid, about where the norms of
    the samples end. Sigma is a hundredth of the extent, or what the coarsest grid and the pixels
    can carry.

    Parameters
    ----------
    tallies : iterable
        Anything with ``grid``, ``half_width`` and ``outside``.
    size : int
        Pixels along either side of the images.
    extent : float, optional
        Use this extent and choose the width alone.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> grid = np.zeros((64, 64), dtype=np.int64)
    >>> grid[40, 32] = 5
    >>> shown = window([SimpleNamespace(grid=grid, half_width=2.0, outside=0)])
    >>> round(shown.extent, 3), round(shown.sigma, 3)
    (0.559, 0.039)
    """
    tallies = list(tallies)
    if not tallies:
        raise ValueError("a window needs at least one tally, got none")
    extent = float(_extent(tallies) if extent is None else extent)
    coarsest = max(2.0 * tally.half_width / tally.grid.shape[0] for tally in tallies)
    coarsest = max(coarsest, 2.0 * extent / size)
    return Window(extent, float(max(SIGMA * extent, NARROWEST * coarsest)))


def _extent(tallies: list[Gridded]) -> float:
    """Return the margin times the quantile of the radii of all hits."""
    radii, counts = [], []
    for tally in tallies:
        centres = bin_centres(tally.half_width, tally.grid.shape[0])
        column, row = np.nonzero(tally.grid)
        radii.append(np.hypot(centres[column], centres[row]))
        counts.append(tally.grid[column, row])
    widest = max(float(tally.half_width) for tally in tallies)
    radius, count = np.concatenate(radii), np.concatenate(counts)
    total = int(count.sum()) + sum(int(tally.outside) for tally in tallies)
    if total == 0:
        return widest / 4
    order = np.argsort(radius, kind="stable")
    heights = np.cumsum(count[order])
    middle, reached = np.searchsorted(heights, [0.5 * total, QUANTILE * total])
    quantile = widest if reached == radius.size else MARGIN * float(radius[order[reached]])
    heavy = widest if middle == radius.size else MEDIANS * float(radius[order[middle]])
    return min(quantile, heavy, widest)


def thin(grid: np.ndarray, power: float = 0.9, seed: int = 0) -> np.ndarray:
    """Keep a random subset of the hits, without replacement: the integer nearest N**power of N.

    Only for reproducing published figures, which had to thin; sums here are exact at any N.

    Parameters
    ----------
    grid : (G, G) int64 array
        Hits; at most a thousand million in all.
    power : float
        Exponent in (0, 1].
    seed : int
        Seed of the draw.

    Notes
    -----
    Privileged-plane projection, App. E.

    Examples
    --------
    >>> import numpy as np
    >>> int(thin(np.full((8, 8), 100)).sum()), round(6400 ** 0.9)
    (2664, 2664)
    """
    if not 0 < power <= 1:
        raise ValueError(f"power must lie in (0, 1], got {power}")
    filled = np.nonzero(grid)
    counts = np.asarray(grid[filled], dtype=np.int64)
    total = int(counts.sum())
    if total >= 1_000_000_000:
        raise ValueError(
            f"thinning draws from at most 1 000 000 000 hits, got {total}: leave it out"
        )
    thinned = np.zeros_like(grid)
    if total:
        rng = np.random.default_rng(seed)
        thinned[filled] = rng.multivariate_hypergeometric(counts, round(total**power))
    return thinned
