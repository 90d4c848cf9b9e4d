"""Frames that a network or its data give: rows of weights, principal and independent axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from ppp.frame import Frame
from ppp.row_checks import as_rows
from ppp.value_checks import as_doubles, check_whole


def weight_frame(weight: Any, labels: Iterable[str] | None = None, columns: bool = False) -> Frame:
    """Return the rows of a weight matrix as distinguished vectors.

    Parameters
    ----------
    weight : (m, n) tensor or array, or module with a `weight`
        An unembedding, the decoder of a sparse autoencoder, any linear map from the layer.
    labels : iterable of str, optional
        One name a vector.
    columns : bool
        Take the columns instead, as for a map into the layer: (n, m).

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If there is no matrix, or a vector is zero (a dead unit) or not finite; drop those rows.

    Examples
    --------
    >>> weight_frame(torch.nn.Linear(4, 6)).vectors.shape
    (6, 4)
    """
    found = getattr(weight, "weight", weight)
    if found is None or isinstance(found, torch.nn.Module | str):
        raise ValueError(
            f"a frame takes a weight matrix (m, n), or a module that has one, got "
            f"{type(weight).__name__}: name the module whose `weight` it is"
        )
    matrix = as_doubles(found, "weights")
    if matrix.ndim != 2:
        raise ValueError(
            f"a frame takes a weight matrix, got shape {matrix.shape}: flatten it to (m, n)"
        )
    which = "columns" if columns else "rows"
    named = f"{which} of a weight matrix {matrix.shape[0]} × {matrix.shape[1]}"
    matrix = matrix.T if columns else matrix
    if matrix.shape[1] < 2:
        raise ValueError(
            f"vectors of width 2 or more span planes, got {which} of width {matrix.shape[1]}: "
            f"take the {'rows' if columns else 'columns'} instead"
        )
    return Frame.given(matrix, labels, source=named)


def pca_frame(x: Any, count: int | None = None, centre: bool = True) -> Frame:
    """Return the principal axes of activations, an orthonormal frame.

    Parameters
    ----------
    x : (N, n) array or tensor
        Activations.
    count : int, optional
        Axes of largest variance to take; all n where left out.
    centre : bool
        Measure variance about the mean rather than about the origin.

    Returns
    -------
    Frame
        By falling variance; each axis points to where its largest entry is positive.

    Raises
    ------
    ValueError
        If the rows vary in fewer than two directions, or `count` is out of range.

    Notes
    -----
    Where the rows vary in fewer directions than axes are asked for (few rows, silent neurons), the
    remaining axes complete the frame in an arbitrary way; `source` says how many vary.

    A frame made of the very data it is used on is not independent of them: the rotation null then
    tests nothing. Make it of one half and project the other.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((100, 3)) * [1.0, 5.0, 2.0]
    >>> int(np.abs(pca_frame(x).vectors[0]).argmax())
    1
    """
    rows = _finite(x)
    count = _count(rows.shape[1], count)
    axes, varying = _axes(rows, centre)
    if varying < 2:
        raise ValueError(
            f"principal axes need rows that vary in two directions, got {len(rows):,} rows that "
            f"vary in {varying}: take another layer, or more rows"
        )
    axes = axes[:count] * _signs(axes[:count])
    labels = [f"component {index}" for index in range(count)]
    source = f"principal axes of {len(rows):,} rows"
    if varying < count:
        source += f", which vary in {varying} directions"
    return Frame(np.ascontiguousarray(axes), tuple(labels), source)


def ica_frame(x: Any, count: int | None = None, seed: int = 0) -> Frame:
    """Return the independent directions of activations: the columns of FastICA's mixing matrix.

    Parameters
    ----------
    x : (N, n) array or tensor
        Activations.
    count : int, optional
        Number of sources; all n where left out.
    seed : int
        Seed of the start.

    Returns
    -------
    Frame
        Directions that single sources move the activations in; not orthogonal in general.

    Raises
    ------
    ValueError
        If the iteration does not converge, the rows vary in fewer directions than there are
        sources, or `count` is out of range.

    Notes
    -----
    As for `pca_frame`, make the frame of other rows than those projected.

    Examples
    --------
    >>> x = np.random.default_rng(0).laplace(size=(2000, 3))
    >>> bool((np.abs(ica_frame(x).vectors).max(axis=1) > 0.95).all())
    True
    """
    import warnings

    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    check_whole(seed=seed)
    if seed >= 2**32:
        raise ValueError(f"seed must be below 2^32 = {2**32:,} for FastICA, got {seed:,}")
    rows = _finite(x)
    n = rows.shape[1]
    count = _count(n, count)
    axes, varying = _axes(rows, centre=True)
    if varying < count:
        raise ValueError(
            f"{len(rows):,} rows that vary in {varying} directions have no {count} independent "
            f"ones: ask for at most that many with `count`, or give more rows"
        )
    # within the directions in which they vary: whitening divides by the others' spread, zero
    inside = axes[:varying] if varying < n else None
    found = rows if inside is None else rows @ inside.T
    method = FastICA(count, whiten="unit-variance", random_state=int(seed), max_iter=1000, tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            method.fit(found)
        except ConvergenceWarning:
            raise ValueError(
                f"the independent components of {len(rows):,} rows did not converge: give more "
                "rows, ask for fewer with `count`, or try another seed"
            ) from None
    vectors = method.mixing_.T if inside is None else method.mixing_.T @ inside
    labels = [f"source {index}" for index in range(count)]
    source = f"independent directions of {len(rows):,} rows, seed {seed}"
    return Frame.given(vectors * _signs(vectors), labels, source)


def _finite(x: Any) -> np.ndarray:
    """Return the finite rows, scaled by a power of two so that no square overflows or vanishes."""
    matrix = as_doubles(as_rows(x), "rows")
    matrix = matrix[np.isfinite(matrix).all(axis=1)]
    if len(matrix) < 2:
        raise ValueError(f"axes need at least two finite rows, got {len(matrix)}")
    return np.asarray(np.ldexp(matrix, -np.frexp(np.abs(matrix).max())[1]))


def _count(n: int, count: int | None) -> int:
    if count is None:
        return n
    check_whole(count=count)
    if not 2 <= count <= n:
        raise ValueError(f"count must lie between 2 and the width {n}, got {count}")
    return int(count)


def _axes(rows: np.ndarray, centre: bool) -> tuple[np.ndarray, int]:
    """Return all principal axes by falling variance, and along how many the rows vary."""
    about = rows - rows.mean(axis=0) if centre else rows
    spread, axes = np.linalg.eigh(about.T @ about)
    unit = np.finfo(np.float64).eps
    # what rounding of the sums, and of the mean, may leave where there is no variance
    least = max(rows.shape[1] * unit * spread[-1], len(rows) * (16 * unit) ** 2)
    return axes.T[::-1], int((spread > least).sum())


def _signs(vectors: np.ndarray) -> np.ndarray:
    largest = np.abs(vectors).argmax(axis=1)
    return np.sign(vectors[np.arange(len(vectors)), largest])[:, None]
