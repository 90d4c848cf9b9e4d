"""Figures of sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ppp.plot_checks import check_made
from ppp.plot_panels import in_powers
from ppp.plot_words import fitted
from ppp.table import counted
from ppp.value_checks import check_mapping
from srm.curve import SRMResult
from srm.resonance import against_rotations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Points of the words above a curve.
TITLE = 10
CURVE, LEVEL, BAND = "#1f4e79", "#b03a2e", "#9db8d2"


def plot_curve(
    result: SRMResult,
    ax: Axes | None = None,
    *,
    polar: bool = False,
    plane: tuple[int, int] | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the pooled curve, or that of one plane, of a sweep.

    Parameters
    ----------
    result : SRMResult
        What was swept.
    ax : matplotlib Axes, optional
        Where to draw; it must be polar for `polar`. A new figure where left out.
    polar : bool
        Draw around a circle: angle from b_i, radius the share seen.
    plane : (i, j), optional
        One plane; all of them pooled where left out.
    title : str, optional
        First line above the curve.

    Returns
    -------
    matplotlib Axes
        With the isotropic level (dashed), the band of the rotations where they were drawn (pooled
        curve) or the analytic band (one plane), and the places of ±b_i and ±b_j.

    Examples
    --------
    >>> import numpy as np, srm
    >>> ax = plot_curve(srm.sweep(np.eye(4), angles=8))
    >>> ax.get_ylabel()
    'share of samples seen'
    """
    check_made(result, SRMResult, "result", "srm.sweep(x)")
    if ax is None:
        import matplotlib.pyplot as plt

        size = (5.4, 5.4) if polar else (7.2, 3.8)
        settings = {"projection": "polar"} if polar else {}
        _, ax = plt.subplots(figsize=size, layout="constrained", subplot_kw=settings)
    elif polar != (ax.name == "polar"):
        raise ValueError(f'polar={polar} needs the Axes to match, got projection "{ax.name}"')
    values = result.pooled if plane is None else result.values[result.line(plane)]
    closed = result.compat is None
    angles = np.append(result.angles, 2 * np.pi) if closed else result.angles
    across = angles if polar else np.degrees(angles)
    # levels are circles, also where there are few angles to draw a curve at
    dense = np.linspace(across[0], across[-1], 361)
    _band(result, ax, across, dense, plane, closed)
    ax.plot(across, _around(values, closed), color=CURVE, lw=1.6, label=_name(result, plane))
    if np.isfinite(result.expected):
        ax.plot(
            dense, np.full(len(dense), result.expected), color=LEVEL, ls="--", lw=1.0,
            label="isotropic level",
        )  # fmt: skip
    _marks(result, ax, polar, plane)
    if not polar:
        ax.set_xlim(0, 360)
        ax.set_xticks(range(0, 361, 45))
        towards = "$b_j$" if closed else "$-b_j$"
        ax.set_xlabel(f"angle from $b_i$ towards {towards} (degrees)")
    name = "share of samples seen" if not result.signed else "signed share of samples"
    ax.set_ylabel(name + in_powers(ax.yaxis, float(np.abs(ax.get_ylim()).max())))
    if polar:
        _radii(ax)
    _legend(ax)
    said = "\n".join([*([title] if title else []), _setting(result)])
    figure = ax.get_figure(root=True)
    assert figure is not None
    ax.set_title(fitted(said, ax.bbox.width / figure.dpi, TITLE), fontsize=TITLE)
    return ax


def plot_sweeps(curves: Mapping[str, SRMResult], title: str | None = None) -> Figure:
    """Draw pooled curves, one row a sweep: along a line and around a circle.

    Parameters
    ----------
    curves : mapping of str to SRMResult
        Sweeps by name.
    title : str, optional
        Line above the figure.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        Without any sweep, or for anything else.

    Examples
    --------
    >>> import numpy as np, srm
    >>> len(plot_sweeps({"basis": srm.sweep(np.eye(4), angles=8)}).axes)
    2
    """
    import matplotlib.pyplot as plt

    check_mapping(curves, "curves", '{"network": curve}')
    if not curves:
        raise ValueError("a figure of sweeps needs at least one, got none")
    for name, curve in curves.items():
        check_made(curve, SRMResult, f"curves[{name!r}]", "srm.sweep(x)")
    figure = plt.figure(figsize=(11, 4.4 * len(curves)), layout="constrained")
    places = figure.add_gridspec(len(curves), 2, width_ratios=[1.7, 1])
    for row, (name, curve) in enumerate(curves.items()):
        plot_curve(curve, figure.add_subplot(places[row, 0]), title=name)
        around = figure.add_subplot(places[row, 1], projection="polar")
        plot_curve(curve, around, polar=True)
        around.set_title("")
        around.legend().remove()  # the line's legend beside it says it all
    if title:
        figure.suptitle(title)
    return figure


