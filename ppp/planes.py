"""Planes: which pairs of distinguished vectors span one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ppp.frame import Frame

#: Below this 1 − g² two vectors are (anti)parallel and span no plane.
DEGENERATE = 1e-10
#: Below this 1 − g² in-plane coordinates need the stable form of near-parallel vectors.
NEARLY_PARALLEL = 1e-6
#: Bounds of leaders in frames that are not orthonormal stay a little below the exact ones.
LEADERS = 1 - 1e-3
#: Cosines that are looked at together: 32 MiB.
SURVEYED = 2**22
#: Most planes that a per-plane table may have: 4 096 neurons, permutation.
TABLE_LIMIT = 2**24

PAIRS = ("combination", "permutation")


@dataclass(frozen=True, eq=False)
class Planes:
    """The privileged planes of a frame, oriented from the first vector to the second.

    Parameters
    ----------
    frame : Frame
        The distinguished vectors.
    ordered : bool
        False for *combination* (every pair once, i < j), True for *permutation* (both orders).

    Notes
    -----
    PPP paper, Sec. 3. A plane's basis is e1 = b_i, e2 = (b_j − g b_i)/√(1 − g²), g = b_i · b_j
    (Eqn 5). Pairs with 1 − g² < 1e-10 span none: they are skipped and listed in `degenerate`.

    Examples
    --------
    >>> planes = Planes.of(Frame.standard(4), "combination")
    >>> planes.count, planes.first.tolist(), planes.second.tolist()
    (6, [0, 0, 0, 1, 1, 2], [1, 2, 3, 2, 3, 3])
    """

    frame: Frame
    ordered: bool = False

    @classmethod
    def of(cls, frame: Frame, pairs: str) -> Planes:
        """Return the planes of a frame, by the name of the choice of pairs.

        Parameters
        ----------
        frame : Frame
            The distinguished vectors.
        pairs : {"combination", "permutation"}
            Every pair once, or in both orders.

        Returns
        -------
        Planes

        Raises
        ------
        ValueError
            If the name is unknown, or every pair is degenerate.

        Examples
        --------
        >>> Planes.of(Frame.standard(4), "permutation").count
        12
        """
        if pairs not in PAIRS:
            raise ValueError(f'pairs must be "combination" or "permutation", got {pairs!r}')
        planes = cls(frame, ordered=pairs == "permutation")
        if planes.count == 0:
            raise ValueError(
                f"no two of the {frame.m} vectors span a plane: all are parallel or antipodal"
            )
        return planes

    @property
    def pairs(self) -> str:
        """The name of the choice of pairs."""
        return PAIRS[int(self.ordered)]

    @cached_property
    def degenerate(self) -> np.ndarray:
        """(D, 2) int64 pairs i < j that are (anti)parallel and therefore skipped."""
        if self.frame.orthonormal:
            return np.empty((0, 2), np.int64)
        if self.frame.origin is not None:
            return self._of_origin.degenerate
        return self._surveyed[1]

    @cached_property
    def unordered(self) -> int:
        """Number of planes, each counted once whatever its orientation."""
        m = self.frame.m
        return m * (m - 1) // 2 - len(self.degenerate)

    @property
    def count(self) -> int:
        """Number of planes P, orientations told apart for permutation."""
        return self.unordered * (2 if self.ordered else 1)

    @cached_property
    def slots(self) -> np.ndarray:
        """(P,) int64 place of each plane in the triangle of all pairs i < j.

        This is the index map by which permutation reads the counts of combination: plane (j, i)
        keeps the very samples that plane (i, j) keeps.
        """
        i, j = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        return triangle(i, j, self.frame.m)

    @cached_property
    def first(self) -> np.ndarray:
        """(P,) int64 index of each plane's first vector."""
        return self._table[:, 0]

    @cached_property
    def second(self) -> np.ndarray:
        """(P,) int64 index of each plane's second vector."""
        return self._table[:, 1]

    @cached_property
    def cosine(self) -> np.ndarray:
        """(P,) float64 cosine g between the two vectors of each plane."""
        if self.frame.is_standard:
            return np.zeros(self.count)
        return self.frame.gram[self.first, self.second]

    @cached_property
    def leader_bounds(self) -> np.ndarray:
        """(m,) float64 a_i: a hit's larger coordinate has c_i² ≥ a_i·threshold.

        In-plane norm² is at most (c_i² + c_j²)/(1 − |g|), so one of the two is at least half of
        (1 − |g|)·threshold; 1/2 for orthonormal frames, a little less than exact for others.
        """
        frame = self.frame
        if frame.orthonormal:
            return np.full(frame.m, 0.5)
        if frame.origin is not None:
            return self._of_origin.leader_bounds
        return LEADERS * (1 - self._surveyed[0]) / 2

    @cached_property
    def _surveyed(self) -> tuple[np.ndarray, np.ndarray]:
        """The largest |g| of each vector, and the degenerate pairs: one pass over half of all g."""
        m = self.frame.m
        largest, found = np.zeros(m), []
        step = max(1, SURVEYED // m)
        for start in range(0, m, step):
            size = np.abs(self.frame.gram_rows(start, start + step, start))
            np.fill_diagonal(size, 0.0)
            stop = start + len(size)
            if size.max() > 0.999:  # most frames have no parallel vectors to look for
                i, j = np.nonzero(1 - size * size < DEGENERATE)
                found.append(np.stack([i, j], axis=1)[i < j] + start)
                size[i, j] = 0.0
            largest[start:stop] = np.maximum(largest[start:stop], size.max(axis=1))
            largest[start:] = np.maximum(largest[start:], size.max(axis=0))
        return largest, np.concatenate([np.empty((0, 2)), *found]).astype(np.int64)

    @property
    def _of_origin(self) -> Planes:
        """The planes of the frame that this one is a rotation of, which has the same cosines."""
        origin = self.frame.origin or self.frame
        known = origin.__dict__.get("planes")
        if known is None:
            known = origin.__dict__["planes"] = Planes(origin, self.ordered)
        return known

    @property
    def tabled(self) -> bool:
        """Whether per-plane tables are within their limit."""
        return self.count <= TABLE_LIMIT

    @cached_property
    def _table(self) -> np.ndarray:
        if not self.tabled:
            raise ValueError(
                f"per-plane tables go up to {TABLE_LIMIT:,} planes, this frame has "
                f"{self.count:,}: use the pooled counts (.hits, .density())"
            )
        m = self.frame.m
        if self.ordered:
            i, j = np.nonzero(~np.eye(m, dtype=bool))
        else:
            i, j = np.triu_indices(m, 1)
        table = np.stack([i, j], axis=1).astype(np.int64)
        if len(self.degenerate):
            skipped = triangle(self.degenerate[:, 0], self.degenerate[:, 1], m)
            slot = triangle(table.min(axis=1), table.max(axis=1), m)
            table = table[~np.isin(slot, skipped)]
        return table


def triangle(i: np.ndarray, j: np.ndarray, m: int) -> np.ndarray:
    """Return the place of the pair i < j among all pairs of m vectors, row by row.

    Parameters
    ----------
    i, j : (K,) int arrays
        Pairs with i < j.
    m : int
        Number of vectors.

    Returns
    -------
    (K,) int64 array

    Examples
    --------
    >>> triangle(np.array([0, 0, 1]), np.array([1, 2, 2]), 3).tolist()
    [0, 1, 2]
    """
    i, j = np.asarray(i, np.int64), np.asarray(j, np.int64)
    return i * m - i * (i + 1) // 2 + j - i - 1
