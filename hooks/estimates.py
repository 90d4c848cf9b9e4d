"""How large a capture will be, from its first batch: rows, bytes, time and room in the files."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn
from torch.utils.data.distributed import DistributedSampler

from hooks.blocks import BLOCK_ROWS
from hooks.choosing import Layers
from hooks.errors import CaptureError
from hooks.jobs import Part, spread_length
from hooks.schema import Room
from hooks.streaming import prepare


@dataclass(frozen=True)
class Estimate:
    """What a capture will take, by its first batch.

    Parameters
    ----------
    inputs : int or None
        How many the loader will give; None where it does not say.
    rows : dict of str to int
        By layer; of the first batch alone where `inputs` is None.
    bytes : dict of str to int
        On disk, by layer, with ids and positions.
    seconds : float
        For the whole pass, at the pace of the first batch.
    """

    inputs: int | None
    rows: dict[str, int]
    bytes: dict[str, int]
    seconds: float

    @property
    def total_bytes(self) -> int:
        """Return the bytes of all layers together.

        Returns
        -------
        int
        """
        return sum(self.bytes.values())

    def __repr__(self) -> str:
        given = "an unknown number of inputs" if self.inputs is None else f"{self.inputs} inputs"
        lines = [f"{given}, {self.total_bytes / 1e6:.1f} MB, about {self.seconds:.0f} s"]
        lines += [
            f"  {name!r}: {rows} rows, {self.bytes[name] / 1e6:.1f} MB"
            for name, rows in self.rows.items()
        ]
        return "\n".join(lines)


def estimate(model: nn.Module, loader: Iterable[Any], layers: Layers, **options: Any) -> Estimate:
    """Run one batch and say what the whole capture will take.

    Parameters
    ----------
    model, loader, layers
        As `hooks.stream` takes them. An iterator loses its first batch to this.
    **options
        As `hooks.stream`.

    Returns
    -------
    Estimate

    Raises
    ------
    HooksError
        As `hooks.stream`.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import DataLoader
    >>> loader = DataLoader(torch.zeros(1000, 4), batch_size=10)
    >>> found = estimate(nn.Linear(4, 3), loader, "")
    >>> found.inputs, found.rows[""], found.bytes[""]
    (1000, 1000, 20000)
    """
    job = prepare(model, loader, layers, **options)
    began = time.perf_counter()
    step = next(job.steps(), None)
    if step is None:
        raise CaptureError("the loader gave no input that counts: give it at least one")
    for part in step.parts.values():
        part.rows.rows.cpu()  # an accelerator is still at work until its rows are asked for
    seconds = time.perf_counter() - began
    inputs, _ = expected_inputs(loader, len(step.ids))
    scale = 1.0 if inputs is None else inputs / max(1, len(step.ids))
    rows = {name: math.ceil(len(part.rows.rows) * scale) for name, part in step.parts.items()}
    sizes = {name: rows[name] * row_bytes(part) for name, part in step.parts.items()}
    return Estimate(inputs, rows, sizes, seconds * scale)


def row_bytes(part: Part) -> int:
    """Return the bytes that a row of a layer takes in a file.

    Parameters
    ----------
    part : Part

    Returns
    -------
    int
        With the sample's id and the position.
    """
    found = part.rows
    position = 0 if found.position is None else 4 * found.position.shape[1]
    return int(found.rows.shape[1] * found.rows.dtype.itemsize + 8 + position)


def expected_inputs(loader: Any, first: int) -> tuple[int | None, bool]:
    """Return how many inputs a loader will give and whether that is certain.

    Parameters
    ----------
    loader : iterable
    first : int
        Inputs of the first batch, to go by where the loader counts batches alone.

    Returns
    -------
    (int or None, bool)

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import DataLoader
    >>> expected_inputs(DataLoader(range(10), batch_size=4, drop_last=True), 4)
    (8, True)
    >>> expected_inputs([torch.zeros(4, 2)] * 3, 4), expected_inputs(iter([]), 4)
    ((12, False), (None, False))
    """
    try:
        batches = len(loader)
    except TypeError:
        return None, False
    size = getattr(loader, "batch_size", None)
    sampler = getattr(loader, "sampler", None)
    try:
        inputs = len(sampler) if sampler is not None and size else batches * first
    except TypeError:
        return None, False
    if isinstance(sampler, DistributedSampler):
        # the repeated inputs at the end are dropped
        inputs = len(range(sampler.rank, spread_length(sampler), sampler.num_replicas))
    if size and getattr(loader, "drop_last", False):
        inputs = min(inputs, batches * size)
    return inputs, bool(size and sampler is not None)


def room_for(
    counts: np.ndarray, inputs: int | None, certain: bool, written: int
) -> tuple[Room | None, bool]:
    """Return how much room the rest of a layer needs.

    Parameters
    ----------
    counts : (B,) int64 array
        Rows of each input of the first batch.
    inputs : int or None
        How many are expected in all.
    certain : bool
        Whether that number is sure.
    written : int
        Rows that are in earlier files.

    Returns
    -------
    Room or None
        None where nothing is known, or more came than was expected.
    bool
        Whether the room fits to the row.

    Examples
    --------
    >>> room_for(np.array([1, 1]), 5000, True, 0)
    (Room(rows=5000, blocks=3), True)
    """
    if inputs is None or not len(counts):
        return None, False
    total = math.ceil(int(counts.sum()) * inputs / len(counts))
    each = int(counts[0])
    if certain and each and (counts == each).all():
        left = total - written
        per_block = max(1, BLOCK_ROWS // each) * each
        return (Room(left, math.ceil(left / per_block)), True) if left > 0 else (None, False)
    left = int(total * 1.05) + 2 * BLOCK_ROWS - written
    return (loose_room(left), False) if left > 0 else (None, False)


def loose_room(rows: int) -> Room:
    """Return room for some rows, however they are cut into blocks.

    Parameters
    ----------
    rows : int

    Returns
    -------
    Room

    Examples
    --------
    >>> loose_room(2048)
    Room(rows=2048, blocks=4)
    """
    # two neighbouring blocks always hold more than BLOCK_ROWS rows
    return Room(rows, 2 * math.ceil(rows / BLOCK_ROWS) + 2)
