"""Coordinates along axes: a frame of axes and their opposites needs no product."""

from __future__ import annotations

from ppp.kernels.rows import jit


@jit
def signed_columns(x, axes, signs, c):
    """Fill c with the columns of x that a frame's axes name, turned by their signs.

    Parameters
    ----------
    x : (R, n) array
        Rows.
    axes : (m,) uint32 array
        Column of each vector.
    signs : (m,) array
        1 or −1, in the rows' type.
    c : (R, m) array
        Filled; in the rows' type.
    """
    zero = signs.dtype.type(0)  # a sum of products is never −0, and neither is what stands for it
    for r in range(x.shape[0]):
        row, out = x[r], c[r]
        for k in range(axes.shape[0]):
            out[k] = row[axes[k]] * signs[k] + zero
