"""One capture into files of a store: how much room, when to commit, when to begin a new file."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from hooks.blocks import BLOCK_ROWS, Block
from hooks.combining import field_dtype
from hooks.errors import StoreError
from hooks.rowrules import Rows
from hooks.schema import FilePlan, Key, LayerSpec, Room, dtype_name, stored_dtype
from hooks.segments import Segment, create
from hooks.streaming import Job, Step

#: Seconds between commits: what a kill can cost.
COMMIT_SECONDS = 2.0
#: Room, in bytes a layer, of the first file where the loader has no length.
FIRST_ROOM = 64 << 20
_RESERVED = ("order", "snapshot")


class Home(Protocol):
    """What a writer needs to know of its store."""

    store_id: str
    provenance: str


class SnapshotWriter:
    """Writes one pass over a loader; a context manager that leaves its file synced and closed.

    Parameters
    ----------
    folder : Path
        Where the files go.
    files : list of Path
        The store's files so far; new ones are added.
    home : Home
        The store's id and provenance.
    job : Job
    snapshot : str or None
    attrs : dict
        The snapshot's.
    """

    def __init__(
        self,
        folder: Path,
        files: list[Path],
        home: Home,
        job: Job,
        snapshot: str | None,
        attrs: Mapping[str, Any],
    ) -> None:
        self.folder, self.files, self.home, self.job = folder, files, home, job
        self.snapshot = snapshot
        self.attrs = {name: _plain(name, value) for name, value in attrs.items()}
        self.is_tight = False
        self._expected = expected_inputs(job.loader)
        self._inputs = 0
        self._written: dict[str, int] = {}
        self._first: dict[str, Rows] = {}
        self._segment: Segment | None = None
        self._committed_at = time.monotonic()

    def __enter__(self) -> SnapshotWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._segment is None:
            return
        try:
            # once a write has failed, no more than what was committed before is promised
            if not isinstance(problem, StoreError):
                self._segment.commit()
        finally:
            self._segment.close()
        self.is_tight = len(self.files) == 1 and self._segment.is_full

    def put_step(self, step: Step) -> None:
        """Write the ids and fields of one batch's inputs.

        Parameters
        ----------
        step : Step
        """
        if not self._first:
            self._first = step.rows
            self._written = dict.fromkeys(step.rows, 0)
        fields = {
            name: np.char.encode(values, "utf-8") if values.dtype.kind == "U" else values
            for name, values in step.fields.items()
        }
        if self._segment is None or not self._segment.has_sample_room(len(step.ids), fields):
            types = {name: field_dtype(values, spare=2) for name, values in fields.items()}
            self._begin(types, samples=len(step.ids))
        self._open.put_samples(step.ids, fields)
        self._inputs += len(step.ids)

    def put(self, layer: str, block: Block) -> None:
        """Write one block.

        Parameters
        ----------
        layer : str
        block : Block
        """
        key = (self.snapshot, layer)
        if not self._open.has_room(key, block):
            self._begin(self._open.plan.fields, rows={layer: len(block)})
        self._open.put(key, block)
        self._written[layer] += len(block)
        if time.monotonic() - self._committed_at >= COMMIT_SECONDS:
            self._open.commit()
            self._committed_at = time.monotonic()

    @property
    def _open(self) -> Segment:
        if self._segment is None:
            raise StoreError("nothing was begun: put a step before its blocks")
        return self._segment

    def _begin(
        self,
        fields: dict[str, np.dtype[Any]],
        samples: int = 0,
        rows: Mapping[str, int] | None = None,
    ) -> None:
        """Begin a new file: the first one, or the next where the room was misjudged."""
        if self._segment is not None:
            self._segment.commit()
            self._segment.close()
        layers: dict[Key, tuple[LayerSpec, Room]] = {}
        for target in self.job.targets:
            found = self._first[target.name]
            spec = LayerSpec(
                target.name,
                type(target.module).__name__,
                json.dumps(self.job.rules[target.name].describe()),
                dtype_name(self.job.source_dtypes[target.name]),
                dtype_name(found.rows.dtype),
                found.rows.shape[1],
                found.columns,
            )
            room = self._room(target.name, spec, (rows or {}).get(target.name, 0))
            layers[self.snapshot, target.name] = spec, room
        left = 0 if self._expected is None else self._expected - self._inputs
        unknown = self._expected is None or left < samples
        plan = FilePlan(
            self.home.store_id,
            layers,
            self._snapshots(),
            max(samples, 1 << 16, self._inputs) if unknown else left,
            fields,
            self.home.provenance,
        )
        path = self.folder / f"{len(self.files):06d}.h5"
        create(path, plan)
        self.files.append(path)
        self._segment = Segment(path, plan)

    def _snapshots(self) -> dict[str, dict[str, Any]]:
        if self.snapshot is None:
            return {}
        return {self.snapshot: {**self.attrs, "order": np.int64(len(self.files))}}

    def _room(self, layer: str, spec: LayerSpec, needed: int) -> Room:
        counts = self._first[layer].counts
        written = self._written[layer]
        if self._expected is not None:
            total = math.ceil(counts.sum() * self._expected / len(counts))
            if (counts == counts[0]).all() and total - written >= max(needed, 1):
                return Room(total - written, _blocks(total - written, int(counts[0])))
            total = int(total * 1.05) + 2 * BLOCK_ROWS
            if total - written >= needed:
                return _loose(total - written)
        row = spec.width * stored_dtype(spec.dtype).itemsize
        return _loose(max(needed, FIRST_ROOM // row, BLOCK_ROWS, written))


def _blocks(rows: int, each: int) -> int:
    """Return how many blocks inputs of `each` rows make."""
    return math.ceil(rows / (max(1, BLOCK_ROWS // each) * each))


def _loose(rows: int) -> Room:
    # two neighbouring blocks always hold more than BLOCK_ROWS rows
    return Room(rows, 2 * math.ceil(rows / BLOCK_ROWS) + 2)


def _plain(name: str, value: Any) -> Any:
    """Return a snapshot's attribute as something that HDF5 holds in place."""
    if name in _RESERVED:
        raise StoreError(f"a snapshot's attribute must not be called {name!r}: rename it")
    if isinstance(value, bool | int | float | np.generic):
        return np.asarray(value)[()]
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except TypeError as problem:
        raise StoreError(
            f"a snapshot's attributes must be numbers, texts, lists or dicts, {name!r} is "
            f"{type(value).__name__}"
        ) from problem


def expected_inputs(loader: Any) -> int | None:
    """Return how many inputs a loader will give, or None where it does not say.

    Parameters
    ----------
    loader : iterable

    Returns
    -------
    int or None

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> expected_inputs(DataLoader(range(10), batch_size=4, drop_last=True))
    8
    """
    try:
        batches = len(loader)
        sampler = getattr(loader, "sampler", None)
        size = getattr(loader, "batch_size", None)
        if sampler is None or size is None:
            return None
        inputs = len(sampler)
    except TypeError:
        return None
    return min(inputs, batches * size) if getattr(loader, "drop_last", False) else inputs
