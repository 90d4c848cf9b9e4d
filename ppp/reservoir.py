"""Reservoir: the seeded subset of inputs that nulls are tested on."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppp.kernels.rows import read_only
from ppp.kernels.sampling import copy_rows, split_mix
from ppp.prepared import Prepared

#: Rows that the tests run on, at most.
RESERVOIR_ROWS = 10_000
#: Rows up to this size have room for all that may be kept from the beginning.
ROOM_BYTES = 2**27
#: Of SplitMix64: how far apart its states are, and what its rounds multiply by.
STEP = np.uint64(0x9E3779B97F4A7C15)
FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


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

    Notes
    -----
    Rows are copied when they come, into the places of those that had to go: there are never more
    than 3/2 of `limit`, but for an input that is larger by itself. Worker threads share one
    reservoir, which they fill in turns: of two, each would keep rows that the other makes needless.
    """

    #: Whether worker threads may feed it at once.
    shared = True

    def __init__(self, seed: int = 0, limit: int = RESERVOIR_ROWS) -> None:
        self.seed, self.limit = int(seed), int(limit)
        self._kept = Kept()
        self._ceiling = 2**64  # priorities from here on are out for good
        self._labelled: str | None = None
        self._turn = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Travel without the lock."""
        return {name: value for name, value in vars(self).items() if name != "_turn"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take turns anew."""
        vars(self).update(state, _turn=threading.Lock())

    def fork(self) -> Reservoir:
        """Return an empty reservoir of the same seed."""
        return Reservoir(self.seed, self.limit)

    def append(self, block: Prepared) -> None:
        """Take the block's inputs whose priority is low enough."""
        if not block.rows:
            return
        with self._turn:
            self._check_labels(_kind(block.label))
        priority = priorities(block.sample, self.seed)
        at = np.flatnonzero(self._low(priority))
        if not len(at):
            return
        at = at[block.valid(at)]
        with self._turn:
            at = at[self._admitted(priority[at])]
            # of a block on a device only the rows that are kept for now are copied
            near, place = block.near(at)
            label = None if near.label is None else near.label[place]
            # scaled rows keep their direction, and only directions reach the tests
            self._kept.put(*near.safe(place), near.sample[place], label, priority[at], self._most)

    def merge(self, other: Reservoir) -> None:
        """Take another worker's rows in."""
        self._check_labels(other._labelled)
        self._ceiling = min(self._ceiling, other._ceiling)
        self._drop()
        rows, sample, label, priority = other._kept.held()
        low = self._admitted(priority)
        label = None if label is None else label[low]
        place = np.flatnonzero(low)
        self._kept.put(rows, place, sample[low], label, priority[low], self._most)

    def finish(self) -> Sampled:
        """Return the kept rows, ordered by input id."""
        if self._kept.count > self.limit:
            self._lower(np.empty(0, np.uint64))
        rows, sample, label, _ = self._kept.held()
        return Sampled(rows, sample, label, self._ceiling == 2**64)

    def _check_labels(self, kind: str | None) -> None:
        """Raise a ValueError where labels are of another kind than those before: none, say."""
        known = self._labelled = self._labelled or kind
        if kind and known and kind != known:
            raise ValueError(
                "labels must be numbers in all blocks, or texts, or none, got "
                + " and ".join(sorted((kind, known)))
            )

    @property
    def _most(self) -> int:
        """Rows that there is room for."""
        return self.limit + self.limit // 2

    def _low(self, priority: np.ndarray) -> np.ndarray:
        """Return which priorities are below the ceiling."""
        if self._ceiling == 2**64:
            return np.ones(len(priority), bool)
        return priority < np.uint64(self._ceiling)

    def _admitted(self, priority: np.ndarray) -> np.ndarray:
        """Return which of the rows with these priorities are to be kept, making room for them."""
        if self._kept.count + len(priority) > self._most:
            self._lower(priority)
        return self._low(priority)

    def _lower(self, coming: np.ndarray) -> None:
        """Lower the ceiling to what fits of the rows kept and those coming; drop the others."""
        priority = np.concatenate([self._kept.priority[self._kept.used], coming])
        levels, counts = np.unique(priority[self._low(priority)], return_counts=True)
        fits = np.cumsum(counts) <= self.limit
        fits[:1] = True
        if not fits.all():
            self._ceiling = int(levels[np.argmin(fits)])
            self._drop()

    def _drop(self) -> None:
        """Drop what is kept above the ceiling."""
        self._kept.used &= self._low(self._kept.priority)


