"""`hooks.ActivationStore` and `StoreLayer`: a stored capture, read as the live one was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hooks.blocks import Block
from hooks.errors import IncompleteStoreError, LayerNotFoundError, StoreError, listed
from hooks.schema import to_torch, torch_dtype
from hooks.segments import checksum
from hooks.shardfile import ShardFile, StoredLayer, read_shard


class StoreLayer:
    """One layer of a store, at one snapshot: rows, read in the blocks they were captured in.

    Parameters
    ----------
    path : str or Path
        The store.
    layer : str
    snapshot : str, optional
        Its key, where the store has snapshots.
    incomplete : bool
        Read a store whose capture did not end cleanly.
    check : bool
        Compare each block with its checksum before giving it.

    Raises
    ------
    StoreError, LayerNotFoundError
        If it cannot be opened, or the layer is not there.

    Notes
    -----
    Pickles as its arguments; every process opens the files for itself.
    """

    def __init__(
        self,
        path: str | Path,
        layer: str,
        snapshot: str | None = None,
        incomplete: bool = False,
        check: bool = True,
    ) -> None:
        self._bind(ActivationStore(path, incomplete=incomplete, check=check), layer, snapshot)

    def _bind(self, store: ActivationStore, layer: str, snapshot: str | None) -> None:
        self.path, self.layer, self.snapshot = store.path, layer, snapshot
        self._store = store
        self._parts = store._find(layer, snapshot)
        self._bounds = np.cumsum([0, *(part.committed for part in self._parts)])
        self._maps: dict[tuple[int, str], np.ndarray | None] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        store = self._store
        return StoreLayer, (self.path, self.layer, self.snapshot, store.incomplete, store.check)

    def __repr__(self) -> str:
        at = "" if self.snapshot is None else f" at {self.snapshot!r}"
        kind = str(self.dtype).removeprefix("torch.")
        return f"StoreLayer({self.layer!r}{at}: {self.shape[0]} × {self.shape[1]} {kind})"

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Return the number of rows and their width.

        Returns
        -------
        (int, int)
        """
        return int(self._bounds[-1]), self._parts[0].spec.width

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the rows.

        Returns
        -------
        torch.dtype
        """
        return torch_dtype(self._parts[0].spec.dtype)

    @property
    def spec(self) -> Any:
        """Return what the store says of the layer: module type, row rule, source dtype, columns.

        Returns
        -------
        LayerSpec
        """
        return self._parts[0].spec

    @property
    def columns(self) -> tuple[str, ...]:
        """Return what the position's columns are called.

        Returns
        -------
        tuple of str
        """
        return self._parts[0].spec.columns

    @cached_property
    def block_offsets(self) -> np.ndarray:
        """Return where the blocks begin and end, in rows.

        Returns
        -------
        (B + 1,) int64 array
        """
        pieces = [
            part.offsets[1:] + start
            for part, start in zip(self._parts, self._bounds[:-1], strict=True)
        ]
        return np.concatenate([np.zeros(1, np.int64), *pieces])

    @cached_property
    def sample(self) -> np.ndarray:
        """Return the id of the input each row comes from.

        Returns
        -------
        (N,) int64 array
        """
        return np.concatenate([p.arrays["sample"].read(0, p.committed) for p in self._parts])

    @cached_property
    def position(self) -> np.ndarray | None:
        """Return the rows' positions, where an input gives several rows.

        Returns
        -------
        (N, k) int32 array or None
        """
        if not self.columns:
            return None
        return np.concatenate([p.arrays["position"].read(0, p.committed) for p in self._parts])

    @property
    def label(self) -> np.ndarray | None:
        """Return each row's label, where the store has labels.

        Returns
        -------
        (N,) array or None
        """
        return self._store._labels_of(self.sample)

    def blocks(self) -> Iterator[Block]:
        """Give the rows in the blocks they were captured in.

        Yields
        ------
        Block
            On the CPU; rows that lie raw in the file are mapped, not read.

        Raises
        ------
        StoreError
            If a block is not what was written.
        """
        for index in range(len(self.block_offsets) - 1):
            yield self.block(index)

    def block(self, index: int) -> Block:
        """Return one block.

        Parameters
        ----------
        index : int
            From 0 to one less than the number of blocks.

        Returns
        -------
        Block

        Raises
        ------
        StoreError
            If it is not what was written.
        IndexError
            If there is no such block.
        """
        count = len(self.block_offsets) - 1
        if not 0 <= index < count:
            raise IndexError(f"block must lie in 0 to {count - 1}, got {index}")
        for which, part in enumerate(self._parts):
            if index < len(part.offsets) - 1:
                break
            index -= len(part.offsets) - 1
        start, stop = int(part.offsets[index]), int(part.offsets[index + 1])
        rows = self._read(which, "rows", start, stop)
        sample = self._read(which, "sample", start, stop)
        position = self._read(which, "position", start, stop) if self.columns else None
        if self._store.check:
            digest = self._read(which, "checksum", index, index + 1)[0]
            if checksum(rows, sample, position) != digest:
                raise StoreError(
                    f"{part.path}: rows {start} to {stop} of layer {self.layer!r} are not what "
                    "was written (checksum): the file is damaged, capture it again"
                )
        return Block(
            to_torch(rows, part.spec.dtype), sample, position, self._store._labels_of(sample)
        )

    def rows(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Return a run of rows.

        Parameters
        ----------
        start, stop : int
            As in a slice without negative numbers; the whole layer by default.

        Returns
        -------
        (R, n) tensor
        """
        stop = len(self) if stop is None else min(stop, len(self))
        if not 0 <= start <= len(self):
            raise IndexError(f"rows must start in 0 to {len(self)}, got {start}")
        first = int(np.searchsorted(self.block_offsets, start, side="right")) - 1
        pieces = []
        for index in range(first, len(self.block_offsets) - 1):
            begin, end = self.block_offsets[index : index + 2]
            if begin >= stop:
                break
            pieces.append(self.block(index).rows[max(0, start - begin) : stop - begin])
        return torch.cat(pieces) if pieces else torch.empty((0, self.shape[1]), dtype=self.dtype)

    def _read(self, which: int, name: str, start: int, stop: int) -> np.ndarray:
        if (which, name) not in self._maps:
            self._maps[which, name] = self._parts[which].arrays[name].map()
        mapped = self._maps[which, name]
        array = self._parts[which].arrays[name]
        return array.read(start, stop) if mapped is None else mapped[start:stop]


