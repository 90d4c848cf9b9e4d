"""Expansion of vectors along a frame other than the coordinate axes."""

from __future__ import annotations

import torch
from torch import Tensor

#: Largest deviation of a frame vector's length from one.
UNIT = 1e-6


def check_frame(frame: Tensor) -> Tensor:
    """Return ``frame (m, n)`` after checking that its rows are unit vectors.

    Parameters
    ----------
    frame : (m, n) tensor
        One distinguished vector a row; m may exceed n.

    Returns
    -------
    tensor
        The frame, unchanged.

    Raises
    ------
    TypeError
        Not a tensor.
    ValueError
        Not a matrix, not finite, or a row is not a unit vector.

    Examples
    --------
    >>> check_frame(torch.eye(2)).shape
    torch.Size([2, 2])
    """
    if not isinstance(frame, Tensor):
        raise TypeError(f"frame must be a tensor, got {type(frame).__name__}: use torch.as_tensor")
    if frame.ndim != 2 or not frame.numel():
        raise ValueError(f"frame must be an (m, n) matrix of unit rows, got {tuple(frame.shape)}")
    wide = frame.detach().cpu().double()  # not every accelerator has double precision
    off = (torch.linalg.vector_norm(wide, dim=1) - 1).abs()
    if not bool((off <= UNIT).all()):
        row = int(off.nan_to_num(torch.inf).argmax())
        length = float(torch.linalg.vector_norm(wide[row]))
        raise ValueError(
            f"frame must have unit rows, but row {row} has length {length:g}: divide each row by "
            "its length"
        )
    return frame


def frame_gain(frame: Tensor, gain: float | str) -> float:
    """Return the factor of the expansion along ``frame (m, n)``.

    Parameters
    ----------
    frame : (m, n) tensor
        Unit rows.
    gain : float or "tight"
        A number is taken as it is; ``"tight"`` means n/m, with which the expansion
        ``gain sum_j (x . b_j) b_j`` over a tight frame is the identity, whatever m.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        Neither a number nor ``"tight"``.

    Examples
    --------
    >>> frame_gain(torch.ones(6, 2), "tight")
    0.3333333333333333
    """
    if gain == "tight":
        return frame.shape[1] / frame.shape[0]
    if isinstance(gain, str):
        raise ValueError(f"gain must be a number or 'tight', got {gain!r}")
    return float(gain)


def coordinates(x: Tensor, frame: Tensor) -> Tensor:
    """Return ``x (..., n)`` along the rows of ``frame (m, n)``: ``(..., m)``.

    Parameters
    ----------
    x : (..., n) tensor
        Vectors.
    frame : (m, n) tensor
        Unit rows, as wide as the vectors.

    Returns
    -------
    tensor

    Raises
    ------
    ValueError
        The frame's vectors have another width.

    Examples
    --------
    >>> coordinates(torch.tensor([[1.0, 2.0]]), torch.eye(2).flip(0))
    tensor([[2., 1.]])
    """
    if x.shape[-1] != frame.shape[1]:
        raise ValueError(
            f"frame must be as wide as the vectors, got {frame.shape[1]} and {x.shape[-1]}"
        )
    return x @ frame.to(x).T
