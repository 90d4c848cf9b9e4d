"""Views: a tally as its planes read it, and the densities of several with one window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ppp.density import Density, Window, bin_centres, density, thin, window

if TYPE_CHECKING:
    from ppp.planes import Planes
    from ppp.result import PPPResult
    from ppp.tally import Tally


#: Extents below this, and above its inverse, have areas that leave the range of float64.
SMALLEST = 1e-140


@dataclass(frozen=True, eq=False)
class View:
    """What there is to see of one tally.

    Parameters
    ----------
    grid : (G, G) int64 array
        Hits in the grid, first index along the first vector; permutation counts both orders.
    half_width : float
        The grid covers [-half_width, half_width).
    hits, outside : int
        All hits, and those beyond the grid.
    expected : float
        Hits that isotropy would give.
    valid, dropped : int
        Rows projected, and rows that are zero or not finite.
    epsilon : float
        Threshold.
    planes : Planes
        The planes.
    weight : float
        Factor on the density: more than 1 for a null drawn on a part of the rows.
    sampled : (G, G) int64 array, optional
        The hits that are drawn, where that is not all of them.
    distance : float, optional
        Largest distance from the plane, where the rule has one.
    """

    grid: np.ndarray
    half_width: float
    hits: int
    outside: int
    expected: float
    valid: int
    dropped: int
    epsilon: float
    planes: Planes
    weight: float = 1.0
    sampled: np.ndarray | None = None
    distance: float | None = None

    def thinned(self, seed: int = 0) -> View:
        """Return the view that draws a random N**0.9 of its N hits, as the paper does."""
        return replace(self, sampled=thin(self.grid, seed=seed))

    def beyond(self, extent: float) -> int:
        """Return the hits beyond a picture of [-extent, extent], the grid's own included."""
        seen = np.abs(bin_centres(self.half_width, self.grid.shape[0])) < extent
        return self.hits - int(self.grid[np.ix_(seen, seen)].sum(dtype=np.int64))


def view(result: PPPResult) -> View:
    """Return what there is to see of a result."""
    return tally_view(result.tally, result.planes, result.expected)


def null_views(result: PPPResult) -> list[View]:
    """Return the same for each full draw of the result's null; none is made here."""
    rows = max(result.tally.valid, 1)
    views = []
    for tally in result.drawn:
        share = tally.valid / rows
        one = tally_view(tally, result.planes, share * result.expected)
        views.append(replace(one, weight=1 / share if share > 0 else 1.0))
    return views


def null_kind(result: PPPResult) -> str:
    """Return the name of a result's null, also where it was loaded; "null" where it has none."""
    if result.plan is not None:
        return result.plan.kind
    return "null" if result.nulls is None else result.nulls.kind


def how_to_draw(result: PPPResult) -> str:
    """Say how a result comes by full draws of its null."""
    if result.plan is None:
        return 'project it with null="rotation" and null_draws=8'
    if result.plan.kind == "rotation" and result.plan.preprocessing is None:
        return "project it with null_draws=8"
    return "make them on the tested rows, ppp.pictures.with_draws(result, 8)"


def tally_view(tally: Tally, planes: Planes, expected: float) -> View:
    """Return what there is to see of a tally, over these planes and with that many expected."""
    return View(
        grid=tally.image(),
        half_width=tally.half_width,
        hits=int(tally.hits) * (2 if planes.ordered else 1),
        outside=tally.beyond,
        expected=float(expected),
        valid=int(tally.valid),
        dropped=int(tally.rows - tally.valid),
        epsilon=float(tally.rule.epsilon),
        distance=tally.rule.distance,
        planes=planes,
    )


def densities(views: Iterable[View], size: int, shown: Window | None = None) -> list[Density]:
    """Return one image a view, all with the same extent and Gaussians, scaled by their weights."""
    views = list(views)
    shown = window(views, size) if shown is None else shown
    if not SMALLEST < shown.extent < 1 / SMALLEST:
        raise ValueError(
            f"a density per unit area cannot be held for activations of size {shown.extent:.0e}: "
            "divide them all by one number, which changes no plane"
        )
    made = [
        density(
            v.grid if v.sampled is None else v.sampled,
            v.half_width, size, shown.extent, shown.sigma,
        )
        for v in views
    ]  # fmt: skip
    return [replace(d, image=v.weight * d.image) for d, v in zip(made, views, strict=True)]
