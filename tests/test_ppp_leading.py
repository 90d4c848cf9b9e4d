"""Leaders of oblique frames that take all their partners at once, against a list of their hits."""

import naive
import numba
import numpy as np
import pytest
from tallies import ANGLES, BINS, assert_listed, assert_same_counts, counted, in_both_precisions

import ppp
from ppp.block_counting import error_share, product
from ppp.frame import Frame
from ppp.kernels import leading
from ppp.kernels.leading import CHUNK
from ppp.kernels.waves import upright, wave_between
from ppp.rule import Rule

RNG = np.random.default_rng(5)


def antipodal(n):
    """Vectors and their opposites, along no axes: those of axes count as orthonormal ones do."""
    turned = Frame.haar(n, 2).vectors
    return np.vstack([turned, -turned])


FRAMES = {
    "antipodal": antipodal(50),
    "antipodal, narrow": antipodal(9),
    "axes": np.vstack([np.eye(50), -np.eye(50)]),
    "axes, narrow": np.vstack([-np.eye(9), np.eye(9)]),
    "random": RNG.standard_normal((110, 52)),
    "random, narrow": RNG.standard_normal((30, 8)),
    "crowded": RNG.standard_normal((40, 3)),
    "simplex": ppp.thomson_frame(10, 9).vectors,
    "nearly parallel": np.vstack([np.eye(6), np.eye(6) + 2e-4 * np.roll(np.eye(6), 1, axis=1)]),
    "half parallel": np.vstack([np.eye(6), np.eye(6)[:3] * 2, RNG.standard_normal((4, 6))]),
}


def rows(kind, vectors, count=60):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    m, n = unit.shape
    rng = np.random.default_rng(m)
    one = unit[rng.integers(m, size=count)]
    noise = rng.standard_normal((count, n)) / np.sqrt(n)
    if kind == "single":
        return (1 + rng.random((count, 1))) * one + 0.1 * noise
    if kind == "pairs":
        return one + unit[rng.integers(m, size=count)] + 0.1 * noise
    if kind == "extreme":
        size = np.ldexp(1.0, rng.integers(-60, 60, size=(count, 1)))
        return size * (one + 0.1 * noise)
    if kind == "one-hot":
        return np.eye(n)[rng.integers(n, size=count)] * rng.choice([-2.0, 1.0, 0.75], (count, 1))
    return rng.integers(-1, 2, (count, n)).astype(float)


#: Of arrays, pair by pair.
waves_of = np.vectorize(naive.waves)


def agree(tally, points, atol):
    """Compare a tally with its hits, and their Σ cos 4φ and Σ cos 8φ over the planes (i < j)."""
    assert_listed(tally, points.w, points.plane)
    planes = points.planes
    up = planes.first[points.plane] < planes.second[points.plane]
    w, plane = points.w[up], points.plane[up]
    wave = np.zeros(2)
    if len(w):
        wave = np.sum(waves_of(w[:, 0], w[:, 1], planes.cosine[plane]), axis=1)
    found = tally.moments.sum(axis=0)[2:4]
    np.testing.assert_allclose(found, wave, rtol=0, atol=atol * max(1, len(points)))
    return tally


@pytest.mark.parametrize("kind", ["single", "pairs", "extreme", "one-hot", "ternary"])
@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_partners_at_once_are_those_taken_one_by_one(name, kind, dtype):
    x = rows(kind, FRAMES[name]).astype(dtype)
    frame = Frame.given(FRAMES[name])
    for epsilon, pairs in ((0.4, "combination"), (0.75, "permutation")):
        points = ppp.points(x, frame, epsilon, pairs)
        tally = agree(counted(x, frame, epsilon, pairs), points, 1e-6)
        assert tally.hits or kind in ("one-hot", "ternary")


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_planes_are_kept_where_the_distance_allows(name, dtype):
    vectors = FRAMES[name]
    frame = Frame.given(vectors)
    x = np.vstack([rows("one-hot", vectors, 12), rows("single", vectors, 12)]).astype(dtype)
    for distance in (0.05, 1e3):  # beyond every row: each is kept in every plane
        tally = counted(x, frame, Rule(0, bins=BINS, angles=ANGLES, distance=distance))
        # where w = 0 there is no direction: the tally says cos 4φ = 1, and so does atan2(0, 0)
        agree(tally, ppp.points(x, frame, 0, distance=distance), 1e-5)
        assert distance < 1 or tally.hits == len(x) * tally.planes.count


