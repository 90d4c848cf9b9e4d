"""Coordinates on edges of bins: every engine, precision and order of summing bins them alike."""

from __future__ import annotations

import itertools
import math

import naive
import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard
from tallies import ANGLES, BINS, assert_listed, assert_same_counts, counted

import ppp
from ppp import Frame, Planes
from ppp.counting import PlaneCounter
from ppp.engines import chosen_engine
from ppp.kernels.snapping import snap, snapped, step_of, steps_of
from ppp.point_cloud import PointCollector
from ppp.prepared import Prepared
from ppp.rule import Rule

N = 8
BOTH = np.vstack([hadamard(N), np.eye(N)])
PAIRS = [np.eye(N)[i] + s * np.eye(N)[j] for i, j in itertools.combinations(range(5), 2)
         for s in (1, -1)]  # fmt: skip
#: Frames of small whole numbers: rows of such have products on edges, hexagons have angles there.
FRAMES = {
    "diagonals of the cube": ppp.diagonal_frame(N, count=20, seed=1),
    "hadamard": Frame.given(hadamard(N).astype(float)),
    "half of it": Frame.given(hadamard(N)[:4].astype(float)),
    "hadamard and axes": Frame.given(BOTH.astype(float)),
    "simplex": Frame.given(np.eye(N) - 1 / N),
    "hexagons": Frame.given(np.array(PAIRS)),
}
#: float32 rows of this width are multiplied in float32, and 1/√128 is rounded.
WIDE = 128


def whole_rows(kind, vectors, count=150, seed=0):
    """Rows whose products with vectors of whole numbers lie on the edges of bins."""
    rng = np.random.default_rng(seed)
    n = vectors.shape[1]
    if kind == "signs":
        x = rng.choice([-1.0, 1.0], (count, n))
    elif kind == "sparse":
        x = rng.choice([-1.0, 0.0, 0.0, 2.0], (count, n))
    else:
        x = vectors[rng.integers(len(vectors), size=count)] * rng.choice([1, -2, 3], (count, 1))
    # numbers of float32, in which both precisions have the same rows
    return x.astype(np.float32).astype(np.float64)


@numba.njit
def snap_one(w, norm2):
    return snapped(w, step_of(norm2)), step_of(norm2)


@given(
    w=st.floats(-1, 1),
    norm2=st.floats(1e-30, 1e30),
    off=st.integers(-(2**14), 2**14),
    whole=st.booleans(),
)
def test_what_is_near_a_multiple_of_the_step_becomes_it(w, norm2, off, whole):
    if whole:
        w = round(w * 2**12) * 2.0**-12 + off * 2.0**-56
    w *= math.sqrt(norm2)
    found, step = snap_one(w, norm2)
    length = torch.tensor([norm2], dtype=torch.float64)
    assert steps_of(length).item() == step
    assert snap(torch.tensor([w], dtype=torch.float64), steps_of(length)).item() == found
    assert found == naive.snapped(w, norm2)
    assert math.frexp(step)[0] == 0.5
    assert step / math.sqrt(norm2) * (1 + 1e-15) >= 2**-20
    assert step / math.sqrt(norm2) <= 2**-19 * (1 + 1e-15)
    assert abs(found - w) <= 2.0**-43 * math.sqrt(norm2)
    assert found == w or found % step == 0


def test_zeros_come_out_without_a_sign():
    for w in (-0.0, -1e-17):
        assert math.copysign(1.0, snap_one(w, 1.0)[0]) == 1.0
        found = snap(torch.tensor([w], dtype=torch.float64), torch.tensor([2.0**-20]))
        assert not torch.signbit(found).any()


@pytest.mark.parametrize("kind", ["signs", "sparse", "along"])
@pytest.mark.parametrize("name", FRAMES)
def test_edges_are_those_of_exact_products(engine, name, kind):
    frame = FRAMES[name]
    x = whole_rows(kind, frame.vectors)
    tally = counted(x, frame, 0.6, "permutation", engine=engine)
    hits = naive.points(x, frame.vectors, frame.gram, 0.6, ordered=True)
    image, outside = naive.grid(hits, tally.half_width, BINS)
    assert tally.hits > 100
    np.testing.assert_array_equal(tally.image(), image)
    assert tally.beyond == outside
    first, second = np.array(naive.pairs_of(frame.gram, True)).T
    up = [hit for hit in hits if first[hit[1]] < second[hit[1]]]
    w = np.array([hit[2:] for hit in up])
    _, _, angle = naive.binned(w, tally.half_width, BINS, ANGLES)
    np.testing.assert_array_equal(tally.angle, angle)


@pytest.mark.parametrize("kind", ["signs", "sparse", "along"])
@pytest.mark.parametrize("name", FRAMES)
def test_edges_hang_on_no_precision_and_no_order_of_summing(engine, name, kind):
    frame = FRAMES[name]
    x = whole_rows(kind, frame.vectors, seed=1)
    one = counted(x, frame, 0.5, "permutation", engine=engine)
    assert_same_counts(one, counted(x.astype(np.float32), frame, 0.5, "permutation", engine=engine))
    moved = np.random.default_rng(2).permutation(N)
    columns = Frame.given(np.ascontiguousarray(frame.vectors[:, moved]))
    there = counted(np.ascontiguousarray(x[:, moved]), columns, 0.5, "permutation", engine=engine)
    assert_same_counts(one, there)


