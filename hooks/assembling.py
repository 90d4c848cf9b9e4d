"""Cutting rows into blocks of whole inputs, in one way, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from hooks.blocks import BLOCK_ROWS, Block
from hooks.errors import OutputError
from hooks.rowrules import Rows


class Assembler:
    """Gathers one layer's rows and cuts them into blocks.

    Parameters
    ----------
    layer : str
        For messages.

    Notes
    -----
    A block takes whole inputs as long as they fit into `BLOCK_ROWS` rows; an input with more rows
    is a block of its own. The cuts depend on the inputs' row counts alone, not on the batches.

    Examples
    --------
    >>> assembler = Assembler("0")
    >>> part = Rows(torch.zeros(3000, 2), np.ones(3000, np.int64), None, ())
    >>> [len(b) for b in assembler.append(part, np.arange(3000), None)]
    [2048]
    >>> [len(b) for b in assembler.finish()]
    [952]
    """

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.columns: tuple[str, ...] | None = None
        self._width: int | None = None
        self._dtype: torch.dtype | None = None
        self._labelled: bool | None = None
        self._parts: list[Block] = []
        self._size = 0

    def append(self, found: Rows, ids: np.ndarray, label: np.ndarray | None) -> Iterator[Block]:
        """Add one batch and give the blocks that are full.

        Parameters
        ----------
        found : Rows
        ids : (B,) int64 array
        label : (B,) array or None

        Yields
        ------
        Block

        Raises
        ------
        OutputError
            If the width, the dtype or the position's columns differ from an earlier batch's.
        """
        self._check(found, label is not None)
        bounds = np.concatenate([[0], np.cumsum(found.counts)])
        sample = np.repeat(ids, found.counts)
        labels = None if label is None else np.repeat(label, found.counts)
        start = 0
        while start < len(found.counts):
            room = BLOCK_ROWS - self._size
            stop = int(np.searchsorted(bounds, bounds[start] + room, side="right")) - 1
            if stop == start and self._size:
                yield self._cut()
                continue
            stop = max(stop, start + 1)
            self._add(found, sample, labels, int(bounds[start]), int(bounds[stop]))
            start = stop
            if self._size >= BLOCK_ROWS:
                yield self._cut()

    def finish(self) -> Iterator[Block]:
        """Give the rows that are left.

        Yields
        ------
        Block
        """
        if self._size:
            yield self._cut()

    def _add(
        self, found: Rows, sample: np.ndarray, label: np.ndarray | None, start: int, stop: int
    ) -> None:
        if stop > start:
            self._parts.append(
                Block(
                    found.rows[start:stop],
                    sample[start:stop],
                    None if found.position is None else found.position[start:stop],
                    None if label is None else label[start:stop],
                )
            )
            self._size += stop - start

    def _cut(self) -> Block:
        parts, self._parts, self._size = self._parts, [], 0
        first = parts[0]
        return Block(
            torch.cat([p.rows for p in parts]) if len(parts) > 1 else first.rows.contiguous(),
            np.concatenate([p.sample for p in parts]),
            None
            if first.position is None
            else np.concatenate([p.position for p in parts if p.position is not None]),
            None
            if first.label is None
            else np.concatenate([p.label for p in parts if p.label is not None]),
        )

    def _check(self, found: Rows, labelled: bool) -> None:
        width, dtype = found.rows.shape[1], found.rows.dtype
        if self._width is None:
            self._width, self._dtype, self._labelled = width, dtype, labelled
            self.columns = found.columns
        for what, first, now in (
            ("width", self._width, width),
            ("dtype", self._dtype, dtype),
            ("position columns", self.columns, found.columns),
            ("labels", self._labelled, labelled),
        ):
            if first != now:
                raise OutputError(
                    f"layer {self.layer!r} must keep its {what} from batch to batch, "
                    f"got {first} and then {now}: pool or flatten it to one width, or give a dtype"
                )
