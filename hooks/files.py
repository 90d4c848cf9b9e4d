"""The few calls that touch files: opening HDF5, writing in place, syncing, locking."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hooks.errors import StoreError


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
        If there is no file, no room, or it is not HDF5.
    """
    try:
        return h5py.File(path, mode, locking=False, **options)
    except FileNotFoundError as problem:
        raise StoreError(f"there is no store at {path}: check the path") from problem
    except (OSError, RuntimeError, ValueError) as problem:
        if getattr(problem, "errno", None) == errno.ENOSPC:
            raise no_room(path) from problem
        raise StoreError(
            f"{path} cannot be opened as HDF5 ({problem}): it is cut off, damaged or another "
            "kind of file"
        ) from problem


def no_room(path: Path) -> StoreError:
    """Return the error for a disk that is full.

    Parameters
    ----------
    path : Path

    Returns
    -------
    StoreError
    """
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
    try:
        while left:
            written = os.pwrite(descriptor, left, offset)
            left, offset = left[written:], offset + written
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_room(path) from problem
        raise StoreError(f"writing {path} failed: {problem}") from problem


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
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make a folder's entries durable, so that a rename survives a power cut.

    Parameters
    ----------
    path : Path
    """
    sync_path(path)


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
