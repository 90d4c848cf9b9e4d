"""How far a density made of bins can be from the exact sum of Gaussians."""

from __future__ import annotations

import math

import numpy as np

#: Standard deviations that no pixel of an image is expected to exceed.
SURE = 5.0


def error_bound(sigma: float, width: float) -> float:
    """Worst error of one binned Gaussian, as a share of one that is √2 times as wide.

    A hit lies at most ``width / sqrt(2)`` from the centre of its bin, where the narrower Gaussian
    is drawn. The difference, at a distance r from the centre, is at most this share of
    ``exp(-r^2 / 4 sigma^2) / (4 pi sigma^2)``, whatever r. So an image is off by at most this
    share of the density of the same hits with wider Gaussians, pixel by pixel.

    Parameters
    ----------
    sigma, width : float
        Standard deviation of the Gaussian and width of a bin, in the same units.

    Returns
    -------
    float
        About 1.2 ``width / sigma``.

    Examples
    --------
    >>> round(error_bound(1.0, 0.25), 2), round(error_bound(1.0, 0.025), 3)
    (0.33, 0.031)
    """
    r = np.linspace(0.0, 12.0, 6001)
    narrow = 1.0 - (width / sigma) ** 2 / 12
    drawn = np.exp(-0.5 * r**2 / narrow) / narrow
    move = width / sigma / math.sqrt(2.0)
    nearest, farthest = np.maximum(r - move, 0.0), r + move
    off = np.maximum(
        np.abs(np.exp(-0.5 * nearest**2) - drawn), np.abs(np.exp(-0.5 * farthest**2) - drawn)
    )
    return 1.001 * float((2.0 * off * np.exp(0.25 * r**2)).max())  # between points of r: 0.1 %


def lost_bound(outside: int, beyond: float, sigma: float) -> float:
    """Most that hits beyond the grid can add to a pixel, were they drawn.

    Parameters
    ----------
    outside : int
        Hits beyond the grid.
    beyond : float
        Least distance from a pixel to where they lie; at most zero where the image reaches there.
    sigma : float
        Standard deviation of the Gaussian.

    Returns
    -------
    float
        Hits per unit area.

    Examples
    --------
    >>> lost_bound(0, 0.0, 1.0), round(lost_bound(100, -1.0, 1.0), 2)
    (0.0, 15.92)
    """
    gaussian = math.exp(-0.5 * min(max(beyond, 0.0) / sigma, 40.0) ** 2)
    return outside * gaussian / (2 * math.pi * sigma**2)


def likely_error(highest: float, sigma: float, width: float, together: float = 1.0) -> float:
    """Largest error to expect of an image whose hits lie evenly within their bins.

    Moving one hit by a random part of a bin changes a pixel with the variance
    ``width^2 / 12`` times the squared slope of its Gaussian, which is at most
    ``1 / (pi e sigma^4)`` times the Gaussian itself. Summed over hits, the standard deviation of a
    pixel is at most ``width / sigma^2 * sqrt(pixel / (12 pi e))``; five of these are given, and the
    ripple of the lattice of bins. Hits of one input may all be moved by the same part of a bin, as
    those of a sample beside one vector are in each of its planes: the variance is about that many
    times as large.

    Parameters
    ----------
    highest : float
        The image's maximum, hits per unit area.
    sigma, width : float
        Standard deviation of the Gaussian and width of a bin, in the same units.
    together : float
        Hits of the same input, Σ h²/Σ h over inputs; 1 where each hit moves by itself.

    Returns
    -------
    float
        In units of the maximum; 0 for an empty image. It falls with the root of the number of
        inputs hit and with the width of a bin.

    Examples
    --------
    >>> round(likely_error(1e6 / (2 * math.pi), sigma=0.04, width=1 / 64), 4)
    0.0121
    """
    if highest <= 0:
        return 0.0
    ripple = 4 * math.exp(-2 * (math.pi * sigma / width) ** 2 + math.pi**2 / 6)
    variance = together / (12 * math.pi * math.e * highest)
    return SURE * width / sigma**2 * math.sqrt(variance) + ripple
