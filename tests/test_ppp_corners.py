"""Corners of the kernels: tiny leaders, unusual sizes, near-parallel vectors, full counters."""

import copy
import pickle

import naive
import numpy as np
import pytest
from tallies import ANGLES, BINS, assert_listed, counted

import ppp
import srm
from ppp import block_counting
from ppp.counting import PlaneCounter
from ppp.frame import Frame
from ppp.planes import Planes
from ppp.prepared import Prepared
from ppp.rule import Rule


def against_points(x, frame, epsilon, distance=None):
    """The tally, after its counts, grid and angles were found to be those of the listed hits."""
    tally = counted(x, frame, Rule(epsilon, bins=BINS, angles=ANGLES, distance=distance))
    points = ppp.points(x, frame, epsilon, distance=distance)
    assert_listed(tally, points.w, points.plane)
    assert np.isfinite(tally.moments).all()
    return tally


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("small", [1e-31, 1e-37, 1e-40, 1e-310, 0.0])
def test_leaders_that_vanish_are_counted_where_everything_is_kept(dtype, small):
    with np.errstate(under="ignore"):
        x = np.array([[1, small, small / 2, -small], [0.5, -0.25, small, 0]]).astype(dtype)
    for frame in (Frame.standard(4), Frame.given(np.vstack([np.eye(4), -np.eye(4)]))):
        tally = against_points(x, frame, 0, distance=2.0)
        assert tally.hits == len(x) * tally.planes.count
        against_points(x, frame, 1e-12)


@pytest.mark.parametrize("frame", ["haar", "standard", "antipodal", "random"])
@pytest.mark.parametrize("power", [-70, 70, 120, None])
@pytest.mark.parametrize("n", [6, 56])
def test_rows_of_unusual_size_fall_into_their_bins(n, frame, power):
    rng = np.random.default_rng(3)
    made = {
        "haar": Frame.haar(n, 1),
        "standard": Frame.standard(n),
        "antipodal": Frame.given(np.vstack([np.eye(n), -np.eye(n)])),
        "random": Frame.given(rng.standard_normal((2 * n, n))),
    }[frame]
    x = 4 * made.vectors[rng.integers(made.m, size=50)] + rng.standard_normal((50, n)) / np.sqrt(n)
    powers = np.full((50, 1), power or 0) if power else rng.choice([-70, 0, 70], (50, 1))
    x = np.ldexp(x, powers).astype(np.float32)
    assert against_points(x, made, 0.4).hits > 50


def test_rows_at_the_ends_of_float64_are_counted_and_listed_as_they_are():
    rows = np.array([[9e307, 4e307, 0, 0], [1.7e308] * 2 + [1e300] * 2, [3, 4, 0, 0], [5e-324] * 4])
    found = ppp.points(rows, epsilon=0.9)
    low, high = np.array([(i, j) for i in range(4) for j in range(i + 1, 4)]).T
    expected = rows[found.row[:, None], np.stack([low, high], axis=1)[found.plane]]
    np.testing.assert_array_equal(found.w, expected)
    result = ppp.project(rows, epsilon=0.9, null=None)
    assert result.tally.hits == len(found) == 5
    assert result.tally.half_width == 2.0**1000


@pytest.mark.parametrize("engine", ["cpu", "torch:cpu"])
@pytest.mark.parametrize("size", [5e-324, 8e-309, 1e-300, 1e300])
def test_a_distance_of_zero_keeps_what_lies_in_a_plane_at_any_size(engine, size):
    x, rule = size * np.eye(4)[:1], Rule(0.0, bins=BINS, angles=ANGLES, distance=0.0)
    for vectors, hits in ((np.eye(4), 3), (np.vstack([np.eye(4), np.ones(4)]), 4)):
        assert counted(x, Frame.given(vectors), rule, engine=engine).hits == hits


@pytest.mark.parametrize("rows", [[1.5e19, -1e-30, 1e-30, -2e-36], [2e38, -1e-8, 1e-8, 0]])
def test_small_coordinates_keep_their_sign_beside_huge_ones(rows):
    x = np.array([rows, np.roll(rows, 1)], np.float32)
    for vectors in (np.eye(4), np.vstack([np.eye(4), -np.eye(4)])):
        against_points(x, Frame.given(vectors), 0.5)


