"""A density over what it would be without privileged planes, drawn with 1 in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ppp.density_normalised import DensityRatio, density_ratio
from ppp.plot_matrix import colour_bar
from ppp.plot_null import DIVERGING, TIMES, UNKNOWN
from ppp.plot_panels import FAINT, decimal, directions, full, setting, tallied
from ppp.plot_words import header
from ppp.views import view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ppp.result import PPPResult


def draw_ratio(
    result: PPPResult,
    by: Any,
    ax: Axes | None = None,
    *,
    size: int = 512,
    extent: float | None = None,
    title: str | None = None,
    colorbar: bool = True,
) -> Axes:
    """Draw a density divided by another.

    Parameters
    ----------
    result : PPPResult
        The observation.
    by : "isotropic", "null", or another projection
        As in `ppp.density_ratio`.
    ax, size, extent, title, colorbar
        As in `ppp.plot_density`; the colour bar is a ratio, 1 white in its middle.

    Returns
    -------
    matplotlib Axes
        Pixels are grey where the divisor is too small to mean anything.
    """
    found, one = density_ratio(result, by, size=size, extent=extent), view(result)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(6.6, 6.3), layout="compressed")
    artist = ax.imshow(
        _doublings(found), origin="lower", extent=(-found.extent, found.extent) * 2,
        cmap=DIVERGING, vmin=min(TIMES), vmax=max(TIMES), interpolation="nearest", aspect="equal",
    )  # fmt: skip
    ax.set_facecolor(UNKNOWN)
    ax.plot(0, 0, "+", color=FAINT, alpha=0.6, markersize=7, mew=0.6)
    for spine in ax.spines.values():
        spine.set_visible(False)
    full(ax, directions(one.planes))
    if colorbar:
        bar = colour_bar(artist, ax, f"times {found.by.partition(',')[0].partition(':')[0]}")
        bar.set_ticks(list(TIMES), labels=list(TIMES.values()))
    lines = (setting([one]), tallied(one, found.extent), f"divided by {found.by}", _grey(found))
    header(ax, title or "Density of kept samples", "\n".join(lines))
    return ax


def _doublings(found: DensityRatio) -> np.ndarray:
    """Return log2 of the ratio within the colours' range; NaN stays NaN."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(np.log2(found.image), min(TIMES), max(TIMES)))


def _grey(found: DensityRatio) -> str:
    """Say what grey means, and where everything is grey, how to change that."""
    few = f"the divisor has under {found.least:g} hit in a Gaussian"
    words = f"σ = {decimal(found.sigma)};  grey: {few}"
    if np.isnan(found.image).all():
        words += ", here everywhere: lower epsilon"
    return words
