"""One file of a store, made with all its room at once and then only ever written in place.

HDF5's own structures are written when the file is created, under another name, and never touched
while rows arrive: those go straight to their place, and `committed` says how many are valid. There
is no moment at which a crash could leave a file that cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash

from hooks.blocks import Block
from hooks.files import open_h5, sync_folder, sync_path, write_at
from hooks.schema import (
    CHECKSUM,
    FORMAT,
    VERSION,
    FilePlan,
    Key,
    LayerSpec,
    Room,
    escape,
    layer_path,
    stored_dtype,
    to_numpy,
)

_ALIGNMENT = 4096


def checksum(*arrays: np.ndarray | None) -> np.uint64:
    """Return the digest of a block's arrays.

    Parameters
    ----------
    *arrays : array or None
        Rows, samples and positions.

    Returns
    -------
    numpy.uint64

    Examples
    --------
    >>> checksum(np.zeros(2), None) == checksum(np.zeros(2))
    np.True_
    """
    digest = xxhash.xxh3_64()
    for array in arrays:
        if array is not None:
            # an empty array has no buffer to view
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return np.uint64(digest.intdigest())


def fingerprint_digest(fingerprints: Iterable[str]) -> str:
    """Return one digest for the captures that a file holds.

    Parameters
    ----------
    fingerprints : iterable of str
        The layers', as JSON.

    Returns
    -------
    str
        The same in whatever order they come.
    """
    return str(xxhash.xxh3_128_hexdigest("\n".join(sorted(set(fingerprints))).encode()))


def package_version() -> str:
    """Return the version of this package, for the files it writes.

    Returns
    -------
    str

    Examples
    --------
    >>> bool(package_version())
    True
    """
    try:
        return version("privileged-planes")
    except PackageNotFoundError:
        from hooks import __version__

        return str(__version__)


def create(path: Path, plan: FilePlan) -> None:
    """Create a file with all its structures and all its room, and nothing in it.

    Parameters
    ----------
    path : Path
        Appears at once and whole: the file is made under another name, synced and renamed.
    plan : FilePlan
    """
    fresh = path.with_name(path.name + ".new")
    with open_h5(fresh, "w", alignment_threshold=_ALIGNMENT, alignment_interval=_ALIGNMENT) as file:
        _root(file, plan)
        for name, attrs in plan.snapshots.items():
            group = file.create_group(f"/snapshots/{escape(name)}", track_order=False)
            _attributes(group, {"snapshot": name, **attrs})
        for key, (spec, room) in plan.layers.items():
            _layer(file, key, spec, room)
        samples = file.create_group("/samples")
        for name, dtype in {"id": np.dtype("<i8"), **plan.fields}.items():
            _dataset(samples, name, (plan.samples,), dtype)
        _dataset(samples, "committed", (), np.dtype("<i8"))
    sync_path(fresh)
    os.replace(fresh, path)
    sync_folder(path.parent)


def _root(file: h5py.File, plan: FilePlan) -> None:
    _attributes(
        file,
        {
            "format": FORMAT,
            "version": np.int64(VERSION),
            "written_by": package_version(),
            "store": plan.store_id,
            "shard": np.int64(plan.shard),
            "shards": np.int64(plan.shards),
            "writers": np.int64(plan.writers),
            "complete": np.int8(plan.complete),
            "provenance": plan.provenance,
            "fingerprint": fingerprint_digest(spec.fingerprint for spec, _ in plan.layers.values()),
        },
    )


def _attributes(where: h5py.Group, attrs: Mapping[str, Any]) -> None:
    for name, value in attrs.items():
        where.attrs[name] = value


def _layer(file: h5py.File, key: Key, spec: LayerSpec, room: Room) -> None:
    group = file.create_group(layer_path(key))
    _attributes(
        group,
        {
            "layer": spec.name,
            "module_type": spec.module_type,
            "rule": spec.rule,
            "source_dtype": spec.source_dtype,
            "dtype": spec.dtype,
            "columns": " ".join(spec.columns),
            "fingerprint": spec.fingerprint,
            "checksum": CHECKSUM,
        },
    )
    _dataset(group, "rows", (room.rows, spec.width), stored_dtype(spec.dtype))
    _dataset(group, "committed", (), np.dtype("<i8"))
    _dataset(group, "block", (room.blocks + 1,), np.dtype("<i8"))
    _dataset(group, "checksum", (room.blocks,), np.dtype("<u8"))
    _dataset(group, "sample", (room.rows,), np.dtype("<i8"))
    if spec.columns:
        _dataset(group, "position", (room.rows, len(spec.columns)), np.dtype("<i4"))


def _dataset(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    # never filled: room that is not used yet is a hole and takes no disk
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.string_dtype("utf-8", dtype.itemsize) if dtype.kind == "S" else dtype
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5d.create(
        group.id, name.encode(), h5py.h5t.py_create(kind, logical=True), space, creation
    )


def set_flags(path: Path, **flags: int) -> None:
    """Overwrite number attributes of a file's root in place.

    Parameters
    ----------
    path : Path
    **flags : int
        ``complete``, ``shard``, ``shards``.
    """
    with open_h5(path, "r+") as file:
        for name, value in flags.items():
            attribute = h5py.h5a.open(file.id, name.encode())
            attribute.write(np.asarray(value, attribute.dtype))
    sync_path(path)


class Segment:
    """A file that rows are being written to.

    Parameters
    ----------
    path : Path
        Made by `create`.
    plan : FilePlan
        What it was made with.
    """

    def __init__(self, path: Path, plan: FilePlan) -> None:
        self.path = path
        self.plan = plan
        self.rows = dict.fromkeys(plan.layers, 0)
        self.blocks = dict.fromkeys(plan.layers, 0)
        self.samples = 0
        self._committed: dict[str, int] = {}
        with open_h5(path, "r") as file:
            self._places = _places(file)
        self._descriptor = os.open(path, os.O_RDWR)

    def has_room(self, key: Key, block: Block) -> bool:
        """Return whether a block of a layer still fits.

        Parameters
        ----------
        key : Key
        block : Block

        Returns
        -------
        bool
        """
        room = self.plan.layers[key][1]
        return self.rows[key] + len(block) <= room.rows and self.blocks[key] < room.blocks

    def has_sample_room(self, count: int, fields: Mapping[str, np.ndarray]) -> bool:
        """Return whether some inputs with their fields still fit.

        Parameters
        ----------
        count : int
        fields : mapping of str to (B,) array

        Returns
        -------
        bool
        """
        wide = any(
            self.plan.fields[name].kind == "S"
            and v.dtype.itemsize > self.plan.fields[name].itemsize
            for name, v in fields.items()
        )
        return self.samples + count <= self.plan.samples and not wide

    def put(self, key: Key, block: Block) -> None:
        """Write a block in its place; it counts once it is committed.

        Parameters
        ----------
        key : Key
        block : Block
        """
        rows, start, index = to_numpy(block.rows), self.rows[key], self.blocks[key]
        sample = np.ascontiguousarray(block.sample, "<i8")
        position = None if block.position is None else np.ascontiguousarray(block.position, "<i4")
        where = layer_path(key)
        self._write(f"{where}/rows", rows, start)
        self._write(f"{where}/sample", sample, start)
        if position is not None:
            self._write(f"{where}/position", position, start)
        self._write(f"{where}/block", np.array([start, start + len(rows)], "<i8"), index)
        digest = np.array([checksum(rows, sample, position)], "<u8")
        self._write(f"{where}/checksum", digest, index)
        self.rows[key], self.blocks[key] = start + len(rows), index + 1

    def put_samples(self, ids: np.ndarray, fields: Mapping[str, np.ndarray]) -> None:
        """Write inputs' ids and fields; they count once they are committed.

        Parameters
        ----------
        ids : (B,) int64 array
        fields : mapping of str to (B,) array
        """
        for name, values in {"id": ids, **fields}.items():
            dtype = np.dtype("<i8") if name == "id" else self.plan.fields[name]
            self._write(f"/samples/{name}", np.ascontiguousarray(values, dtype), self.samples)
        self.samples += len(ids)

    def commit(self) -> None:
        """Make everything that was written count: the data first, then the counters."""
        counters = {f"{layer_path(key)}/committed": n for key, n in self.rows.items()}
        counters["/samples/committed"] = self.samples
        changed = {k: n for k, n in counters.items() if self._committed.get(k, 0) != n}
        if not changed:
            return
        os.fsync(self._descriptor)
        for where, number in changed.items():
            self._write(where, np.array([number], "<i8"), 0)
        self._committed = counters

    def close(self) -> None:
        """Sync and close the file."""
        if self._descriptor >= 0:
            try:
                os.fsync(self._descriptor)
            finally:
                os.close(self._descriptor)
                self._descriptor = -1

    @property
    def is_full(self) -> bool:
        """Return whether no room is left over: the file is exactly as large as what it holds.

        Returns
        -------
        bool
        """
        return self.samples == self.plan.samples and all(
            (self.rows[key], self.blocks[key]) == (room.rows, room.blocks)
            for key, (_, room) in self.plan.layers.items()
        )

    def _write(self, where: str, array: np.ndarray, start: int) -> None:
        width = array.nbytes // len(array) if len(array) else 0
        if width:
            write_at(self._descriptor, array, self._places[where] + start * width, self.path)


def _places(file: h5py.File) -> dict[str, int]:
    """Return where in the file each dataset's numbers begin."""
    places: dict[str, int] = {}

    def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.id.get_offset() is not None:
            places[f"/{name}"] = item.id.get_offset()

    file.visititems(note)
    return places
