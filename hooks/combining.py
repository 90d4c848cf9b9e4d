"""Several files into one of the exact size: what ends a capture, recovers one and merges stores."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hooks.blocks import Block
from hooks.creating import create, mark_complete, set_flags
from hooks.errors import StoreError
from hooks.files import sync_folder
from hooks.idsets import IdSet, first_of_each
from hooks.schema import FilePlan, Key, LayerSpec, Room
from hooks.segments import Segment
from hooks.store import ActivationStore

_OVERLAPS = ("refuse", "drop", "renumber")


@dataclass
class Source:
    """One store on its way into a larger one.

    Parameters
    ----------
    store : ActivationStore
    shift : int
        What is added to its input ids.
    drop : dict of Key to IdSet
        Inputs that an earlier source has, by layer.
    """

    store: ActivationStore
    shift: int
    drop: dict[Key, IdSet]

    def blocks(self, key: Key) -> Iterator[Block]:
        """Give a layer's blocks as they go into the larger store.

        Parameters
        ----------
        key : Key

        Yields
        ------
        Block
        """
        dropped = self.drop.get(key)
        for block in self.store[key[1], key[0]].blocks():
            keep = None if dropped is None else ~dropped.contains(block.sample)
            sample = block.sample + self.shift
            if keep is None or keep.all():
                yield Block(block.rows, sample, block.position)
            elif keep.any():
                position = None if block.position is None else block.position[keep]
                yield Block(block.rows[torch.as_tensor(keep)], sample[keep], position)

    def room(self, key: Key) -> Room:
        """Return how many rows and blocks a layer brings.

        Parameters
        ----------
        key : Key

        Returns
        -------
        Room
        """
        layer = self.store[key[1], key[0]]
        dropped = self.drop.get(key)
        if dropped is None:
            return Room(len(layer), len(layer.block_offsets) - 1)
        kept = np.concatenate([[0], np.cumsum(~dropped.contains(layer.sample))])
        per_block = np.diff(kept[layer.block_offsets])
        return Room(int(kept[-1]), int((per_block > 0).sum()))


def merge(
    paths: Sequence[str | Path], target: str | Path, *, overlap: str = "refuse"
) -> ActivationStore:
    """Join several stores of one network into one file.

    Parameters
    ----------
    paths : sequence of str or Path
        Finished stores: other inputs, other layers or other snapshots.
    target : str or Path
        ``NAME.h5``; must not be there.
    overlap : {"refuse", "drop", "renumber"}
        Where two stores have rows of one layer for the same input ids: refuse; keep the first
        (ids of one data set, `hooks.indexed`); or give the later store's inputs new ids.

    Returns
    -------
    ActivationStore
        Blocks are those of the sources, one store after the other.

    Raises
    ------
    StoreError
        If the stores are of different networks, do not fit together, or overlap.
    """
    target = Path(target)
    if overlap not in _OVERLAPS:
        raise StoreError(f"overlap must be one of {', '.join(_OVERLAPS)}, got {overlap!r}")
    if target.exists():
        raise StoreError(f"{target} exists: merge into another path")
    if target.suffix != ".h5":
        raise StoreError(f"stores are merged into one file NAME.h5, got {target}")
    if not paths:
        raise StoreError("merge needs at least one store, got none")
    combine(sources([ActivationStore(path) for path in paths], overlap), target)
    return ActivationStore(target)


def sources(stores: Sequence[ActivationStore], overlap: str) -> list[Source]:
    """Settle how several stores go into one.

    Parameters
    ----------
    stores : sequence of ActivationStore
    overlap : {"refuse", "drop", "renumber"}

    Returns
    -------
    list of Source

    Raises
    ------
    StoreError
        If they do not fit together, or overlap.
    """
    specs: dict[Key, LayerSpec] = {}
    have: dict[Key, IdSet] = {}
    shift, found = 0, []
    for store in stores:
        source = Source(store, shift if overlap == "renumber" else 0, {})
        for key in store.keys:
            layer = store[key[1], key[0]]
            _check_fit(specs.setdefault(key, layer.spec), layer.spec, store, key)
            ids = layer.sample + source.shift
            earlier = have.setdefault(key, IdSet())
            if len(ids) and earlier.contains(ids).any():
                if overlap == "refuse":
                    raise StoreError(
                        f"{store.path} has inputs of layer {key[1]!r} that an earlier store has "
                        f"(id {ids[earlier.contains(ids)][0]}): overlap='drop' keeps the first, "
                        "overlap='renumber' takes them for other inputs"
                    )
                source.drop[key] = _copy(earlier)
            earlier.add(ids)
        found.append(source)
        shift = int(max([shift, *(store.samples + source.shift + 1)]))
    return found


def _copy(ids: IdSet) -> IdSet:
    copied = IdSet()
    copied.add(ids.members())
    return copied


def _check_fit(first: LayerSpec, other: LayerSpec, store: ActivationStore, key: Key) -> None:
    for name in ("width", "dtype", "columns", "rule"):
        if getattr(first, name) != getattr(other, name):
            raise StoreError(
                f"{store.path}: layer {key[1]!r} has {name} {getattr(other, name)}, an earlier "
                f"store {getattr(first, name)}: they cannot be one"
            )
    weights = [json.loads(spec.fingerprint).get("weights") for spec in (first, other)]
    if weights[0] != weights[1]:
        at = "" if key[0] is None else f" at snapshot {key[0]!r}"
        raise StoreError(
            f"{store.path}: layer {key[1]!r}{at} was captured from other weights than an earlier "
            "store's: a store holds one network"
        )


def combine(found: Sequence[Source], target: Path, complete: bool = True) -> None:
    """Write everything that some stores hold into one file of the exact size.

    Parameters
    ----------
    found : sequence of Source
        Read block by block, each compared with its checksum.
    target : Path
        Appears only when it is whole.
    complete : bool
        What the file says of itself.
    """
    ids, fields = _samples(found)
    plan = _plan(found, ids, fields)
    draft = target.with_name(target.name + ".draft")
    create(draft, plan)
    segment = Segment(draft, plan)
    try:
        segment.put_samples(ids, fields)
        for key in plan.layers:
            for source in found:
                if key in source.store.keys:
                    for block in source.blocks(key):
                        segment.put(key, block)
        segment.commit()
    finally:
        segment.close()
    set_flags(draft, shards=1)
    if complete:
        mark_complete(draft)
    os.replace(draft, target)
    sync_folder(target.parent)


def _samples(found: Sequence[Source]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the table of inputs of all sources, each input once."""
    some = [source for source in found if len(source.store.samples)] or list(found[:1])
    ids = np.concatenate([source.store.samples + source.shift for source in some])
    keep = first_of_each(ids)
    fields = {}
    for name in some[0].store.fields:
        if all(name in source.store.fields for source in some):
            values = np.concatenate([source.store.fields[name] for source in some])[keep]
            fields[name] = np.char.encode(values, "utf-8") if values.dtype.kind == "U" else values
    return ids[keep], fields


