"""Which samples stand in a spotlight."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppp.frame import Frame, as_frame
from ppp.planes import DEGENERATE, NEARLY_PARALLEL
from ppp.prepared import Prepared
from ppp.streams import as_stream
from ppp.value_checks import is_number, told
from srm.checks import as_pair, check_epsilon, check_pair
from srm.counting import Spotlight


def standing(
    x: Any,
    plane: tuple[int, int],
    theta: float,
    frame: Frame | str | np.ndarray = "standard",
    epsilon: float = 0.75,
    *,
    sample: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """List the samples that stand in one spotlight.

    Parameters
    ----------
    x, frame, epsilon, sample, seed
        As in `srm.sweep`.
    plane : (i, j)
        Vectors of the plane.
    theta : float
        Angle of the probe from b_i towards b_j, radians.

    Returns
    -------
    row : (K,) int64 array
        Rows, counted from the first one.
    sample : (K,) int64 array
        Their inputs.

    Raises
    ------
    ValueError
        If an argument is out of range, or the two vectors span no plane.

    Examples
    --------
    >>> import numpy as np
    >>> standing(np.eye(3), (0, 1), np.pi / 2)[0].tolist()
    [1]
    """
    if not is_number(theta):
        raise ValueError(f"theta must be a finite angle in radians, got {told(theta)}")
    spotlight, plane = Spotlight(check_epsilon(epsilon), 1), as_pair(plane)
    rows, samples, seen_rows = [], [], 0
    for block in as_stream(x, sample).blocks():
        prepared = Prepared.of(block)
        made = as_frame(frame, prepared.x.shape[1], seed)
        i, j = check_pair(plane, made.m)
        pair = made.vectors[[i, j]]
        g = float(pair[0] @ pair[1])
        if 1 - g * g < DEGENERATE:
            raise ValueError(f"vectors {i} and {j} are parallel or antipodal: they span no plane")
        for piece in prepared.pieces:
            w = _in_plane(piece.x.astype(np.float64), pair, g)
            inside = spotlight.sees(w, np.sqrt(piece.norm2), theta) & (piece.state == 0)
            at = np.flatnonzero(inside) + piece.start
            rows.append(at + seen_rows)
            samples.append(prepared.sample[at])
        seen_rows += prepared.rows
    empty = np.empty(0, np.int64)
    return np.concatenate([empty, *rows]), np.concatenate([empty, *samples])


def _in_plane(x: np.ndarray, pair: np.ndarray, g: float) -> np.ndarray:
    """Return w (R, 2) of rows, from the difference of the vectors where these nearly agree."""
    first, second = (x @ pair.T).T
    if 1 - g * g >= NEARLY_PARALLEL:
        return np.stack([first, (second - g * first) / np.sqrt(1 - g * g)], axis=1)
    sign = np.sign(g)
    apart = pair[1] - sign * pair[0]
    half = apart @ apart / 2
    along = (x @ apart + sign * half * first) / np.sqrt(half * (2 - half))
    return np.stack([first, along], axis=1)
