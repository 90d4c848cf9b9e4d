"""Saturated rows whose other coordinates are small: compared with edges, counted alike."""

from __future__ import annotations

import naive
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tallies import assert_listed, counted, in_both_precisions

from ppp.frame import Frame
from ppp.kernels.bunched import REACH, WIDEST, scatter_bunched, weigh_bunched
from ppp.kernels.orthonormal import Room
from ppp.kernels.rows import FAST, read_only
from ppp.kernels.saturated import grid_bin, scatter_all, weigh_all
from ppp.kernels.turning import unfold
from ppp.orthonormal_counting import _counts
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.tally import Tally

#: Small to compare; leaders may lie beyond the grid.
HALF_WIDTH, RULE = 0.5, Rule(0.75, bins=256)

#: No two vectors on one axis.
ALONE = np.zeros(0, np.int64)

compiled = numba.njit(fastmath=FAST, error_model="numpy", _nrt=False)


@compiled
def together(c, top, second, counts, room):
    half = (counts.grids.shape[1] - 2) // 2
    row = grid_bin(c[0, top], np.float32(counts.per_unit), np.float32(half))
    return scatter_bunched(c, 0, top, row, second, ALONE, counts, room.edges)


@compiled
def one_by_one(c, top, counts, room):
    half = (counts.grids.shape[1] - 2) // 2
    row = grid_bin(c[0, top], np.float32(counts.per_unit), np.float32(half))
    scatter_all(c, 0, top, row, 0.0, 1.0, ALONE, counts, room)


@compiled
def summed(c, top, norm2, fourth, second, sums):
    if not weigh_bunched(c, 0, top, norm2, fourth, second, sums[0]):
        return False
    weigh_all(c, 0, top, 1, sums[1])
    return True


def counters(m, rule):
    tally = Tally(Planes.of(Frame.standard(m), "combination"), rule, HALF_WIDTH, True)
    return _counts(tally)


def contents(counts):
    grids = np.where(counts.touched[:, :, None], counts.grids, 0).astype(np.int64)
    relative = counts.relative[:4].astype(np.int64) + counts.relative[4:]
    return grids[:2] + grids[2:], counts.angle + unfold(relative, len(counts.angle))


def both_ways(row, rule=RULE):
    """Whether a row is counted together, and what that finds beside one after the other."""
    c = read_only(np.asarray(row, np.float32)[None])
    top = int(np.abs(c[0]).argmax())
    second = float(np.abs(np.delete(c[0], top)).max(initial=0.0))
    found = []
    for way in (together, one_by_one):
        counts, room = counters(c.shape[1], rule), Room.of(c.shape[1], rule.angles)
        taken = way(c, top, *([second] if way is together else []), counts, room)
        found.append((taken, *contents(counts)))
    (taken, *some), (_, *all_) = found
    if taken:
        for one, other in zip(some, all_, strict=True):
            np.testing.assert_array_equal(one, other)
        assert some[0].sum() == some[1].sum() == c.shape[1] - 1
    else:
        assert not some[0].any()
        assert not some[1].any()
    return taken


def near_edges(rng, m, lead, cells, turns, rule=RULE):
    """Coordinates on edges of bins and angles, and the floats just beside them."""
    cell = rng.integers(1 - cells, cells, m) * (2 * HALF_WIDTH / rule.bins)
    turn = lead * np.tan(2 * np.pi / rule.angles * rng.integers(1 - turns, turns, m))
    row = np.where(rng.random(m) < 0.5, cell, turn).astype(np.float32)
    return np.nextafter(row, rng.choice([-9, 9], m).astype(np.float32), where=rng.random(m) < 0.6,
                        out=row.copy())  # fmt: skip


def fits(row, rule=RULE):
    """Whether a row's other coordinates lie in as few bins as are counted together."""
    lead, second = np.sort(np.abs(row.astype(np.float64)))[:-3:-1]
    cells = int(second * rule.bins / (2 * HALF_WIDTH)) + 1
    turns = int(second / lead * rule.angles / (2 * np.pi) * (1 + 1e-6)) + 1
    return max(cells, turns) <= REACH and cells + turns - 1 <= 6 + len(row) // 32


@pytest.mark.parametrize("m", [64, 65, 100, 257])
def test_what_lies_on_an_edge_is_counted_as_one_by_one(m):
    rng = np.random.default_rng(m)
    many = 0
    for _ in range(150):
        lead = np.float32(rng.choice([-1, 1]) * rng.uniform(0.25, 0.7))
        row = near_edges(rng, m, lead, rng.integers(1, 5), rng.integers(1, 4))
        row[np.abs(row) < 1e-8] = rng.choice([0.0, -0.0])  # what is nearly zero is not taken
        row[rng.integers(m)] = lead
        assert both_ways(row) == fits(row)
        many += fits(row)
    assert many > 30


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), m=st.sampled_from([64, 99, 300]), tiny=st.booleans())
def test_noise_zeros_and_the_tiny(seed, m, tiny):
    rng = np.random.default_rng(seed)
    row = 10.0 ** rng.uniform(-3.5, -2.2, m) * rng.standard_normal(m)
    row[rng.random(m) < 0.3] = 0
    row[0] = -0.0
    if tiny:
        row[rng.integers(m)] = rng.choice([1e-11, -1e-40, 1e-45])
    row[rng.integers(m)] = rng.choice([-1, 1])
    row = row.astype(np.float32)
    taken = both_ways(row)
    assert taken == (not ((row != 0) & (np.abs(row) < 1e-9)).any()) or np.abs(row).max() < 1


