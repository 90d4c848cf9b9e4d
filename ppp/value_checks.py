"""What values must be, wherever they are handed over: numbers, shares, truth values, matrices."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np


def is_number(value: object) -> bool:
    """Return whether something is a finite real number of any type, and no truth value.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_number(np.float32(0.5)), is_number(True), is_number("0.5")
    (True, False, False)
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # a whole number too large for a float is one all the same
        return True


def told(value: object) -> str:
    """Return a value as an error tells it, a number in an array with the way out.

    Parameters
    ----------
    value : object
        What was given for a number.

    Returns
    -------
    str

    Examples
    --------
    >>> told(1.2), told(np.array(0.5))
    ('1.2', 'array(0.5), an array: take the number in it with .item()')
    """
    held = getattr(value, "ndim", None) == 0 and not isinstance(value, np.generic)
    return f"{value!r}, an array: take the number in it with .item()" if held else repr(value)


def check_share(**named: float) -> None:
    """Raise a ValueError unless all are numbers between 0 and 1, the ends left out.

    Parameters
    ----------
    **named : float
        Values by the names they have for the user.

    Examples
    --------
    >>> check_share(level=95)
    Traceback (most recent call last):
    ValueError: level must lie between 0 and 1, got 95
    """
    for name, value in named.items():
        if not (is_number(value) and 0 < value < 1):
            raise ValueError(f"{name} must lie between 0 and 1, got {told(value)}")


def check_flag(**named: bool) -> None:
    """Raise a ValueError unless all are truth values.

    Parameters
    ----------
    **named : bool
        Values by the names they have for the user.

    Examples
    --------
    >>> check_flag(signed="no")
    Traceback (most recent call last):
    ValueError: signed must be True or False, got 'no'
    """
    for name, value in named.items():
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} must be True or False, got {value!r}")


def check_result(name: str, value: Any) -> None:
    """Raise a ValueError unless something is the result of a projection.

    Parameters
    ----------
    name : str
        What the user calls it.
    value : object
        What was given.

    Examples
    --------
    >>> check_result("result", np.eye(3))
    Traceback (most recent call last):
    ValueError: result must be what ppp.project returns, got ndarray
    """
    if not hasattr(value, "tally"):
        raise ValueError(f"{name} must be what ppp.project returns, got {type(value).__name__}")


def check_whole(**named: int) -> None:
    """Raise a ValueError unless all are whole numbers; a truth value is none.

    Parameters
    ----------
    **named : int
        Values by the names they have for the user.

    Examples
    --------
    >>> check_whole(seed=-1)
    Traceback (most recent call last):
    ValueError: seed must not be negative, got -1
    """
    for name, value in named.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise ValueError(f"{name} must be a whole number, got {told(value)}")
        if name == "seed" and value < 0:
            raise ValueError(f"seed must not be negative, got {value}")


def in_memory(values: Any, what: str) -> np.ndarray:
    """Return values of any kind as an array in the host's memory.

    Parameters
    ----------
    values : array, tensor or nested lists
        Numbers or texts; a tensor's gradient is left behind.
    what : str
        What they are, for the message.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        If some are masked, or lists in them differ in length.

    Examples
    --------
    >>> in_memory([[1, 2], [3]], "points")
    Traceback (most recent call last):
    ValueError: points must fill an array, got lists of different lengths: give all as many entries
    """
    if np.ma.is_masked(values):
        raise ValueError(f"{what} must not be masked: leave masked ones out")
    if hasattr(values, "detach"):  # a tensor: frames are made without importing torch
        tensor = values.detach().cpu().to_dense()
        # NumPy has no bfloat16
        return np.asarray((tensor.double() if tensor.is_floating_point() else tensor).numpy())
    try:
        return np.asarray(values)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(
            f"{what} must fill an array, got lists of different lengths: give all as many entries"
        ) from error


def as_doubles(values: Any, what: str, way_out: str = "") -> np.ndarray:
    """Return real numbers as a float64 array in the host's memory.

    Parameters
    ----------
    values : array, tensor or nested lists
        Numbers of any real type.
    what : str
        What they are, for the message.
    way_out : str
        What to give instead of anything else.

    Returns
    -------
    float64 array
        Always a copy.

    Raises
    ------
    ValueError
        If they are not real numbers, some are masked, or lists in them differ in length.

    Examples
    --------
    >>> import torch
    >>> as_doubles(torch.ones(2, dtype=torch.bfloat16), "weights").tolist()
    [1.0, 1.0]
    """
    array = in_memory(values, what)
    if array.dtype.kind not in "fiub":
        found = f"dtype {array.dtype}" if array.ndim else type(values).__name__
        raise ValueError(f"{what} must be real numbers, got {found}{way_out and ': ' + way_out}")
    return array.astype(np.float64)


def check_mapping(value: Any, what: str, form: str) -> None:
    """Refuse what does not give its parts by name.

    Parameters
    ----------
    value : object
        What was given.
    what : str
        What it is called.
    form : str
        What to give, as one would write it.

    Raises
    ------
    ValueError
        If it is no mapping.

    Examples
    --------
    >>> check_mapping([], "curves", '{"name": curve}')
    Traceback (most recent call last):
    ValueError: curves must be a mapping, got list: give {"name": curve}
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be a mapping, got {type(value).__name__}: give {form}")
