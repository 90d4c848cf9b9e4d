"""OrthonormalCounter: a worker's counters for an orthonormal frame, folded into a tally."""

from __future__ import annotations

import numpy as np

from ppp.kernels.orthonormal import Counts, Room, Spare, count_orthonormal, fold_grids
from ppp.kernels.rows import Bound, Ledger
from ppp.kernels.searching import Patterns
from ppp.kernels.turning import columns, unfold
from ppp.prepared import PIECE_ROWS, Prepared
from ppp.tally import MOMENTS, Tally

#: From this width on, rows in float32 are multiplied in float32, and doubtful ones recomputed.
SINGLE_WIDTH = 48
#: Coordinates made at once, at most: 16 MiB in float32.
PIECE_NUMBERS = 2**22
#: Counters are unsigned 32-bit numbers: they are emptied long before these hits.
FLUSH_HITS = 2**31


class OrthonormalCounter:
    """Count blocks into one worker's compact counters.

    Parameters
    ----------
    tally : Tally
        What `flush` adds them to.
    bound : Bound
        The rule's threshold.
    """

    def __init__(self, tally: Tally, bound: Bound) -> None:
        self._tally, self._bound = tally, bound
        frame, rule = tally.planes.frame, tally.rule
        self._counts = _counts(tally)
        self._room, self._spare = Room.of(frame.m), Spare.of(frame.n, frame.m)
        self._vectors = np.empty((0, 0)) if frame.is_standard else frame.vectors
        # bins of float32 rows are found in float32 where that cannot overflow
        self._moderate = 2.0**-60 <= self._counts.per_unit <= 2.0**60
        self._single = None
        if not frame.is_standard and frame.n >= SINGLE_WIDTH:
            self._single = frame.vectors.astype(np.float32)
        self._share = rule.epsilon**2 if rule.distance is None else 0.0
        self._pending = 0

    def append(self, block: Prepared) -> None:
        """Count a block."""
        labels, code = block.classes
        ledger = new_ledger(len(labels))
        state = np.empty(block.rows, np.uint8)
        whole = self._tally.planes.frame.is_standard
        step = block.rows if whole else piece_rows(self._tally.planes.frame.m)
        for start in range(0, block.rows, max(1, step)):
            x = block.x[start : start + step]
            if whole and not self._moderate:
                x = x.astype(np.float64, copy=False)
            c, gamma = (x, 0.0) if whole else self._coordinates(x)
            hits = count_orthonormal(
                x,
                c,
                Patterns.of(c),
                whole,
                self._bound,
                gamma,
                self._reach(gamma),
                self._vectors,
                self._counts,
                self._room,
                self._spare,
                block.sample,
                code,
                start,
                ledger,
                state,
            )
            self._tally.hits += hits
            self._pending += hits
            if self._pending > FLUSH_HITS:
                self.flush()
        block.note(state)
        add_ledger(self._tally, labels, ledger, block.rows)

    def flush(self) -> None:
        """Empty the counters into the tally."""
        tally, counts = self._tally, self._counts
        if not self._pending or not tally.detailed:
            return
        tally.outside += fold_grids(counts.grids, counts.touched, tally.grid)
        tally.angle += counts.angle + unfold(counts.relative, len(counts.angle))
        if len(counts.seen):
            fold_pairs(counts.seen, counts.full, tally.pairs)
        for array in (counts.seen, counts.full, counts.relative, counts.angle):
            array.fill(0)
        self._pending = 0

    def _coordinates(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """Return c = x · b, and γ: each c is within γ‖x‖ of the truth."""
        with np.errstate(all="ignore"):  # rows that are not finite spoil only themselves
            if self._single is None or x.dtype != np.float32:
                return x.astype(np.float64, copy=False) @ self._vectors.T, 0.0
            return x @ self._single.T, error_share(x.shape[1])

    def _reach(self, gamma: float) -> float:
        """Return the least Σ c⁴/‖x‖⁴ of a row with a hit: (ε²)²/2, less what γ may hide."""
        root = (self._share**2 / 2) ** 0.25 - gamma * self._tally.planes.frame.m**0.25
        return max(0.0, root) ** 4 * (1 - 1e-9)


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
        tally.add_sums(label, int(ledger.inputs[at]), ledger.moments[at], ledger.products[at])


def fold_pairs(seen: np.ndarray, full: np.ndarray, pairs: np.ndarray) -> None:
    """Add counts by leader and partner to those by pair i < j."""
    m, at = len(seen), 0
    for i in range(m - 1):
        row = seen[i, i + 1 :].astype(np.int64)
        row += seen[i + 1 :, i]
        row += full[i] + full[i + 1 :]
        pairs[at : at + m - 1 - i] += row
        at += m - 1 - i


def error_share(n: int) -> float:
    """Return γ: a float32 product of unit vectors of width n is within γ of the truth."""
    # rounding of b, and of a sum of n products in any order
    return 1.01 * (n + 2) * 2.0**-24


def piece_rows(m: int) -> int:
    """Return how many rows a GEMM sees: a function of m alone, so that results are repeatable."""
    return min(PIECE_ROWS, max(1, PIECE_NUMBERS // m))


def _counts(tally: Tally) -> Counts:
    planes, rule, detailed = tally.planes, tally.rule, tally.detailed
    m = planes.frame.m
    side = rule.bins + 2 if detailed else 0
    tabled = detailed and planes.tabled
    bins = rule.angles if detailed else 0
    return Counts(
        np.zeros((2, side, side), np.uint32),
        np.zeros((2, side), np.bool_),
        np.zeros((m, m) if tabled else (0, 0), np.uint32),
        np.zeros(m if tabled else 0, np.int64),
        np.zeros((4, columns(bins)), np.uint32),
        np.zeros(bins, np.int64),
        rule.bins / (2 * tally.half_width),
    )
