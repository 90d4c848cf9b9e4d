"""What values must be, wherever they are handed over: whole numbers, real matrices."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np


def check_whole(**named: int) -> None:
    """Raise a ValueError unless all are whole numbers.

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
        if not isinstance(value, Integral):
            raise ValueError(f"{name} must be a whole number, got {value!r}")
        if name == "seed" and value < 0:
            raise ValueError(f"seed must not be negative, got {value}")


def as_doubles(values: Any, what: str) -> np.ndarray:
    """Return real numbers as a float64 array in the host's memory.

    Parameters
    ----------
    values : array, tensor or nested lists
        Numbers of any real type.
    what : str
        What they are, for the message.

    Returns
    -------
    float64 array

    Raises
    ------
    ValueError
        If they are not real numbers.

    Examples
    --------
    >>> import torch
    >>> as_doubles(torch.ones(2, dtype=torch.bfloat16), "weights").tolist()
    [1.0, 1.0]
    """
    if hasattr(values, "detach"):  # a tensor: frames are made without importing torch
        tensor = values.detach().cpu().to_dense()
        array = (tensor if tensor.is_complex() else tensor.double()).numpy()
    else:
        array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what} must be real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)
