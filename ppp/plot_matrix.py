"""Figures of many panels: rows that share colours, their footnotes, their key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppp.density import Density, check_size, window
from ppp.plot_panels import FAINT, INK, ceiling, draw, setting, short
from ppp.plot_words import captions, fitted
from ppp.views import View, densities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[Any, View]
#: Panels narrower than this many inches have their counts in two lines.
NARROW = 1.35
#: What the colour scales are called under a figure.
SCALE_WORDS = {
    "row": "colours: 0 … mean + 5 std of each row",
    "max": "colours: 0 … maximum of each row",
    "shared": "colours: 0 … maximum of the figure",
}


def shade(
    rows: Mapping[str, Row], size: int, scale: str
) -> dict[str, tuple[dict[Any, Density], float]]:
    """Return each row's images and the density at which its colours end.

    Parameters
    ----------
    rows : mapping of mappings
        ``rows[row][column]`` is a view.
    size : int
        Pixels along either side of an image.
    scale : {"row", "max", "shared"}
        "shared" shares extent, Gaussians and maximum over all rows.
    """
    check_size(size)
    everything = [one for row in rows.values() for one in row.values()]
    shared = window(everything, size) if scale == "shared" else None
    images = {}
    for name, row in rows.items():
        shown = window(row.values(), size) if shared is None else shared
        images[name] = dict(zip(row, densities(row.values(), size, shown), strict=True))
    tops = {name: ceiling([d.image for d in row.values()], scale) for name, row in images.items()}
    if scale == "shared":
        tops = dict.fromkeys(tops, max(tops.values()))
    return {name: (images[name], tops[name]) for name in rows}


def matrix(
    rows: Mapping[str, Row],
    size: int,
    scale: str,
    title: str,
    panel: float,
    notes: Sequence[str] = (),
) -> Figure:
    """Draw one panel a view, rows downwards and columns rightwards, the key below."""
    import matplotlib.pyplot as plt

    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    shown = shade(rows, size, scale)
    heads = [fitted(str(column), panel, 10) for column in columns]
    high = (panel + (0.26 if panel >= NARROW else 0.4)) * len(rows) + 0.4
    high += 0.2 * max(head.count("\n") for head in heads)
    figure = plt.figure(figsize=(panel * len(columns) + 1.4, high), layout="compressed")
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        images, top = shown[name]
        panels = [(ax, column) for ax, column in zip(line, columns, strict=True)]
        for ax, column in panels:
            if column in row:
                artist = small(ax, row[column], images[column], top, narrow=panel < NARROW)
            else:
                blank(ax)
        extent = next(iter(images.values())).extent
        line[0].set_ylabel(f"{_lines(name, panel)}±{extent:.3g}")
        line[0].yaxis.label.set(fontsize=9, color=INK, linespacing=1.4)
        if any(one.hits for one in row.values()):
            colour_bar(artist, list(line))
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=10, color=INK)
    everything = [one for row in rows.values() for one in row.values()]
    words = close(figure, everything, scale, title, ["±: half the side of a panel", *notes])
    figure.set_figheight(high + words)
    return figure


def _lines(name: str, panel: float) -> str:
    """Break a row's name into lines as long as a panel is high."""
    return "".join(f"{fitted(part, panel, 9)}\n" for part in name.split("/"))


def small(ax: Axes, one: View, image: Density, top: float, narrow: bool = False) -> Any:
    """Draw one panel with its counts below it, in two lines if narrow; return the image artist."""
    artist = draw(ax, one, image, top, brief=True)
    ax.set(xticks=[], yticks=[])
    unseen = one.beyond(image.extent)
    between = "\n" if narrow else ",  "
    beyond = f"{between}{short(unseen)} out" if unseen else ""
    ax.set_xlabel(f"{short(one.hits)} / {short(one.expected)}{beyond}")
    ax.xaxis.label.set(fontsize=8, color=FAINT)
    ax.xaxis.labelpad = 2
    return artist


def blank(ax: Axes) -> None:
    """Leave a place empty that has no result, and say so."""
    ax.set(xticks=[], yticks=[], aspect="equal", xlim=(-1, 1), ylim=(-1, 1))
    ax.set_facecolor("none")
    for spine in ax.spines.values():
        spine.set(color=FAINT, linewidth=0.4, linestyle=(0, (2, 4)))
    ax.text(0, 0, "not recorded", ha="center", va="center", fontsize="small", color=FAINT)


def colour_bar(artist: Any, axes: Sequence[Axes] | Axes, label: str = "") -> Any:
    """Add a slim colour bar to the right of axes, in hits per unit area; return it."""
    return slim(artist.figure.colorbar(artist, ax=axes, pad=0.012, aspect=24, shrink=0.96), label)


def slim(bar: Any, label: str = "") -> Any:
    """Give a colour bar few and small numbers; return it."""
    from matplotlib.ticker import MaxNLocator

    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(4)
    bar.update_ticks()
    bar.set_label(label, color=FAINT, fontsize=8)
    bar.ax.tick_params(labelsize=7, colors=FAINT, length=2)
    bar.ax.yaxis.set_major_formatter(lambda value, _: short(value))
    return bar


def close(
    figure: Figure, views: Sequence[View], scale: str, title: str, first: Sequence[str] = ()
) -> float:
    """Write the figure's title above and its key below; return the inches that both take."""
    key = [
        *first,
        "numbers at a panel: hits / expected under isotropy, hits out of the picture",
        SCALE_WORDS[scale],
        "bars: hits per unit area",
    ]
    return captions(figure, title, f"{setting(views)}\n{'; '.join(key)}")
