"""Gathering: small blocks of rows on an accelerator are counted together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ppp.streams import Rows

#: Bytes of rows counted at once, about: a block costs an accelerator as much as megabytes of rows.
GATHERED_BYTES = 2**24


class Gathering:
    """Joins blocks of rows on an accelerator until they are worth a step of their own.

    Notes
    -----
    Inputs stay whole, and apart: two blocks that meet in rows of one id are not joined. Blocks in
    the host's memory pass through as they are.
    """

    def __init__(self) -> None:
        self._waiting: list[Any] = []
        self._bytes = 0

    def append(self, block: Any) -> list[Any]:
        """Take a block; return the blocks that are ready."""
        size = _bytes(block)
        joins = size < GATHERED_BYTES and self._waiting and _alike(self._waiting[-1], block)
        ready = [] if joins else self.finish()
        self._waiting.append(block)
        self._bytes += size
        return ready + (self.finish() if self._bytes >= GATHERED_BYTES else [])

    def finish(self) -> list[Any]:
        """Return what is left as one block, if there is any."""
        blocks, self._waiting, self._bytes = self._waiting, [], 0
        if len(blocks) < 2:
            return blocks
        labels: list[Any] = [getattr(block, "label", None) for block in blocks]
        return [
            Rows(
                torch.cat([block.rows for block in blocks]),
                np.concatenate([block.sample for block in blocks]),
                None if labels[0] is None else np.concatenate(labels),
            )
        ]


def _bytes(block: Any) -> int:
    """Return the size of a block; one in the host's memory need not wait for others."""
    rows = block.rows
    if not isinstance(rows, torch.Tensor) or rows.device.type == "cpu":
        return GATHERED_BYTES
    return rows.numel() * rows.element_size()


def _alike(one: Any, other: Any) -> bool:
    """Return whether two blocks can be joined."""
    rows, others = one.rows, other.rows
    if not (len(one.sample) and len(other.sample)):
        return False
    return bool(
        (rows.device, rows.dtype, rows.shape[1]) == (others.device, others.dtype, others.shape[1])
        and _kind(one) == _kind(other)
        and one.sample[-1] != other.sample[0]
    )


def _kind(block: Any) -> str | None:
    label = getattr(block, "label", None)
    return None if label is None else np.asarray(label).dtype.kind
