"""Trained networks over a number that sets groups of them apart: their width, their latent layer.

A figure of three statistics, each network beside its own random frames; a line of numbers a group;
the rank correlation of a statistic with the number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
from ppp_claims import LEVEL, Claim, Groups, Rows, grouped

import ppp

DRAWN = ("log_q", "kappa", "a4")
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
    """

    by: str
    rows: Mapping[float, Rows]

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
        """Draw the statistics: dots are networks, bars the middle 95 % of their random frames."""
        fig, axes = plt.subplots(1, len(DRAWN), figsize=(11, 3.8), layout="constrained")
        step = 0.025 * (max(self.rows) - min(self.rows))
        for ax, statistic in zip(axes, DRAWN, strict=True):
            for activation, colour, side in zip(self.activations, COLOURS, (-1, 1), strict=True):
                for at, results in self.last(activation).items():
                    for result in results:
                        _beside_null(ax, at + side * step, result, statistic, colour)
            ax.set(xlabel=self.by, title=statistic, xticks=list(self.rows))
        for activation, colour in zip(self.activations, COLOURS, strict=True):
            axes[0].plot([], [], "o", color=colour, label=activation)
        axes[0].legend(fontsize=8)
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
            trend(f"{says} in {activation} networks ({name})", self.last(activation), name, self.by)
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


def trend(says: str, groups: Mapping[float, list[ppp.PPPResult]], statistic: str, by: str) -> Claim:
    """Relate a statistic of trained networks to a number that their groups have, by rank."""
    pairs = [(at, one.statistics[statistic].value) for at, ones in groups.items() for one in ones]
    x, y = zip(*[(at, value) for at, value in pairs if value is not None], strict=True)
    lost = len(pairs) - len(x)
    rho = scipy.stats.spearmanr(x, y)
    means = {
        at: np.mean([b for a, b in zip(x, y, strict=True) if a == at]) for at in sorted(set(x))
    }
    return Claim(
        says,
        f"mean {statistic} by {by}: "
        + ", ".join(f"{k:g}: {v:.2f}" for k, v in means.items())
        + (f"; undefined in {lost} networks without hits, left out" if lost else ""),
        f"rank correlation over {len(x)} networks {rho.statistic:+.2f}, p {rho.pvalue:.2g}",
        ("yes, rising" if rho.statistic > 0 else "yes, falling") if rho.pvalue <= LEVEL else "no",
    )
