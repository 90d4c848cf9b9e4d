"""Figures of projections: one density, a grid over training, an observation beside its null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ppp.density import check_given, check_size, window
from ppp.plot_beside import beside
from ppp.plot_checks import check_rows
from ppp.plot_matrix import colour_bar, matrix
from ppp.plot_panels import ceiling, check_scale, directions, draw, full, setting, tallied
from ppp.plot_ratio import draw_ratio
from ppp.plot_words import header
from ppp.value_checks import check_result, check_whole
from ppp.views import View, densities, how_to_draw, null_kind, null_views, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ppp.result import PPPResult


#: Said under a figure whose hits are thinned.
THINNED = "drawn: a random N^0.9 of each panel's N hits"


def plot_density(
    result: PPPResult,
    ax: Axes | None = None,
    *,
    size: int = 512,
    extent: float | None = None,
    scale: str = "row",
    title: str | None = None,
    colorbar: bool = True,
    thinned: bool = False,
    normalise: Any = None,
) -> Axes:
    """Draw the density of the samples that a projection kept.

    Parameters
    ----------
    result : PPPResult
        What was projected.
    ax : matplotlib Axes, optional
        Where to draw; a new figure where left out.
    size : int
        Pixels along either side.
    extent : float, optional
        Half the side of the picture, in the units of the activations; 1.05 times the 99.9th
        percentile of the hits' radii where left out.
    scale : {"row", "max", "shared"}
        Colours end at the mean plus five standard deviations ("row") or at the maximum.
    title : str, optional
        First line above the picture; setting and counts follow in any case.
    colorbar : bool
        Draw the colour bar, in hits per unit area.
    thinned : bool
        Draw a random N**0.9 of the N hits, as the paper's figures do.
    normalise : "isotropic", "null" or another projection, optional
        Divide by this, as `ppp.density_ratio` does: the colour bar is then a ratio, with 1 white
        in its middle, and grey marks where there is nothing to divide by.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        For an unknown scale, a size below 2, an extent that is not positive, or a divisor that is
        not there.

    Notes
    -----
    Privileged-plane projection, Sec. 3 and App. E.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> x = np.random.default_rng(0).standard_normal((2000, 8))
    >>> ax = ppp.plot_density(ppp.project(x, epsilon=0.75))
    >>> ax.get_xlabel()
    'along the first vector, $b_i$'
    """
    check_result("result", result)
    check_scale(scale)
    check_size(size)
    check_given(extent=extent)
    if normalise is not None:
        if thinned or scale != "row":
            raise ValueError(
                "a ratio has its own colours and takes all hits: leave out scale and thinned"
            )
        return draw_ratio(
            result, normalise, ax, size=size, extent=extent, title=title, colorbar=colorbar
        )
    one = _seen(result, thinned)
    image = densities([one], size, window([one], size, extent))[0]
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(6.6, 6.3), layout="compressed")
    artist = draw(ax, one, image, ceiling([image.image], scale))
    full(ax, directions(one.planes))
    if colorbar and one.hits:
        colour_bar(artist, ax, "hits per unit area")
    said = f"{setting([one])}\n{tallied(one, image.extent)}"
    heading = "Density of kept samples" if title is None else title
    header(ax, heading, f"{said};  {THINNED}" if thinned else said)
    return ax


def plot_grid(
    rows: Mapping[str, Mapping[Any, PPPResult]],
    *,
    size: int = 256,
    scale: str = "row",
    title: str | None = None,
    panel: float = 1.5,
    thinned: bool = False,
    draws: int = 0,
) -> Figure:
    """Draw networks downwards and snapshots rightwards, with one colour scale a row.

    Parameters
    ----------
    rows : mapping of mappings
        ``rows[network][snapshot]`` is a result. Columns are the snapshots in the order they are
        first met; a network without one of them leaves its place empty.
    size : int
        Pixels along either side of a panel.
    scale : {"row", "max", "shared"}
        Where colours end: each row's mean plus five standard deviations, each row's maximum, or
        one maximum for the whole figure (which then shares one extent, too).
    title : str, optional
        Line above the panels.
    panel : float
        Side of a panel in inches.
    thinned : bool
        Draw a random N**0.9 of each panel's N hits, as the paper's figures do.
    draws : int
        Columns of null draws to add at the end of each row: those of its last result that
        carries any, in the row's colours.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        For no rows, a row without results, or an unknown scale.

    Notes
    -----
    Privileged-plane projection, Fig. 1 and App. E. Under each panel stand its hits and, after
    the stroke, what isotropic samples would give.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> rng = np.random.default_rng(0)
    >>> epochs = {f"epoch {e}": ppp.project(rng.standard_normal((500, 8))) for e in (0, 1)}
    >>> figure = ppp.plot_grid({"noise": epochs})
    >>> [ax.get_title() for ax in figure.axes[:2]]
    ['epoch 0', 'epoch 1']
    """
    check_scale(scale)
    check_rows(rows)
    if not rows:
        raise ValueError("a grid needs at least one row of results, got none")
    empty = [name for name, row in rows.items() if not row]
    if empty:
        raise ValueError(f"every row of a grid needs a result, got none for {', '.join(empty)}")
    seen = {
        name: {column: _seen(result, thinned) for column, result in row.items()}
        for name, row in rows.items()
    }
    notes = []
    for name, row in rows.items():
        last = next((result for result in reversed(list(row.values())) if result.drawn), None)
        if last is not None and draws:
            seen[name] |= _nulls(last, draws)
            notes = [f"{null_kind(last)}: null draws for the last observed column"]
    if thinned:
        notes = [*notes, THINNED]
    return matrix(seen, size, scale, title or "Density of kept samples", panel, notes)


def plot_with_null(
    result: PPPResult | Mapping[str, PPPResult],
    *,
    size: int = 256,
    scale: str = "row",
    draws: int = 8,
    title: str | None = None,
    panel: float = 1.6,
) -> Figure:
    """Draw an observation beside draws of its null, all in one colour scale.

    Parameters
    ----------
    result : PPPResult or mapping
        One result, or one row for each name. Each must carry full draws of its null.
    size : int
        Pixels along either side of a panel.
    scale : {"row", "max", "shared"}
        Where colours end, over an observation and its draws together.
    draws : int
        Most draws to show.
    title : str, optional
        Line above the panels.
    panel : float
        Side of a small panel in inches.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If a result carries no full draws, or none are asked for.

    Notes
    -----
    Privileged-plane projection, App. A. A draw of the rotation null projects the same samples
    with the frame turned at random.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> x = np.random.default_rng(0).laplace(size=(2000, 8))
    >>> figure = ppp.plot_with_null(ppp.project(x, null_draws=2))
    >>> [ax.get_title() for ax in figure.axes[1:3]]
    ['rotation 1', 'rotation 2']
    """
    check_scale(scale)
    check_whole(draws=draws)
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}: plot_density draws none")
    results = result if isinstance(result, Mapping) else {"": result}
    seen: dict[str, dict[Any, View]] = {}
    if not results:
        raise ValueError("a figure beside the null needs at least one result, got none")
    for name, each in results.items():
        check_result(f"result[{name!r}]" if name else "result", each)
        if not each.drawn:
            raise ValueError(
                f"the result{name and ' ' + name} carries no full null draws to show: "
                f"{how_to_draw(each)}"
            )
        seen[name] = {"observed": view(each)} | _nulls(each, draws)
    heading = title or "Observed density beside its null"
    if len(seen) > 1:
        return matrix(seen, size, scale, heading, panel)
    name, row = next(iter(seen.items()))
    return beside(row, size, scale, f"{heading}: {name}" if name else heading, panel)


def _nulls(result: PPPResult, draws: int) -> dict[Any, View]:
    """Return the first null draws of a result, by their titles."""
    kind = null_kind(result)
    return {f"{kind} {k + 1}": one for k, one in enumerate(null_views(result)[:draws])}


def _seen(result: PPPResult, thinned: bool) -> View:
    one = view(result)
    return one.thinned() if thinned else one


def as_png(ax: Axes, dpi: int = 110) -> bytes:
    """Return the figure of an Axes as a PNG file's bytes, and close it.

    Parameters
    ----------
    ax : matplotlib Axes
        Anything drawn in a figure of its own.
    dpi : int
        Pixels an inch.

    Returns
    -------
    bytes
    """
    import io

    import matplotlib.pyplot as plt

    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("an Axes without a figure cannot be written")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, bbox_inches="tight")
    plt.close(figure)
    return out.getvalue()
