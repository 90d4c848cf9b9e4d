"""What sizes, counts and seeds must be; without torch, which data sets do not need."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any


def require_whole(name: str, value: Any, least: int | None = None) -> int:
    """Return a whole number; refuse fractions, words, truth values and what is too small.

    Parameters
    ----------
    name : str
        What the number is called.
    value : int
        What was given.
    least : int, optional
        The smallest value allowed.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        No whole number, or below ``least``.

    Examples
    --------
    >>> require_whole("width", 18, 1)
    18
    >>> require_whole("width", 2.5, 1)
    Traceback (most recent call last):
    ...
    ValueError: width must be a whole number, got 2.5
    """
    try:
        whole = operator.index(value)
    except TypeError:
        whole = None
    if whole is None or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if least is not None and whole < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return whole


def require_number(name: str, value: Any) -> None:
    """Refuse what is not one real number: words, None, truth values, arrays.

    Parameters
    ----------
    name : str
        What the number is called.
    value : float
        What was given.

    Raises
    ------
    TypeError
        No number.

    Examples
    --------
    >>> require_number("rate", 0.08)
    >>> require_number("rate", "0.08")
    Traceback (most recent call last):
    ...
    TypeError: rate must be a number, got '0.08'
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")