def test_what_is_too_much_is_left_to_the_counters():
    row = np.zeros(300, np.float32)
    row[7] = 1.0
    assert both_ways(row)
    row[9] = 0.03  # seven cells from zero, and four angular bins
    assert both_ways(row)
    row[9] = 0.04
    assert not both_ways(row)
    assert not both_ways(np.eye(63)[5])
    assert not both_ways(row * 0 + (np.arange(300) == 7), rule=Rule(0.75, bins=2 * REACH - 4))
    assert not both_ways((np.arange(300) == 7) * 1.0, rule=Rule(0.75, angles=8 * REACH - 4))
    assert not both_ways((np.arange(WIDEST + 1) == 7) * 1.0, rule=Rule(0.75, bins=64))
    # beside an edge of the angles by less than rounding of the angle may move it
    lead = next(
        lead
        for lead in np.float32(1.0) - np.arange(100_000, dtype=np.float32) * np.float32(2**-24)
        if abs(np.float64(lead) * np.tan(np.pi / 360) % 2**-30 - 2**-31) > 2**-31 - 1e-13
    )
    row[:] = 0
    row[7], row[9] = lead, 0.01
    assert not both_ways(row)


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), m=st.sampled_from([64, 65, 256]), size=st.floats(-14, 14))
def test_waves_are_those_of_every_hit(seed, m, size):
    rng = np.random.default_rng(seed)
    row = rng.uniform(-1, 1, m) * 2.0**-5.51
    top = rng.integers(m)
    row[top] = rng.choice([-1, 1])
    c = read_only((10.0**size * row).astype(np.float32)[None])
    squares = np.square(c[0].astype(np.float64))
    second = float(np.sqrt(np.delete(squares, top).max()))
    sums = np.zeros((2, 8))
    assert summed(c, top, squares.sum(), np.square(squares).sum(), second, sums)
    t = np.delete(squares, top) / squares[top]
    cos4 = 1 - 8 * t / (1 + t) ** 2
    exact = [m - 1, cos4.sum(), (2 * cos4**2 - 1).sum()]
    np.testing.assert_allclose(sums[0, 1:4], exact, rtol=0, atol=2e-12 * m)
    np.testing.assert_allclose(sums[1, 1:4], exact, rtol=0, atol=2e-12 * m)
    second *= 1.01
    assert summed(c, top, squares.sum(), np.square(squares).sum(), second, sums) == (
        second**2 <= squares[top] * 2**-11
    )


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1, 0.5])
@pytest.mark.parametrize("n", [20, 70])
def test_saturated_rows_equal_the_oracle(engine, noise, n):
    rng = np.random.default_rng(5)
    x = (noise / np.sqrt(n) * rng.standard_normal((12, n))).astype(np.float32)
    x[np.arange(12), rng.integers(n, size=12)] += rng.choice([-1, 1], 12)
    x[0, 3], x[1, 4] = 1e-12, -1e-30
    x[2:6] = np.sort(x[2:6])  # leaders at both ends of a row
    rule = Rule(0.75)
    single, double = in_both_precisions(x, Frame.standard(n), rule, engine=engine)
    assert single.hits == 12 * (n - 1)
    hits = naive.points(x, np.eye(n), np.eye(n), 0.75)
    assert_listed(single, np.array([hit[2:] for hit in hits]), np.array([hit[1] for hit in hits]))
    np.testing.assert_allclose(single.moments, double.moments, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("power", range(97, 103))
def test_huge_saturated_rows_sum_up_like_others(power):
    x = np.full((3, 70), 2.0**-9, np.float32)
    x[np.arange(3), [0, 30, 69]] = 1.0
    plain = counted(x, Frame.standard(70), 0.75)
    huge = counted(x * np.float32(2.0**power * 1.5), Frame.standard(70), 0.75)
    np.testing.assert_allclose(huge.moments, plain.moments, rtol=1e-12)


@pytest.mark.parametrize("opposite", [False, True])
@pytest.mark.parametrize("bins", [20, 100, 1000])
def test_bins_that_are_no_power_of_two_are_exact(engine, bins, opposite):
    rng = np.random.default_rng(bins)
    n, rule = 20, Rule(0.75, bins=bins)
    frame = Frame.given(np.vstack([np.eye(n), -np.eye(n)])) if opposite else Frame.standard(n)
    x = (rng.integers(-3, 4, (60, n)) * (4.0 / bins)).astype(np.float32)
    x[np.arange(60), rng.integers(n, size=60)] = 1.0
    tally = counted(x, frame, rule, engine=engine)
    hits = naive.points(x, frame.vectors, frame.gram, 0.75)
    grid, outside = naive.grid(hits, tally.half_width, bins)
    np.testing.assert_array_equal(tally.grid, grid)
    assert tally.outside == outside
