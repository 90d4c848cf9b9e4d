"""Figures of several networks: statistics over training, and groups with one dot a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ppp.comparison import Comparison
from ppp.plot_checks import check_made, check_rows, check_statistics
from ppp.plot_panels import FAINT, INK, decimal, remark
from ppp.plot_words import LINE, TITLE_LINE, captions, fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ppp.comparison import Difference
    from ppp.result import PPPResult

#: First the paper's orange for elementwise and blue for isotropic networks, then its other two.
GROUPS = ("#e07b1a", "#2b6cb0", "#b83232", "#2f855a", "#6b46a5", "#7a6a53")
#: Lines and markers of the first six groups, of the next six, and so on.
STYLES = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))
NAMES = {
    "log_q": "log Q,  hits over expected",
    "kappa": "κ,  kurtosis along the frame",
    "a4": "A4,  mean cos 4φ of hits",
    "b4": "B4,  one vote a sample",
    "a8": "A8,  mean cos 8φ of hits",
    "b8": "B8,  one vote a sample",
}
#: Inches of a panel of groups: its height above the words below it, the least width, the part of it
#: that the numbers at its left take, and the least width for a group's name.
HIGH, WIDE, NUMBERS, NAME = 2.6, 2.9, 0.75, 1.0
#: What isotropy expects, where that is a constant.
ISOTROPIC = {"log_q": 0.0, "kappa": 1.0, "a4": 0.0, "a8": 0.0}


def plot_training(
    rows: Mapping[str, Mapping[Any, PPPResult]],
    *,
    statistics: Sequence[str] = ("log_q", "kappa", "a4", "b4"),
    groups: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw statistics against training, one line a network, with the band of the null.

    Parameters
    ----------
    rows : mapping of mappings
        ``rows[network][snapshot]`` is a result; columns in the order of training.
    statistics : sequence of str
        Which, one panel each.
    groups : mapping of str to str, optional
        Group of each network, which shares a colour; the part of its name before "/" where left
        out.
    title : str, optional
        Line above the panels.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        For no rows, or a statistic that the results do not have.

    Notes
    -----
    The band holds the middle 95 % of the null draws of all networks of a group, and runs the null
    of results that have not run theirs. Where a statistic is undefined (no hits) the line has a
    gap.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> rng = np.random.default_rng(0)
    >>> run = {e: ppp.project(rng.laplace(size=(300, 6)), null_repeats=9) for e in (0, 1)}
    >>> figure = ppp.plot_training({"noise/seed0": run}, statistics=["kappa"])
    >>> figure.axes[0].get_title()
    'κ,  kurtosis along the frame'
    """
    import matplotlib.pyplot as plt

    check_rows(rows)
    statistics = check_statistics(statistics)
    if not rows:
        raise ValueError("a figure of training needs at least one network, got none")
    grouped = {name: (groups or {}).get(name, name.split("/")[0]) for name in rows}
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    across = min(2, len(statistics))
    down = -(-len(statistics) // across)
    figure = plt.figure(figsize=(5.2 * across, 2.7 * down), layout="constrained")
    for place, statistic in enumerate(statistics):
        ax = figure.add_subplot(down, across, place + 1)
        _lines(ax, rows, columns, statistic, grouped)
        ax.set_title(NAMES.get(statistic, statistic), fontsize=10, color=INK)
    words = captions(
        figure,
        title or "Statistics over training",
        "snapshots in order, not to scale;  bands: middle 95 % of each group's null draws;  "
        "dotted: isotropy",
    )
    title_lines = figure.get_suptitle().count("\n") + 1
    _legend(figure, 2 * across, 2.7 * down + 0.1 + words, TITLE_LINE * title_lines)
    return figure


def _legend(figure: Figure, across: int, high: float, above: float) -> None:
    """Name the groups below the figure's title, and make the figure as much higher than before.

    A legend that the layout places shares the title's line, and lies on a long title.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    handles, labels = figure.axes[0].get_legend_handles_labels()
    names = [fitted(label, 2.0, 9) for label in labels]
    lines = max(name.count("\n") + 1 for name in names)
    own = -(-len(names) // across) * (LINE * lines + 0.06) + 0.05
    figure.set_figheight(high + own)
    figure.legend(
        handles, names, loc="upper right", bbox_to_anchor=(1, 1 - above / (high + own)),
        ncols=across, fontsize=9, frameon=False,
    )  # fmt: skip
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, 0, 1, 1 - own / (high + own)))


def _lines(
    ax: Axes,
    rows: Mapping[str, Mapping[Any, PPPResult]],
    columns: Sequence[Any],
    statistic: str,
    grouped: Mapping[str, str],
) -> None:
    """Draw one statistic of all networks, and the bands of their nulls below it."""
    at = np.arange(len(columns))
    for number, group in enumerate(dict.fromkeys(grouped.values())):
        again, place = divmod(number, len(GROUPS))
        colour, (line, marker) = GROUPS[place], STYLES[again % len(STYLES)]
        members = [row for name, row in rows.items() if grouped[name] == group]
        low, high = np.array([_band(members, column, statistic) for column in columns]).T
        ax.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
        for k, row in enumerate(members):
            values = [_value(row.get(column), statistic) for column in columns]
            label = f"{group} ({len(members)})" if k == 0 else None
            ax.plot(
                at, values, color=colour, ls=line, marker=marker, lw=1.2, ms=3, alpha=0.9,
                label=label,
            )  # fmt: skip
    _say_undefined(ax, rows, statistic)
    if statistic in ISOTROPIC:
        ax.axhline(ISOTROPIC[statistic], color=FAINT, lw=0.8, ls=":")
    ticks = [str(column).removeprefix("epoch ") for column in columns]
    ax.set_xticks(at, ticks, fontsize=8, color=FAINT)
    ax.tick_params(labelsize=8, colors=FAINT, length=2)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set(color=FAINT, linewidth=0.6)


def _say_undefined(ax: Axes, rows: Mapping[str, Mapping[Any, PPPResult]], statistic: str) -> None:
    """Name the networks of which a panel shows nothing, and why that is."""
    unseen = {
        name: next((r.statistics[statistic].note for r in row.values()), "no results")
        for name, row in rows.items()
        if all(np.isnan(_value(result, statistic)) for result in row.values())
    }
    if not unseen:
        return
    who = "all networks" if len(unseen) == len(rows) else ", ".join(unseen)
    said = fitted(f"{who}: " + "; ".join(dict.fromkeys(unseen.values())), 4.0, 8)
    if len(unseen) == len(rows):
        remark(ax, said, FAINT, "small")
    else:
        ax.set_xlabel(said, fontsize=8, color=FAINT)  # the panel holds the lines of others


def _value(result: PPPResult | None, statistic: str) -> float:
    if result is None:
        return np.nan
    if statistic not in result.statistics:
        raise ValueError(
            f"statistic must be one of {', '.join(result.statistics)}, got {statistic!r}"
        )
    value = result.statistics[statistic].value
    return np.nan if value is None else value


def _band(
    rows: Sequence[Mapping[Any, PPPResult]], column: Any, statistic: str
) -> tuple[float, float]:
    """Return the middle 95 % of all null draws of a statistic at one snapshot."""
    results = [row[column] for row in rows if column in row]
    draws = [r.nulls.values[statistic] for r in results if r.nulls and statistic in r.nulls.values]
    values = np.concatenate([*draws, np.empty(0)])
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def plot_comparison(
    comparison: Comparison,
    *,
    statistics: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw groups of networks beside each other, one dot a network.

    Parameters
    ----------
    comparison : Comparison
        What `ppp.compare` found.
    statistics : sequence of str, optional
        Which, one panel each; all that were compared where left out.
    title : str, optional
        Line above the panels.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        For a statistic that was not compared.

    Notes
    -----
    Lines join networks of one seed where the comparison is paired. p is that of the exact
    permutation test over networks.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> rng = np.random.default_rng(0)
    >>> group = lambda: [ppp.project(rng.laplace(size=(200, 6)), null=None) for _ in range(3)]
    >>> figure = ppp.plot_comparison(ppp.compare({"a": group(), "b": group()}))
    >>> len(figure.axes)
    6
    """
    import matplotlib.pyplot as plt

    check_made(comparison, Comparison, "comparison", "ppp.compare(groups)")
    chosen = check_statistics(list(comparison.values) if statistics is None else statistics)
    missing = [name for name in chosen if name not in comparison.values]
    if missing:
        raise ValueError(
            f"statistics must be among those compared, {', '.join(comparison.values)}, "
            f"got {', '.join(missing)}"
        )
    across = min(3, len(chosen))
    down = -(-len(chosen) // across)
    inside = max(WIDE - NUMBERS, NAME * len(next(iter(comparison.values.values()))))
    figure = plt.figure(figsize=((inside + NUMBERS) * across + 0.6, HIGH), layout="constrained")
    lines = 0
    for place, name in enumerate(chosen):
        ax = figure.add_subplot(down, across, place + 1)
        _dots(ax, comparison, name)
        lines = max(lines, _words_below(ax, comparison, name, inside))
    unit = "lines join networks of one seed;  " if comparison.paired else ""
    words = captions(
        figure,
        title or "Groups of networks, one dot a network",
        f"{unit}p: exact permutation test over networks;  dotted: isotropy\n{_alike(comparison)}",
    )
    figure.set_figheight((HIGH + LINE * lines) * down + 0.25 + words)
    return figure


def _tested(difference: Difference, pairs: int) -> str:
    """Say what the test of one difference found; whose it is, where there are several."""
    whose = "" if pairs == 1 else f"{difference.first} – {difference.second}: "
    if difference.p is None:
        return f"{whose}{difference.note}"
    least = "" if difference.least is None else f"  (least possible {difference.least:.2g})"
    return f"{whose}p = {difference.p:.2g}{least if pairs == 1 else ''}"


def _alike(comparison: Comparison) -> str:
    """Say how alike the beams of each group are, and whether rotations are as alike."""
    parts = []
    for group, alike in comparison.consistency.items():
        p = comparison.consistency_p[group]
        tested = "" if p is None else f" (p {decimal(p)})"
        parts.append(
            f"{group} {'undefined' if alike is None else decimal(round(alike, 2) + 0.0)}{tested}"
        )
    return f"beams correlate between networks (p against rotation): {',  '.join(parts)}"


def _dots(ax: Axes, comparison: Comparison, statistic: str) -> None:
    """Draw one statistic: a column of dots a group, its mean as a bar, the p of each pair."""
    values = comparison.values[statistic]
    at = {group: k for k, group in enumerate(values)}
    if comparison.paired:
        for each in zip(*values.values(), strict=True):
            ax.plot(range(len(each)), each, "-", color=FAINT, lw=0.7, alpha=0.6, zorder=1)
    for group, k in at.items():
        colour = GROUPS[k % len(GROUPS)]
        ax.plot([k] * len(values[group]), values[group], "o", color=colour, ms=6, alpha=0.85)
        defined = values[group][np.isfinite(values[group])]
        if defined.size:
            ax.hlines(defined.mean(), k - 0.18, k + 0.18, color=colour, lw=2)
    if statistic in ISOTROPIC:
        ax.axhline(ISOTROPIC[statistic], color=FAINT, lw=0.8, ls=":", zorder=0)
    ax.set_title(NAMES.get(statistic, statistic), fontsize=10, color=INK)
    ax.set_xlim(-0.6, len(at) - 0.4)
    ax.tick_params(axis="y", labelsize=8, colors=FAINT, length=2)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _words_below(ax: Axes, comparison: Comparison, statistic: str, inside: float) -> int:
    """Write names of groups and the p of each pair below a panel; return the number of lines."""
    groups = list(comparison.values[statistic])
    # a little less than the distance between two columns of dots
    names = [fitted(group, inside / (len(groups) + 0.2) - 0.08, 9) for group in groups]
    ax.set_xticks(range(len(groups)), names, fontsize=9, color=INK)
    said = [d for d in comparison.differences if d.statistic == statistic]
    size = 9 if len(said) == 1 else 7
    tested = fitted("\n".join(_tested(d, len(said)) for d in said), inside, size)
    ax.set_xlabel(tested, fontsize=size, color=INK)
    return max(name.count("\n") + 1 for name in names) + tested.count("\n") + 1
