"""Block: the unit in which activations travel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

#: Rows a block aims at. Boundaries are set once, when rows are captured, and never moved.
BLOCK_ROWS = 2048


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Rows of one layer, cut at input boundaries.

    Parameters
    ----------
    rows : (R, n) tensor
        One activation vector a row, in the dtype and on the device that the layer gave.
    sample : (R,) int64 array
        Id of the input each row comes from; rows of one input are contiguous and in one block.
    position : (R, k) int32 array or None
        Token index, or y and x, where an input gives several rows.
    label : (R,) array or None
        The input's label, repeated for each of its rows.

    Examples
    --------
    >>> import dataclasses
    >>> block = Block(torch.zeros(2, 3), np.zeros(2, np.int64))
    >>> len(dataclasses.replace(block, label=np.ones(2)))
    2
    """

    rows: torch.Tensor
    sample: np.ndarray
    position: np.ndarray | None = None
    label: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.rows.shape[0])

    def fields(self) -> dict[str, Any]:
        """Return everything but the rows, by name."""
        return {"sample": self.sample, "position": self.position, "label": self.label}
