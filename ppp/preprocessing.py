"""Preprocessing: explicit, recorded changes of the rows before any plane is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppp.prepared import Prepared
from ppp.streams import Rows, as_stream

Array = NDArray[np.float64]

STEPS = ("drop-outliers", "centre", "scale", "clip-outliers", "whiten")
#: Steps that commute with a rotation of the rows: the null needs no new fit for them.
EQUIVARIANT = ("centre", "whiten")
#: A unit whose root mean square is this many times the median unit's is an outlier.
OUTLYING = 6.0
#: Eigenvalues of the covariance below this share of the largest are left out of whitening.
RANK = 1e-10


def check_steps(steps: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the steps as a tuple.

    Parameters
    ----------
    steps : str, sequence of str or None
        None or "none" for no change.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        For an unknown step, one given twice, or "drop-outliers" anywhere but first.

    Examples
    --------
    >>> check_steps("centre"), check_steps(None)
    (('centre',), ())
    """
    if steps is None or steps == "none":
        return ()
    given = (steps,) if isinstance(steps, str) else tuple(steps)
    for step in given:
        if step not in STEPS:
            raise ValueError(f"preprocess must be among none, {', '.join(STEPS)}, got {step!r}")
        if given.count(step) > 1:
            raise ValueError(f"preprocess takes every step once, got {step!r} twice")
    if "drop-outliers" in given[1:]:
        raise ValueError(
            'preprocess takes "drop-outliers" first: it chooses the units that all else is about'
        )
    return given


@dataclass(frozen=True)
class Fitted:
    """One step with the numbers it was fitted to.

    Attributes
    ----------
    step : str
        Its name.
    units : (k,) int64 array
        Units that stay.
    offset : (k,) float64 array
        Taken away first.
    matrix : (k,) or (k, k) float64 array
        Then multiplied with.
    bound : (k,) float64 array
        Then values are clipped at plus and minus this (infinity: nowhere).
    """

    step: str
    units: NDArray[np.int64]
    offset: Array
    matrix: Array
    bound: Array

    def apply(self, rows: Array) -> Array:
        """Return the changed rows (R, k)."""
        moved = rows[:, self.units] - self.offset
        moved = moved @ self.matrix if self.matrix.ndim == 2 else moved * self.matrix
        return np.clip(moved, -self.bound, self.bound)


@dataclass(frozen=True)
class Preprocessing:
    """Steps fitted to some activations.

    Examples
    --------
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    >>> fitted = Preprocessing.fit(x, ["centre", "scale"])
    >>> fitted.apply(x).std(axis=0).round(12).tolist()
    [1.0, 1.0]
    >>> fitted.record["steps"]
    ['centre', 'scale']
    """

    width: int
    fitted: tuple[Fitted, ...]

    @classmethod
    def fit(cls, x: Any, steps: str | Sequence[str] | None) -> Preprocessing:
        """Fit the steps one after the other, each on the rows the ones before it give.

        Parameters
        ----------
        x : (N, n) array or tensor, or store layer
            Activations that can be read several times; rows that are zero or not finite are left
            out of the fit.
        steps : str or sequence of str
            "drop-outliers" leaves out units whose root mean square is over 6 times the median
            unit's; "clip-outliers" clips those units' values at that bound; "centre" takes the
            mean away; "scale" divides every unit by its standard deviation (constant units by
            1, PPP paper App. A.2); "whiten" multiplies with the symmetric inverse square root of
            the covariance, which moves the units' axes least.

        Returns
        -------
        Preprocessing

        Raises
        ------
        ValueError
            For an unknown step, activations that can be read once only, or without usable row.
        """
        wanted = check_steps(steps)
        stream = as_stream(x)
        rows, width = stream.shape
        if wanted and (rows is None or width is None):
            raise ValueError(
                "preprocessing reads the activations once for each step before they are "
                "projected: give an array or a store layer"
            )
        fitted: tuple[Fitted, ...] = ()
        for step in wanted:
            before = cls(int(width), fitted)
            fitted += (_fit(step, *_moments(stream, before, full=step == "whiten")),)
        return cls(int(width), fitted)

    @property
    def record(self) -> dict[str, Any]:
        """What was done, as a result's provenance keeps it."""
        dropped: list[int] = []
        clipped: list[int] = []
        for each in self.fitted:
            if each.step == "drop-outliers":
                dropped = sorted(set(range(self.width)) - set(each.units.tolist()))
            if each.step == "clip-outliers":
                clipped = np.flatnonzero(np.isfinite(each.bound)).tolist()
        return {
            "steps": [each.step for each in self.fitted], "dropped": dropped, "clipped": clipped
        }  # fmt: skip

    def apply(self, rows: Any) -> Array:
        """Return changed rows (R, k); rows that are zero or not finite stay so."""
        x = np.asarray(rows, dtype=np.float64)
        usable = np.isfinite(x).all(axis=1) & (x != 0).any(axis=1)
        out = x[usable]
        for each in self.fitted:
            out = each.apply(out)
        whole = np.zeros((len(x), out.shape[1]))
        whole[usable] = out
        whole[~np.isfinite(x).all(axis=1)] = np.nan
        return whole

    @property
    def equivariant(self) -> bool:
        """Whether every step commutes with rotations of the rows."""
        # which units were dropped is settled before any frame turns
        return all(each.step in (*EQUIVARIANT, "drop-outliers") for each in self.fitted)

    def without_dropped(self, rows: Any) -> tuple[Array, tuple[str, ...]]:
        """Return rows without the dropped units, and the names of the steps still to do."""
        x = np.asarray(rows, dtype=np.float64)
        steps = tuple(each.step for each in self.fitted)
        if steps[:1] == ("drop-outliers",):
            return x[:, self.fitted[0].units], steps[1:]
        return x, steps


