"""Opening a store: which files it is made of, and whether they are all there and finished."""

from __future__ import annotations

from pathlib import Path

from hooks.errors import IncompleteStoreError, StoreError, listed
from hooks.shardfile import ShardFile, read_shard


def partial_of(path: Path) -> Path:
    """Return where an unfinished capture of a store is kept.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Path

    Examples
    --------
    >>> str(partial_of(Path("acts.h5")))
    'acts.h5.partial'
    """
    return path.with_name(path.name + ".partial")


def open_shards(path: Path, incomplete: bool) -> list[ShardFile]:
    """Read the files of a store and check that they are one, whole and complete.

    Parameters
    ----------
    path : Path
    incomplete : bool
        Take what there is.

    Returns
    -------
    list of ShardFile
        In the order of the shards.

    Raises
    ------
    StoreError, IncompleteStoreError
    """
    if not path.exists():
        if partial_of(path).exists():
            raise IncompleteStoreError(
                f"there is no finished store at {path}, but an unfinished capture at "
                f"{partial_of(path)}: go on with resume=True, or `ppp-store recover {path}`"
            )
        raise StoreError(f"there is no store at {path}: check the path")
    if path.is_file():
        shards = [read_shard(path)]
    else:
        files = sorted(path.glob("*.h5"))
        if not files:
            raise StoreError(f"{path} is a folder without .h5 files, not a store")
        shards = [read_shard(file) for file in files]
        # while a capture is being finished, some files have their number and some not yet
        if all(shard.shards for shard in shards):
            shards.sort(key=lambda shard: shard.shard)
    _check(path, shards, incomplete)
    return shards


def _check(path: Path, shards: list[ShardFile], incomplete: bool) -> None:
    strangers = {shard.store_id for shard in shards}
    if len(strangers) > 1:
        raise StoreError(f"{path} mixes files of {len(strangers)} stores: keep each in its folder")
    if not incomplete:
        check_complete(path, shards)


def check_complete(path: Path, shards: list[ShardFile]) -> None:
    """Raise if a capture did not end cleanly or a shard is missing.

    Parameters
    ----------
    path : Path
    shards : list of ShardFile

    Raises
    ------
    StoreError, IncompleteStoreError
    """
    wanted = max(shard.shards for shard in shards)
    if wanted < 1 or not all(shard.complete for shard in shards):
        rows = sum(layer.committed for shard in shards for layer in shard.layers.values())
        raise IncompleteStoreError(
            f"the capture of {path} did not end cleanly; {rows} rows in {len(shards)} file(s) were "
            "committed: open it with incomplete=True, or go on with the capture, resume=True"
        )
    have = sorted(shard.shard for shard in shards)
    if have != list(range(wanted)):
        missing = sorted(set(range(min(wanted, 10**6))) - set(have))
        raise StoreError(
            f"{path} must have shards 0 to {wanted - 1}, "
            f"{listed(list(map(str, missing))) or 'one of them'} missing or doubled: put it back, "
            "or open what is there with incomplete=True"
        )