@numba.njit
def wave(angle, crossed, between, kind):
    return wave_between(angle, crossed, between, kind)


@pytest.mark.parametrize("g", [-0.999, -0.3, 1e-9, 0.5, 0.97])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_waves_without_a_branch_are_those_with_one(g, kind):
    phi = np.linspace(0, 2 * np.pi, 2001)
    w1, w2 = np.cos(phi), np.sin(phi)
    folded = kind(np.arctan2(np.abs(w2), np.abs(w1)))
    found = [
        wave(angle, crossed, kind(np.arccos(g)), kind)
        for angle, crossed in zip(folded, w1 * w2 < 0, strict=True)
    ]
    wanted = waves_of(w1, w2, g)[0]
    np.testing.assert_allclose(found, wanted, atol=20 * np.finfo(kind).eps / (1 - abs(g)))


@numba.njit
def angle_of(a, b, kind):
    return upright(a, b, kind)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_angles_by_polynomial_are_arcs(kind):
    phi = np.linspace(0, np.pi / 2, 1001)
    a, b = np.cos(phi).astype(kind), np.abs(np.sin(phi)).astype(kind)
    found = [angle_of(x, y, kind) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, phi, atol=3 * np.finfo(kind).eps + 1e-14)


@pytest.mark.parametrize("m", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7])
@pytest.mark.parametrize("kind", ["single", "one-hot"])
def test_pairs_beyond_a_chunk_are_counted_as_those_in_it(m, kind):
    vectors = np.random.default_rng(m).standard_normal((m, 50))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    leaders = unit[[0, 1, m // 2, m - 2, m - 1]]
    x = (leaders if kind == "single" else leaders + rows("one-hot", vectors, 5)).astype(np.float32)
    frame = Frame.given(vectors)
    points = ppp.points(x, frame, 0.75, "permutation")
    assert agree(counted(x, frame, 0.75, "permutation"), points, 1e-6).hits > 0


@pytest.mark.parametrize("name", ["random", "random, narrow"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_on_a_vector_keep_their_side_of_an_edge(name, dtype):
    frame = Frame.given(FRAMES[name])
    x = (frame.vectors[:20] * np.resize([-3.0, 0.5, 1.0], (20, 1))).astype(dtype)
    for pairs in ("combination", "permutation"):
        points = ppp.points(x, frame, 0.75, pairs)
        assert agree(counted(x, frame, 0.75, pairs), points, 1e-6).hits > 0


def test_many_pairs_in_doubt_are_placed_like_a_few():
    # angular bins hardly wider than the error of a float32 product: many pairs are near an edge
    frame = Frame.given(FRAMES["random"])
    x = rows("single", frame.vectors, 30).astype(np.float32)
    rule = Rule(0.75, bins=512, angles=2**16)
    single, _ = in_both_precisions(x, frame, rule, pairs="permutation")
    assert single.hits > 30 * 100


@pytest.mark.parametrize("bins", [(8192, 720), (64, 2**20)])
def test_pairs_that_float32_vectors_leave_in_doubt_are_settled(bins):
    # so many pairs that some lie within 6e-8 of an edge, of the grid or of an angle
    frame = Frame.given(FRAMES["random"])
    x = rows("single", frame.vectors, 3000).astype(np.float32)
    rule = Rule(0.75, bins=bins[0], angles=bins[1])
    single, _ = in_both_precisions(x, frame, rule, pairs="permutation")
    assert single.hits > 3000 * 100


@pytest.mark.parametrize("m", [CHUNK + 1, CHUNK + 40])
def test_a_leader_that_misses_one_of_a_chunk_has_not_hit_all(m):
    # an opposite spans no plane: in the leader's own chunk, or in the one beside it
    rng = np.random.default_rng(m)
    vectors = rng.standard_normal((m, 50))
    vectors[[1, m - 1]] = -vectors[[0, 2]]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    x = unit[[0, 1, 2, 3, m - 1]]
    frame = Frame.given(vectors)
    points = ppp.points(x, frame, 0.75)
    assert agree(counted(x, frame, 0.75), points, 1e-6).hits > 0


@pytest.mark.parametrize("n", [8, 50])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coordinates_on_an_edge_fall_into_their_bins_in_both_orders_of_a_pair(n, dtype):
    # vectors of four halves: all products are exact, whoever makes them
    rng = np.random.default_rng(n)
    halves = np.zeros((n, n))
    for row in halves:
        row[rng.choice(n, 4, replace=False)] = rng.choice([-0.5, 0.5], 4)
    x = np.vstack([halves, np.eye(n)])[rng.integers(2 * n, size=200)] * rng.choice(
        [-1, 2], (200, 1)
    )
    x = (np.round(32 * x + 9 * rng.standard_normal((200, n)) / np.sqrt(n)) / 32).astype(dtype)
    for vectors in (np.vstack([halves, np.eye(n)]), np.vstack([np.eye(n), halves])):
        frame, rule = Frame.given(vectors), Rule(0.6, bins=256, angles=360)
        one = counted(x, frame, rule, "permutation")
        assert one.hits > 200 * n / 2
        agree(one, ppp.points(x, frame, 0.6, "permutation"), 1e-6)
        assert_same_counts(one, counted(x, frame, rule, "permutation", engine="torch:cpu"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_leaders_on_an_edge_stay_there_in_planes_turned_round(dtype):
    rng, n = np.random.default_rng(2), 50
    frame = Frame.given(np.vstack([rng.standard_normal((n, n)), np.eye(n)]))
    x = rng.integers(-6, 7, (300, n)) / 256
    x[np.arange(300), rng.integers(n, size=300)] = rng.choice([-2, -1, 1, 1.5, 0.75], 300)
    rule = Rule(0.6, bins=256, angles=360)
    one = counted(x.astype(dtype), frame, rule, "permutation")
    other = counted(x, frame, rule, "permutation", engine="torch:cpu")
    assert one.hits > 300 * n
    assert_same_counts(one, other)


def test_tables_that_give_way_to_others_are_made_again(monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((40, 20))
    x = np.tile(rows("single", vectors, 60), (2, 1)).astype(np.float32)
    frame = Frame.given(vectors)
    kept = counted(x, frame, 0.6)
    monkeypatch.setattr(leading, "TABLES", 0)
    assert len(leading.Span.of(40, np.dtype(np.float32)).owner) == leading.FEWEST
    again = counted(x, frame, 0.6)
    assert_same_counts(again, kept)
    np.testing.assert_array_equal(again.moments, kept.moments)


@pytest.mark.parametrize("n", [300, 520])
def test_products_in_parts_never_change_a_count(n):
    rng = np.random.default_rng(n)
    vectors = rng.standard_normal((90, n))
    x = rows("single", vectors, 80).astype(np.float32)
    frame = Frame.given(vectors)
    single, _ = in_both_precisions(x, frame, 0.7)
    assert single.hits > 80 * 80
    # the bound on their rounding holds
    unit = frame.vectors
    found = product(x, unit.astype(np.float32), 256)
    size = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    worst = np.abs(found - x.astype(np.float64) @ unit.T) / size
    assert worst.max() <= error_share(n, 256) < error_share(n)
