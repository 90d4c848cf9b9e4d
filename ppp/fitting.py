"""Fitting: what each preprocessing step does, read off one pass over the activations, or two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppp.prepared import as_array

Array = NDArray[np.float64]

STEPS = ("drop-outliers", "centre", "scale", "clip-outliers", "whiten")
#: A unit whose root mean square is this many times the median unit's is an outlier.
OUTLYING = 6.0
#: Eigenvalues of the covariance below this share of the largest are left out of whitening.
RANK = 1e-10
#: A variance below this share of the mean square is rounding: the unit is constant.
CONSTANT = 1e-24


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
    if isinstance(steps, str) or not isinstance(steps, Iterable):
        steps = (steps,)
    given = tuple(steps)
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

    @property
    def clips(self) -> bool:
        """Whether any unit is clipped, after which moments have to be taken anew."""
        return bool(np.isfinite(self.bound).any())

    def apply(self, rows: Array) -> Array:
        """Return the changed rows (R, k)."""
        moved = rows[:, self.units] - self.offset
        moved = moved @ self.matrix if self.matrix.ndim == 2 else moved * self.matrix
        return np.clip(moved, -self.bound, self.bound) if self.clips else moved

    def carried(self, moments: Moments) -> Moments:
        """Return the moments of the changed rows, where nothing is clipped."""
        mean = moments.mean[self.units] - self.offset
        spread = moments.spread[self.units]
        spread = spread[:, self.units] if spread.ndim == 2 else spread
        if self.matrix.ndim == 2:
            return Moments(moments.count, mean @ self.matrix, self.matrix.T @ spread @ self.matrix)
        factor = np.outer(self.matrix, self.matrix) if spread.ndim == 2 else self.matrix**2
        return Moments(moments.count, mean * self.matrix, spread * factor)


@dataclass(frozen=True)
class Moments:
    """Count, mean (k,), and variance (k,) or covariance (k, k) of rows."""

    count: int
    mean: Array
    spread: Array

    @property
    def variance(self) -> Array:
        """(k,) variance of each unit, zero where it is rounding."""
        spread = np.diag(self.spread) if self.spread.ndim == 2 else self.spread
        return np.where(spread > CONSTANT * self.mean**2, np.maximum(spread, 0.0), 0.0)


class MomentSums:
    """Sums from which moments come, about a typical row: else a large mean would eat digits."""

    def __init__(self, full: bool) -> None:
        self.full, self.count = full, 0

    def append(self, rows: Array) -> None:
        """Take (R, k) rows in."""
        if not self.count:
            self._shift = rows.mean(axis=0)
            k = rows.shape[1]
            self._total, self._square = np.zeros(k), np.zeros((k, k) if self.full else k)
        moved = rows - self._shift
        self.count += len(rows)
        self._total += moved.sum(axis=0)
        self._square += moved.T @ moved if self.full else (moved**2).sum(axis=0)

    def finish(self) -> Moments:
        """Return the moments.

        Raises
        ------
        ValueError
            When no row came, or rows too large for their squares.
        """
        if not self.count:
            raise ValueError("preprocessing needs at least one row that is finite and not zero")
        mean = self._total / self.count
        product = np.outer(mean, mean) if self.full else mean**2
        found = Moments(self.count, mean + self._shift, self._square / self.count - product)
        if not np.isfinite(found.spread).all():
            raise ValueError(
                "preprocessing needs rows whose squares float64 can hold: divide them by their "
                "largest entry first"
            )
        return found


class Fitter:
    """Fits the steps of one layer to blocks that pass, mostly in one pass.

    Steps that shift and scale change moments in a known way; after clipping another pass is
    needed for what comes behind.

    Parameters
    ----------
    steps : sequence of str
        As `check_steps` returns them.

    Examples
    --------
    >>> fitter = Fitter(["centre", "scale"])
    >>> while not fitter.finished:
    ...     fitter.append(np.array([[1.0, 10.0], [3.0, 30.0]]))
    ...     fitter.end_pass()
    >>> [each.step for each in fitter.fitted]
    ['centre', 'scale']
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self._left = tuple(steps)
        self.fitted: tuple[Fitted, ...] = ()
        self.width, self.rows = 0, 0
        self._sums = MomentSums("whiten" in self._left)

    @property
    def finished(self) -> bool:
        """Whether every step is fitted."""
        return not self._left

    def append(self, rows: Any) -> None:
        """Take (R, n) rows in; those that are zero or not finite are left out."""
        x = as_array(rows).astype(np.float64, copy=False)
        self.width = x.shape[1]
        self.rows += len(x)
        x = x[usable(x)]
        for each in self.fitted:
            x = each.apply(x)
        if len(x):
            with np.errstate(over="ignore", invalid="ignore"):
                self._sums.append(x)

    def end_pass(self) -> None:
        """Fit all steps for which the rows of this pass are enough."""
        moments = self._sums.finish()
        while self._left:
            one = fit_step(self._left[0], moments)
            self.fitted, self._left = (*self.fitted, one), self._left[1:]
            if one.clips:
                break
            moments = one.carried(moments)
        if self._left:
            self._sums, self.rows = MomentSums("whiten" in self._left), 0


def usable(rows: Array) -> NDArray[np.bool_]:
    """Return which rows (R, n) are finite and not zero."""
    return np.isfinite(rows).all(axis=1) & (rows != 0).any(axis=1)


def fit_step(step: str, moments: Moments) -> Fitted:
    """Turn moments into one fitted step."""
    mean, variance = moments.mean, moments.variance
    width = len(mean)
    units, offset = np.arange(width), np.zeros(width)
    matrix, bound = np.ones(width), np.full(width, np.inf)
    size = np.sqrt(variance + mean**2)
    limit = OUTLYING * float(np.median(size))
    if step == "centre":
        offset = mean
    elif step == "scale":
        matrix = 1 / np.where(variance > 0, np.sqrt(variance), 1.0)
    elif step == "whiten":
        offset, matrix = mean, _whitening(moments)
    elif limit > 0 and step == "drop-outliers":
        units = np.flatnonzero(size <= limit)
        offset, matrix, bound = offset[units], matrix[units], bound[units]
    elif limit > 0 and step == "clip-outliers":
        bound = np.where(size > limit, limit, np.inf)
    return Fitted(step, units, offset, matrix, bound)


def _whitening(moments: Moments) -> Array:
    """Return the symmetric inverse square root of a covariance, on its range."""
    if moments.count < 2:
        raise ValueError(f"whitening needs at least two rows, got {moments.count}")
    values, vectors = np.linalg.eigh(moments.spread)
    kept = values > RANK * values[-1]
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T)
