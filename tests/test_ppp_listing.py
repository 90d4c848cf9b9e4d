"""Listing what reaches a level, thirty-two places at a time."""

import numba
import numpy as np
import pytest

from ppp.kernels.listing import TOGETHER, list_reaching
from ppp.kernels.peaks import Patterns, gather, highest
from ppp.kernels.rows import FAST, read_only

HOW = {"fastmath": FAST, "error_model": "numpy", "_nrt": False}


@numba.njit(**HOW)
def listed(values, r, begin, end, mask, level, found):
    return list_reaching(values, r, begin, end, mask, level, found)


@numba.njit(**HOW)
def gathered(patterns, r, least, found):
    return gather(patterns, r, least, found), highest(patterns, r)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("number", [0, 1, 7, TOGETHER - 1, TOGETHER, TOGETHER + 1, 500])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.6, 1.0])
def test_places_that_reach_a_level_are_listed_in_order(kind, number, share):
    rng = np.random.default_rng(number)
    values = rng.integers(0, 9, (2, number + 40)).astype(kind)
    values[rng.random(values.shape) < share] += kind(9)
    for begin in (0, 5, 40):
        found = np.full(number + 1, -1, np.int64)
        count = listed(values, 1, begin, begin + number, kind(-1), kind(9), found)
        expected = np.flatnonzero(values[1, begin : begin + number] >= 9)
        assert found[:count].tolist() == expected.tolist()
        # only what the mask leaves is asked
        count = listed(values, 1, begin, begin + number, kind(1), kind(1), found)
        expected = np.flatnonzero(values[1, begin : begin + number] % 2)
        assert found[:count].tolist() == expected.tolist()


@pytest.mark.parametrize("place", range(TOGETHER))
def test_every_place_by_itself_is_found(place):
    values, found = np.zeros((1, TOGETHER), np.int32), np.zeros(2, np.int64)
    values[0, place] = 3
    assert listed(values, 0, 0, TOGETHER, np.int32(-1), np.int32(3), found) == 1
    assert found[0] == place


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m", [1, 18, 64, 77])
def test_large_coordinates_are_gathered_whatever_their_sign(dtype, m):
    c = np.random.default_rng(m).standard_normal((3, m)).astype(dtype)
    c[0, 0], c[1, -1] = -0.0, -np.finfo(dtype).tiny / 4
    patterns, found = Patterns.of(read_only(c)), np.zeros(m + 1, np.int64)
    for r in range(3):
        for least in (0.0, float(abs(c[r, 0])), float(abs(c[r, -1])), 0.8, np.inf):
            count, most = gathered(patterns, r, least, found)
            assert found[:count].tolist() == np.flatnonzero(abs(c[r]) >= least).tolist()
            assert most == abs(c[r]).max()
