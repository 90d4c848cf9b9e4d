"""Orthonormal vectors, or axes with several vectors each: those of one axis span no plane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppp.kernels.rows import inlined


class Basis(NamedTuple):
    """A frame of which any two vectors are orthogonal or lie on one axis.

    Unit vectors (m, n), none for the standard basis; the axis of each and, in a ring, the next
    vector on it, both (m,), none where every axis has but one; and whether coordinates are a row's
    own numbers, which nothing has rounded.
    """

    rows: np.ndarray
    axes: np.ndarray
    ring: np.ndarray
    exact: bool


@inlined
def on_axis(i, ring):
    """Return how many vectors lie on the axis of vector i."""
    count = 1
    mate = ring[i] if ring.shape[0] else i
    while mate != i:
        count += 1
        mate = ring[mate]
    return count


@inlined
def _together(i, j, axes):
    """Return whether two vectors lie on one axis, as any does with itself."""
    return axes[i] == axes[j] if axes.shape[0] else i == j


@inlined
def hide(i, number, order, value, sure, axes):
    """Make nothing of the candidates on the axis of vector i, itself among them, for sure."""
    for k in range(number):
        if _together(i, order[k], axes):
            value[k] = np.nan
            sure[k] = True


@inlined
def show(c, rc, number, order, value, i, axes):
    """Undo what `hide` did."""
    for k in range(number):
        if _together(i, order[k], axes):
            value[k] = c[rc, order[k]]