def _plan(found: Sequence[Source], ids: np.ndarray, fields: dict[str, np.ndarray]) -> FilePlan:
    layers: dict[Key, tuple[LayerSpec, Room]] = {}
    snapshots: dict[str, dict[str, Any]] = {}
    for source in found:
        for key in source.store.keys:
            spec, room = layers.get(key, (source.store[key[1], key[0]].spec, Room(0, 0)))
            more = source.room(key)
            layers[key] = spec, Room(room.rows + more.rows, room.blocks + more.blocks)
        for name, attrs in source.store.snapshots.items():
            snapshots.setdefault(name, {**attrs, "order": np.int64(len(snapshots))})
    first = found[0].store
    provenance = first.provenance
    if len(found) > 1:
        provenance = {"merged": [source.store.provenance for source in found]}
    return FilePlan(
        first.store_id if len(found) == 1 else uuid.uuid4().hex,
        layers,
        snapshots,
        len(ids),
        {name: field_dtype(values) for name, values in fields.items()},
        json.dumps(provenance),
    )


def field_dtype(values: np.ndarray, spare: int = 1) -> np.dtype[Any]:
    """Return the type in which a per-input field is stored.

    Parameters
    ----------
    values : (B,) array
        Whole numbers, floating numbers or UTF-8 bytes.
    spare : int
        Factor of room for longer texts.

    Returns
    -------
    numpy.dtype

    Examples
    --------
    >>> field_dtype(np.array([b"a", b"bcd"]), spare=2)
    dtype('S6')
    """
    if values.dtype.kind == "S":
        return np.dtype(f"S{max(1, values.dtype.itemsize * spare)}")
    return np.dtype("<i8" if values.dtype.kind == "i" else "<f8")