class Kept:
    """Rows in places that are used again; an array grows to the type that holds what is put in."""

    def __init__(self) -> None:
        self.used = np.zeros(0, bool)
        self.priority = np.zeros(0, np.uint64)
        self._sample = np.zeros(0, np.int64)
        self._rows: np.ndarray = np.zeros((0, 0), np.float32)
        self._label: np.ndarray | None = None

    @property
    def count(self) -> int:
        """Rows kept."""
        return int(np.count_nonzero(self.used))

    def put(
        self,
        rows: np.ndarray,
        place: np.ndarray,
        sample: np.ndarray,
        label: np.ndarray | None,
        priority: np.ndarray,
        most: int,
    ) -> None:
        """Keep rows.

        Parameters
        ----------
        rows : (M, n) array
            Where they are copied from.
        place : (R,) int64 array
            Where in it they stand.
        sample, label, priority : (R,) arrays
            Input, class (or None) and priority of each.
        most : int
            Rows there will be at once, as far as one knows: room is made for as many.
        """
        if not len(place):
            return
        if self.count + len(place) > len(self.used):
            self._grow(rows, label, self.count + len(place), most)
        free = np.flatnonzero(~self.used)[: len(place)]
        self._rows = _widened(self._rows, rows, self.used)
        copy_rows(read_only(rows), place, self._rows, free)
        if label is not None and self._label is not None:  # all rows have labels, or none has
            self._label = _widened(self._label, label, self.used)
            self._label[free] = label
        self.priority[free], self._sample[free] = priority, sample
        self.used[free] = True

    def held(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
        """Return rows, inputs, labels and priorities, ordered by input id."""
        at: Any = np.flatnonzero(self.used)
        sample = self._sample[at]
        if (sample[1:] < sample[:-1]).any():
            at = at[np.argsort(sample, kind="stable")]
        if np.array_equal(at, np.arange(len(at))):
            at = slice(len(at))
        label = None if self._label is None else self._label[at]
        return self._rows[at], self._sample[at], label, self.priority[at]

    def _grow(self, rows: np.ndarray, label: np.ndarray | None, needed: int, most: int) -> None:
        """Make room for rows like these; what is not used takes no memory yet."""
        once = ROOM_BYTES // (rows.shape[1] * rows.itemsize)
        size = max(needed, min(most, max(once, 2 * needed)))
        if not len(self.used):
            self._rows = np.empty((0, rows.shape[1]), rows.dtype)
            self._label = None if label is None else np.empty(0, label.dtype)
        self.used = np.concatenate([self.used, np.zeros(size - len(self.used), bool)])
        self.priority = _longer(self.priority, size)
        self._sample, self._rows = _longer(self._sample, size), _longer(self._rows, size)
        self._label = None if self._label is None else _longer(self._label, size)


def _longer(array: np.ndarray, size: int) -> np.ndarray:
    """Return an array that begins with this one."""
    longer = np.empty((size, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def _kind(label: np.ndarray | None) -> str:
    if label is None:
        return "none"
    return "texts" if label.dtype.kind == "U" else "numbers"


def _widened(array: np.ndarray, values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return the array in a type that holds the values too; what is not used is not looked at."""
    kind = np.result_type(array, values)
    if kind == array.dtype:
        return array
    wider = np.empty(array.shape, kind)
    wider[used] = array[used]
    return wider


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
    ids = read_only(np.ascontiguousarray(sample, np.int64))
    z = np.empty(len(ids), np.uint64)
    split_mix(ids, np.uint64(seed * 0xD1342543DE82EF95 % 2**64), STEP, FACTORS, z)
    return z
