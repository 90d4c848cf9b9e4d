"""One file of a store, read with suspicion: every name, type, shape and size is checked first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hooks.attributes import json_object, named, read_attributes, whole_number
from hooks.errors import StoreError
from hooks.files import FileState, open_h5, same_file, state_of
from hooks.inputtable import Inputs
from hooks.schema import FORMAT, VERSION, Key, LayerSpec, layer_path, stored_dtype, unescape
from hooks.sealing import check_seal

#: The most that any filter of HDF5 can have compressed: more is a bomb.
_MOST_COMPRESSION = 1100


@dataclass(frozen=True)
class StoredArray:
    """A dataset of a file: where its numbers are.

    Parameters
    ----------
    path : Path
    name : str
        HDF5 path.
    shape : tuple of int
    dtype : numpy.dtype
    offset : int or None
        Byte offset where the numbers lie raw and in one piece; None where h5py must read them.
    state : FileState
        The file's, when it was looked at.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None
    state: FileState

    def map(self) -> np.ndarray | None:
        """Return the array mapped into memory, or None where it does not lie raw.

        Returns
        -------
        array or None
            Private: what is written to it stays in memory.

        Raises
        ------
        StoreError
            If the file is no longer the one that was looked at.
        """
        if self.offset is None:
            return None
        if 0 in self.shape:
            return np.zeros(self.shape, self.dtype)
        with same_file(self.path, self.state) as file:
            return np.memmap(file, self.dtype, "c", self.offset, self.shape).view(np.ndarray)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return a run of the first axis.

        Parameters
        ----------
        start, stop : int

        Returns
        -------
        array
            Writable and private.

        Raises
        ------
        StoreError
            If the file cannot give it, or is no longer the one that was looked at.
        """
        mapped = self.map()
        if mapped is not None:
            return mapped[start:stop]
        with (
            same_file(self.path, self.state),
            open_h5(self.path, "r") as file,
            named(self.path, self.name),
        ):
            return np.asarray(file[self.name][start:stop])


@dataclass
class StoredLayer:
    """One layer of one file.

    Parameters
    ----------
    path : Path
    key : Key
    spec : LayerSpec
    committed : int
        How many rows count.
    offsets : (B + 1,) int64 array
        Where the blocks begin and end.
    arrays : dict of str to StoredArray
        ``rows``, ``sample``, ``checksum`` and perhaps ``position``.
    tight : bool
        Whether the file's room ends where the committed rows do.
    """

    path: Path
    key: Key
    spec: LayerSpec
    committed: int
    offsets: np.ndarray
    arrays: dict[str, StoredArray]
    tight: bool


@dataclass
class ShardFile:
    """What one file of a store says of itself.

    Parameters
    ----------
    path : Path
    store_id : str
    shard, shards : int
    complete : bool
    provenance : dict
    fingerprint : str
        Digest of the layers' fingerprints.
    layers : dict of Key to StoredLayer
    snapshots : dict of str to dict
        In the order of capture.
    samples : (S,) int64 array
    fields : dict of str to (S,) array
    tight : bool
        Whether the file has no more room than what it holds.
    seal : int
        Digest of what the file said of itself when it was finished; 0 without one.
    raw_fields : dict of str to (S,) array
        The fields as they are stored: texts as UTF-8.
    digests : (S,) uint64 array or None
        Of each input's id and fields.
    """

    path: Path
    store_id: str
    shard: int
    shards: int
    complete: bool
    provenance: dict[str, Any]
    fingerprint: str
    layers: dict[Key, StoredLayer] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    fields: dict[str, np.ndarray] = field(default_factory=dict)
    tight: bool = True
    seal: int = 0
    raw_fields: dict[str, np.ndarray] = field(default_factory=dict)
    digests: np.ndarray | None = None

    @property
    def inputs(self) -> Inputs:
        """Return the inputs with their fields.

        Returns
        -------
        Inputs
        """
        return Inputs(str(self.path), self.samples, self.fields)


def read_shard(path: Path) -> ShardFile:
    """Read and check everything of a file but its rows.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ShardFile

    Raises
    ------
    StoreError
        If it is not a store, is of a newer version, or something in it is not as it must be.
    """
    with open_h5(path, "r") as file, named(path, "/"):
        shard = _root(file, path)
        state = state_of(file.id.get_vfd_handle(), shard.complete)
        for name, group in _groups(file, "snapshots", path):
            key = unescape(name)
            shard.snapshots[key] = read_attributes(group, path, f"/snapshots/{name}")
            shard.snapshots[key].pop("snapshot", None)
            for layer, inner in _groups(group, "layers", path):
                _add(shard, (key, unescape(layer)), inner, state)
        for layer, inner in _groups(file, "layers", path):
            _add(shard, (None, unescape(layer)), inner, state)
        _samples(shard, file, state)
    check_seal(shard)
    return shard


def _root(file: h5py.File, path: Path) -> ShardFile:
    attrs = read_attributes(file, path, "/")
    if attrs.get("format") != FORMAT:
        raise StoreError(
            f"{path} is HDF5 but not an activation store: its format is "
            f"{str(attrs.get('format'))[:80]!r}, not {FORMAT!r}"
        )
    number = whole_number(attrs, "version", path)
    if not 1 <= number <= VERSION:
        raise StoreError(
            f"{path} has version {number}, this package reads up to {VERSION}: it was written by "
            f"privileged-planes {str(attrs.get('written_by'))[:40]}, use that or a later one"
        )
    return ShardFile(
        path,
        str(attrs.get("store", "")),
        whole_number(attrs, "shard", path),
        whole_number(attrs, "shards", path),
        bool(whole_number(attrs, "complete", path)),
        json_object(attrs, "provenance", path),
        str(attrs.get("fingerprint", "")),
        seal=whole_number({"seal": 0, **attrs}, "seal", path),
    )


def _groups(above: h5py.Group, name: str, path: Path) -> Iterator[tuple[str, h5py.Group]]:
    """Give the groups of a group, following nothing that leads out of the file."""
    if name not in above:
        return
    inside = _member(above, name, path, h5py.Group)
    found = [(item, _member(inside, item, path, h5py.Group)) for item in inside]
    # in the order of creation where the writer numbered them
    yield from sorted(found, key=lambda pair: _order(pair[1]))


def _order(group: h5py.Group) -> int:
    value = group.attrs.get("order", 0)
    return int(value) if isinstance(value, int | np.integer) else 0


def _member(above: h5py.Group, name: str, path: Path, kind: type) -> Any:
    where = f"{above.name.rstrip('/')}/{name}"
    with named(path, where):
        if not isinstance(above.get(name, getlink=True), h5py.HardLink):
            raise StoreError(f"{path}: {where} is a link that leads elsewhere: it is not followed")
        item = above[name]
    if not isinstance(item, kind):
        raise StoreError(f"{path}: {where} must be a {kind.__name__}, got {type(item).__name__}")
    return item


def _array(
    group: h5py.Group, name: str, path: Path, state: FileState, kinds: str, ndim: int
) -> StoredArray:
    """Check that a dataset is what it must be and lies whole inside its file."""
    item = _member(group, name, path, h5py.Dataset)
    where = f"{group.name.rstrip('/')}/{name}"
    with named(path, where):
        dtype, shape = item.dtype, item.shape
        if shape is None or dtype.kind not in kinds or dtype.hasobject or len(shape) != ndim:
            raise StoreError(
                f"{path}: {where} has type {dtype} and shape {shape}, which do not fit"
            )
        if item.external or item.is_virtual:
            raise StoreError(f"{path}: {where} takes its numbers from another file: not followed")
        needed = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
        stored = int(item.id.get_storage_size())
        if needed > stored * _MOST_COMPRESSION:
            raise StoreError(
                f"{path}: {where} declares {needed} bytes but the file holds {stored} of it"
            )
        offset = item.id.get_offset() if item.chunks is None else None
        if offset is not None and (needed > stored or offset + needed > state.size):
            raise StoreError(
                f"{path}: {where} ends at byte {offset + needed} but the file has "
                f"{state.size}: cut off"
            )
        return StoredArray(path, where, shape, dtype, 0 if needed == 0 else offset, state)


def _scalar(group: h5py.Group, name: str, path: Path, state: FileState) -> int:
    array = _array(group, name, path, state, "i", 0)
    with named(path, array.name):
        return int(group[name][()])


def _add(shard: ShardFile, key: Key, group: h5py.Group, state: FileState) -> None:
    path, where = shard.path, layer_path(key)
    attrs = read_attributes(group, path, where)
    for name in ("layer", "module_type", "rule", "source_dtype", "dtype", "columns", "fingerprint"):
        if not isinstance(attrs.get(name), str):
            raise StoreError(f"{path}: {where} has no attribute {name!r}")
    if attrs["layer"] != key[1]:
        raise StoreError(f"{path}: {where} says it is layer {attrs['layer']!r:.80}")
    expected = stored_dtype(attrs["dtype"])
    arrays = {
        "rows": _array(group, "rows", path, state, "fu", 2),
        "sample": _array(group, "sample", path, state, "i", 1),
        "checksum": _array(group, "checksum", path, state, "u", 1),
        "block": _array(group, "block", path, state, "i", 1),
    }
    if columns := tuple(attrs["columns"].split()):
        arrays["position"] = _array(group, "position", path, state, "i", 2)
    capacity, width = arrays["rows"].shape
    wrong = arrays["rows"].dtype != expected or any(
        arrays[name].dtype != dtype
        for name, dtype in (("sample", "<i8"), ("checksum", "<u8"), ("block", "<i8"))
    )
    if wrong or arrays["sample"].shape[0] != capacity or width < 1:
        raise StoreError(f"{path}: the datasets of {where} do not fit each other")
    if columns and (
        arrays["position"].shape != (capacity, len(columns)) or arrays["position"].dtype != "<i4"
    ):
        raise StoreError(f"{path}: {where}/position does not fit its rows")
    committed = _scalar(group, "committed", path, state)
    if not 0 <= committed <= capacity:
        raise StoreError(f"{path}: {where}/committed is {committed}, with room for {capacity} rows")
    offsets = _offsets(arrays, committed, where, path)
    tight = committed == capacity and len(offsets) == arrays["block"].shape[0]
    spec = LayerSpec(
        key[1],
        attrs["module_type"],
        attrs["rule"],
        attrs["source_dtype"],
        attrs["dtype"],
        width,
        columns,
        attrs["fingerprint"],
    )
    shard.layers[key] = StoredLayer(path, key, spec, committed, offsets, arrays, tight)


def _offsets(arrays: dict[str, StoredArray], committed: int, where: str, path: Path) -> np.ndarray:
    block = arrays["block"]
    room = block.shape[0]
    # each block has a row at least: no need to look further
    given = block.read(0, min(room, committed + 1)).astype(np.int64)
    found = np.flatnonzero(given == committed)
    last = int(found[0]) if len(found) else -1
    offsets = given[: last + 1]
    if last < 0 or offsets[0] != 0 or (np.diff(offsets) <= 0).any():
        raise StoreError(f"{path}: {where}/block does not lead from 0 to the {committed} rows")
    if arrays["checksum"].shape[0] < last:
        raise StoreError(f"{path}: {where}/checksum has fewer entries than there are blocks")
    return offsets


def _samples(shard: ShardFile, file: h5py.File, state: FileState) -> None:
    path = shard.path
    if "samples" not in file:
        raise StoreError(f"{path}: /samples is missing")
    group = _member(file, "samples", path, h5py.Group)
    count = _scalar(group, "committed", path, state)
    marked = "checksum" in read_attributes(group, path, "/samples")
    for name in group:
        if name == "committed":
            continue
        kinds = {"id": "i", "checksum": "u"}.get(name, "ifS") if marked or name == "id" else "ifS"
        array = _array(group, name, path, state, kinds, 1)
        if not 0 <= count <= array.shape[0]:
            raise StoreError(
                f"{path}: {array.name} has {array.shape[0]} entries for {count} inputs"
            )
        values = np.array(array.read(0, count))
        if name == "id":
            shard.samples = values.astype(np.int64)
            shard.tight = count == array.shape[0] and all(x.tight for x in shard.layers.values())
        elif name == "checksum" and marked:
            shard.digests = values.astype(np.uint64)
        else:
            shard.raw_fields[name] = values
            with named(path, array.name):
                text = values.dtype.kind == "S"
                shard.fields[name] = np.char.decode(values, "utf-8") if text else values
    if "id" not in group:
        raise StoreError(f"{path}: /samples/id is missing")
    if marked and shard.digests is None:
        raise StoreError(f"{path}: /samples/checksum is missing")
