"""BlockCounter: what the counters of all frames share, block by block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ppp.kernels.axes import signed_columns
from ppp.kernels.inputs import Ledger
from ppp.kernels.oblique_room import ObliqueCounts, ObliqueRoom
from ppp.kernels.orthonormal import Counts, Room
from ppp.kernels.peaks import Patterns
from ppp.kernels.rows import Bound, read_only
from ppp.kernels.unusual import Spare
from ppp.prepared import PIECE_ROWS, Prepared
from ppp.tally import MOMENTS, Tally

#: From this width on, rows in float32 are multiplied in float32, and doubtful ones recomputed.
SINGLE_WIDTH = 48
#: Coordinates made at once, at most: 16 MiB in float32.
PIECE_NUMBERS = 2**22
#: Frames of so few vectors take twice as many rows at once.
NARROW = 64
#: Counters are unsigned 32-bit numbers: they are emptied after so many hits, and no rows that might
#: have more are counted at once.
FLUSH_HITS = 2**31
#: What one of them holds.
COUNTER_LIMIT = 2**32


class BlockCounter(ABC):
    """Count blocks into one worker's compact counters.

    Parameters
    ----------
    tally : Tally
        What `flush` adds them to.
    bound : Bound
        The rule's threshold.
    """

    _kernel: ClassVar[Callable[..., int]]
    #: Products summed up at once in float32, at most: the fewer, the less they are rounded.
    _depth: ClassVar[int] = 2**30
    _counts: Counts | ObliqueCounts

    def __init__(self, tally: Tally, bound: Bound) -> None:
        self._tally, self._bound = tally, bound
        frame = tally.planes.frame
        self._whole = frame.is_standard
        self._vectors = np.empty((0, 0)) if frame.is_standard else frame.vectors
        self._single, self._part, self._gamma, self._axes = None, 0, 0.0, None
        if not frame.is_standard and frame.axial:
            self._axes = frame.axes
            self._signs = np.sign(frame.vectors[np.arange(frame.m), self._axes])
        elif not frame.is_standard and frame.n >= SINGLE_WIDTH:
            self._single = frame.single
            # parts of one size, as the longest of them says how much is rounded
            self._part = -(-frame.n // -(-frame.n // self._depth))
            self._gamma = error_share(frame.n, self._part)
        self._rooms: dict[tuple[np.dtype, np.dtype], tuple[Any, Spare]] = {}
        self._pending = 0

    def append(self, block: Prepared) -> None:
        """Count a block."""
        if not block.rows:
            return
        labels, code = block.input_classes
        ledger = new_ledger(len(labels))
        state = np.empty(block.rows, np.uint8)
        m = self._tally.planes.frame.m
        step = block.rows if self._whole else piece_rows(m)
        planes = m * (m - 1) // 2
        at_once = max(1, FLUSH_HITS // planes)
        for first in range(0, block.rows, step):
            piece = read_only(self._ready(block.x[first : first + step]))
            made, gamma = (piece, 0.0) if self._whole else self._coordinates(piece)
            for at in range(0, len(piece), at_once):
                x, c = piece[at : at + at_once], made[at : at + at_once]
                if self._pending + len(x) * planes >= COUNTER_LIMIT:
                    self.flush()
                hits = self._count(x, c, gamma, block.sample, code, first + at, ledger, state)
                self._tally.hits += hits
                self._pending += hits
                if self._pending >= COUNTER_LIMIT and self._tally.detailed:
                    raise OverflowError(
                        f"counters hold {COUNTER_LIMIT - 1:,} hits, and one row hits {hits:,} of "
                        f"the planes of {m:,} vectors: take a larger epsilon or fewer vectors"
                    )
                if self._pending > FLUSH_HITS:
                    self.flush()
        block.note(state)
        add_ledger(self._tally, labels, ledger, block.rows)

    def flush(self) -> None:
        """Empty the counters into the tally."""
        if self._pending and self._tally.detailed:
            self._empty()
            self._pending = 0

    def _ready(self, x: np.ndarray) -> np.ndarray:
        """Return the rows in a precision in which they can be counted."""
        return x

    @abstractmethod
    def _room(self, c: np.ndarray) -> Room | ObliqueRoom:
        """Return room to search coordinates like these."""

    @abstractmethod
    def _terms(self, gamma: float) -> tuple[Any, ...]:
        """Return what the kernel needs to know of rule and frame, in its order."""

    @abstractmethod
    def _empty(self) -> None:
        """Move the counts into the tally."""

    def _count(
        self,
        x: np.ndarray,
        c: np.ndarray,
        gamma: float,
        sample: np.ndarray,
        code: np.ndarray,
        start: int,
        ledger: Ledger,
        state: np.ndarray,
    ) -> int:
        """Count rows of a block, which begin at `start` in it; return their hits."""
        types = x.dtype, c.dtype
        if types not in self._rooms:
            room = self._room(c)
            self._rooms[types] = room, Spare.of(x, c, room.aside())
        return self._kernel(
            x,
            c,
            Patterns.of(c),
            *self._terms(gamma),
            self._counts,
            *self._rooms[types],
            sample,
            code,
            start,
            ledger,
            state,
        )

    def _coordinates(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """Return c = x · b, and γ: each c is within γ‖x‖ of the truth."""
        if self._axes is not None:
            c = np.empty((len(x), len(self._axes)), x.dtype)
            signed_columns(x, self._axes, self._signs.astype(x.dtype), c)
            return read_only(c), 0.0
        with np.errstate(all="ignore"):  # rows that are not finite spoil only themselves
            if self._single is None or x.dtype != np.float32:
                c = x.astype(np.float64, copy=False) @ self._vectors.T
                return read_only(c), 0.0
            return read_only(product(x, self._single, self._part)), self._gamma


def new_ledger(classes: int) -> Ledger:
    """Return empty sums for so many classes."""
    k = len(MOMENTS)
    return Ledger(
        np.zeros(classes, np.int64),
        np.zeros((classes, k)),
        np.zeros((classes, k, k)),
        np.zeros(k),
        np.zeros(2, np.int64),
    )


def add_ledger(tally: Tally, labels: list, ledger: Ledger, rows: int) -> None:
    """Add a block's sums to a tally."""
    tally.rows += rows
    tally.zero += int(ledger.counts[0])
    tally.nonfinite += int(ledger.counts[1])
    for at, label in enumerate(labels):
        half = ledger.products[at]
        products = half + np.triu(half, 1).T
        tally.add_sums(label, int(ledger.inputs[at]), ledger.moments[at], products)


def product(x: np.ndarray, vectors: np.ndarray, depth: int) -> np.ndarray:
    """Return x · b for rows (R, n) and vectors (m, n), summed over `depth` columns at a time."""
    c = x[:, :depth] @ vectors[:, :depth].T
    for at in range(depth, x.shape[1], depth):
        c += x[:, at : at + depth] @ vectors[:, at : at + depth].T
    return c


def error_share(n: int, depth: int = 2**30) -> float:
    """Return γ: a float32 `product` of unit vectors of width n is within γ of the truth."""
    # rounding of b, of a sum of so many products in any order, and of the sum of these sums
    return 1.01 * (min(n, depth) + -(-n // depth) + 2) * 2.0**-24


def piece_rows(m: int) -> int:
    """Return how many rows a GEMM sees: a function of m alone, so that results are repeatable."""
    # of narrow frames more: between two pieces, workers wait for each other at the interpreter
    rows = 2 * PIECE_ROWS if m <= NARROW else PIECE_ROWS
    return min(rows, max(1, PIECE_NUMBERS // m))
