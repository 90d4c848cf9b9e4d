"""`hooks.Recorder`: one or several captures into one store."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import nn

from hooks.assembling import Assembler
from hooks.batches import Batch
from hooks.blocks import Block
from hooks.choosing import Layers
from hooks.errors import StoreError, listed
from hooks.files import locked
from hooks.fingerprints import batch_digest, compare, describe_data, is_shuffled, weights_digest
from hooks.jobs import Done, Job
from hooks.opening import partial_of
from hooks.resuming import Earlier
from hooks.settling import (
    check_replaceable,
    clear,
    discard,
    is_folder,
    is_recovered,
    prefix_of,
    settle,
    settle_shares,
    take_back,
)
from hooks.shardfile import read_shard
from hooks.shares import meet, share_of, shared_id
from hooks.streaming import prepare
from hooks.writer import Shelf, SnapshotWriter, mark_ended, plain_attributes


class Recorder:
    """Writes one or several captures into one store; a context manager.

    Everything is kept in ``PATH.partial`` until the block is left without an error, and then gets
    its name in one step. After an error or a kill, what was committed is still there.

    Parameters
    ----------
    path : str or Path
        ``NAME.h5``, or ``NAME.store`` for a folder of shards.
    provenance : mapping, optional
        Anything worth keeping beside the rows; written as JSON.
    overwrite : bool
        Replace a store, and discard an unfinished capture, of that name. A folder that holds
        anything else is left alone.
    resume : bool
        Go on with an unfinished capture, or with a recovered store: inputs that are there are left
        out, and the store becomes the one that an uninterrupted capture would have given.
    share : (int, int), optional
        Which of how many processes this is, each with its own inputs, writing one
        ``NAME.store``. Under `torch.distributed` it is the rank and the world's size by itself.

    Raises
    ------
    StoreError
        If there is a store, something else or an unfinished capture already, or another writer is
        at it.

    Examples
    --------
    >>> import tempfile, torch
    >>> from torch import nn
    >>> from hooks import ActivationStore
    >>> path = Path(tempfile.mkdtemp()) / "run.h5"
    >>> with Recorder(path) as recorder:
    ...     for epoch in (0, 1):
    ...         recorder.record(nn.Tanh(), [torch.randn(5, 3)], "", snapshot=f"epoch-{epoch}")
    >>> ActivationStore(path)["", "epoch-1"].shape
    (5, 3)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        provenance: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        resume: bool = False,
        share: tuple[int, int] | None = None,
    ) -> None:
        # wherever the process goes meanwhile
        self.path = Path(path).absolute()
        self.overwrite, self.resume = overwrite, resume
        self.share = share_of(share)
        if self.path.suffix not in (".h5", ".store"):
            raise StoreError(
                f"a store is called NAME.h5, or NAME.store for a folder of shards, got {self.path}"
            )
        if self.share[1] > 1 and not is_folder(self.path):
            raise StoreError(
                f"{self.share[1]} processes write a folder of shards: call it "
                f"{self.path.with_suffix('.store')}, got {self.path}"
            )
        if not self.path.parent.is_dir():
            raise StoreError(f"there is no folder {self.path.parent} to write {self.path.name} in")
        try:
            text = json.dumps(dict(provenance or {}))
        except (TypeError, ValueError) as problem:
            raise StoreError(
                f"provenance must be plain numbers, texts, lists and dicts: {problem}"
            ) from problem
        self._shelf = Shelf(
            partial_of(self.path), prefix_of(self.share[0]), "", text, self.share[1]
        )
        self._earlier = Earlier([])
        self._keys: set[tuple[str | None, str]] = set()
        self._open_passes = 0
        self._exit = ExitStack()

    def __enter__(self) -> Recorder:
        shelf = self._shelf
        there = self.path.exists() and not self.overwrite
        again = there and self.resume and self.share[1] == 1 and is_recovered(self.path)
        if there and not again:
            whole = " and is finished, nothing is left to go on with" if self.resume else ""
            raise StoreError(
                f"{self.path} exists{whole}: choose another path, or overwrite=True to replace it"
            )
        check_replaceable(self.path)
        shelf.folder.mkdir(exist_ok=True)
        self._exit.enter_context(locked(shelf.folder / f"{shelf.prefix}.lock"))
        try:
            if again:
                take_back(self.path, shelf.folder)
            self._take_over()
        except BaseException:
            self._exit.close()
            raise
        if self.share[1] > 1:
            # nobody may finish the store before everybody has begun
            meet()
        return self

    def _take_over(self) -> None:
        """Look at what an earlier recorder left: go on with it, discard it, or refuse."""
        shelf = self._shelf
        mine = "*" if self.share[1] == 1 else f"{shelf.prefix}*"
        left = sorted(p for p in shelf.folder.glob(mine) if p.suffix != ".lock")
        if left and not (self.overwrite or self.resume):
            raise StoreError(
                f"an unfinished capture is at {shelf.folder}: go on with resume=True, keep what "
                f"it has with `ppp-store recover {self.path}`, or discard it with overwrite=True"
            )
        for path in left:
            if not self.resume or path.suffix != ".h5":
                discard(path)
        if self.resume:
            shelf.files = [path for path in left if path.suffix == ".h5"]
            self._earlier = Earlier(shelf.files)
            shelf.take_in(self._earlier.shards)
        if self.share[1] > 1:
            shelf.store_id = shared_id(shelf.folder / "id")
        else:
            shelf.store_id = self._earlier.store_id or uuid.uuid4().hex

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
            elif not self._shelf.files and self.share[1] == 1:
                clear(self._shelf.folder)
            elif problem is not None:
                problem.add_note(
                    f"what was captured so far is at {self._shelf.folder}: go on with "
                    f"resume=True, or keep it with `ppp-store recover {self.path}`"
                )
        finally:
            self._exit.close()
        if kind is None and self.share[1] > 1:
            settle_shares(self._shelf.folder, self.path, self.share[1])
            meet()

    def _finish(self) -> None:
        shelf = self._shelf
        if not shelf.files:
            if self.share[1] == 1:
                clear(shelf.folder)
            raise StoreError(f"nothing was captured for {self.path}: record at least one layer")
        if self._open_passes:
            raise StoreError(
                f"a stream into {self.path} was left before its end, so the store is not complete: "
                f"what it has is at {shelf.folder}; go on with resume=True"
            )
        if shelf.inputs.partial:
            raise StoreError(
                f"some inputs of {self.path} have no {listed(shelf.inputs.partial)}, which others "
                f"have, so the store is not complete: what it has is at {shelf.folder}; record "
                "them with it too, resume=True, or begin anew with overwrite=True"
            )
        if self.share[1] > 1:
            (shelf.folder / f"{shelf.prefix}.ended").touch()
        else:
            settle(shelf.files, self.path)

    def record(
        self,
        model: nn.Module,
        loader: Iterable[Any],
        layers: Layers,
        *,
        snapshot: str | None = None,
        attrs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Capture some layers over a loader and write their rows.

        Parameters
        ----------
        model, loader, layers
            As `hooks.stream` takes them.
        snapshot : str, optional
            The snapshot's key: where a run is stored, each state of the network has its own.
        attrs : mapping, optional
            Of the snapshot: epoch, step, loss; numbers and texts.
        **options
            As `hooks.stream` takes them: inputs, labels, fields, rule, dtype, eval_mode,
            early_stop, progress.

        Raises
        ------
        HooksError
            As `hooks.stream`, and if the disk is full.
        """
        for _ in self.stream(model, loader, layers, snapshot=snapshot, attrs=attrs, **options):
            pass

    def stream(
        self,
        model: nn.Module,
        loader: Iterable[Any],
        layers: Layers,
        *,
        snapshot: str | None = None,
        attrs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Iterator[tuple[str, Block]]:
        """Capture as `record` does and give every block once it is written.

        Parameters
        ----------
        model, loader, layers, snapshot, attrs, **options
            As `record` takes them.

        Yields
        ------
        (str, Block)
            The blocks that `hooks.stream` gives; of a resumed capture, those that were missing.
        """
        job = prepare(model, loader, layers, **options)
        job.share = self.share
        self._claim(job, snapshot)
        done, written, inputs, ended = self._earlier.of(snapshot, [t.name for t in job.targets])
        writer = SnapshotWriter(
            self._shelf, job, snapshot, plain_attributes(attrs or {}), written, inputs
        )
        before = len(self._shelf.files)
        check = self._checker(job, snapshot, writer)
        self._open_passes += 1
        with writer:
            yield from _write(job, writer, done, check, ended)
        names = [target.name for target in job.targets]
        own = self._shelf.files[before:]
        self._shelf.take_in([read_shard(path) for path in own])
        mark_ended(self._earlier.files_of(snapshot, names) + own)
        self._open_passes -= 1

    def _claim(self, job: Job, snapshot: str | None) -> None:
        for target in job.targets:
            if (snapshot, target.name) in self._keys:
                at = "" if snapshot is None else f" at snapshot {snapshot!r}"
                raise StoreError(
                    f"layer {target.name!r}{at} is in this store already: record it once, or "
                    "under another snapshot="
                )
            self._keys.add((snapshot, target.name))

    def _checker(
        self, job: Job, snapshot: str | None, writer: SnapshotWriter
    ) -> Callable[[Batch], None]:
        """Return what to do with the first batch: make the fingerprint, compare it with the old."""
        weights = weights_digest(job.model)

        def check(batch: Batch) -> None:
            shuffled = is_shuffled(job.loader)
            data = describe_data(job.loader, None if shuffled else batch_digest(batch))
            self._shelf.check_fields(batch, data)
            for target in job.targets:
                writer.fingerprint[target.name] = {
                    "weights": weights,
                    "rule": job.rules[target.name].describe(),
                    "dtype": None if job.dtype is None else str(job.dtype),
                    "eval_mode": job.eval_mode,
                    "data": data,
                }
                stored = self._earlier.fingerprint(snapshot, target.name)
                if stored is not None:
                    compare(stored, writer.fingerprint[target.name], target.name)
            if shuffled and batch.ids is None and self._earlier.has(snapshot):
                raise StoreError(
                    f"{self.path} cannot be resumed from a shuffling loader: its inputs cannot be "
                    "told apart. Wrap the data set in hooks.indexed, or use shuffle=False"
                )

        return check


def _write(
    job: Job,
    writer: SnapshotWriter,
    done: Done,
    check: Callable[[Batch], None],
    ended: bool,
) -> Iterator[tuple[str, Block]]:
    assemblers = {target.name: Assembler(target.name) for target in job.targets}
    for step in job.steps(done, check, peek=ended):
        writer.put_step(step)
        for name, part in step.parts.items():
            for block in assemblers[name].append(*part):
                writer.put(name, block)
                yield name, block
    for name, assembler in assemblers.items():
        for block in assembler.finish():
            writer.put(name, block)
            yield name, block
