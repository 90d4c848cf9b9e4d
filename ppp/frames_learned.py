"""Frames that a network or its data give: rows of weights, principal and independent axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ppp.frame import Frame
from ppp.streams import check_matrix


def weight_frame(weight: Any, labels: Sequence[str] | None = None, columns: bool = False) -> Frame:
    """Return the rows of a weight matrix as distinguished vectors.

    Parameters
    ----------
    weight : (m, n) tensor or array, or module with a `weight`
        An unembedding, the decoder of a sparse autoencoder, any linear map from the layer.
    labels : sequence of str, optional
        One name a vector.
    columns : bool
        Take the columns instead, as for a map into the layer: (n, m).

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If a vector is zero (a dead unit) or not finite; drop those rows.

    Examples
    --------
    >>> weight_frame(torch.nn.Linear(4, 6)).vectors.shape
    (6, 4)
    """
    found = getattr(weight, "weight", weight)
    if isinstance(found, torch.Tensor):
        found = found.detach().cpu().double().numpy()
    matrix = np.asarray(found, np.float64)
    if matrix.ndim != 2:
        raise ValueError(
            f"a frame takes a weight matrix, got shape {matrix.shape}: flatten it to (m, n)"
        )
    which = "columns" if columns else "rows"
    named = f"{which} of a weight matrix {matrix.shape[0]} × {matrix.shape[1]}"
    return Frame.given(matrix.T if columns else matrix, labels, source=named)


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

    Notes
    -----
    A frame made of the very data it is used on is not independent of them: the rotation null then
    tests nothing. Make it of one half and project the other.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((100, 3)) * [1.0, 5.0, 2.0]
    >>> int(np.abs(pca_frame(x).vectors[0]).argmax())
    1
    """
    rows = _finite(x)
    n = rows.shape[1]
    count = n if count is None else count
    if not 2 <= count <= n:
        raise ValueError(f"count must lie between 2 and the width {n}, got {count}")
    if centre:
        rows = rows - rows.mean(axis=0)
    _, axes = np.linalg.eigh(rows.T @ rows)
    axes = axes.T[::-1][:count]
    axes = axes * _signs(axes)
    labels = [f"component {index}" for index in range(count)]
    source = f"principal axes of {len(rows):,} rows"
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
        If the iteration does not converge.

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

    rows = _finite(x)
    n = rows.shape[1]
    count = n if count is None else count
    if not 2 <= count <= n:
        raise ValueError(f"count must lie between 2 and the width {n}, got {count}")
    method = FastICA(count, whiten="unit-variance", random_state=seed, max_iter=1000, tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            method.fit(rows)
        except ConvergenceWarning:
            raise ValueError(
                f"the independent components of {len(rows):,} rows did not converge: give more "
                "rows, ask for fewer with `count`, or try another seed"
            ) from None
    vectors = method.mixing_.T
    labels = [f"source {index}" for index in range(count)]
    source = f"independent directions of {len(rows):,} rows, seed {seed}"
    return Frame.given(vectors * _signs(vectors), labels, source)


def _finite(x: Any) -> np.ndarray:
    matrix = x.detach().cpu().double().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    matrix = check_matrix(matrix).astype(np.float64)
    matrix = matrix[np.isfinite(matrix).all(axis=1)]
    if len(matrix) < 2:
        raise ValueError(f"axes need at least two finite rows, got {len(matrix)}")
    return matrix


def _signs(vectors: np.ndarray) -> np.ndarray:
    largest = np.abs(vectors).argmax(axis=1)
    return np.sign(vectors[np.arange(len(vectors)), largest])[:, None]
