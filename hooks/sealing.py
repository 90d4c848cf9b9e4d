"""Digests over what the blocks' checksums do not cover: inputs with their fields, and a whole file.

A block's checksum tells that its rows are what was written, not that a file still has all its
blocks, nor that its attributes and labels are as they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from hooks.errors import StoreError
from hooks.schema import layer_path

if TYPE_CHECKING:
    from hooks.shardfile import ShardFile


def sample_digests(ids: np.ndarray, fields: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a digest of each input's id and fields.

    Parameters
    ----------
    ids : (S,) int64 array
    fields : mapping of str to (S,) array
        As they are stored; taken in the order of their names.

    Returns
    -------
    (S,) uint64 array

    Examples
    --------
    >>> a = sample_digests(np.arange(3), {"label": np.array([1, 1, 2])})
    >>> b = sample_digests(np.arange(3), {"label": np.array([1, 0, 2])})
    >>> a == b
    array([ True, False,  True])
    """
    if not len(ids):
        return np.zeros(0, "<u8")
    columns = [np.ascontiguousarray(ids, "<i8"), *(fields[name] for name in sorted(fields))]
    table = np.hstack(
        [np.ascontiguousarray(c).view(np.uint8).reshape(len(ids), -1) for c in columns]
    )
    data, width = table.tobytes(), table.shape[1]
    digests = [xxhash.xxh3_64_intdigest(data[i : i + width]) for i in range(0, len(data), width)]
    return np.array(digests, "<u8")


def check_samples(shard: ShardFile) -> None:
    """Raise if a file's inputs and fields are not what was written.

    Parameters
    ----------
    shard : ShardFile
        A file that was written without these digests is taken as it is.

    Raises
    ------
    StoreError
    """
    if shard.digests is None:
        return
    different = sample_digests(shard.samples, shard.raw_fields) != shard.digests
    if different.any():
        raise StoreError(
            f"{shard.path}: {int(different.sum())} inputs in /samples, the first at "
            f"{int(different.argmax())}, are not what was written (checksum): the file is "
            "damaged, capture it again"
        )


def seal_of(shard: ShardFile) -> int:
    """Return a digest of everything that a finished file says of itself.

    Parameters
    ----------
    shard : ShardFile

    Returns
    -------
    int
        Of attributes, counters and the places of the blocks: whatever no other checksum covers.
    """
    digest = xxhash.xxh3_64()
    _add(digest, [shard.store_id, shard.provenance, shard.fingerprint])
    _add(digest, [[name, repr(attrs)] for name, attrs in shard.snapshots.items()])
    types = sorted((name, values.dtype.str) for name, values in shard.raw_fields.items())
    _add(digest, [len(shard.samples), types])
    for key in sorted(shard.layers, key=layer_path):
        layer = shard.layers[key]
        _add(digest, [layer_path(key), asdict(layer.spec), layer.offsets.tolist()])
    # 0 stands for a file without a seal
    return int(digest.intdigest()) or 1


def _add(digest: Any, value: Any) -> None:
    digest.update(json.dumps(value, sort_keys=True).encode(errors="surrogatepass"))


def check_seal(shard: ShardFile) -> None:
    """Raise if a finished file no longer says of itself what it said when it was finished.

    Parameters
    ----------
    shard : ShardFile
        A file without a seal is taken as it is.

    Raises
    ------
    StoreError
    """
    if shard.complete and shard.seal and shard.seal != seal_of(shard):
        raise StoreError(
            f"{shard.path}: its attributes, counters or block offsets are not what was written "
            "(seal): the file is damaged, capture it again"
        )
