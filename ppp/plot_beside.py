"""An observation drawn large, and the draws of its null in two lines beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ppp.plot_matrix import NARROW, Row, close, shade, slim, small
from ppp.plot_panels import INK, count, directions, full
from ppp.plot_words import LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Inches that words and colour bar take around the panels, whatever the panels' size: names and
#: ticks at the left, a panel's title above, names and ticks below, numbers of the bar at the right.
LEFT, TOP, BELOW, RIGHT = 0.85, 0.5, 0.65, 0.6
#: Inches between panels, and the width of the colour bar.
GAP, BAR = 0.09, 0.11
#: Inches between the two lines of draws: the counts of one (in two lines, if narrow), the title of
#: the other.
BETWEEN, BETWEEN_NARROW = 0.45, 0.62


def beside(row: Row, size: int, scale: str, title: str, panel: float) -> Figure:
    """Draw the first view large, the others in two lines to its right.

    Parameters
    ----------
    row : mapping of View
        Views by their titles, the observation first.
    size : int
        Pixels along either side of an image.
    scale : {"row", "max", "shared"}
        Where the colours end.
    title : str
        Line above the panels.
    panel : float
        Side of a small panel in inches.

    Returns
    -------
    matplotlib Figure

    Notes
    -----
    Places are counted in inches: an automatic layout keeps images square at the cost of the room
    between two lines of them, and words come to lie on words.
    """
    import matplotlib.pyplot as plt

    images, top = shade({"": row}, size, scale)[""]
    across = len(row) // 2
    narrow = panel < NARROW
    large = 2 * panel + (BETWEEN_NARROW if narrow else BETWEEN)
    wide = LEFT + large + across * (GAP + panel) + GAP + BAR + RIGHT
    figure = plt.figure(figsize=(wide, large))
    words = close(figure, list(row.values()), scale, title)
    bottom = BELOW + LINE * len(figure.get_supxlabel().splitlines())
    figure.set_figheight(BELOW + large + TOP + words)
    places = [(LEFT, bottom, large)]
    for k in range(len(row) - 1):
        down, right = divmod(k, across)
        left = LEFT + large + GAP + right * (panel + GAP)
        places.append((left, bottom + (large - panel) * (1 - down), panel))
    axes = [_place(figure, left, low, side, side) for left, low, side in places]
    for ax, (name, one) in zip(axes, row.items(), strict=True):
        artist = small(ax, one, images[name], top, narrow=narrow)
        ax.set_title(name, fontsize=min(10, 72 * panel / (0.6 * len(name))), color=INK)
    name, one = next(iter(row.items()))
    full(axes[0], directions(one.planes))
    axes[0].set_title(f"{name}:  {count(one.hits)} / {count(one.expected)}", fontsize=10, color=INK)
    if any(one.hits for one in row.values()):
        slim(figure.colorbar(artist, cax=_place(figure, wide - RIGHT - BAR, bottom, BAR, large)))
    return figure


def _place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))
