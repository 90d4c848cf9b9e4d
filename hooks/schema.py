"""The names, types and version of the activation store: what a file of it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import torch

from hooks.errors import StoreError

FORMAT = "privileged-planes/activations"
VERSION = 1
CHECKSUM = "xxh3-64 of the block's rows, samples and positions"
SAMPLE_CHECKSUM = "xxh3-64 of the input's id and of its fields in the order of their names"
#: What /samples holds beside the fields that the user names.
OWN_FIELDS = ("id", "committed", "checksum")
_STORED = {
    torch.float16: "<f2",
    torch.bfloat16: "<u2",
    torch.float32: "<f4",
    torch.float64: "<f8",
}
#: A layer's place in a file: its snapshot's key, or None, and its name.
Key = tuple[str | None, str]


@dataclass
class LayerSpec:
    """What a file says of one layer beside its rows.

    Parameters
    ----------
    name, module_type : str
    rule : str
        The row rule as JSON.
    source_dtype, dtype : str
        What the module gave, and what is stored: torch's names.
    width : int
        n, the length of a row.
    columns : tuple of str
        What the position's columns are called; empty where there are none.
    fingerprint : str
        JSON: weights, row rule, dtype and data of the capture.
    """

    name: str
    module_type: str
    rule: str
    source_dtype: str
    dtype: str
    width: int
    columns: tuple[str, ...] = ()
    fingerprint: str = "{}"


@dataclass
class Room:
    """How many rows and blocks of a layer a file has room for."""

    rows: int
    blocks: int


@dataclass
class FilePlan:
    """Everything that is settled about a file when it is created.

    Parameters
    ----------
    store_id : str
        Shared by the files of one store.
    layers : dict of Key to (LayerSpec, Room)
    snapshots : dict of str to dict
        Attributes of each snapshot: epoch, step, metrics.
    samples : int
        Room for inputs.
    fields : dict of str to numpy.dtype
        Per-input fields.
    provenance : str
        JSON.
    shard, shards : int
        Which file of how many; 0 of 0 as long as that is not settled.
    complete : bool
    writers : int
        How many processes write the store.
    """

    store_id: str
    layers: dict[Key, tuple[LayerSpec, Room]]
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    samples: int = 0
    fields: dict[str, np.dtype[Any]] = field(default_factory=dict)
    provenance: str = "{}"
    shard: int = 0
    shards: int = 0
    complete: bool = False
    writers: int = 1


def escape(name: str) -> str:
    """Return a module path or snapshot key as one HDF5 name.

    Examples
    --------
    >>> escape("a/b"), escape(""), escape(".")
    ('a%2Fb', '%', '%2E')
    >>> unescape(escape("a%/ü.b"))
    'a%/ü.b'
    """
    if not name:
        return "%"
    if set(name) == {"."}:
        return "%2E" * len(name)
    return quote(name, safe=" !\"#$&'()*+,-.:;<=>?@[]^_`{|}~")


def unescape(name: str) -> str:
    """Return the module path or snapshot key that `escape` was given.

    Examples
    --------
    >>> unescape("%")
    ''
    """
    return "" if name == "%" else unquote(name)


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return what sorts names as people count: ``layer.2`` before ``layer.10``.

    Examples
    --------
    >>> sorted(["10", "2", "", "head", "1.b", "1"], key=natural_order)
    ['', '1', '1.b', '2', '10', 'head']
    """
    pieces = re.split("([0-9]+)", name)
    # digits compare by their number, which may have more of them than int() takes
    numbers = [digits.lstrip("0") for digits in pieces[1::2]]
    pieces[1::2] = numbers
    return [(len(piece) if at % 2 else 0, piece) for at, piece in enumerate(pieces)]


def layer_path(key: Key) -> str:
    """Return the HDF5 path of a layer's group.

    Examples
    --------
    >>> layer_path((None, "encoder.2")), layer_path(("epoch-004", ""))
    ('/layers/encoder.2', '/snapshots/epoch-004/layers/%')
    """
    snapshot, name = key
    above = "" if snapshot is None else f"/snapshots/{escape(snapshot)}"
    return f"{above}/layers/{escape(name)}"


def stored_dtype(dtype: str) -> np.dtype[Any]:
    """Return the NumPy type in which a torch dtype's numbers lie in the file.

    Examples
    --------
    >>> stored_dtype("bfloat16")
    dtype('uint16')
    """
    return np.dtype(_STORED[torch_dtype(dtype)])


def torch_dtype(name: str) -> torch.dtype:
    """Return the torch dtype of a name, if a store can hold it.

    Raises
    ------
    StoreError
        If it is another one.

    Examples
    --------
    >>> torch_dtype("float32")
    torch.float32
    """
    for dtype in _STORED:
        if dtype_name(dtype) == name:
            return dtype
    known = ", ".join(map(dtype_name, _STORED))
    raise StoreError(f"rows must be one of {known}, got {name!r}")


def dtype_name(dtype: torch.dtype) -> str:
    """Return a torch dtype's name without its module.

    Examples
    --------
    >>> dtype_name(torch.bfloat16)
    'bfloat16'
    """
    return str(dtype).removeprefix("torch.")


def to_numpy(rows: torch.Tensor) -> np.ndarray:
    """Return rows as the array that is stored; bfloat16 as its bits in uint16.

    Parameters
    ----------
    rows : (R, n) tensor

    Returns
    -------
    (R, n) array
        C-ordered; shares memory where it can.

    Examples
    --------
    >>> to_numpy(torch.ones(1, 1, dtype=torch.bfloat16))
    array([[16256]], dtype=uint16)
    """
    rows = rows.detach().cpu().contiguous()
    if rows.dtype == torch.bfloat16:
        return rows.view(torch.int16).numpy().view(np.uint16)
    return rows.numpy()


def to_torch(array: np.ndarray, dtype: str) -> torch.Tensor:
    """Return stored rows as the tensor they were.

    Parameters
    ----------
    array : (R, n) array
        Writable.
    dtype : str
        Torch's name.

    Returns
    -------
    (R, n) tensor

    Examples
    --------
    >>> to_torch(np.array([[16256]], np.uint16), "bfloat16")
    tensor([[1.]], dtype=torch.bfloat16)
    """
    if dtype == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
