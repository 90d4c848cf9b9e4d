"""Joining: neighbouring blocks of one array in memory, handed on as one view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from ppp.prepared import PIECE_ROWS

#: Bytes of rows handed to a worker at once, about: per-block costs then vanish beside counting.
JOINED_BYTES = 2**23
#: The same for rows on an accelerator, where each step costs as much as thousands of rows.
DEVICE_BYTES = 2**27


class Joined(NamedTuple):
    """Blocks that lie next to each other in memory.

    Parameters
    ----------
    rows : (R, n) array
        A view of their rows.
    sample : (R,) int64 array
        Input of each row.
    label : (R,) array or None
        Class of each row's input.
    """

    rows: Any
    sample: np.ndarray
    label: np.ndarray | None


def joined(blocks: Iterable[Any]) -> Iterator[Any]:
    """Yield blocks, neighbours in memory as one.

    Parameters
    ----------
    blocks : iterable of blocks
        Any; only those whose rows are consecutive parts of one array are joined, and only at
        multiples of 2 048 rows, so that every GEMM sees the rows it would have seen.

    Yields
    ------
    block
        As they came, or joined to about 8 MiB.
    """
    held: list[Any] = []
    size = 0
    for block in blocks:
        if held and not (size < _most(block.rows) and _follows(held[-1], block)):
            yield _join(held)
            held, size = [], 0
        held.append(block)
        size += _bytes(block.rows)
    if held:
        yield _join(held)


def _most(rows: Any) -> int:
    away = isinstance(rows, torch.Tensor) and rows.device.type != "cpu"
    return DEVICE_BYTES if away else JOINED_BYTES


def _bytes(rows: Any) -> int:
    width = rows.element_size() if isinstance(rows, torch.Tensor) else rows.itemsize
    return int(rows.shape[0]) * int(rows.shape[1]) * width


def _follows(before: Any, after: Any) -> bool:
    first, second = before.rows, after.rows
    if type(first) is not type(second) or first.dtype != second.dtype:
        return False
    if first.shape[0] % PIECE_ROWS or not first.shape[0] or first.shape[1] != second.shape[1]:
        return False
    if isinstance(first, torch.Tensor):
        same = first.device == second.device and (
            first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
        )
        contiguous = first.is_contiguous() and second.is_contiguous()
        return same and contiguous and first.data_ptr() + _bytes(first) == second.data_ptr()
    if first.base is None or first.base is not second.base:
        return False
    contiguous = first.flags.c_contiguous and second.flags.c_contiguous
    return contiguous and first.ctypes.data + first.nbytes == second.ctypes.data


def _join(blocks: list[Any]) -> Any:
    if len(blocks) == 1:
        return blocks[0]
    first = blocks[0].rows
    shape = (sum(int(block.rows.shape[0]) for block in blocks), int(first.shape[1]))
    if isinstance(first, torch.Tensor):
        rows: Any = first.as_strided(shape, first.stride())
    else:
        rows = np.lib.stride_tricks.as_strided(first, shape, first.strides, writeable=False)
    labelled = getattr(blocks[0], "label", None) is not None
    label = np.concatenate([block.label for block in blocks]) if labelled else None
    return Joined(rows, np.concatenate([block.sample for block in blocks]), label)
