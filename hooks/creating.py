"""Creating a file of a store with all its structures and all its room at once.

It is made under another name, synced and renamed: it appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash

from hooks.attributes import write_attributes
from hooks.files import appearing, failing_disk, open_h5, sync_path
from hooks.schema import (
    CHECKSUM,
    FORMAT,
    SAMPLE_CHECKSUM,
    VERSION,
    FilePlan,
    Key,
    LayerSpec,
    Room,
    escape,
    layer_path,
    stored_dtype,
)
from hooks.sealing import seal_of
from hooks.shardfile import read_shard

_ALIGNMENT = 4096


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

    Raises
    ------
    StoreError
        If the disk is full or fails; nothing is left of the file.
    """
    with appearing(path, ".new") as fresh:
        _write(fresh, plan)
        sync_path(fresh)


def _write(path: Path, plan: FilePlan) -> None:
    aligned = {"alignment_threshold": _ALIGNMENT, "alignment_interval": _ALIGNMENT}
    with failing_disk(path), open_h5(path, "w", **aligned) as file:
        _root(file, plan)
        for name, attrs in plan.snapshots.items():
            group = file.create_group(f"/snapshots/{escape(name)}", track_order=False)
            write_attributes(group, {"snapshot": name, **attrs})
        for key, (spec, room) in plan.layers.items():
            _layer(file, key, spec, room)
        samples = file.create_group("/samples")
        write_attributes(samples, {"checksum": SAMPLE_CHECKSUM})
        own = {"id": np.dtype("<i8"), "checksum": np.dtype("<u8")}
        for name, dtype in {**plan.fields, **own}.items():
            _dataset(samples, name, (plan.samples,), dtype)
        _dataset(samples, "committed", (), np.dtype("<i8"))


def _root(file: h5py.File, plan: FilePlan) -> None:
    write_attributes(
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
            "seal": np.uint64(0),
            "provenance": plan.provenance,
            "fingerprint": fingerprint_digest(spec.fingerprint for spec, _ in plan.layers.values()),
        },
    )


def _layer(file: h5py.File, key: Key, spec: LayerSpec, room: Room) -> None:
    group = file.create_group(layer_path(key))
    write_attributes(
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
    # the same capture gives the same bytes, whenever it runs
    creation.set_obj_track_times(False)
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
        ``complete``, ``seal``, ``shard``, ``shards``; one that an older file has no place for is
        left out.
    """
    with failing_disk(path), open_h5(path, "r+") as file:
        for name, value in flags.items():
            if name not in file.attrs:
                continue
            attribute = h5py.h5a.open(file.id, name.encode())
            attribute.write(np.asarray(value, attribute.dtype))
    sync_path(path)


def mark_complete(path: Path) -> None:
    """Mark a file as finished, and seal what it says of itself.

    Parameters
    ----------
    path : Path
    """
    # the seal first, alone: a crash in between leaves a file that is not finished
    set_flags(path, seal=seal_of(read_shard(path)))
    set_flags(path, complete=1)
