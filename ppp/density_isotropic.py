"""The density that isotropic data of given norms would have in one plane, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ppp.closed import check_dimension
from ppp.density import REACH, Window, check_lengths, check_size, pixel_centres
from ppp.rule import Rule

Array = NDArray[np.float64]

#: Rings a Gaussian's width, each at its mass' mean radius: 1e-3 of the maximum at worst.
RINGS = 12
#: Norms closer than this share of a Gaussian's width count as one, their mean.
ALIKE = 1 / 16
#: Numbers in a table of norms by rings that is held at a time: 8 MiB.
ROOM = 2**20
#: Distances from the centre that are looked at together.
PIECE = 512


def isotropic_image(norms: ArrayLike, n: int, rule: Rule, window: Window, size: int) -> Array:
    """Return the density of isotropic rows in any one plane, per row, with its Gaussians.

    The direction of w is uniform, and given ‖x‖ = R a share (1 - s²/R²)^((n-2)/2) of the rows lies
    beyond s, of which the rule keeps those with s ≥ εR. The mean over the norms is cut into rings,
    and a ring spread by a Gaussian of width σ has, at a distance r from the centre, the density
    exp(-(r² + s²)/2σ²) I₀(rs/σ²) / 2πσ².

    Parameters
    ----------
    norms : (R,) array
        ‖x‖ of the rows, positive.
    n : int
        Width of the activations, at least 3.
    rule : Rule
        The rule that keeps samples.
    window : Window
        Extent of the image and width of the Gaussians.
    size : int
        Pixels along either side.

    Returns
    -------
    (size, size) float64 array
        Its integral over the whole plane is the share of rows that a plane keeps.

    Raises
    ------
    ValueError
        For n = 2, where rows have no distance to the one plane, ε = 1, norms that are not
        positive, or a window or size out of range.

    Notes
    -----
    ρ² = ‖w‖²/‖x‖² is Beta(1, (n - 2)/2) under isotropy, in any plane of any frame. No random
    numbers: given the norms the image is exact but for the width of the rings.

    Examples
    --------
    >>> image = isotropic_image([1.0], 8, Rule(0.5), Window(1.2, 0.05), 128)
    >>> share = image.sum() * (2.4 / 128) ** 2
    >>> round(float(share), 3), round((1 - 0.5**2) ** 3, 3)
    (0.422, 0.422)
    """
    from scipy.interpolate import CubicSpline

    check_dimension(n, 3, "with n = 2 every row lies in the one plane, isotropic or not")
    check_size(size)
    check_lengths(extent=window.extent, sigma=window.sigma)
    lengths = np.asarray(norms, np.float64).ravel()
    if not lengths.size or not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("norms must be positive and finite, and at least one: leave others out")
    if rule.epsilon == 1:
        raise ValueError("epsilon must lie below 1 for an isotropic density: at 1 it keeps no row")
    sigma = window.sigma
    far = np.sqrt(2) * window.extent
    edges = np.arange(0.0, far + REACH * sigma, sigma / RINGS)
    mass, middle = _rings(edges, *_grouped(lengths, ALIKE * sigma), n, rule)
    at = np.arange(0.0, far + sigma, sigma / RINGS)
    profile = CubicSpline(at, _spread(at, middle, mass, sigma))
    centres = pixel_centres(window.extent, size)
    image = profile(np.hypot(centres[:, None], centres))
    return np.asarray(np.maximum(image, 0.0), np.float64)


def _spread(at: Array, middle: Array, mass: Array, sigma: float) -> Array:
    """Return the density that rings have at distances from the centre, a piece at a time."""
    from scipy.special import ive

    found = np.empty(len(at))
    for start in range(0, len(at), PIECE):
        here = at[start : start + PIECE]
        # rings farther away than this add nothing
        reach = here[[0, -1]] + np.array([-REACH, REACH]) * sigma
        ring = slice(*np.searchsorted(middle, reach))
        gap = (here[:, None] - middle[ring]) / sigma
        spread = np.exp(-0.5 * gap**2) * ive(0, np.outer(here, middle[ring]) / sigma**2)
        found[start : start + PIECE] = spread @ mass[ring] / (2 * np.pi * sigma**2)
    return found


def _grouped(lengths: Array, width: float) -> tuple[Array, Array]:
    """Return the mean of each group of norms that are alike, and its share of all."""
    _, group, count = np.unique(np.floor(lengths / width), return_inverse=True, return_counts=True)
    return np.bincount(group, weights=lengths) / count, count / len(lengths)


def _rings(edges: Array, lengths: Array, shares: Array, n: int, rule: Rule) -> tuple[Array, Array]:
    """Return the share of rows kept in each ring between the edges, and their mean radius."""
    from scipy.special import beta, betainc

    half = (n - 2) / 2
    whole = half * beta(1.5, half)  # the mean of rho over all rows
    least = rule.epsilon * lengths
    if rule.distance is not None:
        least = np.maximum(least, np.sqrt(np.maximum(lengths**2 - rule.distance**2, 0.0)))
    beyond = np.zeros((2, len(edges)))  # rows at least so far out, and their summed radii
    step = max(1, ROOM // len(edges))
    for start in range(0, len(lengths), step):
        part = slice(start, start + step)
        inner = np.minimum(np.maximum(edges[:, None], least[part]) / lengths[part], 1.0) ** 2
        beyond[0] += (1.0 - inner) ** half @ shares[part]
        beyond[1] += betainc(half, 1.5, 1.0 - inner) @ (whole * shares * lengths)[part]
    mass, radii = -np.diff(beyond)
    middle = (edges[1:] + edges[:-1]) / 2
    np.divide(radii, mass, out=middle, where=mass > 1e-12)
    return mass, np.clip(middle, edges[:-1], edges[1:])
