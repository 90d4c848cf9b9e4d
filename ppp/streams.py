"""Streams: whatever a user hands over, read as blocks of whole inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch

from ppp.prepared import PIECE_ROWS

#: Bytes of rows handed to a worker at once, about: per-block costs then vanish beside counting.
BLOCK_BYTES = 2**23
#: The same for rows on an accelerator, where each step costs as much as thousands of rows.
DEVICE_BYTES = 2**27


class Rows(NamedTuple):
    """A block of rows, for activations that come without `hooks`.

    Parameters
    ----------
    rows : (R, n) array or tensor
        Activations.
    sample : (R,) int64 array
        Input of each row.
    label : (R,) array or None
        Class of each row's input.
    """

    rows: Any
    sample: np.ndarray
    label: np.ndarray | None = None


class ArrayBlocks:
    """An array or tensor in memory, as views of about 8 MiB, cut at multiples of 2 048 rows.

    Parameters
    ----------
    rows : (N, n) array or tensor
        Activations.
    sample : (N,) int array, optional
        Input of each row, rows of one input next to each other; blocks then end between inputs.
        Without it every row is an input.
    label : (N,) array, optional
        Class of each row.

    Examples
    --------
    >>> [len(block.rows) for block in ArrayBlocks(np.ones((5000, 300))).blocks()]
    [4096, 904]
    """

    def __init__(
        self,
        rows: np.ndarray | torch.Tensor,
        sample: np.ndarray | None = None,
        label: np.ndarray | None = None,
    ) -> None:
        self.rows = check_matrix(rows)
        self.shape = (int(rows.shape[0]), int(rows.shape[1]))
        self.sample = None if sample is None else np.asarray(sample)
        self.label = None if label is None else np.asarray(label)
        for name, values in (("sample", self.sample), ("label", self.label)):
            if values is not None and len(values) != self.shape[0]:
                raise ValueError(
                    f"{name} needs one entry a row: {self.shape[0]} rows, got {len(values)}"
                )
        if self.label is not None:
            check_labels(self.label)
        self._cuts = self._boundaries(self._step())

    def blocks(self) -> Iterator[Rows]:
        """Yield the blocks in order."""
        for start, stop in pairwise(self._cuts):
            sample = np.arange(start, stop) if self.sample is None else self.sample[start:stop]
            label = None if self.label is None else self.label[start:stop]
            yield Rows(self.rows[start:stop], sample, label)

    def _step(self) -> int:
        """Return how many rows a block has."""
        tensor = isinstance(self.rows, torch.Tensor)
        width = self.shape[1] * (self.rows.element_size() if tensor else self.rows.itemsize)
        away = tensor and self.rows.device.type != "cpu"
        size = DEVICE_BYTES if away else BLOCK_BYTES
        return PIECE_ROWS * -(-size // (PIECE_ROWS * width))

    def _boundaries(self, step: int) -> list[int]:
        total = self.shape[0]
        if self.sample is None:
            return [*range(0, total, step), total]
        ends = np.append(np.flatnonzero(self.sample[1:] != self.sample[:-1]) + 1, total)
        if len(np.unique(self.sample)) != len(ends) and total:
            raise ValueError(
                "rows of one input must stand next to each other: sort the rows by `sample`"
            )
        cuts = [0]
        while cuts[-1] < total:
            # the last input that ends within the step, or the first one if it is longer
            first, fits = np.searchsorted(ends, [cuts[-1], cuts[-1] + step], side="right")
            cuts.append(int(ends[max(first, fits - 1)]))
        return cuts


class IteratedBlocks:
    """Any iterable of blocks, arrays or tensors, read once.

    Parameters
    ----------
    items : iterable
        Blocks with `.rows` and `.sample`, or (R, n) arrays whose rows are inputs of their own.
    """

    shape: tuple[int | None, int | None] = (None, None)

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items

    def blocks(self) -> Iterator[Any]:
        """Yield the blocks, numbering the rows of plain arrays."""
        seen = 0
        width = None
        for item in self._items:
            if hasattr(item, "rows") and hasattr(item, "sample"):
                block = item
            else:
                rows = check_matrix(item if isinstance(item, torch.Tensor) else np.asarray(item))
                block = Rows(rows, np.arange(seen, seen + rows.shape[0]))
            width = width or block.rows.shape[1]
            if block.rows.shape[1] != width:
                raise ValueError(
                    f"all blocks must have one width: got {block.rows.shape[1]} after {width}"
                )
            seen += block.rows.shape[0]
            yield block


def as_stream(x: Any, sample: Any = None, label: Any = None) -> Any:
    """Return something with `.blocks()` and `.shape` for what a user handed over.

    Parameters
    ----------
    x : (N, n) array or tensor, store layer, or iterable of blocks
        Activations.
    sample, label : (N,) arrays, optional
        For arrays and tensors only: input and class of each row.

    Returns
    -------
    object
        With `blocks()` and `shape`.

    Raises
    ------
    TypeError
        If it is none of these.

    Examples
    --------
    >>> as_stream([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """
    if isinstance(x, np.ndarray | torch.Tensor | list | tuple):
        rows = x if isinstance(x, torch.Tensor) else _as_rows(x)
        return ArrayBlocks(rows, sample, label)
    if sample is not None or label is not None:
        raise TypeError("sample and label go with an array; blocks carry their own")
    if hasattr(x, "blocks"):
        return x
    if isinstance(x, Iterable):
        return IteratedBlocks(x)
    raise TypeError(
        "activations must be an (N, n) array or tensor, a store layer or an iterable of blocks, "
        f"got {type(x).__name__}"
    )


def _as_rows(x: Any) -> np.ndarray:
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ValueError(
            "activations must be a matrix (N, n): the rows given have different lengths"
        ) from error


def check_labels(label: np.ndarray) -> None:
    """Raise a ValueError unless labels are one number or text a row.

    Examples
    --------
    >>> check_labels(np.array(["cat", "dog"]))
    """
    if label.ndim != 1:
        raise ValueError(f"label must hold one class a row, got shape {label.shape}")
    if label.dtype.kind not in "iubfU":
        way_out = ": use label.astype(str)" if label.dtype.kind == "S" else ""
        raise ValueError(f"label must hold numbers or texts, got dtype {label.dtype}{way_out}")
    missing = int(np.isnan(label).sum()) if label.dtype.kind == "f" else 0
    if missing:
        raise ValueError(
            f"label must not be NaN, got {missing} of {len(label)}: give those rows a class of "
            "their own, or leave them out"
        )


def watched(blocks: Iterable[Any], total: int | None, what: str, progress: bool) -> Iterator[Any]:
    """Yield blocks under a progress bar of rows.

    Parameters
    ----------
    blocks : iterable of blocks
        Any.
    total : int or None
        Rows to come, where that is known.
    what : str
        Name of the bar.
    progress : bool
        False shows none.

    Yields
    ------
    block
    """
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit="rows", unit_scale=True, disable=not progress) as bar:
        for block in blocks:
            yield block
            bar.update(len(block.rows))


def check_matrix(rows: Any) -> Any:
    """Return rows unchanged if they form a real (N, n) matrix with n ≥ 2.

    Parameters
    ----------
    rows : array or tensor
        Activations.

    Returns
    -------
    array or tensor

    Raises
    ------
    ValueError
        With the shape or type found, and the way out.
    """
    if isinstance(rows, torch.Tensor):
        if rows.layout is not torch.strided:
            raise ValueError(
                f"activations must be dense, got a tensor of layout {rows.layout}: use .to_dense()"
            )
        real = not rows.is_complex()
    else:
        real = rows.dtype.kind in "fiub"
    if not real:
        raise ValueError(f"activations must be real numbers, got dtype {rows.dtype}")
    if rows.ndim != 2:
        raise ValueError(
            f"activations must be a matrix (N, n), one sample a row, got shape "
            f"{tuple(rows.shape)}: reshape so that features are the last of two axes"
        )
    if rows.shape[1] < 2:
        raise ValueError(f"a plane needs activations of width 2 or more, got {rows.shape[1]}")
    return rows