@pytest.mark.parametrize("apart", [3.79e-5, 1e-4, 1.42e-4, 3.4e-4])
@pytest.mark.parametrize("m", [3, 24])
def test_planes_of_nearly_parallel_vectors_lose_no_hit(m, apart):
    vectors = np.eye(m)
    vectors[1, :2] = np.cos(apart), np.sin(apart)
    frame = Frame.given(vectors)
    phi = np.pi / 2 + apart / 2 + np.linspace(-apart / 2, apart / 2, 41)
    x = np.zeros((41, m))
    x[:, 0], x[:, 1] = np.cos(phi), np.sin(phi)
    wanted = len(naive.points(x, frame.vectors, frame.gram, 1.0))
    assert wanted == 41
    assert counted(x, frame, 1.0).hits == wanted
    assert len(ppp.points(x, frame, 1.0)) == wanted


@pytest.mark.parametrize("apart", [3e-5, 1e-4, 5e-4])
def test_who_stands_in_a_spotlight_is_who_the_sweep_counts_where_vectors_nearly_agree(apart):
    frame = Frame.given([[1, 0, 0], [np.cos(apart), np.sin(apart), 0], [0, 0, 1]])
    phi = np.linspace(0, 2 * np.pi, 37)[:-1]
    x = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    curve = srm.sweep(x, frame, 0.5, 72)
    seen = np.rint(curve.values[0] * len(x)).astype(int)
    stand = [len(srm.standing(x, (0, 1), theta, frame, 0.5)[0]) for theta in curve.angles]
    np.testing.assert_array_equal(seen, stand)


@pytest.mark.parametrize("oblique", [False, True])
def test_counters_of_32_bits_are_emptied_before_they_could_overflow(oblique, monkeypatch):
    m = 12
    frame = Frame.standard(m)
    if oblique:
        frame = Frame.given(np.eye(m) + 0.1)
    x = np.ones((300, m), np.float32)
    limit = 5 * m * (m - 1) // 2
    monkeypatch.setattr(block_counting, "FLUSH_HITS", limit)
    most = []
    for kind in block_counting.BlockCounter.__subclasses__():
        count = kind._count

        def counting(self, x, *rest, count=count):
            most.append(count(self, x, *rest))
            return most[-1]

        monkeypatch.setattr(kind, "_count", counting)
    tally = counted(x, frame, Rule(0.01))
    assert tally.hits == tally.grid.sum() == tally.angle.sum() == 300 * tally.planes.count
    assert 0 < max(most) <= limit


def test_a_row_of_more_hits_than_a_counter_holds_is_refused(monkeypatch):
    monkeypatch.setattr(block_counting, "FLUSH_HITS", 20)
    monkeypatch.setattr(block_counting, "COUNTER_LIMIT", 60)
    x, frame = np.ones((5, 12), np.float32), Frame.given(np.eye(12) + 0.1)
    with pytest.raises(OverflowError, match="counters hold 59 hits, and one row hits 66 of the"):
        counted(x, frame, Rule(0.01))
    assert counted(x[:, :7], Frame.given(np.eye(7) + 0.1), Rule(0.01)).hits == 5 * 21
    # each row fits by itself: a counter is emptied before it could not hold both
    monkeypatch.setattr(block_counting, "COUNTER_LIMIT", 40)
    few = np.ones((2, 9), np.float32)
    few[0, 6:] = 0
    for frame in (Frame.standard(9), Frame.given(np.eye(9) + 1e-3)):
        tally = counted(few, frame, Rule(0.2))
        assert tally.hits == tally.grid.sum() > 36


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
@pytest.mark.parametrize("frame", [Frame.haar(50, 1), Frame.standard(50), None])
def test_a_counter_that_travels_goes_on_counting(travel, frame):
    rng = np.random.default_rng(7)
    frame = frame or Frame.given(rng.standard_normal((60, 50)))
    x = rng.standard_normal((300, 50)) + 8 * frame.vectors[rng.integers(frame.m, size=300)]
    blocks = [Prepared(x[a : a + 150], np.arange(a, a + 150), None) for a in (0, 150)]
    planes, rule = Planes.of(frame, "combination"), Rule(0.6, bins=BINS, angles=ANGLES)
    one, other = (PlaneCounter(planes, rule, 64.0) for _ in range(2))
    for block in blocks:
        one.append(block)
    other.append(blocks[0])
    other = travel(other)
    other.append(blocks[1])
    one, other = one.finish(), other.finish()
    assert one.hits == other.hits > 0
    np.testing.assert_array_equal(one.grid, other.grid)
    np.testing.assert_allclose(one.moments, other.moments, rtol=1e-12, atol=1e-11)
