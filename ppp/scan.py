"""Scan: blocks flow once through worker threads into several sinks."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any, Protocol

import numpy as np

from ppp.counting import PlaneCounter
from ppp.engines import chosen_engine
from ppp.gathering import Gathering
from ppp.planes import Planes
from ppp.prepared import PIECE_ROWS, Prepared
from ppp.rule import Rule
from ppp.streams import ArrayBlocks
from ppp.tally import Tally
from ppp.threads import available_cores, one_blas_thread

#: Blocks looked at before counting starts, to choose the grid and an automatic epsilon.
PILOT_BLOCKS = 8
#: Numbers that one worker counts before a second one has made its tally.
SMALL = 2**21


def check_workers(workers: int | None) -> None:
    """Raise a ValueError unless threads are a whole number, at least one, or left out."""
    if not (workers is None or (isinstance(workers, Integral) and workers > 0)):
        raise ValueError(f"workers must be a whole number, at least 1, got {workers!r}")


class Sink(Protocol):
    """Create (`fork`), append, combine (`merge`), finish: the four verbs of an engine."""

    def fork(self) -> Any:
        """Return an empty sink of the same kind."""

    def append(self, block: Prepared) -> None:
        """Take a block in."""

    def merge(self, other: Any) -> None:
        """Take another worker's share in."""

    def finish(self) -> Any:
        """Return what was gathered."""


class Companion(Protocol):
    """Another method that the same scan feeds, such as `srm.Sweeping`."""

    def plan(self, planes: Planes, rule: Rule) -> Sequence[Sink]:
        """Return its sinks, for the planes and the rule of the projection beside it."""

    def result(self, gathered: Sequence[Any]) -> Any:
        """Return its result, made of what each of its sinks gathered."""


