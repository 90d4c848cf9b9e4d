"""The same scan on a cluster's workers: cut at block boundaries, submit, merge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from ppp.prepared import Prepared
from ppp.scan import PILOT_BLOCKS, Sink

#: Blocks a task counts: large enough that sending sinks back costs little.
BLOCKS_A_TASK = 64


def run_on(client: Any, layer: Any, plan: Callable[[list[Any]], Sequence[Sink]]) -> list[Any]:
    """Scan a stored layer on the workers of a client.

    Parameters
    ----------
    client : dask.distributed.Client or concurrent.futures.Executor
        Anything whose `submit` returns futures with `result`.
    layer : hooks.StoreLayer
        Pickles as path and layer name; every worker opens its own handle.
    plan : callable
        As in `ppp.scan.Scan`; it runs here, on the first blocks.

    Returns
    -------
    list
        What each sink gathered.
    """
    first = list(plan(list(islice(layer.blocks(), PILOT_BLOCKS))))
    total = len(layer.block_offsets) - 1
    tasks = [
        client.submit(count_range, layer, start, min(total, start + BLOCKS_A_TASK), _empty(first))
        for start in range(0, total, BLOCKS_A_TASK)
    ]
    for task in tasks:
        for sink, other in zip(first, task.result(), strict=True):
            sink.merge(other)
    return [sink.finish() for sink in first]


def count_range(layer: Any, start: int, stop: int, sinks: list[Sink]) -> list[Sink]:
    """Feed a range of a layer's blocks to sinks: what one task does.

    Parameters
    ----------
    layer : hooks.StoreLayer
        The rows.
    start, stop : int
        First block, and the one after the last.
    sinks : list
        Empty ones; they come back filled.

    Returns
    -------
    list
    """
    for index in range(start, stop):
        prepared = Prepared.of(layer.block(index))
        for sink in sinks:
            sink.append(prepared)
    return sinks


def _empty(sinks: Sequence[Sink]) -> list[Any]:
    return [sink.fork() for sink in sinks]
