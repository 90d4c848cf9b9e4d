"""`hooks.StoreLayer`: one layer of a store, read in the blocks it was captured in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hooks.blocks import Block
from hooks.errors import StoreError
from hooks.schema import LayerSpec, to_torch, torch_dtype
from hooks.segments import checksum

if TYPE_CHECKING:
    from hooks.store import ActivationStore


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
        from hooks.store import ActivationStore

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
    def spec(self) -> LayerSpec:
        """Return what the store says of the layer: module type, row rule, source dtype, columns.

        Returns
        -------
        LayerSpec
        """
        return self._parts[0].spec

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the capture: weights, row rule, dtype and data.

        Returns
        -------
        dict
        """
        found = json.loads(self._parts[0].spec.fingerprint)
        return found if isinstance(found, dict) else {}

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

    def block(self, index: int, labels: bool = True) -> Block:
        """Return one block.

        Parameters
        ----------
        index : int
            From 0 to one less than the number of blocks.
        labels : bool
            False leaves the labels out, which need the table of inputs.

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
        which = 0
        while index >= len(self._parts[which].offsets) - 1:
            index -= len(self._parts[which].offsets) - 1
            which += 1
        part = self._parts[which]
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
        label = self._store._labels_of(sample) if labels else None
        return Block(to_torch(rows, part.spec.dtype), sample, position, label)

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
            begin = int(self.block_offsets[index])
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
