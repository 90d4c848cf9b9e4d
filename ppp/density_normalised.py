"""A density divided by that of isotropy, of its own null, or of other data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ppp.density import Window, check_given, check_size, pixel_centres, window
from ppp.density_isotropic import isotropic_image
from ppp.maps import LEAST, SIGMA, folded
from ppp.tally import Tally
from ppp.value_checks import as_doubles, check_result, is_number, told
from ppp.views import View, densities, how_to_draw, null_kind, null_views, tally_view, view

if TYPE_CHECKING:
    from ppp.result import PPPResult

Array = NDArray[np.float64]

#: Widths of a Gaussian from the edge of the grid that a pixel must keep: hits beyond are missing.
INSIDE = 4.0
#: Of rows with norms outside this range the tests keep directions alone.
HELD = (1e-14, 1e14)


@dataclass(frozen=True)
class DensityRatio:
    """A density over a divisor: 1 where the data are as the divisor expects.

    Parameters
    ----------
    image : (size, size) float64 array
        observed / divisor, drawn as a `Density` is; NaN where the divisor is too small to mean
        anything.
    observed, divisor : (size, size) float64 arrays
        Hits per unit area, the divisor scaled to the rows and planes of the observation.
    extent, sigma : float
        Half the side, and the width of the Gaussians.
    by : str
        What was divided by, in words.
    least : float
        Pixels are NaN where the divisor has fewer hits than this within one Gaussian, an area of
        4 pi sigma^2.
    """

    image: Array
    observed: Array
    divisor: Array
    extent: float
    sigma: float
    by: str
    least: float

    @property
    def spread(self) -> Array:
        """(size, size) standard deviation of the ratio, had the divisor's hits been independent.

        Hits of one sample in many planes are not: this is the least spread there can be.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 1 / np.sqrt(self.divisor * 4 * np.pi * self.sigma**2)
        return np.where(np.isnan(self.image), np.nan, found)


def density_ratio(
    result: PPPResult | Tally,
    by: str | PPPResult | Tally | Sequence[PPPResult | Tally] = "isotropic",
    *,
    size: int = 192,
    extent: float | None = None,
    sigma: float | None = None,
    least: float = LEAST,
    norms: ArrayLike | None = None,
) -> DensityRatio:
    """Divide a density by what it would be without privileged planes.

    Parameters
    ----------
    result : PPPResult or Tally
        The observation.
    by : "isotropic", "null", PPPResult, Tally, or a sequence of these
        "isotropic": the closed form for directions without preference and the norms of the rows
        themselves. "null": the mean of the result's own full null draws (``null_draws``), with
        the mirror images that the rotation null makes equally likely. Anything else: the mean
        of other projections, such as one of Gaussian data, row for row and plane for plane.
    size : int
        Pixels along either side.
    extent : float, optional
        Half the side in the units of the activations; by default that of the figures.
    sigma : float, optional
        Width of the Gaussians; a thirtieth of the extent by default, wider than a density's so
        that single hits do not show.
    least : float
        Leave a pixel undefined (NaN) where the divisor has fewer hits than this within one
        Gaussian, an area of 4 pi sigma^2; so is one within four widths of the grid's edge.
    norms : (R,) array, optional
        Norms of the rows for "isotropic"; by default those of the at most 10 000 tested rows,
        which a loaded result or a tally lacks.

    Returns
    -------
    DensityRatio

    Raises
    ------
    ValueError
        For n = 2 or epsilon 1 with "isotropic", where norms or null draws are not there, or for
        an argument out of range.

    Notes
    -----
    The volume normaliser: an isotropic sample falls near the middle of a plane less often than
    at its rim (PPP paper, App. A), and division by its density takes that out. The isotropic
    density needs no random numbers: w has a uniform direction and, given ‖x‖ = R, a share
    (1 - s²/R²)^((n-2)/2) of rows lies beyond s. It is exact, to 1e-3 of its maximum, for the norms
    used: all of them while the result has at most 10 000 rows, else a random subset by input.

    Examples
    --------
    >>> import ppp
    >>> x = np.random.default_rng(0).standard_normal((5000, 6))
    >>> found = density_ratio(ppp.project(x, epsilon=0.5, null=None), size=64)
    >>> bool(abs(np.nanmean(found.image) - 1) < 0.05)
    True
    """
    if not isinstance(result, Tally):
        check_result("result", result)
    if not (is_number(least) and least > 0):
        raise ValueError(f"least must be positive, got {told(least)}: it is a number of hits")
    check_size(size)
    check_given(extent=extent, sigma=sigma)
    mine, closed = _view(result), isinstance(by, str) and by == "isotropic"
    others, mean, words = ([], None, "") if closed else _divisors(result, by)
    shown = window([mine, *others], size, extent)
    wide = max(SIGMA * shown.extent, shown.sigma) if sigma is None else float(sigma)
    shown = Window(shown.extent, wide)
    observed, *drawn = (made.image for made in densities([mine, *others], size, shown))
    if mean is None:
        lengths = _norms(result) if norms is None else as_doubles(norms, "norms")
        each = isotropic_image(lengths, mine.planes.frame.n, _tally(result).rule, shown, size)
        divisor = mine.valid * mine.planes.count * each
        words = f"isotropy, for the norms of {lengths.size:,} rows"
    else:
        divisor = mean(drawn)
    enough = divisor * 4 * np.pi * wide**2 >= least
    enough &= _inside([mine, *others], shown, size)
    image = np.full_like(observed, np.nan)
    np.divide(observed, divisor, out=image, where=enough)
    return DensityRatio(image, observed, divisor, shown.extent, wide, words, float(least))


