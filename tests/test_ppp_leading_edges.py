"""Leaders that take all their partners at once, where float32 or its bounds come to their ends."""

import naive
import numba
import numpy as np
import pytest
from tallies import assert_listed, counted, in_both_precisions

from ppp.frame import Frame
from ppp.kernels import leading
from ppp.kernels.leading import INVERSE, TILT, Span
from ppp.planes import DEGENERATE, NEARLY_PARALLEL
from ppp.rule import Rule


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("exponent", [0, 60, -60, 110, -130])
@pytest.mark.parametrize("epsilon", [1.0, 0.6, 0.8])
def test_leaders_at_the_threshold_count_whatever_the_size_of_a_row(exponent, epsilon):
    x = np.zeros((3, 50))
    x[0, 3], x[1, [3, 7]], x[2, [3, 7]] = -2.0, (3.0, 4.0), (-4.0, 3.0)
    # beyond 1e±30 they are scaled, to 2^100
    agree(np.ldexp(x, exponent).astype(np.float32), epsilon)


@pytest.mark.parametrize("small", [-1e-45, 1e-45, -1e-40, 1e-30, -0.0])
def test_the_least_numbers_keep_their_side_of_zero_beside_the_largest(small):
    x = np.zeros((2, 50), np.float32)
    x[:, 1], x[:, 3], x[1, 4] = (3e38, -3e38), small, -small
    agree(x, 0.5)


def agree(x, epsilon):
    """Compare counts in the frame of all axes, both ways round, with the definition.

    Likewise with one vector more, which makes it oblique.
    """
    n = x.shape[1]
    axes = np.vstack([np.eye(n), -np.eye(n)])
    for vectors in (axes, np.vstack([axes, np.arange(1.0, n + 1)])):
        frame = Frame.given(vectors)
        hits = naive.points(x, frame.vectors, frame.gram, epsilon)
        w, plane = np.array([hit[2:] for hit in hits]), np.array([hit[1] for hit in hits])
        assert_listed(counted(x, frame, epsilon), w, plane)


@numba.njit
def fill(gram, span):
    return leading.table_of(0, gram, span)


@pytest.mark.parametrize("edge", [DEGENERATE, NEARLY_PARALLEL, 1e-3, 0.5])
def test_tables_round_cosines_as_a_single_pair_does(edge):
    g = np.sqrt(1 - edge) + np.arange(-500, 501) * 2.0**-53
    span = Span.of(len(g), np.dtype(np.float64))
    table = span.tables[fill(np.tile(g, (len(g), 1)), span)]
    rest = 1 - g * g
    apart = rest >= NEARLY_PARALLEL
    inverse = np.where(apart, 1 / np.sqrt(np.where(apart, rest, 1.0)), 0.0)
    np.testing.assert_allclose(table[INVERSE], inverse, rtol=1e-15)
    # what spans no plane is nobody's, what is nearly parallel is decided pair by pair
    tilt = np.where(apart, g * inverse, np.where(rest < DEGENERATE, 0.0, 1.0))
    np.testing.assert_allclose(table[TILT], tilt, rtol=1e-15)


@pytest.mark.parametrize("sine", [3e-3, 1e-2])
def test_rows_between_close_vectors_keep_their_waves_in_float32(sine):
    rng = np.random.default_rng(1)
    one = unit(rng.standard_normal((8, 52)))
    aside = rng.standard_normal((8, 52))
    aside = unit(aside - np.sum(aside * one, axis=1, keepdims=True) * one)
    frame = Frame.given(np.vstack([one, one + sine * aside, sine * aside - one]))
    x = frame.vectors[rng.integers(24, size=80)] + 0.01 * rng.standard_normal((80, 52))
    x = x.astype(np.float32)
    single, double = in_both_precisions(x, frame, 0.4)
    assert single.hits > 80 * 20
    found, wanted = (tally.moments.reshape(-1, 8).sum(axis=0)[2:4] for tally in (single, double))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * single.hits)


def test_rows_with_more_planes_than_a_counter_holds_are_counted_one_by_one():
    n = 65_600  # planes of one row alone: 2^31 and more
    x = np.zeros((3, n), np.float32)
    x[0, 5], x[1, [3, n - 1]], x[2] = 1.0, 1.0, 1.0
    tally = counted(x, Frame.standard(n), Rule(0.75))
    assert (tally.rows, tally.hits) == (3, n - 1 + 1)
    assert tally.grid.sum() + tally.outside == tally.hits
