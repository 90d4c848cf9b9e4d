"""`hooks.ActivationStore`: a stored capture, read as the live one was."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hooks.errors import LayerNotFoundError, StoreError, listed
from hooks.inputtable import InputTable
from hooks.opening import check_complete, open_shards
from hooks.schema import natural_order
from hooks.sealing import check_samples
from hooks.shardfile import StoredLayer
from hooks.storelayer import StoreLayer


class ActivationStore:
    """A stored capture: one ``NAME.h5``, or a folder ``NAME.store`` of shards read as one.

    Parameters
    ----------
    path : str or Path
        Its files are opened when they are read; one that was replaced, changed or moved meanwhile
        is refused.
    incomplete : bool
        Open a store whose capture did not end cleanly and read what was committed.
    check : bool
        Compare each block, and the inputs with their fields, with their checksums when read.

    Raises
    ------
    StoreError
        If there is no store, it is damaged, or a shard is missing.
    IncompleteStoreError
        If its capture did not end cleanly and `incomplete` does not ask for it.

    Examples
    --------
    >>> import tempfile, torch, hooks
    >>> from torch import nn
    >>> path = Path(tempfile.mkdtemp()) / "acts.h5"
    >>> store = hooks.record(nn.Tanh(), [torch.zeros(5, 3)], "", path, progress=False)
    >>> store[""].shape
    (5, 3)
    """

    def __init__(self, path: str | Path, *, incomplete: bool = False, check: bool = True) -> None:
        # wherever the process goes later
        self.path = Path(path).absolute()
        self.incomplete = incomplete
        self.check = check
        self._shards = open_shards(self.path, incomplete)

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
    def store_id(self) -> str:
        """Return the id that the store's files share.

        Returns
        -------
        str
        """
        return self._shards[0].store_id

    @property
    def provenance(self) -> dict[str, Any]:
        """Return what the writer said of where the rows come from.

        Returns
        -------
        dict
        """
        return self._shards[0].provenance

    @cached_property
    def layers(self) -> list[str]:
        """Return the names of the layers, numbers in their order: ``2`` before ``10``.

        Returns
        -------
        list of str
        """
        return sorted({name for _, name in self.keys}, key=natural_order)

    @cached_property
    def keys(self) -> list[tuple[str | None, str]]:
        """Return every (snapshot, layer) that the store holds; snapshot is None without one.

        Returns
        -------
        list of (str or None, str)
            Snapshots in the order of capture, the layers of each as in `layers`.
        """
        place: dict[str | None, int] = {name: at for at, name in enumerate(self.snapshots)}
        place[None] = -1
        found = {key for shard in self._shards for key in shard.layers}
        return sorted(found, key=lambda key: (place[key[0]], natural_order(key[1])))

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
    def _table(self) -> InputTable:
        if self.check:
            self.check_samples()
        return InputTable([shard.inputs for shard in self._shards])

    @property
    def samples(self) -> np.ndarray:
        """Return the inputs' ids.

        Returns
        -------
        (S,) int64 array
        """
        return self._table.ids

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """Return the per-input fields that every input has, in the order of `samples`.

        Returns
        -------
        dict of str to (S,) array

        Raises
        ------
        StoreError
            If two captures say different things of one input.
        """
        return self._table.fields

    @property
    def labels(self) -> np.ndarray | None:
        """Return the inputs' labels, in the order of `samples`.

        Returns
        -------
        (S,) array or None
        """
        return self.fields.get("label")

    def check_samples(self) -> None:
        """Raise if the inputs with their fields are not what was written.

        Raises
        ------
        StoreError
        """
        for shard in self._shards:
            check_samples(shard)

    def check_shards(self) -> None:
        """Raise if a shard of a finished store is missing.

        Raises
        ------
        StoreError
        """
        if self.complete and self._shards[0].shards:
            check_complete(self.path, self._shards)

    def __getitem__(self, key: str | tuple[str, str | None]) -> StoreLayer:
        layer, snapshot = self._resolve(key)
        found = object.__new__(StoreLayer)
        found._bind(self, layer, snapshot)
        return found

    def __contains__(self, key: object) -> bool:
        layer, snapshot = self._resolve(key)
        return (snapshot, layer) in self.keys

    def _resolve(self, key: Any) -> tuple[Any, Any]:
        """Return layer and snapshot; the only snapshot of a layer need not be named."""
        layer, snapshot = key if isinstance(key, tuple) else (key, None)
        at = [snapshot for snapshot, name in self.keys if name == layer]
        return layer, at[0] if snapshot is None and len(at) == 1 else snapshot

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

    def _labels_of(self, sample: np.ndarray) -> np.ndarray | None:
        if not len(self.samples) or not self._table.has("label"):
            return None
        try:
            return self._table.values("label", sample)
        except KeyError as problem:
            raise StoreError(
                f"{self.path}: rows belong to input {problem}, which /samples/id does not have"
            ) from problem