@pytest.mark.parametrize("width", [N, WIDE])
@pytest.mark.parametrize("kind", ["signs", "sparse", "along"])
def test_edges_hang_on_no_block(engine, kind, width):
    vectors = hadamard(width)[: width // 2] + np.eye(width)[: width // 2]
    frame = Frame.given(vectors)
    x = whole_rows(kind, vectors, 90).astype(np.float32)
    rule = Rule(0.3, bins=BINS, angles=ANGLES)
    counters = [
        PlaneCounter(Planes.of(frame, "permutation"), rule, 32.0, engine=chosen_engine(engine, x))
        for _ in range(2)
    ]
    counters[0].append(Prepared(x, np.arange(90), None))
    for k in range(90):
        counters[1].append(Prepared(x[k : k + 1], np.arange(k, k + 1), None))
    one, other = (counter.finish() for counter in counters)
    assert_same_counts(one, other)
    assert one.hits > 100


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pairs", ["combination", "permutation"])
@pytest.mark.parametrize("name", FRAMES)
def test_listed_points_are_those_that_are_counted(engine, name, pairs, dtype):
    frame = FRAMES[name]
    x = np.concatenate([whole_rows(kind, frame.vectors) for kind in ("signs", "sparse", "along")])
    x = x.astype(dtype)
    points = ppp.points(x, frame, 0.5, pairs)
    assert_listed(counted(x, frame, 0.5, pairs, engine=engine), points.w, points.plane)


@pytest.mark.parametrize("scale", [2.0**-500, 2.0**-70, 2.0**90, 2.0**500])
def test_rows_of_any_size_are_snapped_alike(engine, scale):
    frame = FRAMES["hexagons"]
    x = whole_rows("signs", frame.vectors)
    one = counted(x, frame, 0.5, "permutation", engine=engine)
    other = counted(x * scale, frame, 0.5, "permutation", engine=engine)
    assert other.half_width == one.half_width * scale
    other.half_width = one.half_width
    assert_same_counts(one, other)


def test_wide_rows_in_float32_have_their_edges(engine):
    """Saturated rows, those with a few hits, and those whose hits are looked at one by one."""
    oblique = np.vstack([hadamard(WIDE)[:40], np.eye(WIDE)[:20]])
    # a mirror: unlike numbers, so that zeros come out as rounding
    mirror = np.eye(WIDE - 3) - 2 / (WIDE - 3)
    assert 0 < np.abs(mirror @ mirror - np.eye(WIDE - 3)).max() < 1e-14
    for vectors, size in (hadamard(WIDE), WIDE**0.5), (oblique, WIDE**0.5), (mirror, WIDE - 3):
        frame = Frame.given(vectors.astype(float))
        rng = np.random.default_rng(5)
        picked = frame.vectors[rng.integers(frame.m, size=(3, 80))] * size
        x = np.concatenate([picked[0], picked[0] + picked[1], picked.sum(axis=0)])
        x = x.round().astype(np.float32)
        single = counted(x, frame, 0.5, "permutation", engine=engine)
        assert_same_counts(single, counted(x.astype(float), frame, 0.5, "permutation"))
        hits = naive.points(x[::40], frame.vectors, frame.gram, 0.5)
        tally = counted(x[::40], frame, 0.5, engine=engine)
        image, _ = naive.grid(hits, tally.half_width, BINS)
        np.testing.assert_array_equal(tally.image(), image)


def test_leaders_of_whole_length_lie_on_their_edges(engine):
    sides = [(1, 2, 2), (2, 3, 6), (1, 4, 8), (4, 4, 7), (2, 6, 9), (6, 6, 7), (2, 5, 14)]
    whole = np.array([np.array(side)[list(at)] * [1, 1, sign] for side in sides
                      for at in itertools.permutations(range(3)) for sign in (1, -1)])  # fmt: skip
    whole = np.unique(whole, axis=0).astype(float)
    frame = Frame.given(whole)
    own = np.vecdot(whole, frame.vectors)
    assert (own != own.round()).any()
    assert np.allclose(own, own.round(), rtol=1e-15)
    tally = counted(whole, frame, 0.9, "permutation", engine=engine)
    hits = naive.points(whole, frame.vectors, frame.gram, 0.9, ordered=True)
    image, _ = naive.grid(hits, tally.half_width, BINS)
    np.testing.assert_array_equal(tally.image(), image)


@pytest.mark.parametrize(
    "sides", [[(2, 3, 6), (3, -6, 2), (6, 2, -3)], [(2, 6, 9), (6, 7, -6), (9, -6, 2)]]
)
def test_orthonormal_leaders_of_whole_length_lie_on_their_edges(engine, sides):
    frame = Frame.given(np.array(sides, float))
    assert frame.orthonormal
    x = np.concatenate([k * np.array(sides, float) for k in range(-12, 13) if k])
    own = np.abs(x @ frame.vectors.T).max(axis=1)
    assert (own < own.round()).any()
    rule = Rule(0.9, bins=1024, angles=ANGLES)
    tally = counted(x, frame, rule, engine=engine)
    hits = naive.points(x, frame.vectors, frame.gram, 0.9)
    image, _ = naive.grid(hits, tally.half_width, 1024)
    np.testing.assert_array_equal(tally.image(), image)


@pytest.mark.parametrize("frame", ["standard", np.vstack([np.eye(4), -np.eye(4)])])
def test_numbers_of_the_rows_themselves_are_not_snapped(engine, frame):
    x = np.array([[1.0, -1e-17, 1e-300, 0.0], [-3.0, 0.0, -1e-40, -1e-20]])
    made = Frame.standard(4) if isinstance(frame, str) else Frame.given(frame)
    points = ppp.points(x, frame, 0.75)
    assert set(x[0]) <= set(points.w[points.sample == 0].ravel())
    assert_listed(counted(x, made, 0.75, engine=engine), points.w, points.plane)
    # below zero, however little
    assert counted(x[:1], Frame.standard(4), 0.75).image()[: BINS // 2].sum() == 0
    assert counted(x[:1], Frame.standard(4), 0.75).image()[:, : BINS // 2].sum() == 1


def test_shares_on_the_edge_of_a_bin_are_beyond_it():
    x = np.array([[3.0, 4.0, 0.0, 0.0, 0.0], [0.0, 0.6, 0.8, 0.0, 0.0], [0.1, 0.0, 0.0, 0.7, 0.1]])
    # 0.8 is an edge; 4 of 5, times 1.1, comes out a little less
    assert math.sqrt((4 * 1.1) ** 2 / ((3 * 1.1) ** 2 + (4 * 1.1) ** 2)) < 0.8
    for factor in (1.0, 1.1, 0.123):
        profile = ppp.project(x * factor, epsilon=0.7, null=None, also=[ppp.Radial(30)]).also[0]
        at = int(np.argmin(np.abs(profile.edges - 0.8)))
        assert profile.counts[at] == 6
        assert profile.counts[at - 1] == 0


def test_hits_at_the_origin_lie_in_the_first_angle(engine):
    """A rule of distance keeps rows that are nothing but rounding in a plane."""
    rule = Rule(0.0, bins=BINS, angles=8, distance=1.0)
    whole = np.array([row for row in itertools.product(range(-2, 3), repeat=4) if any(row)])
    mixed = Frame.given(np.vstack([hadamard(4), np.eye(4)]).astype(float))
    for frame, x in (mixed, whole * 0.1), (FRAMES["half of it"], whole_rows("signs", BOTH) * 0.1):
        collector = PointCollector(Planes.of(frame, "combination"), rule, 10**6)
        collector.append(Prepared(x, np.arange(len(x)), None))
        points = collector.finish()
        assert (points.w == 0).all(axis=1).any()
        assert_listed(counted(x, frame, rule, engine=engine), points.w, points.plane)


def test_bins_far_wider_than_a_row_have_their_edges(engine):
    rng = np.random.default_rng(8)
    vectors = rng.integers(-1, 2, (3 * N, N)).astype(float)
    frame = Frame.given(vectors[np.abs(vectors).sum(axis=1) > 0])
    x = vectors[rng.integers(24, size=(2, 300))].sum(axis=0) * 0.1
    x = np.vstack([x, np.full((9, N), 2.0**16)])
    rule = Rule(0.5, bins=BINS, angles=8)
    tally = counted(x, frame, rule, "permutation", engine=engine)
    assert_same_counts(tally, counted(x, frame, rule, "permutation", engine="torch:cpu"))
    points = ppp.points(x, frame, 0.5, "permutation")
    assert_listed(tally, points.w, points.plane)


def test_snapping_decides_no_hit(engine):
    """Ties at a small epsilon, between coordinates close to a multiple of the step."""
    frame = Frame.given(np.array([[3.0, 4.0, 0.0, 0.0], [-4.0, 3.0, 0.0, 0.0]]) / 5)
    x = np.array([[-0.010499572753914301, 0.08599967956548595, 0.9962398376327957, 0.0]])
    epsilon = float(np.hypot(*(frame.vectors @ x[0])) / np.linalg.norm(x))
    assert counted(x, frame, epsilon, engine=engine).hits == 1


def test_steps_do_not_hang_on_the_default_type():
    norm2 = torch.tensor([2.0**-99, 0.3, 1.0, 5.0, 2.0**99], dtype=torch.float64)
    expected = [snap_one(1.0, each)[1] for each in norm2.tolist()]
    before = torch.get_default_dtype()
    try:
        for kind in (torch.float16, torch.float32, torch.float64):
            torch.set_default_dtype(kind)
            assert steps_of(norm2).tolist() == expected
    finally:
        torch.set_default_dtype(before)
