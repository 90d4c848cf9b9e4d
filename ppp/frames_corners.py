"""Frames of the cube: its diagonals."""

from __future__ import annotations

import numpy as np

from ppp.frame import Frame
from ppp.value_checks import check_whole

#: Widths up to this have few enough diagonals to take them all.
EVERY_DIAGONAL = 12
#: Most numbers in the vectors of a frame: 512 MiB.
NUMBERS = 2**26


def diagonal_frame(n: int, count: int | None = None, seed: int = 0) -> Frame:
    """Return diagonals of the hypercube, (±1, …, ±1)/√n, one of each antipodal pair.

    Parameters
    ----------
    n : int
        Width of the space, at least 2.
    count : int, optional
        How many, drawn without repeats; all 2^(n−1) of them where left out.
    seed : int
        Seed of the draw.

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If there are too many to take all, or fewer than asked for.

    Examples
    --------
    >>> diagonal_frame(3).m
    4
    """
    check_whole(n=n, seed=seed, count=2 if count is None else count)
    n = int(n)
    if n < 2:
        raise ValueError(f"a cube with diagonals needs n of 2 or more, got {n}")
    total = 2 ** (n - 1)
    if count is None and n > EVERY_DIAGONAL:
        raise ValueError(
            f"the cube of R^{n} has {_many(n)} diagonals: say how many with `count` "
            f"(all are taken up to n = {EVERY_DIAGONAL})"
        )
    if count is not None and not 2 <= count <= total:
        raise ValueError(f"count must lie between 2 and {_many(n)} in R^{n}, got {count}")
    if count is not None and count * n > NUMBERS:
        raise ValueError(
            f"{count:,} diagonals of R^{n} make {count * n:,} numbers, the limit is {NUMBERS:,}: "
            "take fewer"
        )
    how = f"{count} diagonals of the cube of R^{n}, seed {seed}"
    rng = np.random.default_rng(seed)
    if count is None or count == total:
        signs = _signs(np.arange(total), n)
        how = f"all diagonals of the cube of R^{n}"
    elif 2 * count > total:  # few are left out: drawn one by one, the last would take long
        signs = _signs(rng.choice(total, count, replace=False), n)
    else:
        drawn: dict[bytes, np.ndarray] = {}
        while len(drawn) < count:
            line = 1.0 - 2.0 * rng.integers(0, 2, n - 1)
            drawn.setdefault(line.tobytes(), line)
        signs = np.stack(list(drawn.values()))
    vectors = np.concatenate([np.ones((len(signs), 1)), signs], axis=1)
    names = ["".join("+" if value > 0 else "-" for value in line) for line in vectors]
    return Frame.given(vectors, names if n <= 24 else None, source=how)


def _signs(codes: np.ndarray, n: int) -> np.ndarray:
    """Return the signs that numbers below 2^(n−1) stand for, bit by bit, (K, n − 1)."""
    return 1.0 - 2.0 * ((codes[:, None] >> np.arange(n - 1)) & 1)


def _many(n: int) -> str:
    """Return 2^(n−1) in words that stay short."""
    return f"{2 ** (n - 1):,}" if n <= 40 else f"2^{n - 1}"