def _around(values: np.ndarray, closed: bool) -> np.ndarray:
    return np.append(values, values[:1]) if closed else values


def _band(
    result: SRMResult,
    ax: Axes,
    across: np.ndarray,
    dense: np.ndarray,
    plane: tuple[int, int] | None,
    closed: bool,
) -> None:
    if result.compat is not None:
        return  # the tests are of our own convention
    if plane is not None:
        test = result.test()
        ends = np.array([test.low, test.high])
        low, high = ends if result.signed else np.clip(ends, 0.0, 1.0)
        ax.fill_between(dense, low, high, color=BAND, alpha=0.5, lw=0,
                        label="95 % band of isotropy")  # fmt: skip
    elif result.null is not None:
        rotation = against_rotations(result.null, 0.95)
        low, high = _around(rotation.low, closed), _around(rotation.high, closed)
        if not result.signed:
            low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)  # shares
        name = f"{100 * rotation.level:.3g} % band of {counted(len(result.null) - 1, 'rotation')}"
        ax.fill_between(across, low, high, color=BAND, alpha=0.5, lw=0, label=name)


def _marks(result: SRMResult, ax: Axes, polar: bool, plane: tuple[int, int] | None) -> None:
    """Mark ±b_i and ±b_j: the latter at φ = arccos g, which is 90° only for orthogonal vectors."""
    marks = {"$b_i$": 0.0, "$-b_i$": np.pi}
    if plane is not None:
        g = float(result.planes.frame.gram[plane[0], plane[1]])
    elif result.planes.frame.orthonormal:
        g = 0.0
    else:
        g = np.nan
    if np.isfinite(g):
        between = float(np.arccos(np.clip(g, -1, 1)))
        turn = 1.0 if result.compat is None else -1.0  # the published probe turns towards -b_j
        marks |= {"$b_j$": turn * between % (2 * np.pi), "$-b_j$": np.pi + turn * between}
    at = list(marks.values()) if polar else list(np.degrees(list(marks.values())))
    for each in at:
        ax.axvline(each, color="0.6", lw=0.8, ls=":", zorder=0)
    if polar:
        ax.set_xticks(at, list(marks))
    else:
        # above the frame, where no curve crosses them, and as ticks, which titles give way to
        above = ax.secondary_xaxis("top")
        above.set_xticks(at, list(marks))
        above.tick_params(length=0, pad=2, labelsize="small", labelcolor="0.35")


def _radii(ax: Axes) -> None:
    """Label few circles in small figures, along a line between the vectors."""
    from matplotlib.ticker import MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.tick_params(axis="y", labelsize=7, labelcolor="0.35")
    ax.set_rlabel_position(67.5)  # type: ignore[attr-defined]  # a polar Axes
    ax.yaxis.labelpad = 28


def _legend(ax: Axes) -> None:
    """Put the legend below the axis's name, whatever the size: a curve may reach any corner."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    assert figure is not None
    below = ScaledTranslation(0, -36 / 72, figure.dpi_scale_trans)
    ax.legend(
        frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 0.0),
        bbox_transform=ax.transAxes + below, borderaxespad=0.0, ncols=3,
    )  # fmt: skip


def _name(result: SRMResult, plane: tuple[int, int] | None) -> str:
    if plane is None:
        return f"mean of {counted(result.planes.count, 'plane')}"
    labels = result.planes.frame.labels
    return f"{labels[plane[0]]}, {labels[plane[1]]}"


def _setting(result: SRMResult) -> str:
    sign = "signed, " if result.signed else ""
    skipped = len(result.planes.degenerate)
    return (
        f"spotlight, {sign}ε = {result.epsilon:g}, n = {result.planes.frame.n}, "
        f"{counted(int(result.rows.sum()), 'sample')}, {result.planes.pairs}"
        + (f", {counted(skipped, 'parallel pair')} skipped" if skipped else "")
    )
