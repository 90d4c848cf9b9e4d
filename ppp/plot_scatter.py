"""A scatter of kept samples, coloured by their angle to the plane."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ppp.density import check_given
from ppp.plot_checks import check_made
from ppp.plot_matrix import colour_bar
from ppp.plot_panels import (
    FAINT,
    count,
    counted_planes,
    directions,
    full,
    none_within,
    projected,
    remark,
    within,
)
from ppp.plot_words import header
from ppp.point_cloud import Points
from ppp.value_checks import check_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ppp.planes import Planes

#: Most points that are drawn: beyond, a picture of this size shows no single one.
DRAWN = 20_000
#: Degrees that rounding alone makes of a sample in its plane.
IN_PLANE = 1e-5


def plot_points(
    points: Points,
    ax: Axes | None = None,
    *,
    plane: int | tuple[int, int] | None = None,
    extent: float | None = None,
    most: int = DRAWN,
    seed: int = 0,
    title: str | None = None,
) -> Axes:
    """Draw kept samples as dots, coloured by their angle to the plane that keeps them.

    Parameters
    ----------
    points : Points
        As `ppp.points` lists them.
    ax : matplotlib Axes, optional
        Where to draw; a new figure where left out.
    plane : int or (i, j), optional
        Draw the hits of this plane alone: an index into `planes` of the points, or its vectors.
    extent : float, optional
        Half the side of the picture; 1.05 times the 99.9th percentile of the radii, at most four
        times their median, where left out.
    most : int
        Most points to draw; a random part of more is drawn, and the title says so.
    seed : int
        Of that part, and of the order in which dots cover each other.
    title : str, optional
        First line above the picture.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        For a plane that is not there, or fewer than one point to draw.

    Notes
    -----
    A dot of angle 0 lies in its plane; none lies farther from it than arccos(epsilon). A density
    adds such dots up, and does not tell those in a plane from those far off it.

    Examples
    --------
    >>> import ppp
    >>> x = np.random.default_rng(0).standard_normal((500, 8))
    >>> ax = plot_points(ppp.points(x))
    >>> ax.get_title(loc="left")
    'Kept samples by their angle to the plane'
    """
    check_made(points, Points, "points", "ppp.points(x)")
    check_given(extent=extent)
    check_whole(most=most, seed=seed)
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    plane = None if plane is None else _index(points.planes, plane)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(6.6, 6.3), layout="compressed")
    chosen = np.arange(len(points)) if plane is None else np.flatnonzero(points.plane == plane)
    drawn = np.random.default_rng(seed).permutation(chosen)[:most]
    w, angle = points.w[drawn], points.angle[drawn]
    reach = _reach(points.w[chosen]) if extent is None else extent
    inside = np.abs(w).max(axis=1, initial=0.0) <= reach
    most_angle = float(angle.max(initial=0.0))
    dots = ax.scatter(
        w[:, 0], w[:, 1], c=angle, s=4, cmap="viridis_r", linewidths=0, rasterized=True,
        vmin=0, vmax=most_angle if most_angle > IN_PLANE else 1.0,
    )  # fmt: skip
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    full(ax, _names(points, plane))
    for spine in ax.spines.values():
        spine.set(color=FAINT, linewidth=0.6)
    said = _setting(points, plane) + f"\n{count(len(drawn))} of {count(len(chosen))} hits drawn"
    if out := int((~inside).sum()):
        said += f", {count(out)} beyond the picture"
    expected = points.expected / (1 if plane is None else points.planes.count)
    said += f",  {count(expected)} hits expected under isotropy"
    if points.dropped:
        said += f",  {count(points.dropped)} zero or non-finite rows left out"
    if len(drawn):
        bar = colour_bar(dots, ax, "angle to the plane, degrees")
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}°")
    else:
        which = "any plane" if plane is None else "this plane"
        remark(ax, none_within(points.rule.epsilon, which, expected), FAINT)
    header(ax, title or "Kept samples by their angle to the plane", said)
    return ax


def _index(planes: Planes, plane: Any) -> int:
    """Return the index of a plane that is named by it, or by the plane's two vectors."""
    if isinstance(plane, Integral) and not isinstance(plane, bool):
        index = int(plane)
        if not 0 <= index < planes.count:
            raise ValueError(f"plane must lie in [0, {planes.count}), got {index}")
        return index
    pair = tuple(plane) if isinstance(plane, Iterable) else ()
    if len(pair) != 2 or not all(isinstance(each, Integral) for each in pair):
        raise ValueError(
            f"plane must be an index in [0, {planes.count}) or two vectors, such as (0, 1), got "
            f"{plane!r}"
        )
    found = np.flatnonzero((planes.first == pair[0]) & (planes.second == pair[1]))
    if not len(found):
        order = "" if planes.ordered else ", the smaller first"
        raise ValueError(
            f"plane must be two vectors 0 … {planes.frame.m - 1} that are not parallel{order}, got "
            f"({pair[0]}, {pair[1]})"
        )
    return int(found[0])


def _setting(points: Points, plane: int | None) -> str:
    """Say what was projected, and onto which planes."""
    rule, which = points.rule, counted_planes([points.planes]) if plane is None else "1 plane"
    rows = projected([points.planes.frame.n], [points.valid])
    return f"{rows},  {within([rule.epsilon], [rule.distance])},  {which}"


def _names(points: Points, plane: int | None) -> tuple[str, str]:
    """Return the axes' names: those of one plane, or what all planes have in common."""
    if plane is None:
        return directions(points.planes)
    labels = points.planes.frame.labels
    first, second = points.planes.first[plane], points.planes.second[plane]
    return f"along {labels[first]}", f"towards {labels[second]}"


def _reach(w: np.ndarray) -> float:
    """Return half the side of the picture, as the densities choose it."""
    radii = np.hypot(w[:, 0], w[:, 1])
    if not radii.size:
        return 1.0
    return 1.05 * float(min(np.quantile(radii, 0.999), 4 * np.median(radii)))
