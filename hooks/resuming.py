"""What an interrupted capture has committed, and so need not be done again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hooks.errors import StoreError
from hooks.idsets import IdSet
from hooks.jobs import Done
from hooks.sealing import check_samples
from hooks.shardfile import ShardFile, read_shard


class Earlier:
    """The files that an interrupted recorder left.

    Parameters
    ----------
    files : sequence of Path
    """

    def __init__(self, files: Sequence[Path]) -> None:
        #: What each of them says of itself.
        self.shards = [read_shard(path) for path in files]
        for shard in self.shards:
            check_samples(shard)

    @property
    def store_id(self) -> str | None:
        """Return the store's id, if there is a file.

        Returns
        -------
        str or None
        """
        return self.shards[0].store_id if self.shards else None

    def _of(self, snapshot: str | None) -> list[ShardFile]:
        return [s for s in self.shards if any(key[0] == snapshot for key in s.layers)]

    def has(self, snapshot: str | None) -> bool:
        """Return whether a snapshot was begun.

        Parameters
        ----------
        snapshot : str or None

        Returns
        -------
        bool
        """
        return bool(self._of(snapshot))

    def files_of(self, snapshot: str | None, layers: Sequence[str]) -> list[Path]:
        """Return the files that hold some layers at a snapshot.

        Parameters
        ----------
        snapshot : str or None
        layers : sequence of str

        Returns
        -------
        list of Path
        """
        wanted = {(snapshot, name) for name in layers}
        return [shard.path for shard in self.shards if wanted & set(shard.layers)]

    def of(
        self, snapshot: str | None, layers: Sequence[str]
    ) -> tuple[Done, dict[str, int], int, bool]:
        """Return what there is of a capture.

        Parameters
        ----------
        snapshot : str or None
        layers : sequence of str

        Returns
        -------
        Done
            The inputs to leave out.
        dict of str to int
            Rows by layer.
        int
            Inputs in the sample table.
        bool
            Whether the capture had ended.

        Raises
        ------
        StoreError
            If it was of further layers, which would stay unfinished.
        """
        done, rows, inputs, ended = Done(), dict.fromkeys(layers, 0), 0, False
        for shard in self._of(snapshot):
            mine = [name for name in layers if (snapshot, name) in shard.layers]
            if not mine:
                continue
            theirs = [name for _, name in shard.layers]
            if set(theirs) - set(mine):
                raise StoreError(
                    f"{shard.path.parent} cannot be resumed with other layers: {theirs} then, "
                    f"{list(layers)} now. Make them the same, or begin anew with overwrite=True"
                )
            ended = shard.complete
            done.samples.add(shard.samples)
            inputs += len(shard.samples)
            for name in mine:
                layer = shard.layers[snapshot, name]
                done.layers.setdefault(name, IdSet()).add(
                    layer.arrays["sample"].read(0, layer.committed)
                )
                rows[name] += layer.committed
        return done, rows, inputs, ended

    def fingerprint(self, snapshot: str | None, layer: str) -> dict[str, Any] | None:
        """Return the fingerprint of a layer's capture, if it was begun.

        Parameters
        ----------
        snapshot : str or None
        layer : str

        Returns
        -------
        dict or None
        """
        for shard in self.shards:
            if (snapshot, layer) in shard.layers:
                found = json.loads(shard.layers[snapshot, layer].spec.fingerprint)
                return found if isinstance(found, dict) else {}
        return None
