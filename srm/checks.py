"""What a sweep may be asked for, checked before the work."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from ppp.planes import TABLE_LIMIT
from ppp.value_checks import check_whole, is_number, told
from srm.counting import TABLE_NUMBERS

#: Most angles of one curve.
ANGLES = 2**20


def check_epsilon(epsilon: float) -> float:
    """Return the cosine of a cone's half-angle.

    Parameters
    ----------
    epsilon : float
        In [−1, 1].

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is not a number there.

    Examples
    --------
    >>> check_epsilon(-1)
    -1.0
    """
    if not (is_number(epsilon) and -1 <= epsilon <= 1):
        raise ValueError(f"epsilon must lie in [-1, 1], got {told(epsilon)}")
    return float(epsilon)


def check_counts(angles: int, null_repeats: int, seed: int) -> None:
    """Refuse numbers of angles and rotations, and seeds, that are out of range.

    Parameters
    ----------
    angles, null_repeats, seed : int
        As in `srm.sweep`.

    Raises
    ------
    ValueError
        If one of them is, or the curves of all rotations would not fit.
    """
    check_whole(angles=angles, null_repeats=null_repeats, seed=seed)
    if angles < 1:
        raise ValueError(f"angles must be at least 1, got {angles!r}")
    if angles > ANGLES:
        raise ValueError(f"angles must be at most {ANGLES:,}, got {angles:,}")
    if null_repeats < 0:
        raise ValueError(f"null_repeats must not be negative, got {null_repeats!r}")
    numbers = (null_repeats + 1) * angles
    if numbers > TABLE_NUMBERS:
        raise ValueError(
            f"{null_repeats:,} rotations at {angles:,} angles make {numbers:,} numbers, the limit "
            f"is {TABLE_NUMBERS:,}: draw fewer rotations or take fewer angles"
        )


def check_table(planes: int, angles: int, way_out: str) -> None:
    """Refuse a table of curves that would not fit, before any work.

    Parameters
    ----------
    planes : int
        Planes with a curve each.
    angles : int
        Numbers in a curve.
    way_out : str
        What to do besides taking fewer angles.

    Raises
    ------
    ValueError
        If there are more than `TABLE_NUMBERS` numbers, or `TABLE_LIMIT` planes.
    """
    numbers = planes * angles
    if planes > TABLE_LIMIT:
        raise ValueError(
            f"a curve for each of {planes:,} planes is more than the limit of {TABLE_LIMIT:,} "
            f"curves: {way_out}"
        )
    if numbers > TABLE_NUMBERS:
        raise ValueError(
            f"a curve for each of {planes:,} planes at {angles} angles makes {numbers:,} "
            f"numbers, the limit is {TABLE_NUMBERS:,}: take fewer angles, or {way_out}"
        )


def check_seen(rows: int, zero: int, nonfinite: int) -> None:
    """Refuse to make curves of rows none of which has a direction.

    Parameters
    ----------
    rows, zero, nonfinite : int
        Rows met, and those among them that are zero or hold NaN or infinity.

    Raises
    ------
    ValueError
        If no row is left.
    """
    if not rows:
        raise ValueError("a sweep needs at least one row of activations, got none")
    if rows == zero + nonfinite:
        raise ValueError(
            f"no row has a direction: of {rows:,} rows {zero:,} are all zero and {nonfinite:,} "
            "hold NaN or infinity. Check the layer, the input and the dtype"
        )


def as_pairs(planes: Iterable[Any]) -> list[tuple[int, int]]:
    """Return the planes that a user names.

    Parameters
    ----------
    planes : iterable of (i, j)
        Pairs of vectors.

    Returns
    -------
    list of tuple of int

    Raises
    ------
    ValueError
        If it is anything else.

    Examples
    --------
    >>> as_pairs([(0, 2), [3, 1]])
    [(0, 2), (3, 1)]
    """
    if not isinstance(planes, Iterable) or isinstance(planes, str):
        raise ValueError(f"planes must be pairs of vectors, such as [(0, 1)], got {planes!r}")
    return [as_pair(pair) for pair in planes]


def as_pair(pair: Any) -> tuple[int, int]:
    """Return the two vectors that a user names a plane by.

    Parameters
    ----------
    pair : (i, j)
        Whole numbers.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If it is anything else.

    Examples
    --------
    >>> as_pair([0, 2])
    (0, 2)
    """
    listed = list(pair) if isinstance(pair, Iterable) else []
    if len(listed) != 2 or not all(isinstance(one, Integral) for one in listed):
        raise ValueError(f"a plane is named by two vectors, such as (0, 1), got {pair!r}")
    return int(listed[0]), int(listed[1])


def check_pair(pair: Any, m: int) -> tuple[int, int]:
    """Return the vectors of a plane of a frame.

    Parameters
    ----------
    pair : (i, j)
        Whole numbers.
    m : int
        Vectors of the frame.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If they are not two different vectors of the frame.

    Examples
    --------
    >>> check_pair((2, 0), 3)
    (2, 0)
    """
    i, j = as_pair(pair)
    if not (0 <= i < m and 0 <= j < m and i != j):
        raise ValueError(f"a plane is a pair of different vectors 0 … {m - 1}, got ({i}, {j})")
    return i, j
