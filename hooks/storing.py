"""`hooks.record`: model and loader to a store, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hooks.choosing import Layers
from hooks.recording import Recorder
from hooks.store import ActivationStore


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
    resume: bool = False,
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
    overwrite, resume : bool
        As in `Recorder`.
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
    with Recorder(path, provenance=provenance, overwrite=overwrite, resume=resume) as recorder:
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
    return ActivationStore(recorder.path)
