"""The few calls that touch files: opening HDF5, writing in place, syncing, locking."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np

from hooks.errors import StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def open_h5(path: Path, mode: str, **options: Any) -> h5py.File:
    """Open an HDF5 file, with an error that names it.

    Parameters
    ----------
    path : Path
    mode : str
        As h5py takes it.
    **options
        For `h5py.File`.

    Returns
    -------
    h5py.File

    Raises
    ------
    StoreError
        If there is no file, or it is not HDF5; if a new one cannot be begun, what the disk says.
    """
    if mode == "w":
        with failing_disk(path):
            return h5py.File(path, mode, locking=False, **options)
    try:
        return h5py.File(path, mode, locking=False, **options)
    except FileNotFoundError as problem:
        raise StoreError(f"there is no store at {path}: check the path") from problem
    except (OSError, RuntimeError, ValueError) as problem:
        raise StoreError(
            f"{path} cannot be opened as HDF5 ({problem}): it is cut off, damaged or another "
            "kind of file"
        ) from problem


class FileState(NamedTuple):
    """What tells a file from another one of its name, or from a later state of itself.

    Parameters
    ----------
    device, inode, size : int
    changed : int
        When it was last written, in nanoseconds; 0 for a file that may still be written.
    """

    device: int
    inode: int
    size: int
    changed: int


def state_of(descriptor: int, settled: bool) -> FileState:
    """Return the state of an open file.

    Parameters
    ----------
    descriptor : int
    settled : bool
        Whether nobody writes it any more.

    Returns
    -------
    FileState
    """
    found = os.fstat(descriptor)
    changed = found.st_mtime_ns if settled else 0
    return FileState(found.st_dev, found.st_ino, found.st_size, changed)


@contextmanager
def same_file(path: Path, state: FileState) -> Iterator[BinaryIO]:
    """Open a file if it is still the one that it was.

    Parameters
    ----------
    path : Path
    state : FileState

    Yields
    ------
    binary file

    Raises
    ------
    StoreError
        If it was replaced, changed, moved or removed.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as problem:
        raise StoreError(f"{path} was moved or removed since it was opened: open it again") from (
            problem
        )
    with file:
        if state_of(file.fileno(), state.changed > 0) != state:
            raise StoreError(f"{path} was replaced or changed since it was opened: open it again")
        yield file


@contextmanager
def failing_disk(path: Path) -> Iterator[None]:
    """Turn a write or sync that fails into an error that names the file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StoreError
        If the disk is full or fails.
    """
    try:
        yield
    except (OSError, RuntimeError) as problem:
        number = getattr(problem, "errno", None)
        # HDF5 tells the reason in words alone
        if number in _FULL or any(os.strerror(code) in str(problem) for code in _FULL):
            raise _no_room(path) from problem
        raise StoreError(f"writing {path} failed: {problem}") from problem


def _no_room(path: Path) -> StoreError:
    return StoreError(
        f"the disk of {path} is full: make room and go on with resume=True; rows that were "
        "committed are kept"
    )


def write_at(descriptor: int, array: np.ndarray, offset: int, path: Path) -> None:
    """Write an array's bytes at a place of a file.

    Parameters
    ----------
    descriptor : int
    array : array
        C-ordered.
    offset : int
        In bytes.
    path : Path
        For the message.

    Raises
    ------
    StoreError
        If the disk is full or fails.
    """
    left = array.reshape(-1).view(np.uint8).data
    with failing_disk(path):
        while left:
            written = os.pwrite(descriptor, left, offset)
            left, offset = left[written:], offset + written


def free_bytes(folder: Path) -> int:
    """Return how much room a folder's disk has.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    int
    """
    return shutil.disk_usage(folder).free


def sync_path(path: Path) -> None:
    """Make a file's content durable.

    Parameters
    ----------
    path : Path
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor, path)
    finally:
        os.close(descriptor)


def sync(descriptor: int, path: Path) -> None:
    """Make what was written to an open file durable.

    Parameters
    ----------
    descriptor : int
    path : Path
        For the message.

    Raises
    ------
    StoreError
        If the disk is full or fails.
    """
    with failing_disk(path):
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Make a folder's entries durable, so that a rename survives a power cut.

    Parameters
    ----------
    path : Path
    """
    sync_path(path)


@contextmanager
def appearing(path: Path, ending: str) -> Iterator[Path]:
    """Give the name under which a file is made that appears when it is whole.

    Parameters
    ----------
    path : Path
        Where it appears, in place of what is there; what fails leaves nothing behind.
    ending : str
        Of the name in the meantime.

    Yields
    ------
    Path
        Beside it; synced by who writes it.
    """
    fresh = path.with_name(path.name + ending)
    try:
        yield fresh
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold a file as the only writer's mark; it is free again when the process is gone.

    Parameters
    ----------
    path : Path
    wait : bool
        Wait for another holder instead of refusing.

    Yields
    ------
    bool
        False where the file was removed while waiting: the work is done.

    Raises
    ------
    StoreError
        If another process, or another recorder of this one, holds it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        if not wait:
            raise
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as problem:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            raise StoreError(
                f"{path.parent} is being written by another recorder (process {holder or '?'}): "
                "wait for it, or choose another path"
            ) from problem
        there = path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino
        if not there and not wait:
            raise StoreError(f"{path.parent} was finished by another recorder just now: try again")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield there
    finally:
        os.close(descriptor)
