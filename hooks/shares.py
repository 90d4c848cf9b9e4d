"""Several processes, one store: who is who, and what they agree on."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import torch

from hooks.errors import StoreError
from hooks.files import sync_path


def _world() -> tuple[int, int]:
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def share_of(share: tuple[int, int] | None) -> tuple[int, int]:
    """Return which of how many processes this is.

    Parameters
    ----------
    share : (int, int) or None
        None asks `torch.distributed`.

    Returns
    -------
    (int, int)

    Raises
    ------
    StoreError
        If the number does not fit the count.

    Examples
    --------
    >>> share_of(None), share_of((1, 4))
    ((0, 1), (1, 4))
    """
    which, count = _world() if share is None else share
    if not 0 <= which < count:
        raise StoreError(f"share must be (number, count) with 0 <= number < count, got {share}")
    return which, count


def meet() -> None:
    """Wait for the other processes, where `torch.distributed` runs them."""
    if _world()[1] > 1:
        torch.distributed.barrier()


def shared_id(path: Path) -> str:
    """Return the store's id that all processes share: the first to come makes it.

    Parameters
    ----------
    path : Path
        A file in the partial folder.

    Returns
    -------
    str
    """
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    draft.write_text(uuid.uuid4().hex)
    sync_path(draft)
    try:
        # a link appears whole or not at all, and only one process can make it
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()
