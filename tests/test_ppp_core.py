"""Engine = oracle, merge laws, permutation as index map, ties, bad rows, bad input."""

from __future__ import annotations

import itertools

import naive
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tallies import BINS, assert_listed, assert_same_counts, counted

import ppp
from ppp import Frame, Planes
from ppp.scan import run
from ppp.streams import ArrayBlocks

RNG = np.random.default_rng(7)
NEAR = np.vstack([np.eye(5)[:3], np.eye(5)[0] + 3e-4 * np.eye(5)[1], -np.eye(5)[2]])
FRAMES = {
    "standard": Frame.standard(5),
    "haar": Frame.haar(5, seed=1),
    "incomplete": Frame.given(Frame.haar(5, seed=2).vectors[:3]),
    "oblique": Frame.given(RNG.standard_normal((5, 5))),
    "over-complete": Frame.given(RNG.standard_normal((9, 5))),
    "antipodal": Frame.given(np.vstack([np.eye(5), -np.eye(5)])),
    "nearly parallel": Frame.given(NEAR),
}
#: Values that make ties, zeros, infinities and the ends of the float range likely.
AWKWARD = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.0, 4.0, np.nan, np.inf, 1e-30, 1e25, 1e-40]),
    st.floats(-10, 10, width=32),
)


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("pairs", ["combination", "permutation"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_engine_equals_oracle(engine, name, pairs, dtype):
    frame = FRAMES[name]
    x = np.random.default_rng(3).standard_normal((150, 5)).astype(dtype)
    x[3], x[5], x[6, 2], x[7], x[8] = 0, np.nan, np.inf, x[7] * 1e18, x[8] * 1e-18
    ordered = pairs == "permutation"
    for epsilon in (0.3, 0.75, 0.97):
        tally = counted(x, frame, epsilon, pairs, engine=engine)
        hits = naive.points(x, frame.vectors, frame.gram, epsilon, ordered)
        assert (
            tally.kept.tolist()
            == naive.kept(x, frame.vectors, frame.gram, epsilon, ordered).tolist()
        )
        image, _ = naive.grid(hits, tally.half_width, BINS)
        assert (tally.image() == image).all()
        assert (tally.rows, tally.zero, tally.nonfinite) == (150, 1, 2)


@given(
    x=hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(5)), elements=AWKWARD),
    name=st.sampled_from(sorted(FRAMES)),
    epsilon=st.sampled_from([0.2, 0.5, 0.6, 2**-0.5, 0.75, 0.8, 1.0]),
    ordered=st.booleans(),
)
def test_engine_equals_oracle_on_awkward_rows(engine, x, name, epsilon, ordered):
    frame = FRAMES[name]
    tally = counted(x, frame, epsilon, ("combination", "permutation")[ordered], engine=engine)
    expected = naive.kept(x, frame.vectors, frame.gram, epsilon, ordered)
    assert tally.kept.tolist() == expected.tolist()


@given(
    x=hnp.arrays(np.int64, st.tuples(st.integers(1, 20), st.just(6)), elements=st.integers(-2, 2)),
    squared=st.sampled_from(["1/2", "1/3", "9/16", "4/5", "1"]),
)
def test_ties_follow_rational_arithmetic(engine, x, squared):
    from fractions import Fraction

    epsilon2 = Fraction(squared)
    tally = counted(x.astype(float), Frame.standard(6), float(epsilon2) ** 0.5, engine=engine)
    assert tally.kept.tolist() == naive.kept_exactly(x, epsilon2).tolist()


