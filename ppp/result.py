"""PPPResult: the numbers of one analysis, with their null control and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ppp import statistics as alignment
from ppp.draws import Nulls
from ppp.null import run_nulls
from ppp.planes import Planes
from ppp.preprocessing import Preprocessing
from ppp.reservoir import Sampled
from ppp.rule import Rule
from ppp.table import Table
from ppp.tally import Tally
from ppp.verdict import Verdict, hides_diagonals, hypercube_mass, judge

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ppp.density import Density


@dataclass(frozen=True)
class NullPlan:
    """Which null control the tests run against.

    Parameters
    ----------
    kind : str
        Name of the null; "rotation" is the random-basis (Haar) null.
    repeats : int
        Number of draws K.
    seed : int
        Seed of the draws.
    progress : bool
        Whether to show a progress bar while they run.
    preprocessing : Preprocessing or None
        Steps that observation and draws go through alike; `sampled` holds the rows before them.
    limit : int or None
        Grow K up to this many draws while p is still small for it.
    """

    kind: str
    repeats: int
    seed: int
    progress: bool = False
    preprocessing: Preprocessing | None = None
    limit: int | None = None


@dataclass(frozen=True, eq=False)
class PPPResult:
    """What a privileged-plane projection found.

    Parameters
    ----------
    planes : Planes
        The privileged planes.
    rule : Rule
        The rule that keeps samples.
    tally : Tally
        Counts over all rows.
    provenance : dict
        Where data, model and settings came from.
    plan : NullPlan or None
        The null control, run when first asked for; None for none.
    sampled : Sampled or None
        The rows that the tests run on.
    drawn : tuple of Tally
        Full draws of the null over all rows, for pictures.
    also : tuple
        Results of the other methods that the same scan fed; `save` leaves them to themselves.

    Examples
    --------
    >>> import ppp
    >>> result = ppp.project(np.random.default_rng(0).standard_normal((2000, 8)))
    >>> int(result.kept.sum()) == result.hits
    True
    >>> 0 < result.statistics["kappa"].p <= 1
    True
    """

    planes: Planes
    rule: Rule
    tally: Tally
    provenance: dict[str, Any]
    plan: NullPlan | None = None
    sampled: Sampled | None = None
    drawn: tuple[Tally, ...] = ()
    also: tuple[Any, ...] = ()

    @property
    def kept(self) -> np.ndarray:
        """(P,) int64 samples kept in each plane."""
        return self.tally.kept

    @property
    def hits(self) -> int:
        """Number of (row, plane) pairs that pass, `kept.sum()`."""
        return self.tally.hits * (2 if self.planes.ordered else 1)

    @property
    def expected(self) -> float:
        """Hits that isotropy would give: N·P·(1 − ε²)^((n−2)/2), in any frame.

        NaN with a rule of distance, which depends on the norms as well.
        """
        return self.rule.expected(self.tally.valid, self.planes.frame.n, self.planes.count)

    @cached_property
    def nulls(self) -> Nulls | None:
        """The null draws: computed on first use, on at most 10 000 rows of whole inputs."""
        if self.plan is None or self.sampled is None:
            return None
        found = run_nulls(
            self.sampled.rows,
            self.sampled.sample,
            self.sampled.label,
            self.planes,
            self.rule,
            kind=self.plan.kind,
            repeats=self.plan.repeats,
            seed=self.plan.seed,
            progress=self.plan.progress,
            preprocessing=self.plan.preprocessing,
            limit=self.plan.limit,
        )
        return replace(found, tallies=list(self.drawn)) if self.drawn else found

    @cached_property
    def statistics(self) -> Mapping[str, alignment.Statistic]:
        """Name → value, p, z and interval of every alignment statistic."""
        found = alignment.evaluate(self.tally, self.planes, self.rule)
        return found if self.nulls is None else alignment.against(found, self.nulls)

    @cached_property
    def verdict(self) -> Verdict | None:
        """What the statistics show against the null, in words; None without a null."""
        if self.nulls is None:
            return None
        return judge(self.statistics, self.nulls, self.planes, self.rule, self.diagonal)

    @cached_property
    def diagonal(self) -> float | None:
        """Share of the tested rows near diagonals of the frame, where no plane keeps those."""
        rows = self.tested_rows
        if rows is None or not len(rows) or not hides_diagonals(self.planes.frame, self.rule):
            return None
        return hypercube_mass(rows, self.planes.frame)

    @property
    def tested_rows(self) -> np.ndarray | None:
        """(R, n) rows that the tests ran on, preprocessed; None in a result that was loaded."""
        if self.sampled is None:
            return None
        change = None if self.plan is None else self.plan.preprocessing
        return self.sampled.rows if change is None else change.apply(self.sampled.rows)

    def density(self, size: int = 512, **options: Any) -> Density:
        """Return the in-plane density: a Gaussian at every kept sample.

        Parameters
        ----------
        size : int
            Pixels a side.
        **options
            Passed to `ppp.density.density`: extent, sigma.

        Returns
        -------
        Density
            With `image`, `extent` and `sigma`.
        """
        from ppp.density import density

        tally = self.tally
        return density(
            tally.image(), tally.half_width, size, outside=tally.beyond, together=tally.together,
            **options,
        )  # fmt: skip

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the density.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **options
            Passed to `ppp.plot_density`.

        Returns
        -------
        matplotlib Axes
        """
        from ppp.plot import plot_density

        return plot_density(self, ax=ax, **options)

    def table(self, of: str = "statistics") -> Table:
        """Return the numbers as a table.

        Parameters
        ----------
        of : {"statistics", "planes"}
            One row a statistic, or one row a plane.

        Returns
        -------
        Table
            Iterable over rows as mappings; `str()` aligns it, `to_csv()` and `to_json()` write it.

        Raises
        ------
        ValueError
            If asked for anything else.
        """
        if of == "statistics":
            columns = ("statistic", "value", "interval", "p", "z", "null_mean", "null_sd", "note")
            rows = (
                (name, s.value, s.interval, s.p, s.z, s.null_mean, s.null_sd, s.note)
                for name, s in self.statistics.items()
            )
            return Table(columns, tuple(rows))
        if of == "planes":
            return self._plane_table()
        raise ValueError(f'a table is of "statistics" or "planes", got {of!r}')

    def summary(self) -> str:
        """Return in words what was counted, what isotropy expects, and the table."""
        from ppp.report_text import summarise

        return summarise(self)

    def save(self, path: str) -> None:
        """Write the result, its null control and statistics to an HDF5 file, whole or not at all.

        Parameters
        ----------
        path : path
            File to write.
        """
        from ppp.archive import save

        save(self, path)

    @classmethod
    def load(cls, path: str) -> PPPResult:
        """Read a saved result.

        Parameters
        ----------
        path : path
            File that `save` wrote.

        Returns
        -------
        PPPResult

        Raises
        ------
        ValueError
            If the file is no result, cut off, or of a newer version.
        """
        from ppp.archive import load

        return load(path)

    def _repr_html_(self) -> str:
        """Return figure and table for a notebook."""
        from ppp.report_text import as_html

        return as_html(self)

    def _plane_table(self) -> Table:
        planes, labels = self.planes, self.planes.frame.labels
        share = self.expected / planes.count
        rows = (
            (labels[i], labels[j], float(g), int(k), share)
            for i, j, g, k in zip(
                planes.first, planes.second, planes.cosine, self.kept, strict=True
            )
        )
        return Table(("first", "second", "cosine", "kept", "expected"), tuple(rows))
