"""A sweep of epsilon: the statistics along the threshold, with their reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ppp.closed import epsilon_for_hits, retention
from ppp.ranks import adjust
from ppp.statistics import NAMES, READABLE
from ppp.streams import as_stream
from ppp.table import Table

if TYPE_CHECKING:
    from ppp.result import PPPResult

#: Expected isotropic hits that the default sweep runs through.
HITS = (10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)


@dataclass(frozen=True)
class Sweep:
    """Results of one data set at several thresholds.

    Attributes
    ----------
    results : tuple of PPPResult
        One for each epsilon, in ascending order.
    """

    results: tuple[PPPResult, ...]

    @property
    def epsilons(self) -> tuple[float, ...]:
        """The thresholds, ascending."""
        return tuple(result.rule.epsilon for result in self.results)

    def table(self) -> Table:
        """Return the statistics along epsilon.

        p_adjusted is Benjamini-Hochberg over the sweep: choosing the best epsilon afterwards is
        a choice among as many tests.
        """
        combined = [
            result.statistics["combined"].p if "combined" in result.statistics else None
            for result in self.results
        ]
        rows = []
        for result, p, p_adjusted in zip(self.results, combined, adjust(combined), strict=True):
            epsilon, frame = result.rule.epsilon, result.planes.frame
            notes = [] if epsilon > READABLE else ["sign of A4 unreadable"]
            if result.statistics["log_q"].value is None:
                notes.append(result.statistics["log_q"].note)
            if p is None:
                notes.append("no p, because there is no null control")
            rows.append((
                epsilon, retention(frame.n, epsilon), result.expected, result.hits,
                *(result.statistics[name].value for name in NAMES), p, p_adjusted, "; ".join(notes),
            ))  # fmt: skip
        columns = (
            "epsilon", "retention", "expected", "hits", *NAMES, "p", "p_adjusted", "note"
        )  # fmt: skip
        return Table(columns, tuple(rows))


def sweep_epsilon(x: Any, epsilons: Iterable[float] | None = None, **options: Any) -> Sweep:
    """Project the same activations at several thresholds.

    Parameters
    ----------
    x : (N, n) array or tensor, or store layer
        Activations that can be read several times.
    epsilons : iterable of float, optional
        Thresholds; by default those at which isotropy would give 10, 100, ... 100 000 hits, and
        the paper's .75.
    **options
        Passed to `ppp.project`.

    Returns
    -------
    Sweep

    Raises
    ------
    ValueError
        For data that can be read only once, or anything but thresholds.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).laplace(size=(1000, 8))
    >>> sweep = sweep_epsilon(x, [0.8, 0.6], null_repeats=19)
    >>> sweep.epsilons
    (0.6, 0.8)
    """
    from ppp.analysis import PAPER_EPSILON, project

    labelled = {key: options.get(key) for key in ("sample", "label")}
    rows, n = as_stream(x, **labelled).shape
    if rows is None or n is None:
        raise ValueError(
            "a sweep reads the activations once for each epsilon: give an array or a store layer"
        )
    if epsilons is None:
        most = rows * n * (n - 1) / 2
        reached = [hits for hits in HITS if hits < most / 2 and n > 2]
        epsilons = [PAPER_EPSILON, *(epsilon_for_hits(rows, n, hits) for hits in reached)]
    single = isinstance(epsilons, str | bytes) or getattr(epsilons, "ndim", 1) == 0
    if single or not isinstance(epsilons, Iterable):
        raise ValueError(
            f"epsilons must list the thresholds, such as [0.5, 0.75], got {epsilons!r}: for one "
            "of them use ppp.project"
        )
    results = [project(x, epsilon=each, **options) for each in epsilons]
    if not results:
        raise ValueError("a sweep needs at least one epsilon, got none")
    # wishes may come out as one threshold
    found = {result.rule.epsilon: result for result in results}
    return Sweep(tuple(found[epsilon] for epsilon in sorted(found)))
