"""Parts of the density figures: what a panel shows, its colours, its words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ppp.density import Density
from ppp.views import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from ppp.planes import Planes

#: Perceptually uniform, with black for "nothing there".
COLOURS = "magma"
SCALES = ("row", "max", "shared")
#: Standard deviations above the mean at which the default colour scale ends.
SPREAD = 5.0
INK, FAINT, PAPER = "#1b1b1f", "#6b6b76", "#f4f0ea"
#: A thin space between thousands.
THIN_SPACE = "\u2009"


def ceiling(images: Iterable[np.ndarray], scale: str) -> float:
    """Return the density at which the colours end, for images that share one scale.

    Parameters
    ----------
    images : iterable of arrays
        The images of one row, or of the whole figure.
    scale : {"row", "max", "shared"}
        "row": the mean plus five standard deviations over all their pixels; the others: their
        maximum.

    Examples
    --------
    >>> ceiling([np.array([[0.0, 2.0]]), np.array([[0.0, 2.0]])], "row")
    6.0
    >>> ceiling([np.zeros((2, 2))], "max")
    1.0
    """
    values = np.concatenate([np.ravel(image) for image in images])
    top = values.mean() + SPREAD * values.std() if scale == "row" else values.max()
    return float(top) if top > 0 else 1.0


def check_scale(scale: str) -> None:
    """Raise a ValueError for a colour scale that is not known."""
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")


def count(number: float) -> str:
    """Write a count with thin spaces between thousands.

    Examples
    --------
    >>> count(1234567).replace(THIN_SPACE, " "), count(0.04), count(3.25)
    ('1 234 567', '0.04', '3.2')
    """
    if math.isnan(number):
        return "–"
    if float(number).is_integer() or abs(number) >= 10:
        return f"{number:,.0f}".replace(",", THIN_SPACE)
    return f"{number:.2g}" if abs(number) >= 1e-3 else f"{number:.0e}"


def short(number: float) -> str:
    """Write a count in at most five characters, or with a power of ten where no unit is left.

    Examples
    --------
    >>> [short(v) for v in (0, 62, 999, 12_320, 208_000, 3_400_000, 6.1e20)]
    ['0', '62', '999', '12.3k', '208k', '3.4M', '6.1e20']
    """
    if math.isnan(number):
        return "–"
    if abs(number) >= 0.9995e15:
        return f"{number:.2g}".replace("e+", "e")
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.0f}" if abs(number) >= 10 else f"{number:.2g}"


def decimal(value: float) -> str:
    """Write a number in at most four significant digits, without a leading zero.

    Examples
    --------
    >>> decimal(0.75), decimal(0.523456), decimal(1.0)
    ('.75', '.5235', '1')
    """
    text = f"{value:.4g}"
    return text[1:] if text.startswith("0.") else text


def span(values: Iterable[float], write: Any = count) -> str:
    """Write what values have in common, or their range."""
    found = sorted(set(values))
    return write(found[0]) if len(found) == 1 else f"{write(found[0])}–{write(found[-1])}"


def setting(views: Sequence[View]) -> str:
    """Say what was projected: dimension, samples, threshold, planes."""
    planes = [v.planes for v in views]
    said = projected([p.frame.n for p in planes], [v.valid for v in views])
    near = within([v.epsilon for v in views], [v.distance for v in views])
    return f"{said},  {near},  {counted_planes(planes)}"


def projected(widths: Iterable[int], rows: Iterable[int]) -> str:
    """Say how many rows there are, and of which width."""
    return f"n = {span(widths)},  N = {span(rows)} samples"


def within(epsilons: Sequence[float], distances: Iterable[float | None]) -> str:
    """Say how close to a plane samples have to be."""
    angles = span([_degrees(each) for each in epsilons], "{:.1f}°".format)
    given = [each for each in distances if each is not None]
    near = f" and at most {span(given, '{:g}'.format)} from it" if given else ""
    return f"ε = {span(epsilons, decimal)} (within {angles} of a plane{near})"


def _degrees(epsilon: float) -> float:
    """Return the largest angle to a plane, in degrees."""
    return math.degrees(math.acos(min(epsilon, 1.0)))


def counted_planes(planes: Sequence[Planes]) -> str:
    """Say how many planes there are, and whether both orders of a pair count."""
    number = span([p.count for p in planes])
    pairs = " or ".join(sorted({"permutation" if p.ordered else "combination" for p in planes}))
    return f"{number} plane" if number == "1" else f"{number} planes ({pairs})"


def tallied(one: View, extent: float) -> str:
    """Say how many hits were kept, how many isotropy would keep, and what is not shown."""
    words = "hit" if one.hits == 1 else "hits"
    text = f"{count(one.hits)} {words},  {count(one.expected)} expected under isotropy"
    if unseen := one.beyond(extent):
        text += f",  {count(unseen)} beyond the picture"
    if one.dropped:
        text += f",  {count(one.dropped)} zero or non-finite rows left out"
    return text


def nothing(one: View, brief: bool) -> str:
    """Say what an empty panel means."""
    if brief:
        return f"no hits\n{short(one.expected)} expected"
    which = "the plane" if one.planes.count == 1 else "any plane"
    return none_within(one.epsilon, which, one.expected)


def none_within(epsilon: float, which: str, expected: float) -> str:
    """Say that no sample is close to planes, and how many isotropy would put there."""
    near = f"no sample within {_degrees(epsilon):.1f}° of {which}"
    return f"{near}\n{count(expected)} expected under isotropy"


def directions(planes: Planes) -> tuple[str, str]:
    """Name the two axes after the frame's labels; pooled planes share generic names.

    Parameters
    ----------
    planes : Planes
        One plane, or the many whose hits share the picture.
    """
    if planes.count > 1:
        return "along the first vector, $b_i$", "towards the second vector, $b_j$"
    labels = planes.frame.labels
    return f"along {labels[planes.first[0]]}", f"towards {labels[planes.second[0]]}"


def draw(ax: Axes, one: View, image: Density, top: float, brief: bool = False) -> Any:
    """Draw one density into axes; return the image artist."""
    reach = image.extent
    artist = ax.imshow(
        image.image,
        origin="lower",
        extent=(-reach, reach, -reach, reach),
        vmin=0.0,
        vmax=top,
        cmap=COLOURS,
        interpolation="bilinear",
        aspect="equal",
    )
    if one.hits:
        ax.plot(0, 0, "+", color=PAPER, alpha=0.5, markersize=4 if brief else 7, mew=0.6)
    else:
        remark(ax, nothing(one, brief), PAPER, "small" if brief else "medium")
    for spine in ax.spines.values():
        spine.set_visible(False)
    return artist


def remark(ax: Axes, text: str, colour: str, size: str = "medium") -> None:
    """Say in the middle of a panel why there is nothing to see."""
    ax.text(
        0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=colour,
        fontsize=size, linespacing=1.6,
    )  # fmt: skip


def full(ax: Axes, names: tuple[str, str]) -> None:
    """Give axes their names and ticks, in the units of the activations."""
    from matplotlib.ticker import MaxNLocator

    reach = float(max(ax.get_xlim()))
    for axis, name in zip((ax.xaxis, ax.yaxis), names, strict=True):
        axis.set_major_locator(MaxNLocator(6, symmetric=True))
        axis.set_label_text(f"{name}{in_powers(axis, reach)}", color=INK, fontsize=10)
    ax.tick_params(labelsize=8, colors=FAINT, length=2)


def in_powers(axis: Axis, reach: float) -> str:
    """Write large or small numbers of an axis in a power of ten; return it, for the axis's name.

    Parameters
    ----------
    axis : matplotlib Axis
        Its ticks.
    reach : float
        The largest number on it.

    Notes
    -----
    Matplotlib writes such a power at the end of an axis, where the words above a picture are.
    """
    power = math.floor(math.log10(reach)) if reach > 0 else 0
    if -3 <= power <= 4:
        return ""
    axis.set_major_formatter(lambda value, _: f"{value / 10.0**power:.6g}".replace("-", "−"))
    return f"  ($\\times\\,10^{{{power}}}$)"
