"""One file of a store that rows are written to, each straight to its place.

HDF5's own structures were written when the file was created (`hooks.creating`) and are not touched
while rows arrive; `committed` says how many are valid. There is no moment at which a crash could
leave a file that cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import xxhash

from hooks.blocks import Block
from hooks.files import open_h5, sync, write_at
from hooks.schema import FilePlan, Key, layer_path, to_numpy
from hooks.sealing import sample_digests


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
        stored = {
            name: np.ascontiguousarray(fields[name], d) for name, d in self.plan.fields.items()
        }
        own = {"id": np.ascontiguousarray(ids, "<i8"), "checksum": sample_digests(ids, stored)}
        for name, values in {**stored, **own}.items():
            self._write(f"/samples/{name}", values, self.samples)
        self.samples += len(ids)

    def commit(self) -> None:
        """Make everything that was written count: the data first, then the counters."""
        # inputs first: no row may count whose input does not
        counters = {"/samples/committed": self.samples}
        counters |= {f"{layer_path(key)}/committed": n for key, n in self.rows.items()}
        changed = {k: n for k, n in counters.items() if self._committed.get(k, 0) != n}
        if not changed:
            return
        sync(self._descriptor, self.path)
        for where, number in changed.items():
            self._write(where, np.array([number], "<i8"), 0)
        self._committed = counters

    def close(self) -> None:
        """Sync and close the file."""
        if self._descriptor >= 0:
            try:
                sync(self._descriptor, self.path)
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
