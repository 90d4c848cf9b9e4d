"""Reservoir: the seeded subset of inputs that nulls are tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ppp.prepared import Prepared

#: Rows that the tests run on, at most.
RESERVOIR_ROWS = 10_000


@dataclass(frozen=True)
class Sampled:
    """Rows a reservoir kept.

    Parameters
    ----------
    rows : (R, n) array
        Valid rows, by input.
    sample : (R,) int64 array
        Input of each row.
    label : (R,) array or None
        Class of each row.
    complete : bool
        Whether they are all the valid rows there were.
    """

    rows: np.ndarray
    sample: np.ndarray
    label: np.ndarray | None
    complete: bool

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)


class Reservoir:
    """Keep whole inputs, at most `limit` rows, the same ones in whatever order they come.

    Every input has a priority, a hash of its id and the seed; kept is the longest run of inputs
    in order of priority that fits (always at least one input). So the choice depends on neither
    the order of blocks nor the number of workers, and merges.

    Parameters
    ----------
    seed : int
        Seed of the priorities.
    limit : int
        Most rows kept.
    """

    def __init__(self, seed: int = 0, limit: int = RESERVOIR_ROWS) -> None:
        self.seed, self.limit = int(seed), int(limit)
        self._parts: list[tuple[np.ndarray, np.ndarray, Any, np.ndarray]] = []
        self._held = 0
        self._ceiling = 2**64  # priorities from here on are out for good

    def fork(self) -> Reservoir:
        """Return an empty reservoir of the same seed."""
        return Reservoir(self.seed, self.limit)

    def append(self, block: Prepared) -> None:
        """Take the block's inputs whose priority is low enough."""
        priority = priorities(block.sample, self.seed)
        wanted = np.ones(len(priority), bool)
        if self._ceiling < 2**64:
            wanted &= priority < np.uint64(self._ceiling)
        if not wanted.any():
            return
        # scaled rows keep their direction, and only directions reach the tests
        rows, at = block.valid(wanted)
        if not len(at):
            return
        label = None if block.label is None else block.label[at]
        self._parts.append((rows, block.sample[at], label, priority[at]))
        self._held += len(rows)
        if self._held > 2 * self.limit:
            self._trim()

    def merge(self, other: Reservoir) -> None:
        """Take another worker's rows in."""
        self._ceiling = min(self._ceiling, other._ceiling)
        self._parts += other._parts
        self._held += other._held

    def finish(self) -> Sampled:
        """Return the kept rows, ordered by input id."""
        self._trim()
        if not self._parts:
            return Sampled(np.empty((0, 0)), np.empty(0, np.int64), None, True)
        rows, sample, label, _ = self._parts[0]
        order = np.argsort(sample, kind="stable")
        return Sampled(
            np.ascontiguousarray(rows[order]),
            sample[order],
            None if label is None else label[order],
            self._ceiling == 2**64,
        )

    def _trim(self) -> None:
        if not self._parts:
            return
        rows = np.concatenate([part[0] for part in self._parts])
        sample = np.concatenate([part[1] for part in self._parts])
        labelled = self._parts[0][2] is not None
        label = np.concatenate([part[2] for part in self._parts]) if labelled else None
        priority = np.concatenate([part[3] for part in self._parts])
        levels, counts = np.unique(priority, return_counts=True)
        fits = np.cumsum(counts) <= self.limit
        fits[:1] = True
        if self._ceiling < 2**64:
            fits &= levels < np.uint64(self._ceiling)
        if not fits.all():
            self._ceiling = int(levels[np.flatnonzero(~fits)[0]])
            keep = priority < np.uint64(self._ceiling)
            rows, sample, priority = rows[keep], sample[keep], priority[keep]
            label = None if label is None else label[keep]
        self._parts = [(rows, sample, label, priority)]
        self._held = len(rows)


def priorities(sample: np.ndarray, seed: int) -> np.ndarray:
    """Return a uniform 64-bit hash of every input id.

    Parameters
    ----------
    sample : (R,) int64 array
        Input ids.
    seed : int
        Seed.

    Returns
    -------
    (R,) uint64 array
        SplitMix64 of id and seed (Steele, Lea and Flood 2014).

    Examples
    --------
    >>> len(np.unique(priorities(np.arange(1000), seed=0)))
    1000
    """
    z = np.asarray(sample).astype(np.uint64)
    offset = np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
    z = z * np.uint64(0x9E3779B97F4A7C15) + offset
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return z ^ (z >> np.uint64(31))