class Scan:
    """Feed blocks to sinks, on worker threads with sinks of their own.

    Parameters
    ----------
    plan : callable
        Called once with the first blocks (at most eight); returns the sinks. So a grid or an
        automatic epsilon can depend on the data, and a live stream need not be rewound.
    workers : int, optional
        Worker threads; as many as cores by default. Counts do not depend on it. None are
        started when a sink asks to be fed `alone`; one that is `shared` is fed by all of them.

    Notes
    -----
    Kernels are serial and release the GIL; every BLAS is held at one thread meanwhile, since
    a numba kernel after a threaded BLAS was measured several times slower than a serial one.
    """

    def __init__(
        self, plan: Callable[[list[Any]], Sequence[Sink]], workers: int | None = None
    ) -> None:
        self._plan = plan
        check_workers(workers)
        self._count = workers or available_cores()
        self._pilot: list[Any] | None = []
        self._sinks: list[list[Sink]] = []
        self._threads: list[threading.Thread] = []
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=2 * self._count)
        self._gathering = Gathering()
        self._failure: BaseException | None = None

    def append(self, block: Any) -> None:
        """Hand a block over; blocks while all workers are busy."""
        if self._pilot is not None:
            self._pilot.append(block)
            if len(self._pilot) == PILOT_BLOCKS:
                self._start()
            return
        self._put(block)

    def finish(self) -> list[Any]:
        """Wait for the workers and return what each sink gathered."""
        if self._pilot is not None:
            if sum(block.rows.shape[0] * block.rows.shape[1] for block in self._pilot) < SMALL:
                self._count = 0  # a thread of its own would take longer than the counting
            self._start()
        self._count_alone(self._gathering.finish())
        self.close()
        if self._failure is not None:
            raise self._failure
        first = self._sinks[0]
        for others in self._sinks[1:]:
            for sink, other in zip(first, others, strict=True):
                if other is not sink:
                    sink.merge(other)
        return [sink.finish() for sink in first]

    def close(self) -> None:
        """Stop the workers; what they hold is dropped unless `finish` reads it."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _start(self) -> None:
        pilot, self._pilot = self._pilot or [], None
        first = list(self._plan(pilot))
        self._sinks = [first]
        if not self._count or any(getattr(sink, "alone", False) for sink in first):
            for block in pilot:
                self._count_alone(self._gathering.append(block))
            return
        self._sinks += [[_another(sink) for sink in first] for _ in range(self._count - 1)]
        self._threads = [
            threading.Thread(target=self._work, args=(sinks,), daemon=True) for sinks in self._sinks
        ]
        for thread in self._threads:
            thread.start()
        for block in pilot:
            self._put(block)

    def _put(self, block: Any) -> None:
        if self._failure is not None:
            self.close()
            raise self._failure
        if not self._threads:
            self._count_alone(self._gathering.append(block))
            return
        self._queue.put(block)

    def _count_alone(self, blocks: Sequence[Any]) -> None:
        for block in blocks:
            _feed(self._sinks[0], block)

    def _work(self, sinks: list[Sink]) -> None:
        while (block := self._queue.get()) is not None:
            if self._failure is not None:
                continue  # keep draining, so that whoever feeds the queue is never stuck
            try:
                _feed(sinks, block)
            except BaseException as failure:  # noqa: BLE001  handed to the caller's thread
                self._failure = failure


def _another(sink: Sink) -> Sink:
    """Return the sink that a second worker feeds: the very same one where it is `shared`."""
    return sink if getattr(sink, "shared", False) else sink.fork()


def _feed(sinks: Sequence[Sink], block: Any) -> None:
    prepared = Prepared.of(block)
    for sink in sinks:
        sink.append(prepared)


def run(
    blocks: Iterable[Any],
    plan: Callable[[list[Any]], Sequence[Sink]],
    workers: int | None = None,
) -> list[Any]:
    """Scan blocks from first to last.

    Parameters
    ----------
    blocks : iterable of blocks
        Each with `.rows` and `.sample`.
    plan, workers
        As in `Scan`.

    Returns
    -------
    list
        What each sink gathered.
    """
    scan = Scan(plan, workers)
    with one_blas_thread():
        try:
            for block in blocks:
                scan.append(block)
            return scan.finish()
        finally:
            scan.close()


def tally_of(
    rows: np.ndarray,
    planes: Planes,
    rule: Rule,
    sample: np.ndarray | None = None,
    label: np.ndarray | None = None,
    detailed: bool = False,
    workers: int = 1,
    engine: str = "cpu",
) -> Tally:
    """Count rows that are in memory.

    Parameters
    ----------
    rows : (N, n) array
        Activations.
    planes, rule
        What to count.
    sample, label : (N,) arrays, optional
        Input and class of each row; without `sample` every row is an input.
    detailed : bool
        Whether to fill grid, angles and per-plane counts too (grid of half-width chosen from
        the rows).
    workers : int
        Worker threads.
    engine : str
        Who counts: see `ppp.engines.chosen_engine`.

    Returns
    -------
    Tally

    Examples
    --------
    >>> from ppp import Frame, Planes, Rule
    >>> planes = Planes.of(Frame.standard(3), "combination")
    >>> tally_of(np.eye(3), planes, Rule(0.75)).hits
    6
    """

    def plan(pilot: list[Any]) -> list[Sink]:
        half_width = pilot_half_width(pilot) if detailed else 1.0
        return [PlaneCounter(planes, rule, half_width, detailed, chosen_engine(engine, rows))]

    return run(ArrayBlocks(rows, sample, label).blocks(), plan, workers)[0]


def pilot_half_width(blocks: Sequence[Any]) -> float:
    """Choose the grid's half-width H from the first blocks.

    Parameters
    ----------
    blocks : sequence of blocks
        What was seen so far.

    Returns
    -------
    float
        The smallest power of two above 5/4 of the 99.9th percentile of ‖x‖. In-plane norms are
        at most ‖x‖, so all but the rarest hits fall inside, and at least 2/5 of the grid is
        used; what lies beyond is counted as outside, so one outlier cannot squeeze the rest
        into a few bins.
    """
    norms, ahead = [np.empty(0)], PILOT_BLOCKS
    for block in blocks:
        # of rows on a device no more are looked at, either, than a few pieces
        first = Prepared(block.rows[: ahead * PIECE_ROWS], block.sample[: ahead * PIECE_ROWS], None)
        norms.append(first.lengths)
        ahead -= -(-first.rows // PIECE_ROWS)
    seen = np.concatenate(norms)
    seen = seen[(seen > 0) & np.isfinite(seen)]
    if not len(seen):
        return 1.0
    at = -(-999 * (len(seen) - 1) // 1000)
    exponent = np.floor(np.log2(1.25 * min(np.partition(seen, at)[at], 2.0**1000))) + 1
    return float(2.0 ** np.clip(exponent, -1000, 1000))
