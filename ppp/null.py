"""Draws of a null control, counted by the same kernels as the observation."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ppp.controls import EXACT, Draw, check_kind, prepare
from ppp.counting import PlaneCounter
from ppp.draws import Nulls
from ppp.frame import haar_rotation
from ppp.planes import Planes
from ppp.prepared import Prepared
from ppp.preprocessing import EQUIVARIANT, Preprocessing
from ppp.rule import Rule
from ppp.shape import SHAPES, sector_counts, shape
from ppp.statistics import Geometry
from ppp.streams import ArrayBlocks
from ppp.tally import MOMENTS, Tally
from ppp.threads import available_cores, one_blas_thread

Array = NDArray[np.float64]
#: What is kept of a draw: moments by class, shape statistics, hits by sector.
Sums = tuple[Array, Array, NDArray[np.int64]]

#: Above this many planes, draws leave angles and the table of planes out.
SHAPED = 2**20


def run_nulls(
    rows: np.ndarray,
    sample: np.ndarray | None,
    label: np.ndarray | None,
    planes: Planes,
    rule: Rule,
    kind: str = "rotation",
    repeats: int = 99,
    seed: int = 0,
    progress: bool = False,
    limit: int | None = None,
    workers: int | None = None,
    shapes: bool = True,
    preprocessing: Preprocessing | None = None,
) -> Nulls:
    """Draw a null control K times on rows in memory.

    Parameters
    ----------
    rows : (N, n) array
        The tested activations; rows that are not finite are left out.
    sample, label : (N,) arrays or None
        Input and class of each row.
    planes, rule
        What to count.
    kind : str
        One of `CONTROLS`.
    repeats : int
        Draws K, at least 1.
    seed : int
        Draw b uses ``default_rng([seed, b])``, so more draws only add to fewer.
    progress : bool
        Show a progress bar, which states the expected cost as soon as the first draw is made.
    limit : int, optional
        Grow K tenfold, up to this many draws, while a headline p is at most 10/(K + 1).
    workers : int, optional
        Draws made at a time; as many as cores by default. The result does not depend on it.
    shapes : bool
        Whether the draws also count angles and planes, for the shape statistics.
    preprocessing : Preprocessing, optional
        Steps that observation and draws go through alike, fitted anew to the tested rows and to
        each draw of them; `rows` come as they were before. Only the choice of dropped units is
        kept: p is given that choice.

    Returns
    -------
    Nulls

    Raises
    ------
    ValueError
        For an unknown control, fewer than one draw, or no usable row.

    Examples
    --------
    >>> from ppp.frame import Frame
    >>> x = np.random.default_rng(0).laplace(size=(500, 8))
    >>> planes = Planes.of(Frame.standard(8), "combination")
    >>> nulls = run_nulls(x, None, None, planes, Rule(0.75), repeats=19)
    >>> nulls.p("kappa")
    0.1
    """
    check_kind(kind)
    if repeats < 1:
        raise ValueError(f"null_repeats must be at least 1, got {repeats}")
    if limit is not None and limit < repeats:
        raise ValueError(f"the limit of the draws must be at least {repeats}, got {limit}")
    usable = np.isfinite(rows).all(axis=1)
    if not (usable & np.any(rows != 0, axis=1)).any():
        raise ValueError("a null needs at least one row that is finite and not zero, got none")
    sample = None if sample is None else np.asarray(sample)[usable]
    label = None if label is None else np.asarray(label)[usable]
    counter = _Counter(rows[usable], sample, label, planes, rule, kind, seed, shapes, preprocessing)
    with one_blas_thread():
        return counter.run(repeats, limit, workers or available_cores(), progress)


def prepare_changed(
    rows: np.ndarray,
    planes: Planes,
    kind: str,
    preprocessing: Preprocessing | None = None,
    sample: np.ndarray | None = None,
) -> tuple[np.ndarray, Draw]:
    """Prepare a control whose draws go through the same preprocessing as the observation.

    Parameters
    ----------
    rows : (N, n) array
        The tested activations before preprocessing, finite.
    planes : Planes
        The tested planes.
    kind : str
        One of `CONTROLS`.
    preprocessing : Preprocessing, optional
        Fitted steps; only the choice of dropped units is kept, all else is fitted anew.
    sample : (N,) array, optional
        Input of each row; without it every row is an input.

    Returns
    -------
    observed : (N, k) array
        The observation's rows, preprocessed.
    draw : callable
        Takes a random generator; returns preprocessed rows and planes to count instead.
    """
    steps: tuple[str, ...] = ()
    if preprocessing is not None:
        rows, steps = preprocessing.without_dropped(rows)

    def change(made: np.ndarray) -> np.ndarray:
        return Preprocessing.fit(made, steps).apply(made) if steps else made

    observed = change(rows)
    if kind == "rotation" and set(steps) <= set(EQUIVARIANT):
        # Turning preprocessed rows is preprocessing turned ones.
        return observed, prepare(observed, planes, kind)
    if kind == "rotation":
        # A step that looks at single units must look at them in the turned frame too.
        return observed, lambda rng: (change(rows @ haar_rotation(rows.shape[1], rng)), planes)
    make = prepare(rows, planes, kind, sample)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, Planes]:
        made, drawn = make(rng)
        return change(made), drawn

    return observed, draw


class _Counter:
    """Count the observation and its draws, all through the same kernels."""

    def __init__(
        self,
        rows: np.ndarray,
        sample: np.ndarray | None,
        label: np.ndarray | None,
        planes: Planes,
        rule: Rule,
        kind: str,
        seed: int,
        shapes: bool,
        preprocessing: Preprocessing | None,
    ) -> None:
        self.sample, self.label, self.kind, self.seed = sample, label, kind, seed
        # Angles and planes are wanted, the picture is not: the smallest grid there is.
        self.rule = replace(rule, bins=4)
        self.shaped = shapes and planes.unordered <= SHAPED
        observed, self.draw = prepare_changed(rows, planes, kind, preprocessing, sample)
        self.observation = self.count(observed, planes)
        self.norms = _norms(observed) if rule.distance is not None else np.empty(0)
        self.rows, self.planes = len(rows), planes
        self.seconds = 0.0  # of one draw, once the first is made

    def count(self, rows: np.ndarray, planes: Planes) -> Tally:
        """Count rows in place of the observed ones; generated rows may be fewer."""
        counter = PlaneCounter(planes, self.rule, detailed=self.shaped)
        sample = None if self.sample is None else self.sample[: len(rows)]
        label = None if self.label is None else self.label[: len(rows)]
        for block in ArrayBlocks(rows, sample, label).blocks():
            counter.append(Prepared.of(block))
        return counter.finish()

    def sums(self, tally: Tally) -> Sums:
        """Moments by the observation's classes, shape statistics, and hits by sector."""
        found = np.zeros((len(self.observation.classes), len(MOMENTS)))
        for at, label in enumerate(self.observation.classes):
            if label in tally.classes:
                found[at] = tally.moments[tally.classes.index(label)]
        if not self.shaped:
            return found, np.full(len(SHAPES), np.nan), np.empty(0, np.int64)
        shapes = np.array(list(shape(tally.angle, tally.pairs).values()))
        return found, shapes, sector_counts(tally.angle)

    def one(self, index: int) -> Sums:
        """Make and count draw number `index`; take the time of the first."""
        # This thread's own time: what others compile meanwhile is no part of a draw.
        start = time.thread_time()
        rows, planes = self.draw(np.random.default_rng([self.seed, index]))
        made = time.thread_time() - start
        if index == 0:
            self.count(rows[:8], planes)  # compiles the kernels, which no estimate should hold
        start = time.thread_time()
        found = self.sums(self.count(rows, planes))
        if index == 0:
            self.seconds = made + time.thread_time() - start
        return found

    def run(self, repeats: int, limit: int | None, workers: int, progress: bool) -> Nulls:
        """Draw stage after stage and gather."""
        observed, observed_shape, observed_sectors = self.sums(self.observation)
        drawn: list[Sums] = []
        stages: tuple[int, ...] = ()
        while True:
            target = repeats if not stages else min(limit or 0, 10 * (stages[-1] + 1) - 1)
            drawn += self._stage(len(drawn), target, workers, progress)
            stages += (target,)
            sums, shapes, sectors = (np.stack(each) for each in zip(*drawn, strict=True))
            nulls = Nulls(
                self.kind, self.seed, Geometry.of(self.planes, self.rule),
                self.observation.classes, observed, sums, observed_shape, shapes,
                self.rows, int(self.observation.inputs.sum()), stages, self.kind in EXACT,
                observed_sectors, sectors, self.norms,
            )  # fmt: skip
            if limit is None or target >= limit or not nulls.unresolved():
                return nulls

    def _stage(self, start: int, stop: int, workers: int, progress: bool) -> list[Sums]:
        from tqdm import tqdm

        total = stop - start
        task = f"{total} × {self.kind} on {self.rows:,} × {self.planes.frame.n}"
        drawn: list[Sums] = []
        with (
            ThreadPoolExecutor(workers) as pool,
            tqdm(desc=task, total=total, disable=not progress) as bar,
        ):
            for each in pool.map(self.one, range(start, stop)):
                if not drawn:
                    bar.set_description(f"{task}, {describe_cost(total, self.seconds, workers)}")
                drawn.append(each)
                bar.update()
        return drawn


def _norms(rows: np.ndarray) -> Array:
    """Return the norms of the rows that are not zero."""
    norms = np.linalg.norm(np.asarray(rows, dtype=np.float64), axis=1)
    return np.asarray(norms[norms > 0])


def describe_cost(repeats: int, seconds: float, workers: int = 1) -> str:
    """Say what a null will cost, from the measured time of one draw.

    Parameters
    ----------
    repeats : int
        Draws.
    seconds : float
        What making and counting one of them takes.
    workers : int
        Draws made at a time.

    Examples
    --------
    >>> describe_cost(99, 0.25, workers=2), describe_cost(99, 20.0)
    ('about 12 s', 'about 33 min')
    """
    total = -(-repeats // workers) * seconds  # the last ones are waited for by idle workers
    return f"about {total / 60:.0f} min" if total >= 120 else f"about {max(1, round(total))} s"
