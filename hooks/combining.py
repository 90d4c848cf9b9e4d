"""Several files into one of the exact size: what ends a capture, recovers one and merges stores."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hooks.errors import StoreError
from hooks.files import sync_folder
from hooks.schema import FilePlan, Key, LayerSpec, Room
from hooks.segments import Segment, create, set_flags
from hooks.store import ActivationStore


def combine(source: ActivationStore, target: Path, complete: bool = True) -> None:
    """Write everything a store holds into one file of the exact size.

    Parameters
    ----------
    source : ActivationStore
        Read block by block, each compared with its checksum.
    target : Path
        Appears only when it is whole.
    complete : bool
        What the file says of itself.
    """
    plan = _plan(source)
    draft = target.with_name(target.name + ".draft")
    create(draft, plan)
    segment = Segment(draft, plan)
    try:
        segment.put_samples(
            source.samples,
            {
                name: np.char.encode(v, "utf-8") if v.dtype.kind == "U" else v
                for name, v in source.fields.items()
            },
        )
        for key in plan.layers:
            for block in source[key[1], key[0]].blocks():
                segment.put(key, block)
        segment.commit()
    finally:
        segment.close()
    set_flags(draft, complete=int(complete))
    os.replace(draft, target)
    sync_folder(target.parent)


def _plan(source: ActivationStore) -> FilePlan:
    layers: dict[Key, tuple[LayerSpec, Room]] = {}
    for key in source.keys:
        parts = source._find(key[1], key[0])
        room = Room(sum(p.committed for p in parts), sum(len(p.offsets) - 1 for p in parts))
        layers[key] = parts[0].spec, room
    first = source._shards[0]
    snapshots: dict[str, dict[str, Any]] = {}
    for number, (name, attrs) in enumerate(source.snapshots.items()):
        snapshots[name] = {**attrs, "order": np.int64(number)}
    fields = {name: field_dtype(values) for name, values in source.fields.items()}
    return FilePlan(
        first.store_id,
        layers,
        snapshots,
        len(source.samples),
        fields,
        json.dumps(first.provenance),
        json.dumps(first.fingerprint),
    )


def field_dtype(values: np.ndarray, spare: int = 1) -> np.dtype[Any]:
    """Return the type in which a per-input field is stored.

    Parameters
    ----------
    values : (B,) array
        Whole numbers, floating numbers or text.
    spare : int
        Factor of room for longer texts.

    Returns
    -------
    numpy.dtype

    Examples
    --------
    >>> field_dtype(np.array(["a", "bcd"]), spare=2)
    dtype('S6')
    """
    if values.dtype.kind in "US":
        encoded = np.char.encode(values, "utf-8") if values.dtype.kind == "U" else values
        return np.dtype(f"S{max(1, encoded.dtype.itemsize * spare)}")
    return np.dtype("<i8" if values.dtype.kind in "iu" else "<f8")


def settle(files: Sequence[Path], target: Path, tight: bool) -> None:
    """Turn the files of a finished capture into the store at its final name.

    Parameters
    ----------
    files : sequence of Path
        All in one folder, the partial one.
    target : Path
        ``NAME.h5`` or ``NAME.store``.
    tight : bool
        Whether the only file has no room left over and can be renamed as it is.

    Raises
    ------
    StoreError
        If there is nothing to settle.
    """
    if not files:
        raise StoreError(f"nothing was captured for {target}: record at least one layer")
    folder = files[0].parent
    if is_folder(target):
        for number, path in enumerate(files):
            set_flags(path, shard=number, shards=len(files), complete=1)
        remove_marks(folder)
        os.replace(folder, target)
        sync_folder(target.parent)
        return
    if len(files) == 1 and tight:
        set_flags(files[0], complete=1)
        os.replace(files[0], target)
    else:
        whole = folder / "whole"
        combine(ActivationStore(folder, incomplete=True), whole)
        os.replace(whole, target)
    sync_folder(target.parent)
    clear(folder)


def is_folder(target: Path) -> bool:
    """Return whether a store of this name is a folder of shards.

    Parameters
    ----------
    target : Path

    Returns
    -------
    bool

    Examples
    --------
    >>> is_folder(Path("acts.store")), is_folder(Path("acts.h5"))
    (True, False)
    """
    return target.suffix == ".store"


def remove_marks(folder: Path) -> None:
    """Remove what is not a shard from a folder of shards: locks and drafts.

    Parameters
    ----------
    folder : Path
    """
    for path in folder.iterdir():
        if path.suffix != ".h5":
            path.unlink()


def clear(folder: Path) -> None:
    """Remove a partial folder with the files that this package puts there.

    Parameters
    ----------
    folder : Path
    """
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
