"""A quick look at every row before the sweep: most have no hit in any plane."""

from __future__ import annotations

import numpy as np

from ppp.kernels.rows import LOOSE, VALID, fast, two_largest

#: Bounds below this are left to the search: float32 squares of small coordinates vanish.
SMALLEST = 1e-28


@fast
def sift(
    c: np.ndarray,
    norm2: np.ndarray,
    state: np.ndarray,
    share: float,
    lowest: float,
    out: np.ndarray,
    idle: int,
) -> None:
    """Copy the states of rows, those without any hit as idle.

    Parameters
    ----------
    c : (R, m) float32 or float64 array
        Coordinates along the frame's vectors.
    norm2 : (R,) float64 array
        Σ x².
    state : (R,) uint8 array
        States of the rows.
    share : float
        A hit has w·w ≥ share · Σ x².
    lowest : float
        The least a_i: the two larger of a hit's row have c² that sum to 2 a_i share Σ x².
    out : (R,) uint8 array
        Where the states go.
    idle : int
        State of a valid row without a hit.
    """
    for r in range(c.shape[0]):
        out[r] = state[r]
        least = 2 * lowest * share * norm2[r] * (1 - LOOSE)
        if state[r] != VALID or least < SMALLEST:
            continue
        if two_largest(c, r) < least:
            out[r] = idle
