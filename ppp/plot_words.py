"""Words on figures, broken into lines that fit their place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ppp.plot_panels import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Inches from one line to the next: of the small words below and above panels, of figures' titles.
LINE, TITLE_LINE = 0.168, 0.25
#: Inches left free at either edge of a figure.
MARGIN = 0.12
#: Pixels round the widths of small letters, up to this factor.
ROUNDED = 1.06
#: Where a line may end, best places first; at last, within a word.
BREAKS = (r"[,;] +", r": +", r" +", r"[/_-]", r"")


def fitted(text: str, inches: float, size: float) -> str:
    """Break text into lines that are no wider than their place.

    Parameters
    ----------
    text : str
        One or several lines; a line that fits stays as it is.
    inches : float
        Width of the place.
    size : float
        Font size in points.

    Returns
    -------
    str

    Notes
    -----
    Matplotlib wraps words at the edge of the figure only, and not with ``bbox_inches="tight"``.

    Examples
    --------
    >>> fitted("isotropic-leaky-relu", 1.0, 9).split()
    ['isotropic-', 'leaky-relu']
    """
    lines = [line for given in text.split("\n") for line in _lines(given, inches, size, BREAKS)]
    return "\n".join(line.rstrip(" ") for line in lines)


def _lines(text: str, inches: float, size: float, breaks: tuple[str, ...]) -> list[str]:
    if not breaks or _width(text, size) <= inches:
        return [text]
    lines: list[str] = []
    for part in re.findall(rf".+?(?:{breaks[0]}|$)", text):
        if lines and _width(lines[-1] + part, size) <= inches:
            lines[-1] += part
        else:
            lines += _lines(part, inches, size, breaks[1:])
    return lines


def _width(text: str, size: float) -> float:
    """Return the most inches that a line takes, without the spaces at the end."""
    from matplotlib.cbook import is_math_text
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(
        text.rstrip(" "), FontProperties(size=size), ismath=is_math_text(text)
    )
    return ROUNDED * float(width) / 72


def captions(figure: Figure, title: str, below: str) -> float:
    """Write a figure's title above and its key below, in lines that fit the figure.

    Parameters
    ----------
    figure : matplotlib Figure
        Of its final width.
    title, below : str
        What to write; lines of either that are too long are broken.

    Returns
    -------
    float
        Inches that both take of the figure's height.
    """
    wide = figure.get_figwidth() - 2 * MARGIN
    above, under = fitted(title, wide, 13), fitted(below, wide, 8)
    figure.suptitle(above, fontsize=13, color=INK)
    figure.supxlabel(under, fontsize=8, color=FAINT, linespacing=1.5)
    return TITLE_LINE * (above.count("\n") + 1) + LINE * (under.count("\n") + 1)


def header(ax: Axes, title: str, lines: str) -> None:
    """Write a title and smaller lines above square axes, no wider than these.

    Parameters
    ----------
    ax : matplotlib Axes
        Complete but for these words: a colour bar takes room.
    title, lines : str
        What to write; lines of either that are too long are broken.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    wide = min(ax.bbox.width, ax.bbox.height) / figure.dpi
    said = fitted(lines, wide, 8)
    ax.annotate(
        said, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", va="bottom",
        fontsize=8, color=FAINT, linespacing=1.5,
    )  # fmt: skip
    above = 10 + 72 * LINE * (said.count("\n") + 1)
    ax.set_title(fitted(title, wide, 12), loc="left", fontsize=12, color=INK, pad=above)
