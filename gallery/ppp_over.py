"""Trained networks over a number that sets groups of them apart: their width, their latent layer.

A figure of three statistics, each network beside its own random frames; a line of numbers a group;
the rank correlation of a statistic with the number, within networks or seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from claims import Claim, Groups, Rows, grouped
from network_tests import LEVEL, TIE, rank_trend

import ppp

DRAWN = ("log_q", "kappa", "a4")
NAMES = {"log_q": "log Q, hits over expected", "kappa": "kappa", "a4": "A4, mean cos 4φ of hits"}
COLOURS = ("tab:orange", "tab:blue")


@dataclass(frozen=True)
class Over:
    """Networks grouped by a number.

    Parameters
    ----------
    by : str
        What the number is.
    rows : mapping of number to rows
        The networks of each group.
    repeated : bool
        Whether they are the same networks at every number, as where it is the latent layer.
    """

    by: str
    rows: Mapping[float, Rows]
    repeated: bool = False

    def last(self, activation: str) -> dict[float, list[ppp.PPPResult]]:
        """Return the last snapshot of every network of an activation, by the number."""
        groups: dict[float, Groups] = {at: grouped(rows) for at, rows in self.rows.items()}
        return {
            at: [columns[max(columns)] for columns in group[activation]]
            for at, group in groups.items()
        }

    @property
    def activations(self) -> tuple[str, ...]:
        """The activations, in the order of the rows."""
        return tuple(grouped(next(iter(self.rows.values()))))

    def draw(self, title: str) -> None:
        """Draw the statistics: dots are networks, bars the middle 95 % of their random frames.

        Lines join what one network shows at several numbers; a triangle is one where a statistic
        is undefined.
        """
        fig, axes = plt.subplots(1, len(DRAWN), figsize=(11, 4.1), layout="constrained")
        step = 0.025 * (max(self.rows) - min(self.rows))
        for ax, statistic in zip(axes, DRAWN, strict=True):
            for activation, colour, side in zip(self.activations, COLOURS, (-1, 1), strict=True):
                members = self.last(activation)
                for at, results in members.items():
                    for result in results:
                        _beside_null(ax, at + side * step, result, statistic, colour)
                    _empty(ax, at + side * step, results, step / 2, statistic, colour)
                if self.repeated:
                    table = _table(members, statistic)
                    ax.plot([at + side * step for at in members], table, color=colour, lw=0.7)
            ax.set(xlabel=self.by, title=NAMES[statistic], xticks=list(self.rows))
        for activation, colour in zip(self.activations, COLOURS, strict=True):
            axes[0].plot([], [], "o", color=colour, label=activation)
        axes[0].plot([], [], color="0.75", lw=5, label="middle 95 % of a network's random frames")
        axes[0].plot([], [], "v", color="0.5", ms=4, label="undefined: no hits")
        fig.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
        fig.suptitle(title)

    def lines(self) -> str:
        """Return a line of numbers for each group."""
        return "\n".join(
            _line(f"{activation}, {self.by} {at:g}", results)
            for activation in self.activations
            for at, results in self.last(activation).items()
        )

    def trends(self, says: str, *statistics: str) -> list[Claim]:
        """Relate statistics to the number by rank, activation by activation."""
        return [
            trend(
                f"{says} in {activation} networks ({name})",
                self.last(activation),
                name,
                self.by,
                repeated=self.repeated,
            )
            for activation in self.activations
            for name in statistics
        ]


def _beside_null(
    ax: plt.Axes, x: float, result: ppp.PPPResult, statistic: str, colour: str
) -> None:
    values = result.nulls.values[statistic]
    if np.isfinite(values).any():  # without hits some statistics are undefined
        ends = np.nanquantile(values, (0.025, 0.975))
        ax.plot([x, x], ends, color=colour, alpha=0.25, lw=5, solid_capstyle="butt")
    value = result.statistics[statistic].value
    if value is not None:
        ax.plot(x, value, "o", color=colour, ms=4)


def _empty(
    ax: plt.Axes,
    x: float,
    results: list[ppp.PPPResult],
    step: float,
    statistic: str,
    colour: str,
) -> None:
    """Mark networks of which a statistic is undefined, side by side at the foot."""
    lost = sum(result.statistics[statistic].value is None for result in results)
    at = x + step * (np.arange(lost) - (lost - 1) / 2)
    foot = ax.get_xaxis_transform()
    ax.plot(at, np.full(lost, 0.03), "v", color=colour, ms=4, transform=foot)


def _table(members: Mapping[float, list[ppp.PPPResult]], statistic: str) -> np.ndarray:
    """Return a statistic, (numbers, networks), NaN where it is undefined."""
    values = [[one.statistics[statistic].value for one in ones] for ones in members.values()]
    return np.array(values, dtype=float)


def _line(name: str, results: list[ppp.PPPResult]) -> str:
    kept = ", ".join(str(result.hits) for result in results)
    cells = []
    for result in results:
        kappa, p = result.statistics["kappa"].value, result.statistics["combined"].p
        cells.append("undefined" if kappa is None or p is None else f"{kappa:.3f} (p {p:.2g})")
    return (
        f"{name:<36} kept {kept} (isotropy: {results[0].expected:.0f}); "
        f"kappa (combined p) {', '.join(cells)}"
    )


def trend(
    says: str,
    groups: Mapping[float, list[ppp.PPPResult]],
    statistic: str,
    by: str,
    *,
    repeated: bool,
) -> Claim:
    """Relate a statistic of trained networks to a number that their groups have, by rank.

    Groups list their networks seed by seed, and the correlation is taken seed by seed.
    ``repeated`` says that a seed stands for one network, measured at every number.
    """
    values = np.array([[_placed(one, statistic) for one in groups[at]] for at in sorted(groups)])
    rho, p, least = rank_trend(values.T, repeated=repeated)
    known = rho[np.isfinite(rho)]
    rising, falling = int((known > 0).sum()), int((known < 0).sum())
    unit = "networks" if repeated else "seeds"
    way = "turning the order round" if repeated else "exchanging the order"
    shown = ", ".join(f"{each:+.2f}" for each in rho)
    return Claim(
        says,
        f"mean {statistic} by {by}: {_means(sorted(groups), values)}; rank correlation within "
        f"{unit} {shown}, rising in {rising} and falling in {falling} of {len(rho)}",
        f"{way} within {unit}: p {p:.2g}, the least possible {least:.2g}",
        _seen(p, least, rising, falling, len(rho)),
    )


def _placed(result: ppp.PPPResult, statistic: str) -> float:
    """Return a statistic; without hits log Q lies below all others, and A4 is nowhere (NaN)."""
    value = result.statistics[statistic].value
    if value is not None:
        return value
    return -np.inf if statistic == "log_q" and not result.hits else np.nan


def _means(numbers: Sequence[float], values: np.ndarray) -> str:
    """List the mean at every number, over the networks that have one."""
    shown = []
    for at, row in zip(numbers, values, strict=True):
        known = row[np.isfinite(row)]
        mean = f"{known.mean():.2f}" if len(known) else "undefined"
        last, out = int(np.isneginf(row).sum()), int(np.isnan(row).sum())
        lost = f"{last} without hits, ranked last" * (last > 0)
        lost += f"{out} without hits, left out" * (out > 0)
        shown.append(f"{at:g}: {mean}" + (f" ({lost})" if lost else ""))
    return ", ".join(shown)


def _seen(p: float, least: float, rising: int, falling: int, of: int) -> str:
    way = "rising" if rising > falling else "falling"
    if p <= LEVEL + TIE:
        return f"yes, {way}"
    if least <= LEVEL + TIE:
        return "no"
    every = max(rising, falling) == of
    return f"{way} in every one, but too few for a test" if every else "too few for a test"
