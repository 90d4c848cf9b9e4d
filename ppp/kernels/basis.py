"""Orthonormal vectors, or axes with several vectors each: those of one axis span no plane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppp.kernels.rows import inlined


class Basis(NamedTuple):
    """A frame whose vectors are orthonormal, but for those on one axis.

    Unit vectors (m, n), none for the standard basis; for each the next one on its axis, (m,), in a
    ring, none where every axis has but one.
    """

    rows: np.ndarray
    ring: np.ndarray


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
def hide(i, number, order, value, sure, ring):
    """Make nothing of the candidates on the axis of vector i, itself among them, for sure."""
    mate, last = i, -1
    while mate != last:
        for k in range(number):
            if order[k] == mate:
                value[k] = np.nan
                sure[k] = True
        mate, last = ring[mate] if ring.shape[0] else i, i


@inlined
def show(c, rc, number, order, value, i, ring):
    """Undo what `hide` did."""
    mate, last = i, -1
    while mate != last:
        for k in range(number):
            if order[k] == mate:
                value[k] = c[rc, mate]
        mate, last = ring[mate] if ring.shape[0] else i, i