class ActivationStore:
    """A stored capture: one ``NAME.h5``, or a folder ``NAME.store`` of shards read as one.

    Parameters
    ----------
    path : str or Path
    incomplete : bool
        Open a store whose capture did not end cleanly and read what was committed.
    check : bool
        Compare each block with its checksum when it is read.

    Raises
    ------
    StoreError
        If there is no store, it is damaged, or a shard is missing.
    IncompleteStoreError
        If its capture did not end cleanly and `incomplete` does not ask for it.

    Examples
    --------
    >>> import tempfile, hooks
    >>> from torch import nn
    >>> path = Path(tempfile.mkdtemp()) / "acts.h5"
    >>> store = hooks.record(nn.Tanh(), [torch.zeros(5, 3)], "", path, progress=False)
    >>> store[""].shape
    (5, 3)
    """

    def __init__(self, path: str | Path, *, incomplete: bool = False, check: bool = True) -> None:
        self.path = Path(path)
        self.incomplete = incomplete
        self.check = check
        self._shards = _open(self.path, incomplete)

    def __repr__(self) -> str:
        kind = "" if self.complete else ", incomplete"
        return (
            f"ActivationStore({str(self.path)!r}: {len(self.layers)} layers, "
            f"{len(self.snapshots)} snapshots, {len(self.samples)} inputs{kind})"
        )

    @property
    def complete(self) -> bool:
        """Return whether the capture ended cleanly.

        Returns
        -------
        bool
        """
        return all(shard.complete for shard in self._shards)

    @property
    def files(self) -> list[Path]:
        """Return the files that make up the store.

        Returns
        -------
        list of Path
        """
        return [shard.path for shard in self._shards]

    @property
    def provenance(self) -> dict[str, Any]:
        """Return what the writer said of where the rows come from.

        Returns
        -------
        dict
        """
        return self._shards[0].provenance

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the capture: weights, layers, rules, dtype and data.

        Returns
        -------
        dict
        """
        return self._shards[0].fingerprint

    @cached_property
    def layers(self) -> list[str]:
        """Return the names of the layers.

        Returns
        -------
        list of str
        """
        return list(dict.fromkeys(name for shard in self._shards for _, name in shard.layers))

    @cached_property
    def keys(self) -> list[tuple[str | None, str]]:
        """Return every (snapshot, layer) that the store holds; snapshot is None without one.

        Returns
        -------
        list of (str or None, str)
        """
        return list(dict.fromkeys(key for shard in self._shards for key in shard.layers))

    @cached_property
    def snapshots(self) -> Mapping[str, dict[str, Any]]:
        """Return the snapshots' attributes by key, in the order of capture.

        Returns
        -------
        dict of str to dict
        """
        found: dict[str, dict[str, Any]] = {}
        for shard in self._shards:
            for key, attrs in shard.snapshots.items():
                found.setdefault(key, {k: v for k, v in attrs.items() if k != "order"})
        return found

    @cached_property
    def _table(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        ids = np.concatenate([shard.samples for shard in self._shards])
        ids, first = np.unique(ids, return_index=True)
        order = np.argsort(first, kind="stable")
        names = (
            set.intersection(
                *(set(shard.fields) for shard in self._shards if len(shard.samples)),
                set(self._names),
            )
            if any(len(shard.samples) for shard in self._shards)
            else set()
        )
        fields = {
            name: np.concatenate(
                [shard.fields[name] for shard in self._shards if len(shard.samples)]
            )[first[order]]
            for name in self._names
            if name in names
        }
        return ids[order], fields

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for shard in self._shards for name in shard.fields))

    @property
    def samples(self) -> np.ndarray:
        """Return the inputs' ids.

        Returns
        -------
        (S,) int64 array
        """
        return self._table[0]

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """Return the per-input fields, in the order of `samples`.

        Returns
        -------
        dict of str to (S,) array
        """
        return self._table[1]

    @property
    def labels(self) -> np.ndarray | None:
        """Return the inputs' labels, in the order of `samples`.

        Returns
        -------
        (S,) array or None
        """
        return self.fields.get("label")

    def __getitem__(self, key: str | tuple[str, str | None]) -> StoreLayer:
        layer, snapshot = key if isinstance(key, tuple) else (key, None)
        keys = {k for shard in self._shards for k in shard.layers if k[1] == layer}
        if snapshot is None and (None, layer) not in keys and len(keys) == 1:
            ((snapshot, _),) = keys
        found = object.__new__(StoreLayer)
        found._bind(self, layer, snapshot)
        return found

    def __contains__(self, key: object) -> bool:
        layer, snapshot = key if isinstance(key, tuple) else (key, None)
        return any((snapshot, layer) in shard.layers for shard in self._shards)

    def _find(self, layer: str, snapshot: str | None) -> list[StoredLayer]:
        parts = [s.layers[snapshot, layer] for s in self._shards if (snapshot, layer) in s.layers]
        if parts:
            if len({(p.spec.width, p.spec.dtype, p.spec.columns) for p in parts}) > 1:
                raise StoreError(
                    f"{self.path}: the shards of layer {layer!r} do not fit each other"
                )
            return parts
        if layer not in self.layers:
            raise LayerNotFoundError(
                f"{self.path} has no layer {layer!r}; it has {listed(self.layers) or 'none'}"
            )
        if snapshot is None:
            raise LayerNotFoundError(
                f"{self.path} holds {layer!r} at {len(self.snapshots)} snapshots: choose one, as "
                f"in store[{layer!r}, {next(iter(self.snapshots))!r}]; it has "
                f"{listed(list(self.snapshots))}"
            )
        raise LayerNotFoundError(
            f"{self.path} has no snapshot {snapshot!r} of {layer!r}; it has "
            f"{listed(list(self.snapshots)) or 'none'}"
        )

    @cached_property
    def _lookup(self) -> tuple[np.ndarray, np.ndarray] | None:
        if self.labels is None or not len(self.samples):
            return None
        order = np.argsort(self.samples, kind="stable")
        return self.samples[order], self.labels[order]

    def _labels_of(self, sample: np.ndarray) -> np.ndarray | None:
        if self._lookup is None:
            return None
        ids, labels = self._lookup
        where = np.searchsorted(ids, sample)
        if len(sample) and (where.max() >= len(ids) or (ids[where] != sample).any()):
            raise StoreError(f"{self.path}: rows belong to inputs that /samples/id does not have")
        return labels[where]


def partial_of(path: Path) -> Path:
    """Return where an unfinished capture of a store is kept.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Path

    Examples
    --------
    >>> str(partial_of(Path("acts.h5")))
    'acts.h5.partial'
    """
    return path.with_name(path.name + ".partial")


def _open(path: Path, incomplete: bool) -> list[ShardFile]:
    if not path.exists():
        if partial_of(path).exists():
            raise IncompleteStoreError(
                f"there is no finished store at {path}, but an unfinished capture at "
                f"{partial_of(path)}: go on with resume=True, or `ppp-store recover {path}`"
            )
        raise StoreError(f"there is no store at {path}: check the path")
    if path.is_file():
        shards = [read_shard(path)]
    else:
        files = sorted(path.glob("*.h5"))
        if not files:
            raise StoreError(f"{path} is a folder without .h5 files, not a store")
        shards = sorted((read_shard(file) for file in files), key=lambda s: (s.shard, s.path.name))
    _check(path, shards, incomplete)
    return shards


def _check(path: Path, shards: list[ShardFile], incomplete: bool) -> None:
    strangers = {shard.store_id for shard in shards}
    if len(strangers) > 1:
        raise StoreError(f"{path} mixes files of {len(strangers)} stores: keep each in its folder")
    if incomplete:
        return
    if not all(shard.complete for shard in shards):
        rows = sum(layer.committed for shard in shards for layer in shard.layers.values())
        raise IncompleteStoreError(
            f"the capture of {path} did not end cleanly; {rows} rows in {len(shards)} file(s) were "
            "committed: open it with incomplete=True, or `ppp-store recover`"
        )
    wanted = shards[0].shards
    have = sorted(shard.shard for shard in shards)
    if have != list(range(wanted)):
        missing = [n for n in range(min(wanted, 10**6)) if n not in set(have)]
        raise StoreError(
            f"{path} must have shards 0 to {wanted - 1}, "
            f"{listed(list(map(str, missing))) or 'one of them'} missing or doubled: put it back, "
            "or open what is there with incomplete=True"
        )
