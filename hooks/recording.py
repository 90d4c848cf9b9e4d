"""`hooks.record` and `hooks.Recorder`: model and loader to a store, or several snapshots to one."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import nn

from hooks.assembling import Assembler
from hooks.blocks import Block
from hooks.choosing import Layers
from hooks.combining import clear, settle
from hooks.errors import StoreError
from hooks.files import locked
from hooks.opening import partial_of
from hooks.store import ActivationStore
from hooks.streaming import prepare
from hooks.writer import SnapshotWriter


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
        Replace a store, and discard an unfinished capture, of that name.

    Raises
    ------
    StoreError
        If there is a store or an unfinished capture already, or another writer is at it.

    Examples
    --------
    >>> import tempfile
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
    ) -> None:
        self.path = Path(path)
        self.folder = partial_of(self.path)
        if self.path.suffix not in (".h5", ".store"):
            raise StoreError(
                f"a store is called NAME.h5, or NAME.store for a folder of shards, got {self.path}"
            )
        if not self.path.parent.is_dir():
            raise StoreError(f"there is no folder {self.path.parent} to write {self.path.name} in")
        try:
            self.provenance = json.dumps(dict(provenance or {}))
        except (TypeError, ValueError) as problem:
            raise StoreError(
                f"provenance must be plain numbers, texts, lists and dicts: {problem}"
            ) from problem
        self.overwrite = overwrite
        self.store_id = uuid.uuid4().hex
        self._files: list[Path] = []
        self._tight = False
        self._keys: set[tuple[str | None, str]] = set()
        self._exit = ExitStack()

    def __enter__(self) -> Recorder:
        if self.path.exists() and not self.overwrite:
            raise StoreError(
                f"{self.path} exists: choose another path, or overwrite=True to replace it"
            )
        self.folder.mkdir(exist_ok=True)
        self._exit.enter_context(locked(self.folder / "lock"))
        left = [path for path in self.folder.iterdir() if path.name != "lock"]
        if left and not self.overwrite:
            self._exit.close()
            raise StoreError(
                f"an unfinished capture is at {self.folder}: keep what it has with `ppp-store "
                f"recover {self.path}`, or discard it with overwrite=True"
            )
        for path in left:
            path.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
            elif not self._files:
                clear(self.folder)
            elif problem is not None:
                problem.add_note(
                    f"what was captured so far is at {self.folder}: keep it with "
                    f"`ppp-store recover {self.path}`"
                )
        finally:
            self._exit.close()

    def _finish(self) -> None:
        if not self._files:
            clear(self.folder)
            raise StoreError(f"nothing was captured for {self.path}: record at least one layer")
        if self.path.exists() and self.overwrite and self.path.is_dir():
            shutil.rmtree(self.path)
        settle(self._files, self.path, self._tight)

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
            The blocks that `hooks.stream` gives.
        """
        job = prepare(model, loader, layers, **options)
        for target in job.targets:
            if (snapshot, target.name) in self._keys:
                at = "" if snapshot is None else f" at snapshot {snapshot!r}"
                raise StoreError(
                    f"layer {target.name!r}{at} is in this store already: record it once, or "
                    "under another snapshot="
                )
        writer = SnapshotWriter(self.folder, self._files, self, job, snapshot, dict(attrs or {}))
        assemblers = {target.name: Assembler(target.name) for target in job.targets}
        with writer:
            for step in job.steps():
                writer.put_step(step)
                for name, found in step.rows.items():
                    label = step.fields.get("label")
                    for block in assemblers[name].append(found, step.ids, label):
                        writer.put(name, block)
                        yield name, block
            for name, assembler in assemblers.items():
                for block in assembler.finish():
                    writer.put(name, block)
                    yield name, block
        self._keys |= {(snapshot, target.name) for target in job.targets}
        self._tight = writer.is_tight


def record(
    model: nn.Module,
    loader: Iterable[Any],
    layers: Layers,
    path: str | Path,
    *,
    labels: Any = True,
    dtype: torch.dtype | str | None = None,
    snapshot: str | None = None,
    attrs: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **options: Any,
) -> ActivationStore:
    """Run a loader through a model and keep some layers' activations in a store.

    Parameters
    ----------
    model : torch.nn.Module
        Run in eval mode without gradients, and left as it was.
    loader : iterable of batches
    layers : see `hooks.select`
    path : str or Path
        ``NAME.h5``, or ``NAME.store`` for a folder of shards. Nothing is there until all of it is.
    labels : bool, int, str or callable
        As in `hooks.stream`.
    dtype : torch.dtype or str, optional
        What to convert rows to; by default they stay as the module gives them.
    snapshot : str, optional
        The snapshot's key, with its attributes in `attrs`.
    attrs : mapping, optional
    provenance : mapping, optional
        Anything worth keeping beside the rows; written as JSON.
    overwrite : bool
        Replace a store of that name.
    progress : bool
        Show a progress bar.
    **options
        As in `hooks.stream`: inputs, fields, rule, eval_mode, early_stop.

    Returns
    -------
    ActivationStore
        The finished store.

    Raises
    ------
    LayerNotFoundError, OutputError, CaptureError
        As `hooks.stream`.
    StoreError
        If a store is there already, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "acts.h5"
    >>> batches = [(torch.randn(5, 4), torch.arange(5))]
    >>> store = record(nn.Linear(4, 3), batches, "", path, progress=False)
    >>> store[""].label
    array([0, 1, 2, 3, 4])
    """
    with Recorder(path, provenance=provenance, overwrite=overwrite) as recorder:
        recorder.record(
            model,
            loader,
            layers,
            snapshot=snapshot,
            attrs=attrs,
            labels=labels,
            dtype=dtype,
            progress=progress,
            **options,
        )
    return ActivationStore(path)
