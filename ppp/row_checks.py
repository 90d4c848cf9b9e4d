"""What rows, their inputs and their labels must be, checked where a user hands them over."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ppp.value_checks import in_memory


def as_rows(values: Any) -> np.ndarray | torch.Tensor:
    """Return activations as an array or tensor that is a matrix.

    Parameters
    ----------
    values : array, tensor, nested lists, or anything that NumPy reads as an array
        Activations.

    Returns
    -------
    (N, n) array or tensor

    Raises
    ------
    ValueError
        If they are no real dense matrix, or some of them are masked.

    Examples
    --------
    >>> as_rows([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if isinstance(values, torch.Tensor):
        return check_matrix(values)
    if np.ma.is_masked(values):
        raise ValueError(
            "activations must not be masked: leave masked rows out, or fill them with NaN, which "
            "is counted as left out: x.astype(float).filled(np.nan)"
        )
    if hasattr(values, "toarray"):
        raise ValueError(
            f"activations must be dense, got a {type(values).__name__}: use .toarray()"
        )
    return check_matrix(in_memory(values, "activations"))


def check_matrix(rows: Any) -> Any:
    """Return rows unchanged if they form a real (N, n) matrix with n ≥ 2.

    Parameters
    ----------
    rows : array or tensor
        Activations.

    Returns
    -------
    array or tensor

    Raises
    ------
    ValueError
        With the shape or type found, and the way out.
    """
    if isinstance(rows, torch.Tensor):
        if rows.layout is not torch.strided:
            raise ValueError(
                f"activations must be dense, got a tensor of layout {rows.layout}: use .to_dense()"
            )
        real = not rows.is_complex()
    else:
        real = rows.dtype.kind in "fiub"
    if not real:
        raise ValueError(f"activations must be real numbers, got dtype {rows.dtype}")
    if rows.ndim != 2:
        raise ValueError(
            f"activations must be a matrix (N, n), one sample a row, got shape "
            f"{tuple(rows.shape)}: reshape so that features are the last of two axes"
        )
    if rows.shape[1] < 2:
        raise ValueError(f"a plane needs activations of width 2 or more, got {rows.shape[1]}")
    return rows


def as_samples(sample: Any, rows: int) -> np.ndarray:
    """Return the inputs that rows come from as whole numbers.

    Parameters
    ----------
    sample : (R,) array, tensor or sequence
        Ids of inputs.
    rows : int
        How many rows there are.

    Returns
    -------
    (R,) int64 array

    Raises
    ------
    ValueError
        If there is not one whole number a row, or some are masked.

    Examples
    --------
    >>> as_samples([0.0, 0.0, 1.0], 3).tolist()
    [0, 0, 1]
    """
    ids = _one_a_row("sample", "input", sample, rows)
    whole = ids.dtype.kind in "iub"
    if ids.dtype.kind == "f":
        whole = bool((np.isfinite(ids) & (ids == np.floor(ids)) & (np.abs(ids) < 2.0**63)).all())
    if not whole or (ids.dtype.kind == "u" and ids.size and int(ids.max()) >= 2**63):
        raise ValueError(
            f"sample must hold whole numbers below 2**63, got dtype {ids.dtype}: number the "
            "inputs, as np.unique(sample, return_inverse=True)[1] does"
        )
    return ids.astype(np.int64, copy=False)


def as_labels(label: Any, rows: int) -> np.ndarray:
    """Return the classes of rows as an array of numbers or texts.

    Parameters
    ----------
    label : (R,) array, tensor or sequence
        Classes.
    rows : int
        How many rows there are.

    Returns
    -------
    (R,) array

    Raises
    ------
    ValueError
        If there is not one number or text a row, or some are masked.

    Examples
    --------
    >>> as_labels(["cat", "dog"], 2).tolist()
    ['cat', 'dog']
    """
    labels = _one_a_row("label", "class", label, rows)
    # of a list with both NumPy would make texts
    if labels.dtype.kind == "U" and isinstance(label, list | tuple):
        odd = [each for each in label if not isinstance(each, str)]
        if odd:
            raise ValueError(
                f"label must hold numbers or texts, not both, got {odd[0]!r} among texts: "
                "use [str(each) for each in label]"
            )
    if labels.dtype.kind not in "iubfU":
        way_out = ": use label.astype(str)" if labels.dtype.kind in "SO" else ""
        raise ValueError(f"label must hold numbers or texts, got dtype {labels.dtype}{way_out}")
    return labels


def check_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels unchanged if none of them is NaN, which equals no class, not even itself.

    Parameters
    ----------
    labels : (R,) array
        Classes.

    Returns
    -------
    (R,) array

    Raises
    ------
    ValueError
        With how many are NaN, and the way out.
    """
    missing = int(np.isnan(labels).sum()) if labels.dtype.kind == "f" else 0
    if missing:
        raise ValueError(
            f"label must not be NaN, got {missing} of {len(labels)}: give those rows a class of "
            "their own, or leave the labels out (labels=False, or --no-labels of ppp-plot)"
        )
    return labels


def _one_a_row(name: str, what: str, values: Any, rows: int) -> np.ndarray:
    """Return values as an array in the host's memory, if there is one a row."""
    array = in_memory(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must hold one {what} a row, got shape {array.shape}")
    if len(array) != rows:
        raise ValueError(f"{name} needs one entry a row: {rows} rows, got {len(array)}")
    return array
