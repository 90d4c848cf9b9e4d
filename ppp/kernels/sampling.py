"""Sampling rows: a number for every input, as if drawn at random, and copies of chosen rows."""

from __future__ import annotations

import numpy as np

from ppp.kernels.rows import jit


@jit
def split_mix(sample, offset, step, factors, z):
    """Fill z with SplitMix64 (Steele, Lea and Flood 2014) of the inputs' ids.

    Parameters
    ----------
    sample : (R,) int64 array
        Ids of inputs.
    offset, step : uint64
        Where the sequence begins, and how far apart its states are.
    factors : (uint64, uint64)
        What the two rounds multiply by.
    z : (R,) uint64 array
        Filled.
    """
    for r in range(sample.shape[0]):
        state = np.uint64(sample[r]) * step + offset
        state = (state ^ (state >> np.uint64(30))) * factors[0]
        state = (state ^ (state >> np.uint64(27))) * factors[1]
        z[r] = state ^ (state >> np.uint64(31))


@jit
def copy_rows(x, place, rows, at):
    """Copy the rows of x that stand at `place` to the places `at` of other rows."""
    for k in range(place.shape[0]):
        source, target = x[place[k]], rows[at[k]]
        for column in range(source.shape[0]):
            target[column] = source[column]