def _tally(result: PPPResult | Tally) -> Tally:
    return result if isinstance(result, Tally) else result.tally


def _view(result: PPPResult | Tally) -> View:
    if isinstance(result, Tally):
        return tally_view(result, result.planes, float("nan"))
    return view(result)


def _divisors(
    result: PPPResult | Tally, by: Any
) -> tuple[list[View], Callable[[list[Array]], Array], str]:
    """Return what to divide by, weighted to the observation's rows; its mean; what it is called."""
    if isinstance(by, str):
        if by != "null":
            raise ValueError(f'by must be "isotropic", "null" or another projection, got {by!r}')
        if isinstance(result, Tally):
            raise ValueError('by="null" needs the result that holds the null, got its tally alone')
        nulls = null_views(result)
        if not nulls:
            raise ValueError(f'by="null" needs full null draws, got none: {how_to_draw(result)}')
        words = f"the null: mean of {len(nulls)} × {null_kind(result)}"
        return nulls, lambda drawn: np.mean(folded(drawn, result), axis=0), words
    listed: list[Any] = list(by) if isinstance(by, Sequence) else [by]
    if not listed:
        raise ValueError("a density is divided by at least one projection, got none")
    wrong = [one for one in listed if not (isinstance(one, Tally) or hasattr(one, "tally"))]
    if wrong:
        raise ValueError(f'by must be "isotropic", "null" or other projections, got {wrong[0]!r}')
    mine, others = _view(result), [_view(each) for each in listed]
    for one in others:
        alike = (one.planes.frame.n, one.epsilon, one.distance)
        if alike != (mine.planes.frame.n, mine.epsilon, mine.distance):
            raise ValueError(
                "a density is divided by one of the same width and rule: got "
                f"n = {mine.planes.frame.n} and {one.planes.frame.n}, epsilon = {mine.epsilon:g} "
                f"and {one.epsilon:g}, distance = {mine.distance} and {one.distance}"
            )
    rows = mine.valid * mine.planes.count
    weighted = [replace(one, weight=rows / max(1, one.valid * one.planes.count)) for one in others]
    words = "another projection" if len(others) == 1 else f"the mean of {len(others)} projections"
    return weighted, lambda drawn: np.mean(drawn, axis=0), words


def _norms(result: PPPResult | Tally) -> Array:
    """Return the norms of the tested rows."""
    rows = None if isinstance(result, Tally) else result.tested_rows
    if rows is None:
        raise ValueError(
            'by="isotropic" needs the norms of the rows, which neither a tally nor a loaded '
            "result has: give norms=np.linalg.norm(x, axis=1)"
        )
    if not HELD[0] < _tally(result).half_width < HELD[1]:
        raise ValueError(
            f"norms are held between {HELD[0]:g} and {HELD[1]:g}, these rows lie beyond: divide "
            "them all by one number, which changes no plane, or give norms"
        )
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    return np.asarray(lengths[lengths > 0], np.float64)


def _inside(views: Sequence[View], shown: Window, size: int) -> NDArray[np.bool_]:
    """Return which pixels no hit beyond a grid would reach."""
    lost = [one.half_width for one in views if one.outside]
    if not lost:
        return np.ones((size, size), bool)
    near = np.abs(pixel_centres(shown.extent, size)) <= min(lost) - INSIDE * shown.sigma
    return near[:, None] & near
