"""Streams: whatever a user hands over, read as blocks of whole inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch

from ppp.prepared import PIECE_ROWS
from ppp.row_checks import as_labels, as_rows, as_samples, check_matrix

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
        self.sample = None if sample is None else as_samples(sample, self.shape[0])
        self.label = None if label is None else as_labels(label, self.shape[0])
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
        ends, cuts = _input_ends(self.sample), [0]
        while cuts[-1] < total:
            # the last input that ends within the step, or the first one if it is longer
            first, fits = np.searchsorted(ends, [cuts[-1], cuts[-1] + step], side="right")
            cuts.append(int(ends[max(first, fits - 1)]))
        return cuts


class IteratedBlocks:
    """Blocks, arrays or tensors that someone else made, checked on their way.

    Parameters
    ----------
    read : callable
        Returns an iterable of blocks with `.rows` and `.sample`, or of (R, n) arrays whose rows
        are inputs of their own.
    shape : (int or None, int or None)
        Rows and width, where they are known and the blocks can be read again.

    Examples
    --------
    >>> stream = IteratedBlocks(lambda: [np.ones((2, 3)), np.ones((4, 3))])
    >>> [block.sample.tolist() for block in stream.blocks()]
    [[0, 1], [2, 3, 4, 5]]
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Any]],
        shape: tuple[int | None, int | None] = (None, None),
    ) -> None:
        self._read, self.shape = read, shape

    def blocks(self) -> Iterator[Rows]:
        """Yield the blocks, numbering the rows of plain arrays."""
        seen, width, last = 0, None, None
        for item in self._read():
            block = _block(item, seen)
            count, here = block.rows.shape
            width = width or here
            if here != width:
                raise ValueError(f"all blocks must have one width: got {here} after {width}")
            own = _is_block(item) and count > 0  # rows of plain arrays are numbered here
            if own and last == block.sample[0]:
                raise ValueError(
                    f"blocks must hold whole inputs, got rows of input {last} at the end of one "
                    "block and at the beginning of the next: give them in one block, and number "
                    "the inputs of all blocks, not those of each"
                )
            last = block.sample[-1] if own else last
            seen += count
            yield block


class Unlabelled:
    """A source of blocks without their labels: targets of a regression are no classes.

    Parameters
    ----------
    source : object
        With `blocks()` and `shape`, as `as_stream` returns them; or a store layer.

    Examples
    --------
    >>> stream = Unlabelled(ArrayBlocks(np.eye(3), label=np.arange(3)))
    >>> [block.label for block in stream.blocks()]
    [None]
    """

    def __init__(self, source: Any) -> None:
        self._source, self.shape = source, source.shape

    @property
    def block_offsets(self) -> np.ndarray:
        """(B + 1,) rows at which a store layer's blocks begin and end."""
        return np.asarray(self._source.block_offsets)

    def block(self, index: int) -> Rows:
        """Return one block of a store layer."""
        block = self._source.block(index)
        return Rows(block.rows, block.sample)

    def blocks(self) -> Iterator[Rows]:
        """Yield the blocks in order."""
        for block in self._source.blocks():
            yield Rows(block.rows, block.sample)


def _is_block(item: Any) -> bool:
    """Return whether something is one block: a store layer, too, has rows, but gives blocks."""
    return hasattr(item, "rows") and hasattr(item, "sample") and not hasattr(item, "blocks")


def _block(item: Any, seen: int) -> Rows:
    """Return a block, or rows that come after `seen` others, as a block that can be counted."""
    if not _is_block(item):
        rows = as_rows(item)
        return Rows(rows, np.arange(seen, seen + rows.shape[0]))
    rows, label = as_rows(item.rows), getattr(item, "label", None)
    count = rows.shape[0]
    label = None if label is None else as_labels(label, count)
    sample = as_samples(item.sample, count)
    _input_ends(sample)
    return Rows(rows, sample, label)


def _input_ends(sample: np.ndarray) -> np.ndarray:
    """Return where the rows of each input end, if they stand next to each other."""
    ends = np.flatnonzero(sample[1:] != sample[:-1]) + 1
    ends = np.append(ends, len(sample))[: len(sample)]
    ids = sample[ends - 1]
    if (ids[1:] <= ids[:-1]).any():  # else they cannot repeat
        found, often = np.unique(ids, return_counts=True)
        if len(found) < len(ids):
            at = int(np.argmax(often > 1))
            raise ValueError(
                "rows of one input must stand next to each other, got those of input "
                f"{found[at]} in {often[at]} places: sort the rows by `sample`"
            )
    return ends


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
    several = isinstance(x, list | tuple) and len(x) > 0 and _is_part(x[0])
    if not (several or _is_block(x)) and _is_matrix(x):
        return ArrayBlocks(as_rows(x), sample, label)
    if sample is not None or label is not None:
        raise TypeError("sample and label go with an array; blocks carry their own")
    if _is_block(x):
        x, several = [x], True
    if several:
        parts = [as_rows(each.rows if _is_block(each) else each) for each in x]
        return IteratedBlocks(lambda: x, (sum(map(len, parts)), int(parts[0].shape[1])))
    if hasattr(x, "blocks"):
        return IteratedBlocks(x.blocks, getattr(x, "shape", (None, None)))
    if isinstance(x, Iterable) and not isinstance(x, str | bytes | Mapping):
        return IteratedBlocks(lambda: x)
    raise TypeError(
        "activations must be an (N, n) array or tensor, a store layer or an iterable of blocks, "
        f"got {type(x).__name__}"
    )


def _is_part(item: Any) -> bool:
    """Return whether something in a list is a block or matrix by itself."""
    return _is_block(item) or getattr(item, "ndim", 0) == 2


def _is_matrix(x: Any) -> bool:
    """Return whether something is meant as one matrix: a sparse one, too, is told what to do."""
    if isinstance(x, np.ndarray | torch.Tensor | list | tuple) or hasattr(x, "toarray"):
        return True
    return hasattr(x, "__array__") and not hasattr(x, "blocks")


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