def fitted(x: Any, steps: str | Sequence[str] | None) -> Preprocessing | None:
    """Return the steps fitted to activations, None where none are asked for.

    Examples
    --------
    >>> fitted([[1.0, 2.0]], "none") is None
    True
    """
    return Preprocessing.fit(x, steps) if check_steps(steps) else None


class PreprocessedBlocks:
    """Blocks of a stream, changed on the way.

    Parameters
    ----------
    stream : object
        With `blocks()` and `shape`.
    preprocessing : Preprocessing
        Fitted steps.
    """

    def __init__(self, stream: Any, preprocessing: Preprocessing) -> None:
        self._stream, self.preprocessing = stream, preprocessing
        units = [len(each.units) for each in preprocessing.fitted]
        self.shape = (stream.shape[0], units[-1] if units else stream.shape[1])

    def blocks(self) -> Any:
        """Yield the changed blocks."""
        for block in self._stream.blocks():
            rows = self.preprocessing.apply(block.rows)
            yield Rows(rows, block.sample, getattr(block, "label", None))


class Changed:
    """A sink that sees the rows changed, while others of the same scan see them as they came.

    Parameters
    ----------
    sink : object
        With `fork`, `append`, `merge` and `finish`.
    preprocessing : Preprocessing
        Fitted steps.
    """

    def __init__(self, sink: Any, preprocessing: Preprocessing) -> None:
        self.sink, self.preprocessing = sink, preprocessing

    def fork(self) -> Changed:
        """Return an empty sink of the same kind."""
        return Changed(self.sink.fork(), self.preprocessing)

    def append(self, block: Prepared) -> None:
        """Take a block in, changed."""
        rows = self.preprocessing.apply(block.x)
        self.sink.append(Prepared(rows, block.sample, block.label))

    def merge(self, other: Changed) -> None:
        """Take another worker's share in."""
        self.sink.merge(other.sink)

    def finish(self) -> Any:
        """Return what was gathered."""
        return self.sink.finish()


def _moments(
    stream: Any, before: Preprocessing, full: bool
) -> tuple[int, Array, Array, Array | None]:
    """Count, mean, mean square and (where `full`) covariance of the usable rows so far."""
    count, total, square, product = 0, None, None, None
    shift = None
    for block in stream.blocks():
        rows = before.apply(block.rows)
        rows = rows[np.isfinite(rows).all(axis=1) & (rows != 0).any(axis=1)]
        if not len(rows):
            continue
        if shift is None:
            # Sums about a typical row: without it a large mean would eat the covariance's digits.
            shift = rows.mean(axis=0)
            k = rows.shape[1]
            total, square = np.zeros(k), np.zeros(k)
            product = np.zeros((k, k)) if full else None
        moved = rows - shift
        count += len(rows)
        total += moved.sum(axis=0)
        square += (moved**2).sum(axis=0)
        if product is not None:
            product += moved.T @ moved
    if shift is None or total is None or square is None:
        raise ValueError("preprocessing needs at least one row that is finite and not zero")
    mean = total / count
    covariance = None if product is None else product / count - np.outer(mean, mean)
    variance = np.maximum(0.0, square / count - mean**2)
    return count, mean + shift, variance, covariance


def _fit(step: str, count: int, mean: Array, variance: Array, covariance: Array | None) -> Fitted:
    """Turn moments into one fitted step."""
    width = len(mean)
    units, offset = np.arange(width), np.zeros(width)
    matrix, bound = np.ones(width), np.full(width, np.inf)
    size = np.sqrt(variance + mean**2)
    limit = OUTLYING * float(np.median(size))
    if step == "centre":
        offset = mean
    elif step == "scale":
        matrix = 1 / np.where(variance > 0, np.sqrt(variance), 1.0)
    elif step == "whiten" and covariance is not None:
        if count < 2:
            raise ValueError(f"whitening needs at least two rows, got {count}")
        values, vectors = np.linalg.eigh(covariance)
        kept = values > RANK * values[-1]
        matrix = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
        offset = mean
    elif limit > 0 and step == "drop-outliers":
        units = np.flatnonzero(size <= limit)
        offset, matrix, bound = offset[units], matrix[units], bound[units]
    elif limit > 0 and step == "clip-outliers":
        bound = np.where(size > limit, limit, np.inf)
    return Fitted(step, units, offset, matrix, bound)