@pytest.mark.parametrize("name", FRAMES)
def test_input_sums_equal_the_oracle(engine, name):
    frame = FRAMES[name]
    x = np.random.default_rng(5).standard_normal((90, 5))
    x[10] = 0
    sample = np.repeat(np.arange(30), 3)
    tally = counted(x, frame, 0.7, sample=sample, engine=engine)
    sums = naive.input_sums(x, frame.vectors, frame.gram, 0.7, sample)
    assert tally.inputs.tolist() == [30]
    np.testing.assert_allclose(tally.moments[0], sums.sum(axis=0), rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(tally.products[0], sums.T @ sums, rtol=1e-12, atol=1e-10)


def test_classes_add_up_to_the_whole(engine):
    x = RNG.standard_normal((300, 5))
    label = np.random.default_rng(0).choice(["cat", "dog"], 300)
    whole = counted(x, FRAMES["haar"], 0.7, engine=engine)
    split = counted(x, FRAMES["haar"], 0.7, label=label, engine=engine)
    assert sorted(split.classes) == ["cat", "dog"]
    np.testing.assert_allclose(split.moments.sum(axis=0), whole.moments[0], rtol=1e-12, atol=1e-11)
    only = counted(x[label == "dog"], FRAMES["haar"], 0.7, engine=engine)
    np.testing.assert_allclose(
        split.moments[split.classes.index("dog")], only.moments[0], rtol=1e-12
    )


@given(cut=st.integers(1, 199), name=st.sampled_from(sorted(FRAMES)), ordered=st.booleans())
def test_tallies_add(engine, cut, name, ordered):
    x = np.random.default_rng(11).standard_normal((200, 5))
    pairs = ("combination", "permutation")[ordered]
    whole = counted(x, FRAMES[name], 0.7, pairs, engine=engine)
    small, large = (
        counted(part, FRAMES[name], 0.7, pairs, engine=engine) for part in (x[:cut], x[cut:])
    )
    for one in (small + large, large + small):
        grown = whole.copy()
        grown.grow(one.half_width)
        one.grow(grown.half_width)
        for field in ("kept", "grid", "angle"):
            assert (getattr(one, field) == getattr(grown, field)).all()
        assert (one.image() == grown.image()).all()
        assert (one.hits, one.rows) == (whole.hits, whole.rows)
        np.testing.assert_allclose(one.moments, whole.moments, rtol=1e-12, atol=1e-12)


def test_a_grown_grid_is_the_grid_of_the_wider_half_width():
    x = np.random.default_rng(2).standard_normal((500, 5))
    frame = FRAMES["standard"]
    hits = naive.points(x, frame.vectors, frame.gram, 0.6)
    tally = counted(x, frame, 0.6)
    tally.grow(4 * tally.half_width)
    image, outside = naive.grid(hits, tally.half_width, BINS)
    assert outside == 0
    assert (tally.grid == image).all()


def test_counts_do_not_depend_on_workers_or_order():
    x = RNG.standard_normal((9000, 5)).astype(np.float32)
    one, three = (counted(x, FRAMES["haar"], 0.7, workers=k) for k in (1, 3))
    assert_same_counts(one, three)
    np.testing.assert_allclose(one.moments, three.moments, rtol=1e-12, atol=1e-11)


def test_permutation_is_an_index_map_of_combination():
    x = RNG.standard_normal((400, 5))
    for frame in FRAMES.values():
        half, full = counted(x, frame, 0.7), counted(x, frame, 0.7, "permutation")
        unordered = zip(half.planes.first, half.planes.second, strict=True)
        of_pair = dict(zip(unordered, half.kept, strict=True))
        pairs = zip(full.planes.first, full.planes.second, strict=True)
        assert [of_pair[min(p), max(p)] for p in pairs] == full.kept.tolist()


@given(seed=st.integers(0, 10**6), scale=st.sampled_from([-3, 0, 8]))
def test_rotation_permutation_sign_and_scale(engine, seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((60, 5))
    frame = FRAMES["over-complete"]
    base = counted(x, frame, 0.7, engine=engine).kept
    q = ppp.haar_rotation(5, rng)
    assert (counted(x @ q.T, frame.rotated(q), 0.7, engine=engine).kept == base).all()
    assert (counted(np.ldexp(x, scale), frame, 0.7, engine=engine).kept == base).all()
    assert (counted(-x, frame, 0.7, engine=engine).kept == base).all()
    order = rng.permutation(5)
    standard = counted(x, Frame.standard(5), 0.7, engine=engine)
    moved = counted(x[:, order], Frame.standard(5), 0.7, engine=engine)
    pairs = list(itertools.combinations(range(5), 2))
    where = dict(zip(pairs, standard.kept, strict=True))
    expected = [where[tuple(sorted((order[i], order[j])))] for i, j in pairs]
    assert moved.kept.tolist() == expected


def test_kept_share_is_the_closed_form():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40_000, 12)) * rng.exponential(size=(40_000, 1))
    for frame in ("standard", Frame.given(rng.standard_normal((12, 12)))):
        result = ppp.project(x, frame, 0.6, null=None)
        spread = 6 * np.sqrt(result.expected * 8)  # hits of one row are dependent
        assert abs(result.hits - result.expected) < spread
        assert result.expected == pytest.approx(40_000 * 66 * (1 - 0.36) ** 5)


