"""Where an observed density departs from its null: ratio and z of every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ppp.density import Window, window
from ppp.views import densities, how_to_draw, null_kind, null_views, view

if TYPE_CHECKING:
    from ppp.result import PPPResult

Array = NDArray[np.float64]

#: Width of a Gaussian, as a fraction of the extent: wider than a density's, so that single hits
#: do not show.
SIGMA = 1 / 30
#: A pixel is compared where the null has this many hits within one Gaussian.
LEAST = 1.0


@dataclass(frozen=True)
class NullMap:
    """An observed density beside the mean and spread of its null.

    Parameters
    ----------
    observed, mean, sd : (size, size) float64 arrays
        Densities, hits per unit area, drawn as a `Density` is.
    log_ratio : (size, size) float64 array
        log2(observed / mean): 1 is twice the null; -inf where nothing was observed, NaN where
        the null has too few hits to compare with.
    z : (size, size) float64 array
        (observed - mean) in standard deviations of one draw; NaN as above.
    extent, sigma : float
        Half the side, and the width of the Gaussians.
    draws : int
        Draws of the null.
    images : int
        Images that mean and spread come from: each draw as often as its symmetry allows.
    """

    observed: Array
    mean: Array
    sd: Array
    log_ratio: Array
    z: Array
    extent: float
    sigma: float
    draws: int
    images: int


def null_map(result: PPPResult, size: int = 192, extent: float | None = None) -> NullMap:
    """Compare an observed density with its null, pixel by pixel.

    Parameters
    ----------
    result : PPPResult
        With at least two full draws of its null (``null_draws``).
    size : int
        Pixels along either side.
    extent : float, optional
        Half the side in the units of the activations; by default that of the figures.

    Returns
    -------
    NullMap

    Raises
    ------
    ValueError
        If the result carries fewer than two full draws.

    Notes
    -----
    A rotated frame B and its opposite -B are equally likely, and in an orthonormal frame so are
    both orders of its vectors: each draw of the rotation null serves as two or four images. The
    spread is at least that of independent hits, mean / (4 pi sigma^2). Pixels are neighbours and
    hits dependent: the map shows where to look, the statistics say whether there is anything.

    Examples
    --------
    >>> import ppp
    >>> x = np.random.default_rng(0).laplace(size=(3000, 8))
    >>> found = null_map(ppp.project(x, null_draws=4), size=64)
    >>> bool(np.nanmax(found.z) > 5), found.images
    (True, 16)
    """
    nulls = null_views(result)
    if len(nulls) < 2:
        raise ValueError(
            f"a map against the null needs at least 2 full draws, got {len(nulls)}: "
            f"{how_to_draw(result)}"
        )
    one = view(result)
    shown = window([one, *nulls], size, extent)
    wide = Window(shown.extent, max(SIGMA * shown.extent, shown.sigma))
    observed, *drawn = (made.image for made in densities([one, *nulls], size, wide))
    images = np.stack(folded(drawn, result))
    mean = images.mean(axis=0)
    footprint = 4 * np.pi * wide.sigma**2
    poisson = np.mean([null.weight for null in nulls]) * mean / footprint
    sd = np.sqrt(np.maximum(images.var(axis=0, ddof=1), poisson))
    enough = mean * footprint >= LEAST
    z = np.full_like(mean, np.nan)
    log_ratio = np.full_like(mean, np.nan)
    z[enough] = (observed - mean)[enough] / (sd[enough] * np.sqrt(1 + 1 / len(images)))
    with np.errstate(divide="ignore"):
        log_ratio[enough] = np.log2(observed[enough] / mean[enough])
    return NullMap(
        observed, mean, sd, log_ratio, z, wide.extent, wide.sigma, len(nulls), len(images)
    )


def folded(drawn: list[Array], result: PPPResult) -> list[Array]:
    """Return each image of the rotation null with its equally likely mirror images.

    Parameters
    ----------
    drawn : list of (size, size) arrays
        Densities of the full draws of a result's null.
    result : PPPResult
        Whose null and frame say what is equally likely.

    Returns
    -------
    list of (size, size) arrays
        The draws alone for any other null.
    """
    if null_kind(result) != "rotation":
        return drawn
    opposite = [image[::-1, ::-1] for image in drawn]
    images = [*drawn, *opposite]
    if result.planes.frame.orthonormal:
        images += [image.T for image in images]
    return images
