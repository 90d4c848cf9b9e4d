"""Which inputs have been seen: a set of ids, one byte each."""

from __future__ import annotations

import numpy as np

from hooks.errors import CaptureError

_MOST = 1 << 33


class IdSet:
    """A growing set of input ids.

    Examples
    --------
    >>> seen = IdSet()
    >>> seen.add(np.array([3, 5]))
    >>> seen.contains(np.array([4, 5, 1000]))
    array([False,  True, False])
    """

    def __init__(self) -> None:
        self._seen = np.zeros(1024, bool)

    def contains(self, ids: np.ndarray) -> np.ndarray:
        """Return which ids are in the set.

        Parameters
        ----------
        ids : (B,) int64 array

        Returns
        -------
        (B,) bool array
        """
        inside = (ids >= 0) & (ids < len(self._seen))
        return inside & self._seen[np.where(inside, ids, 0)]

    def add(self, ids: np.ndarray) -> None:
        """Put ids into the set.

        Parameters
        ----------
        ids : (B,) int64 array

        Raises
        ------
        CaptureError
            If one is no index: negative, or larger than any data set.
        """
        if not len(ids):
            return
        if ids.min() < 0 or ids.max() >= _MOST:
            raise CaptureError(
                f"input ids must lie in 0 to {_MOST - 1}, got {ids.min()} to {ids.max()}"
            )
        if ids.max() >= len(self._seen):
            grown = np.zeros(max(int(ids.max()) + 1, 2 * len(self._seen)), bool)
            grown[: len(self._seen)] = self._seen
            self._seen = grown
        self._seen[ids] = True

    def members(self) -> np.ndarray:
        """Return the ids of the set, ascending.

        Returns
        -------
        (B,) int64 array
        """
        return np.flatnonzero(self._seen)


def first_of_each(ids: np.ndarray) -> np.ndarray:
    """Return which entries are the first with their id.

    Parameters
    ----------
    ids : (B,) int64 array

    Returns
    -------
    (B,) bool array

    Examples
    --------
    >>> first_of_each(np.array([7, 3, 7]))
    array([ True,  True, False])
    """
    first = np.zeros(len(ids), bool)
    first[np.unique(ids, return_index=True)[1]] = True
    return first