def test_one_bad_row_changes_no_other(engine):
    x = np.random.default_rng(1).standard_normal((100, 5))
    clean = counted(np.delete(x, [4, 9], axis=0), FRAMES["haar"], 0.7, engine=engine)
    x[4], x[9] = np.nan, 0
    dirty = counted(x, FRAMES["haar"], 0.7, engine=engine)
    assert (clean.kept == dirty.kept).all()
    assert (dirty.zero, dirty.nonfinite, dirty.valid) == (1, 1, 98)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_floating_type_counts_as_its_exact_values(engine, dtype):
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    exact = x.double().numpy()
    frame = Frame.standard(6)
    assert (
        ppp.project(x, null=None, epsilon=0.7, engine=engine).kept.tolist()
        == naive.kept(exact, frame.vectors, frame.gram, 0.7).tolist()
    )


def test_arrays_blocks_and_iterators_give_one_result():
    x = np.random.default_rng(0).standard_normal((5000, 6)).astype(np.float32)
    whole = ppp.project(x, null=None)
    for same in (torch.from_numpy(x), iter([x[:3000], x[3000:]]), ArrayBlocks(x)):
        other = ppp.project(same, null=None)
        assert (other.kept == whole.kept).all()
        assert other.tally.rows == 5000


def test_points_are_the_oracle_points():
    x = np.random.default_rng(4).standard_normal((80, 5))
    for frame in FRAMES.values():
        for pairs in ("combination", "permutation"):
            found = ppp.points(x, frame, 0.7, pairs)
            expected = naive.points(x, frame.vectors, frame.gram, 0.7, pairs == "permutation")
            assert found.row.tolist() == [hit[0] for hit in expected]
            assert found.plane.tolist() == [hit[1] for hit in expected]
            w = [hit[2:] for hit in expected]
            np.testing.assert_allclose(found.w, w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [6, 50])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silent_neurons_lie_on_their_axis_in_both_orders_of_a_pair(engine, n, dtype):
    # ReLU rows beside the axes and others: what is zero, no arithmetic may move off its edge
    rng = np.random.default_rng(n)
    frame = Frame.given(np.vstack([rng.standard_normal((n, n)), np.eye(n)]))
    x = np.maximum(rng.standard_normal((200, n)), 0) * (rng.random((200, n)) < 3 / n)
    x = x[x.any(axis=1)].astype(dtype)
    found = ppp.points(x, frame, 0.6, "permutation")
    first = found.planes.first[found.plane]
    axis = first >= n
    assert axis.sum() > 500
    np.testing.assert_array_equal(found.w[axis, 0], x[found.row[axis], first[axis] - n])
    assert (found.w[axis, 0] == 0).sum() > 50
    tally = counted(x, frame, 0.6, "permutation", engine=engine)
    assert_listed(tally, found.w, found.plane)


def test_too_many_points_are_refused_with_their_number():
    x = np.eye(6)
    hits = ppp.project(x, null=None).hits
    with pytest.raises(ValueError, match=f"{hits} hits are more than max_points = {hits - 1}"):
        ppp.points(x, max_points=hits - 1)
    with pytest.raises(ValueError, match=r"more than max_points = 3 hits: got 5 by row 1"):
        ppp.points(iter([x[:1], x[1:2]]), max_points=3)
    assert len(ppp.points(x, max_points=hits)) == hits


def test_degenerate_planes_are_skipped_and_listed():
    planes = Planes.of(FRAMES["antipodal"], "combination")
    assert planes.degenerate.tolist() == [[k, k + 5] for k in range(5)]
    assert planes.count == 40
    result = ppp.project(RNG.standard_normal((50, 5)), FRAMES["antipodal"], null=None)
    assert "5 pairs of vectors are parallel or antipodal" in result.summary()


