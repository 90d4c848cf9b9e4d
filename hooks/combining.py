"""Several files into one of the exact size: what ends a capture, recovers one and merges stores."""

from __future__ import annotations

import json
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
from hooks.files import appearing
from hooks.idsets import IdSet
from hooks.inputtable import Inputs, InputTable
from hooks.schema import FilePlan, Key, LayerSpec, Room
from hooks.segments import Segment
from hooks.store import ActivationStore

_OVERLAPS = ("refuse", "drop", "renumber")
_WAY_OUT = (
    "stores in which an id stands for different inputs are merged with overlap='renumber', which "
    "gives the later store's inputs new ids"
)


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

    @property
    def inputs(self) -> Inputs:
        """Return its inputs as they go into the larger store.

        Returns
        -------
        Inputs
        """
        store = self.store
        return Inputs(str(store.path), store.samples + self.shift, store.fields)

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
        Where two stores have the same input ids: refuse rows of one layer, and data that are not
        the same; take the ids for those of one data set (`hooks.indexed`) and keep the first
        store's rows; or give the later store's inputs new ids.

    Returns
    -------
    ActivationStore
        Blocks are those of the sources, one store after the other.

    Raises
    ------
    StoreError
        If the stores are of different networks or data, do not fit together, or overlap.
    """
    if isinstance(paths, str | Path):
        raise StoreError(f"merge takes a sequence of paths, got the path {paths}: write [path]")
    target = Path(target)
    if overlap not in _OVERLAPS:
        raise StoreError(f"overlap must be one of {', '.join(_OVERLAPS)}, got {overlap!r}")
    if target.exists():
        raise StoreError(f"{target} exists: merge into another path")
    if target.suffix != ".h5":
        raise StoreError(f"stores are merged into one file NAME.h5, got {target}")
    if not target.parent.is_dir():
        raise StoreError(f"there is no folder {target.parent} to write {target.name} in")
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
    weights: dict[str | None, set[Any]] = {}
    data: dict[str, IdSet] = {}
    shift, found = 0, []
    named = next((store for store in stores if len(store.samples)), stores[0])
    for store in stores:
        _check_names(named, store)
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
        _check_weights(weights, store)
        _check_data(data, source, overlap)
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


def _check_weights(earlier: dict[str | None, set[Any]], store: ActivationStore) -> None:
    """Refuse a store of another network than the earlier ones, whatever layers it has of it."""
    own: dict[str | None, set[Any]] = {}
    for snapshot, name in store.keys:
        digest = store[name, snapshot].fingerprint.get("weights")
        own.setdefault(snapshot, set()).add(digest)
        if digest not in earlier.get(snapshot, {digest}):
            at = "" if snapshot is None else f" at snapshot {snapshot!r}"
            raise StoreError(
                f"{store.path}: layer {name!r}{at} was captured from other weights than an "
                "earlier store's: a store holds one network"
            )
    for snapshot, digests in own.items():
        earlier.setdefault(snapshot, set()).update(digests)


def _check_data(earlier: dict[str, IdSet], source: Source, overlap: str) -> None:
    """Refuse ids of an earlier store if nothing says that they stand for the same inputs."""
    store, ids = source.store, source.store.samples + source.shift
    prints = [store[name, snapshot].fingerprint for snapshot, name in store.keys]
    own = {json.dumps(found["data"]) for found in prints if "data" in found}
    for other, seen in earlier.items():
        common = ids[seen.contains(ids)]
        if overlap == "refuse" and own and other not in own and len(common):
            raise StoreError(
                f"{store.path} has input ids that an earlier store has (id {common[0]}), but its "
                f"data are {', '.join(sorted(own))}, the earlier store's {other}: overlap='drop' "
                "takes the ids for those of one data set, overlap='renumber' for other inputs"
            )
    for name in own:
        earlier.setdefault(name, IdSet()).add(ids)


def _check_names(first: ActivationStore, store: ActivationStore) -> None:
    """Refuse stores with other fields: those of one would have to be left out, or made up."""
    names = sorted(first.fields), sorted(store.fields)
    if len(store.samples) and names[0] != names[1]:
        raise StoreError(
            f"{store.path} has the fields {names[1]}, {first.path} has {names[0]}: stores are "
            "merged with the same fields, capture one of them again with labels= and fields= as "
            "the other's"
        )


def combine(found: Sequence[Source], target: Path, complete: bool = True) -> None:
    """Write everything that some stores hold into one file of the exact size.

    Parameters
    ----------
    found : sequence of Source
        Read block by block, each compared with its checksum.
    target : Path
        Appears only when it is whole; what fails leaves nothing behind.
    complete : bool
        What the file says of itself.
    """
    with appearing(target, ".draft") as draft:
        _write(found, draft)
        set_flags(draft, shards=1)
        if complete:
            mark_complete(draft)


def _write(found: Sequence[Source], path: Path) -> None:
    ids, fields = _samples(found)
    plan = _plan(found, ids, fields)
    create(path, plan)
    segment = Segment(path, plan)
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


def _samples(found: Sequence[Source]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the table of inputs of all sources, each input once."""
    table = InputTable([source.inputs for source in found], _WAY_OUT)
    fields = {
        name: np.char.encode(values, "utf-8") if values.dtype.kind == "U" else values
        for name, values in table.fields.items()
    }
    return table.ids, fields


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
