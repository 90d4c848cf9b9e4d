"""From the files of a capture to the store at its final name, in one step."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hooks.combining import combine, sources
from hooks.creating import set_flags
from hooks.errors import StoreError, listed
from hooks.files import locked, sync_folder
from hooks.opening import partial_of
from hooks.shardfile import read_shard
from hooks.store import ActivationStore

#: Where in a new folder of shards the one that it replaces waits for its removal.
_REPLACED = "replaced"
#: A folder in a partial one whose files `recover` is about to have kept, or has: in a file of the
#: size that the name ends with.
_RECOVERED = "recovered-"
#: What `Shelf.next_path` calls a file.
_SHARD = re.compile(r"p\d{4,}-\d{6}\.h5")


def is_folder(target: Path) -> bool:
    """Return whether a store of this name is a folder of shards.

    Parameters
    ----------
    target : Path

    Returns
    -------
    bool

    Examples
    --------
    >>> is_folder(Path("acts.store")), is_folder(Path("acts.h5"))
    (True, False)
    """
    return target.suffix == ".store"


def settle(files: Sequence[Path], target: Path) -> None:
    """Turn the files of a finished capture into the store at its final name.

    Parameters
    ----------
    files : sequence of Path
        All in the partial folder, in order.
    target : Path
        ``NAME.h5`` or ``NAME.store``; what is there is replaced.
    """
    folder = files[0].parent
    if is_folder(target):
        for number, path in enumerate(files):
            set_flags(path, shard=number, shards=len(files))
        for path in folder.iterdir():
            if path not in files:
                discard(path)
        replace(folder, target)
        return
    if len(files) == 1 and read_shard(files[0]).tight:
        set_flags(files[0], shards=1)
        replace(files[0], target)
    else:
        whole = folder / "whole"
        combine(sources([ActivationStore(folder, incomplete=True)], "refuse"), whole)
        replace(whole, target)
    clear(folder)


def settle_shares(folder: Path, target: Path, shares: int) -> bool:
    """Finish a store that several processes wrote, if this was the last of them.

    Parameters
    ----------
    folder : Path
        The partial one.
    target : Path
        ``NAME.store``.
    shares : int
        How many processes there are.

    Returns
    -------
    bool
        Whether the store is finished.

    Raises
    ------
    StoreError
        If files of further processes are there, from another run.
    """
    if not folder.exists():
        return target.exists()
    with locked(folder / "settle.lock", wait=True) as held:
        if not held:
            return target.exists()
        if not all((folder / f"{prefix_of(share)}.ended").exists() for share in range(shares)):
            return False
        files = sorted(folder.glob("*.h5"))
        known = {prefix_of(share) for share in range(shares)}
        strangers = [path.name for path in files if path.name.split("-")[0] not in known]
        if strangers:
            raise StoreError(
                f"{folder} has {strangers[0]}, of a run with more than {shares} processes: remove "
                "it, or start with overwrite=True"
            )
        settle(files, target)
        return True


def is_recovered(target: Path) -> bool:
    """Return whether what is at a store's name did not end cleanly: what `recover` keeps.

    Parameters
    ----------
    target : Path

    Returns
    -------
    bool
        Also for the empty folder that a crash in `take_back` leaves.

    Raises
    ------
    StoreError
        If it is no store, or damaged.
    """
    if target.is_dir() and not any(target.glob("*.h5")):
        return partial_of(target).exists()
    return not ActivationStore(target, incomplete=True).complete


def take_back(target: Path, folder: Path) -> None:
    """Make a recovered store an unfinished capture again, so that it can be gone on with.

    Parameters
    ----------
    target : Path
    folder : Path
        The partial one, which is there and locked.

    Raises
    ------
    StoreError
        If another capture has been begun meanwhile.
    """
    files = [target] if target.is_file() else sorted(target.glob("*.h5"))
    left = sorted(folder.glob("*.h5"))
    if files and left:
        if not any((folder / f"{_RECOVERED}{each.stat().st_size}").exists() for each in files):
            raise StoreError(
                f"{target} and {folder} both hold part of a capture: move one of them away"
            )
        # `recover` was cut short after it had given the store its name
        for path in left:
            discard(path)
        sync_folder(folder)
    for mark in folder.glob(f"{_RECOVERED}*"):
        # before files come here that would be taken for left ones
        mark.rmdir()
        sync_folder(folder)
    for number, path in enumerate(files):
        os.replace(path, folder / f"{prefix_of(0)}-{number:06d}.h5")
    if target.is_dir():
        target.rmdir()
    sync_folder(folder)
    sync_folder(target.parent)


def prefix_of(share: int) -> str:
    """Return how the names of a process's files begin.

    Parameters
    ----------
    share : int

    Returns
    -------
    str

    Examples
    --------
    >>> prefix_of(3)
    'p0003'
    """
    return f"p{share:04d}"


def replace(source: Path, target: Path) -> None:
    """Give a finished file or folder its final name, in place of what has it.

    Parameters
    ----------
    source, target : Path
    """
    check_replaceable(target)
    moved = target.is_dir()
    if moved:
        # a folder cannot be renamed over another: the old one goes along, inside the new one,
        # where no name can be taken and a crash leaves both
        os.replace(target, source / _REPLACED)
    os.replace(source, target)
    sync_folder(target.parent)
    if moved:
        discard(target / _REPLACED)


def check_replaceable(target: Path) -> None:
    """Refuse to put a store in the place of something else.

    Parameters
    ----------
    target : Path

    Raises
    ------
    StoreError
        If a folder stands where a file belongs, or the other way round, or a folder holds
        anything but files of this package.
    """
    if target.exists() and target.is_dir() != is_folder(target):
        kind = "folder" if target.is_dir() else "file"
        raise StoreError(
            f"{target} is a {kind}, which a store of that name never is: move it away, or choose "
            "another path"
        )
    strangers = _strangers(target) if target.is_dir() else []
    if strangers:
        raise StoreError(
            f"{target} holds {listed(strangers)}, which this package did not write, and is not "
            "replaced: move it away, or choose another path"
        )


def _strangers(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.iterdir()):
        if path.name == _REPLACED and path.is_dir():
            found += _strangers(path)
        elif not (path.is_file() and _SHARD.fullmatch(path.name)):
            found.append(path.name)
    return found


def clear(folder: Path) -> None:
    """Remove a partial folder with the files that this package puts there.

    Parameters
    ----------
    folder : Path
    """
    # what says that the others were kept goes last
    for path in sorted(folder.iterdir(), key=lambda path: path.name.startswith(_RECOVERED)):
        discard(path)
    folder.rmdir()


def discard(path: Path) -> None:
    """Remove a file, a folder or a link.

    Parameters
    ----------
    path : Path
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def recover(path: str | Path, *, accept: bool = False) -> ActivationStore:
    """Keep what an unfinished capture had committed, as a store of its own.

    Parameters
    ----------
    path : str or Path
        The store's name, or its ``.partial`` folder.
    accept : bool
        Take what is there for the whole: the store is marked complete.

    Returns
    -------
    ActivationStore
        At the final name, cut back to the committed rows. Unless `accept` says otherwise it is
        marked incomplete, and opens with ``incomplete=True``.

    Raises
    ------
    StoreError
        If there is nothing to recover, a store is there already, or a recorder is still at it.
    """
    target = Path(path)
    if target.suffix == ".partial":
        target = target.with_suffix("")
    folder = partial_of(target)
    if not folder.is_dir():
        raise StoreError(f"there is no unfinished capture at {folder}: nothing to recover")
    if target.exists():
        raise StoreError(f"{target} exists: move it away, then recover {folder}")
    with ExitStack() as held:
        for lock in {folder / f"{prefix_of(0)}.lock", *folder.glob("p*.lock")}:
            held.enter_context(locked(lock))
        if not any(folder.glob("*.h5")):
            raise StoreError(
                f"{folder} was left before any row was written: remove it and capture again"
            )
        found = ActivationStore(folder, incomplete=True)
        whole = folder / "whole"
        combine(sources([found], "refuse"), whole, complete=accept)
        (folder / f"{_RECOVERED}{whole.stat().st_size}").mkdir(exist_ok=True)
        sync_folder(folder)
        if is_folder(target):
            inside = folder / "store"
            inside.mkdir(exist_ok=True)
            os.replace(whole, inside / f"{prefix_of(0)}-000000.h5")
            replace(inside, target)
        else:
            replace(whole, target)
        clear(folder)
    return ActivationStore(target, incomplete=True)