def test_inputs_are_never_split_between_blocks():
    sample = np.repeat(np.arange(7), [900, 900, 900, 5000, 10, 10, 900])
    x = np.zeros((len(sample), 512))  # 2 048 rows are 8 MiB
    blocks = list(ArrayBlocks(x, sample).blocks())
    assert [len(block.rows) for block in blocks] == [1800, 900, 5000, 920]
    seen = [set(block.sample) for block in blocks]
    assert sum(map(len, seen)) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 1.2}, r"epsilon must lie in \(0, 1\], got 1.2"),
        ({"epsilon": 0}, r"epsilon must lie in \(0, 1\], got 0"),
        ({"epsilon": float("nan")}, r"epsilon must lie in \(0, 1\], got nan"),
        ({"epsilon": True}, r"epsilon must lie in \(0, 1\], got True"),
        ({"distance": "far"}, "distance must be finite and not negative, got 'far'"),
        ({"distance": True}, "distance must be finite and not negative, got True"),
        ({"distance": np.array(0.5)}, "an array: take the number in it with .item()"),
        ({"bins": 8.0}, "bins must be a positive multiple of four, got 8.0"),
        ({"bins": "many"}, "bins must be a positive multiple of four, got 'many'"),
        ({"epsilon": "big"}, 'or a target such as "hits=1000" or "retention=0.01", got \'big\''),
        ({"frame": np.eye(3)}, "vectors of width 3, the activations have width 5"),
        ({"frame": np.ones((1, 5))}, "at least two vectors to span a plane, got 1"),
        ({"frame": np.ones((3, 5))}, "no two of the 3 vectors span a plane"),
        ({"frame": "hare"}, "frame must be"),
        ({"pairs": "both"}, 'pairs must be "combination" or "permutation", got \'both\''),
        ({"null": "none"}, "null must be one of rotation"),
        ({"null_repeats": 0}, "null_repeats must be at least 1, got 0"),
        ({"engine": "abacus"}, "engine must be"),
        ({"sample": np.arange(3)}, "sample needs one entry a row: 20 rows, got 3"),
    ],
)
def test_bad_arguments_say_the_rule_and_the_value(options, message):
    import re

    pattern = message if message.startswith("epsilon must lie") else re.escape(message)
    with pytest.raises(ValueError, match=pattern):
        ppp.project(np.ones((20, 5)), **options)


def test_numbers_of_numpy_make_the_rule_that_plain_ones_make(tmp_path):
    x = np.random.default_rng(0).laplace(size=(200, 5)).astype(np.float32)
    plain = ppp.project(x, epsilon=0.75, distance=2, bins=64, seed=3, null_repeats=3)
    odd = ppp.project(
        x,
        epsilon=np.float32(0.75),
        distance=np.int16(2),
        bins=np.int64(64),
        seed=np.int32(3),
        null_repeats=np.uint8(3),
    )
    assert odd.rule == plain.rule
    np.testing.assert_array_equal(odd.tally.grid, plain.tally.grid)
    odd.save(tmp_path / "odd.h5")
    assert ppp.PPPResult.load(tmp_path / "odd.h5").provenance == plain.provenance


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 3)), "of 4 rows 4 are all zero and 0 hold NaN"),
        (np.full((4, 3), np.nan), "of 4 rows 0 are all zero and 4 hold NaN"),
        (np.empty((0, 3)), "the input is empty"),
        (np.ones(3), "must be a matrix"),
        (np.ones((3, 1)), "width 2 or more, got 1"),
        (np.ones((3, 3), complex), "real numbers, got dtype complex128"),
        (np.array([["a", "b"]]), "real numbers"),
        (torch.eye(3).to_sparse(), "must be dense, got a tensor of layout torch.sparse_coo"),
    ],
)
def test_bad_activations_say_what_is_wrong(x, message):
    with pytest.raises(ValueError, match=message):
        ppp.project(x)


def test_blocks_of_two_widths_are_refused():
    with pytest.raises(ValueError, match="one width: got 4 after 3"):
        ppp.project(iter([np.ones((2, 3)), np.ones((2, 4))]))


def test_a_failing_worker_raises_where_the_caller_is():
    class Broken:
        def fork(self):
            return self

        def append(self, block):
            raise RuntimeError("broken sink")

    many = ArrayBlocks(np.ones((60_000, 2))).blocks()
    with pytest.raises(RuntimeError, match="broken sink"):
        run(many, lambda pilot: [Broken()], workers=2)
