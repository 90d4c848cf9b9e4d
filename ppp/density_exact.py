"""The exact sum of Gaussians: what a density made of bins is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ppp.density import Density, Window, check_lengths, check_size, pixel_centres
from ppp.value_checks import in_memory

if TYPE_CHECKING:
    from ppp.point_cloud import Points

#: Numbers in the two tables of Gaussians that are held at a time: 64 MiB.
ROOM = 2**23
#: Widths from its centre at which a Gaussian, e^-350, is as good as zero.
FARTHEST = 26.45


def exact_density(points: Points | np.ndarray, window: Window, size: int = 512) -> Density:
    """Sum a Gaussian at every point, without bins.

    Every point reaches every pixel, in float64: the cost grows with the number of points times
    `size` squared, half a minute for a million points at 512 pixels; memory does not (about 64
    MiB). `PPPResult.density` has the same image from the counted grid, thousands of times faster,
    with the error it states.

    Parameters
    ----------
    points : Points or (H, 2) array
        Kept samples: what `ppp.points` lists, or their in-plane coordinates.
    window : Window
        Extent of the image and width of the Gaussians.
    size : int
        Pixels along either side.

    Returns
    -------
    Density
        With a bound of 0: what is left is rounding, about 1e-13 of the maximum.

    Raises
    ------
    ValueError
        For coordinates that are not (H, 2), real and finite, a size below 2, or a window that is
        none or has no extent.

    Notes
    -----
    Privileged-plane projection, Sec. 3 and App. E: the image at p is the sum over hits w of
    exp(-|p - w|^2 / (2 sigma^2)) / (2 pi sigma^2).

    Examples
    --------
    >>> import ppp
    >>> x = np.random.default_rng(0).laplace(size=(2000, 8))
    >>> made = ppp.project(x, null=None).density(size=64)
    >>> truth = exact_density(ppp.points(x), Window(made.extent, made.sigma), size=64)
    >>> bool(np.abs(made.image - truth.image).max() < made.likely * truth.image.max())
    True
    """
    if not (hasattr(window, "extent") and hasattr(window, "sigma")):
        raise ValueError(f"window must be a ppp.Window(extent, sigma), got {window!r}")
    if hasattr(points, "tally"):
        raise TypeError(f"points must be listed, got {type(points).__name__}: give ppp.points(x)")
    w = in_memory(getattr(points, "w", points), "points")
    if w.dtype.kind not in "iufb":
        raise ValueError(f"points must be real coordinates, got dtype {w.dtype}")
    w = w.astype(np.float64, copy=False)
    if w.ndim != 2 or w.shape[1] != 2:
        raise ValueError(f"points must have shape (H, 2), got {w.shape}")
    if not np.isfinite(w).all():
        raise ValueError("points must be finite, got NaN or infinite coordinates: leave them out")
    check_size(size)
    check_lengths(extent=window.extent, sigma=window.sigma)
    centres = pixel_centres(window.extent, size)
    image = np.zeros((size, size))
    step = max(1, ROOM // (2 * size))
    for start in range(0, len(w), step):
        across, upwards = (
            _bells(w[start : start + step, k], centres, window.sigma) for k in (0, 1)
        )
        image += upwards.T @ across
    image /= 2 * np.pi * window.sigma**2
    return Density(image, window.extent, window.sigma, len(w), bound=0.0, likely=0.0)


def _bells(at: np.ndarray, centres: np.ndarray, sigma: float) -> np.ndarray:
    """Return exp(-(c - w)^2 / (2 sigma^2)) of every point and pixel, (K, size)."""
    bells = np.subtract.outer(at / sigma, centres / sigma)
    # products of two Gaussians beyond this are denormal, which is a hundred times slower
    np.clip(bells, -FARTHEST, FARTHEST, out=bells)
    np.square(bells, out=bells)
    bells *= -0.5
    return np.exp(bells, out=bells)
