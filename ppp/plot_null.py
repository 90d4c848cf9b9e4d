"""A density against its null: ratio and z of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ppp.density import check_size
from ppp.maps import NullMap, null_map
from ppp.plot_matrix import colour_bar
from ppp.plot_panels import (
    COLOURS,
    FAINT,
    INK,
    PAPER,
    SPREAD,
    decimal,
    directions,
    nothing,
    remark,
    setting,
    short,
)
from ppp.plot_words import captions
from ppp.value_checks import check_result
from ppp.views import View, null_kind, null_views, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ppp.result import PPPResult

#: Zero is white, and nothing to compare with is grey.
DIVERGING, UNKNOWN = "RdBu_r", "#d9d9de"
#: Ticks of the ratio, by its logarithm to base 2.
TIMES = {-3: "÷8", -2: "÷4", -1: "÷2", 0: "1", 1: "×2", 2: "×4", 3: "×8"}


def plot_against_null(
    result: PPPResult, *, size: int = 192, title: str | None = None, panel: float = 2.7
) -> Figure:
    """Draw an observed density, the mean of its null, their ratio and z.

    Parameters
    ----------
    result : PPPResult
        With at least two full draws of its null (``null_draws=8``).
    size : int
        Pixels along either side.
    title : str, optional
        Line above the panels.
    panel : float
        Side of a panel in inches.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If the result carries fewer than two full draws.

    Notes
    -----
    The numbers are those of `ppp.maps.null_map`. A pixel is grey where the null has less than one
    hit within a Gaussian.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> x = np.random.default_rng(0).laplace(size=(2000, 8))
    >>> figure = ppp.plot_against_null(ppp.project(x, null_draws=3), size=48)
    >>> [ax.get_title() for ax in figure.axes[:2]]
    ['observed', 'null: mean of 3 × rotation']
    """
    import matplotlib.pyplot as plt

    check_result("result", result)
    check_size(size)
    found, one = null_map(result, size), view(result)
    kind = null_kind(result)
    figure = plt.figure(figsize=(4 * panel + 3.0, panel), layout="compressed")
    axes = figure.subplots(1, 4)
    pair = np.stack([found.observed, found.mean])
    top = float(pair.mean() + SPREAD * pair.std()) or 1.0
    titles = ["observed", f"null: mean of {found.draws} × {kind}"]
    for ax, image, name in zip(axes, pair, titles, strict=False):
        artist = _square(ax, image, found, name, COLOURS, (0.0, top))
    _say_empty(axes[0], axes[1], one, null_views(result))
    colour_bar(artist, [axes[1]], "hits per unit area")
    artist = _square(axes[2], found.log_ratio, found, "observed / null", DIVERGING, (-3.0, 3.0))
    bar = colour_bar(artist, [axes[2]], "observed over null")
    bar.set_ticks(list(TIMES), labels=list(TIMES.values()))
    reach = _reach(found.z)
    artist = _square(axes[3], found.z, found, "z of observed", DIVERGING, (-reach, reach))
    bar = colour_bar(artist, [axes[3]], "standard deviations of the null")
    bar.set_ticks([-reach, -reach / 2, 0, reach / 2, reach])
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}".replace("-", "−"))
    along, towards = directions(one.planes)
    axes[0].set_ylabel(f"{towards}\n±{found.extent:.3g}", fontsize=9, color=INK)
    axes[0].set_xlabel(along, fontsize=9, color=INK)
    words = captions(
        figure,
        title or "Density against its null",
        f"{setting([one])}\nσ = {decimal(found.sigma)};  mean and spread of {found.images} images "
        f"of {found.draws} draws;  grey: the null has no hit to compare with;  pixels depend on "
        "their neighbours",
    )
    figure.set_figheight(panel + 0.9 + words)
    return figure


def _say_empty(observed: Axes, null: Axes, one: View, draws: Sequence[View]) -> None:
    """Say of densities without hits how many isotropy expects."""
    if not one.hits:
        remark(observed, nothing(one, brief=True), PAPER, "small")
    if not any(draw.hits for draw in draws):
        expected = short(sum(draw.expected for draw in draws))
        remark(null, f"no hits in {len(draws)} draws\n{expected} expected", PAPER, "small")


def _square(
    ax: Axes, image: Any, found: NullMap, title: str, colours: str, limits: tuple[float, float]
) -> Any:
    """Draw one map with the origin in its centre."""
    reach = found.extent
    artist = ax.imshow(
        np.clip(image, *limits) if colours == DIVERGING else image,
        origin="lower", extent=(-reach, reach, -reach, reach), cmap=colours,
        vmin=limits[0], vmax=limits[1], interpolation="bilinear", aspect="equal",
    )  # fmt: skip
    ax.set_facecolor(UNKNOWN)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=10, color=INK)
    ax.plot(0, 0, "+", color=FAINT, alpha=0.6, markersize=5, mew=0.6)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return artist


def _reach(z: Any) -> float:
    """Return the end of a z scale: the 99.5th percentile of |z|, between 4 and 40."""
    defined = np.abs(z[np.isfinite(z)])
    return float(np.clip(np.quantile(defined, 0.995), 4.0, 40.0)) if defined.size else 4.0
