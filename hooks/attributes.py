"""Attributes of a file: written without HDF5's heap, read with suspicion.

HDF5 keeps texts of variable length in a heap of their own, and on a damaged heap it can look for
ever. Texts are therefore written with a fixed length, long ones in several pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hooks.errors import StoreError

_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, AttributeError)
#: Bytes of a text in one attribute: HDF5 allows less than 65 536.
_PIECE = 32768
_MOST_ELEMENTS = 65536


@contextmanager
def named(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a damaged file makes h5py raise into an error that names file and dataset.

    Parameters
    ----------
    path : Path
    what : str

    Raises
    ------
    StoreError
    """
    try:
        yield
    except StoreError:
        raise
    except _DAMAGE as problem:
        raise StoreError(f"{path}: {what} cannot be read ({problem}): the file is damaged") from (
            problem
        )


def write_attributes(where: h5py.Group, attrs: Mapping[str, Any]) -> None:
    """Write numbers and texts beside a group.

    Parameters
    ----------
    where : h5py.Group
    attrs : mapping of str to number or str
    """
    for name, value in attrs.items():
        if isinstance(value, str):
            _write_text(where, name, value.encode())
        else:
            where.attrs[name] = value


def _write_text(where: h5py.Group, name: str, data: bytes) -> None:
    pieces = [data[start : start + _PIECE] for start in range(0, max(1, len(data)), _PIECE)]
    for number, piece in enumerate(pieces):
        kind = h5py.string_dtype("utf-8", max(1, len(piece)))
        where.attrs.create(_piece_name(name, number), np.array(piece, kind), dtype=kind)


def _piece_name(name: str, number: int) -> str:
    return f"{name} +{number}" if number else name


def read_attributes(where: h5py.Group, path: Path, name: str) -> dict[str, Any]:
    """Return a group's attributes as numbers and texts.

    Parameters
    ----------
    where : h5py.Group
    path : Path
        The file, for messages.
    name : str
        The group, for messages.

    Returns
    -------
    dict

    Raises
    ------
    StoreError
        If one cannot be read, or is too large to be one.
    """
    found: dict[str, Any] = {}
    with named(path, f"attributes of {name}"):
        for key in where.attrs:
            identity = h5py.h5a.open(where.id, key.encode())
            if np.prod(identity.shape, dtype=float) > _MOST_ELEMENTS:
                raise StoreError(f"{path}: attribute {key!r} of {name} has shape {identity.shape}")
            value = where.attrs[key]
            # bytes first: NumPy's are both, and would lose their end as an item
            found[key] = value.item() if _is_number(value) else value
    return _joined(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, np.generic) and not isinstance(value, bytes)


def _joined(found: dict[str, Any]) -> dict[str, Any]:
    """Return texts whole that were written in pieces."""
    joined = {}
    for key, value in found.items():
        first, _, number = key.rpartition(" +")
        if first in found and number.isdecimal():
            continue
        if isinstance(value, bytes):
            count = 1
            while isinstance(piece := found.get(_piece_name(key, count)), bytes):
                value, count = value + piece, count + 1
            value = value.decode(errors="replace")
        joined[key] = value
    return joined


def whole_number(attrs: Mapping[str, Any], name: str, path: Path) -> int:
    """Return an attribute that must be a whole number.

    Parameters
    ----------
    attrs : mapping
    name : str
    path : Path
        The file, for the message.

    Returns
    -------
    int

    Raises
    ------
    StoreError
        If it is missing or something else.

    Examples
    --------
    >>> whole_number({"shard": 3}, "shard", Path("a.h5"))
    3
    """
    value = attrs.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise StoreError(f"{path}: attribute {name!r} must be a whole number, got {value!r:.80}")
    return value


def json_object(attrs: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    """Return an attribute that must be a JSON object; an empty one where there is none.

    Parameters
    ----------
    attrs : mapping
    name : str
    path : Path
        The file, for the message.

    Returns
    -------
    dict

    Raises
    ------
    StoreError
        If it is not.

    Examples
    --------
    >>> json_object({"provenance": '{"seed": 3}'}, "provenance", Path("a.h5"))
    {'seed': 3}
    """
    try:
        value = json.loads(attrs.get(name, "{}"))
    except (ValueError, TypeError, RecursionError) as problem:
        raise StoreError(f"{path}: attribute {name!r} is not JSON ({problem})") from problem
    if not isinstance(value, dict):
        raise StoreError(f"{path}: attribute {name!r} must be a JSON object, got {value!r:.80}")
    return value
