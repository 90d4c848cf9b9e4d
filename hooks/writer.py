"""One capture into files of a store: how much room, when to commit, when to begin a new file."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from hooks.batches import Batch
from hooks.blocks import BLOCK_ROWS, Block
from hooks.combining import field_dtype
from hooks.creating import create, mark_complete
from hooks.errors import CaptureError, StoreError
from hooks.estimates import expected_inputs, loose_room, room_for, row_bytes
from hooks.files import free_bytes
from hooks.inputtable import Inputs, InputTable
from hooks.jobs import Job, Part, Step
from hooks.schema import FilePlan, Key, LayerSpec, Room, dtype_name
from hooks.segments import Segment
from hooks.shardfile import ShardFile

#: Seconds between commits: what a kill can cost.
COMMIT_SECONDS = 2.0
#: Room, in bytes a layer, of a file where the loader has no length.
FIRST_ROOM = 64 << 20
_KINDS = {"i": "whole numbers", "f": "numbers", "S": "texts"}


@dataclass
class Shelf:
    """Where a recorder's files stand.

    Parameters
    ----------
    folder : Path
    prefix : str
        Of this process's files.
    store_id, provenance : str
    writers : int
        How many processes write the store.
    files : list of Path
        This process's files so far.
    inputs : InputTable
        What the passes so far said of their inputs: 8 bytes an input, and 16 for each field.
    data : set of str
        What identifies their data, as JSON.
    """

    folder: Path
    prefix: str
    store_id: str
    provenance: str
    writers: int = 1
    files: list[Path] = field(default_factory=list)
    inputs: InputTable = field(default_factory=lambda: InputTable([]))
    data: set[str] = field(default_factory=set)

    def take_in(self, shards: Sequence[ShardFile]) -> None:
        """Remember what a pass said of its inputs, for the next ones to be compared with.

        Parameters
        ----------
        shards : sequence of ShardFile

        Raises
        ------
        StoreError
            If it says something else than the passes before.
        """
        self.inputs = self.inputs.joined([shard.inputs for shard in shards])
        prints = [json.loads(x.spec.fingerprint) for s in shards for x in s.layers.values()]
        self.data |= {json.dumps(found["data"]) for found in prints if "data" in found}

    def check_fields(self, batch: Batch, data: Mapping[str, Any]) -> None:
        """Refuse a pass with other fields than those before it, unless it has the same inputs.

        Parameters
        ----------
        batch : Batch
            Its first.
        data : mapping
            What identifies its data.

        Raises
        ------
        StoreError
        """
        names, earlier = set(batch.fields), self.inputs.names
        same = data["first batch"] is not None and self.data == {json.dumps(data)}
        if len(self.inputs.ids) and names != earlier and batch.ids is None and not same:
            raise StoreError(
                f"this pass gives the fields {sorted(names)}, the store has {sorted(earlier)}, and "
                "nothing shows that their inputs are the same: give the same labels= and fields= "
                "each time, wrap the data set in hooks.indexed, or write another store"
            )

    def next_path(self) -> Path:
        """Return the name of the next file.

        Returns
        -------
        Path
        """
        return self.folder / f"{self.prefix}-{len(self.files):06d}.h5"


class SnapshotWriter:
    """Writes one pass over a loader; a context manager that leaves its files synced and closed.

    Parameters
    ----------
    shelf : Shelf
    job : Job
    snapshot : str or None
    attrs : dict
        The snapshot's, as plain values.
    written : dict of str to int
        Rows that earlier files hold, by layer, where an interrupted capture goes on.
    inputs : int
        Inputs that they hold.
    """

    def __init__(
        self,
        shelf: Shelf,
        job: Job,
        snapshot: str | None,
        attrs: Mapping[str, Any],
        written: Mapping[str, int],
        inputs: int,
    ) -> None:
        self.shelf, self.job, self.snapshot, self.attrs = shelf, job, snapshot, attrs
        self.fingerprint: dict[str, dict[str, Any]] = {}
        self._written = {target.name: written.get(target.name, 0) for target in job.targets}
        self._inputs = inputs
        self._first: dict[str, Part] = {}
        self._expected: tuple[int | None, bool] = (None, False)
        self._segment: Segment | None = None
        self._kinds: dict[str, str] | None = None
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

    def put_step(self, step: Step) -> None:
        """Write the ids and fields of one batch's inputs.

        Parameters
        ----------
        step : Step
        """
        if not self._first:
            self._first = step.parts
            size = max(len(part.ids) for part in step.parts.values())
            self._expected = expected_inputs(self.job.loader, size)
        fields = {
            name: np.char.encode(values, "utf-8") if values.dtype.kind == "U" else values
            for name, values in step.fields.items()
        }
        self._check_fields(fields)
        self.shelf.inputs.check(Inputs("this pass", step.ids, step.fields))
        if self._segment is None or not self._segment.has_sample_room(len(step.ids), fields):
            types = {name: field_dtype(values, spare=2) for name, values in fields.items()}
            self._begin(types, len(step.ids), {})
        self._open.put_samples(step.ids, fields)
        self._inputs += len(step.ids)

    def _check_fields(self, fields: Mapping[str, np.ndarray]) -> None:
        """Refuse fields that change: numbers must not be cut to an earlier batch's type."""
        kinds = {name: _KINDS[values.dtype.kind] for name, values in sorted(fields.items())}
        if self._kinds is None:
            self._kinds = kinds
        if kinds != self._kinds:
            raise CaptureError(
                f"every batch must give the same fields, each of one type, got {self._kinds} and "
                f"then {kinds}: convert them with labels= or fields="
            )

    def put(self, layer: str, block: Block) -> None:
        """Write one block.

        Parameters
        ----------
        layer : str
        block : Block
        """
        key = (self.snapshot, layer)
        if not self._open.has_room(key, block):
            self._begin(self._open.plan.fields, 0, {layer: len(block)})
        self._open.put(key, block)
        self._written[layer] += len(block)
        if time.monotonic() - self._committed_at >= COMMIT_SECONDS:
            self._open.commit()
            self._committed_at = time.monotonic()

    @property
    def _open(self) -> Segment:
        if self._segment is None:
            raise StoreError("blocks must follow a step: call put_step first")
        return self._segment

    def _begin(
        self, fields: dict[str, np.dtype[Any]], samples: int, needed: Mapping[str, int]
    ) -> None:
        """Begin a file: the first one, or the next where the room was misjudged."""
        first = self._segment is None
        if self._segment is not None:
            self._segment.commit()
            self._segment.close()
        layers: dict[Key, tuple[LayerSpec, Room]] = {}
        for target in self.job.targets:
            room = self._room(target.name, needed.get(target.name, 0))
            layers[self.snapshot, target.name] = self._spec(target.name), room
        if first:
            self._check_disk(layers)
        path = self.shelf.next_path()
        plan = FilePlan(
            self.shelf.store_id,
            layers,
            self._snapshots(),
            self._sample_room(samples),
            fields,
            self.shelf.provenance,
            writers=self.shelf.writers,
        )
        create(path, plan)
        self.shelf.files.append(path)
        self._segment = Segment(path, plan)

    def _spec(self, layer: str) -> LayerSpec:
        found = self._first[layer].rows
        module = next(t.module for t in self.job.targets if t.name == layer)
        return LayerSpec(
            layer,
            type(module).__name__,
            json.dumps(self.job.rules[layer].describe()),
            dtype_name(self.job.source_dtypes[layer]),
            dtype_name(found.rows.dtype),
            found.rows.shape[1],
            found.columns,
            json.dumps(self.fingerprint.get(layer, {})),
        )

    def _snapshots(self) -> dict[str, dict[str, Any]]:
        if self.snapshot is None:
            return {}
        return {self.snapshot: {**self.attrs, "order": np.int64(len(self.shelf.files))}}

    def _sample_room(self, needed: int) -> int:
        total, certain = self._expected
        left = 0 if total is None else total - self._inputs
        if certain and left >= needed:
            return left
        return max(needed, 1 << 16, self._inputs, left)

    def _room(self, layer: str, needed: int) -> Room:
        part, written = self._first[layer], self._written[layer]
        room, _ = room_for(part.rows.counts, *self._expected, written)
        if room is not None and room.rows >= needed:
            return room
        return loose_room(max(needed, FIRST_ROOM // row_bytes(part), BLOCK_ROWS, written))

    def _check_disk(self, layers: Mapping[Key, tuple[LayerSpec, Room]]) -> None:
        """Refuse to start what cannot end."""
        if self._expected[0] is None:
            return
        needed = sum(
            room.rows * row_bytes(self._first[name]) for (_, name), (_, room) in layers.items()
        )
        free = free_bytes(self.shelf.folder)
        if needed > free:
            raise StoreError(
                f"the capture needs {needed / 1e9:.3f} GB but the disk of {self.shelf.folder} has "
                f"{free / 1e9:.3f} GB free: capture fewer layers or rows (RowRule(subsample=...)), "
                "a smaller dtype, or write to another disk"
            )


def mark_ended(files: list[Path]) -> None:
    """Mark files as holding a capture that ended.

    Parameters
    ----------
    files : list of Path
    """
    for path in files:
        mark_complete(path)


def plain_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a snapshot's attributes as what HDF5 holds in place.

    Parameters
    ----------
    attrs : mapping of str to number, text, list or dict

    Returns
    -------
    dict
        Lists and dicts as JSON.

    Raises
    ------
    StoreError
        If one is something else, or has a name that the store uses itself.

    Examples
    --------
    >>> plain_attributes({"epoch": 4, "losses": [1, 2]})
    {'epoch': np.int64(4), 'losses': '[1, 2]'}
    """
    return {name: _plain(name, value) for name, value in attrs.items()}


def _plain(name: str, value: Any) -> Any:
    if name in ("order", "snapshot"):
        raise StoreError(f"a snapshot's attribute must not be called {name!r}: rename it")
    if isinstance(value, bool | int | float | np.number | np.bool_):
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
