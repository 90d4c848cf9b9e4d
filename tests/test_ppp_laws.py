"""Laws of projection and spotlight that no implementation may break, whoever counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ppp
import srm
from ppp import Frame, Planes, Rule
from ppp.planes import triangle
from ppp.scan import tally_of
from srm.counting import Spotlight

WIDTH = 5
FRAMES = {
    "standard": Frame.standard(WIDTH),
    "haar": Frame.haar(WIDTH, 3),
    "oblique": Frame.given(np.random.default_rng(0).standard_normal((7, WIDTH))),
}
SEEDS = st.integers(0, 10**6)
NAMES = st.sampled_from(sorted(FRAMES))
EPSILONS = st.sampled_from([0.3, 0.6, 2**-0.5, 0.9])
KINDS = st.sampled_from(["laplace", "binary", "ternary"])


def draw(seed, kind="laplace", rows=40):
    """Rows with and without ties."""
    rng = np.random.default_rng(seed)
    if kind == "binary":
        return (rng.random((rows, WIDTH)) < 0.4).astype(float)
    if kind == "ternary":
        return rng.integers(-1, 2, (rows, WIDTH)).astype(float)
    return rng.laplace(size=(rows, WIDTH))


def counted(x, frame, epsilon, pairs="combination", distance=None, engine="cpu"):
    rule = Rule(epsilon, bins=16, angles=32, distance=distance)
    return tally_of(x, Planes.of(frame, pairs), rule, detailed=True, engine=engine)


@given(seed=SEEDS, kind=KINDS, name=NAMES, low=EPSILONS, high=EPSILONS)
def test_a_smaller_epsilon_keeps_more(engine, seed, kind, name, low, high):
    low, high = sorted((low, high))
    x, frame = draw(seed, kind), FRAMES[name]
    many, few = (counted(x, frame, epsilon, engine=engine) for epsilon in (low, high))
    assert (many.kept >= few.kept).all()
    for image in ("grid", "angle"):
        if many.half_width == few.half_width:
            assert (getattr(many, image) >= getattr(few, image)).all()


@given(seed=SEEDS, name=NAMES, epsilon=EPSILONS, distances=st.tuples(*[st.floats(0, 6)] * 2))
def test_a_larger_distance_keeps_more_and_never_more_than_the_angle(
    engine, seed, name, epsilon, distances
):
    x, frame = draw(seed), FRAMES[name]
    near, far = (
        counted(x, frame, epsilon, distance=each, engine=engine).kept for each in sorted(distances)
    )
    assert (near <= far).all()
    assert (far <= counted(x, frame, epsilon, engine=engine).kept).all()
    assert (far <= counted(x, frame, 0, distance=max(distances), engine=engine).kept).all()
    everything = counted(x, frame, 0, distance=1e6, engine=engine)
    assert (everything.kept == len(x)).all()


@given(seed=SEEDS, name=NAMES, power=st.integers(-20, 20))
def test_distances_scale_with_the_rows(engine, seed, name, power):
    x, frame = draw(seed), FRAMES[name]
    one = counted(x, frame, 0.5, distance=1.5, engine=engine)
    other = counted(np.ldexp(x, power), frame, 0.5, distance=1.5 * 2.0**power, engine=engine)
    np.testing.assert_array_equal(one.kept, other.kept)
    np.testing.assert_array_equal(one.angle, other.angle)
    np.testing.assert_array_equal(one.grid, other.grid)
    assert other.half_width == one.half_width * 2.0**power


@given(seed=SEEDS, kind=KINDS, epsilon=EPSILONS)
def test_vectors_in_another_order_are_the_same_planes(engine, seed, kind, epsilon):
    x, frame = draw(seed, kind), FRAMES["oblique"]
    order = np.random.default_rng(seed).permutation(frame.m)
    one = counted(x, frame, epsilon, engine=engine)
    other = counted(x, Frame.given(frame.vectors[order]), epsilon, engine=engine)
    i, j = np.triu_indices(frame.m, 1)
    there = np.sort(np.stack([order[i], order[j]]), axis=0)
    np.testing.assert_array_equal(other.pairs, one.pairs[triangle(*there, frame.m)])


@given(
    seed=SEEDS, kind=KINDS, epsilon=EPSILONS, flips=st.lists(st.booleans(), min_size=7, max_size=7)
)
def test_opposite_vectors_span_the_same_planes(engine, seed, kind, epsilon, flips):
    x, frame = draw(seed, kind), FRAMES["oblique"]
    signs = np.where(flips, -1.0, 1.0)
    mirrored = counted(x, Frame.given(signs[:, None] * frame.vectors), epsilon, engine=engine)
    np.testing.assert_array_equal(mirrored.kept, counted(x, frame, epsilon, engine=engine).kept)


@given(seed=SEEDS, name=NAMES, epsilon=EPSILONS)
def test_an_opposite_row_is_found_across_the_origin(engine, seed, name, epsilon):
    x, frame = draw(seed), FRAMES[name]
    one = counted(x, frame, epsilon, engine=engine)
    other = counted(-x, frame, epsilon, engine=engine)
    np.testing.assert_array_equal(other.angle, np.roll(one.angle, 16))
    np.testing.assert_array_equal(other.grid, one.grid[::-1, ::-1])
    # hundreds of cosines may add up to nearly nothing
    np.testing.assert_allclose(one.moments, other.moments, rtol=1e-12, atol=1e-11)


@given(seed=SEEDS, kind=st.sampled_from(["binary", "ternary"]), epsilon=EPSILONS)
def test_ties_come_out_alike_in_any_order_of_summation(engine, seed, kind, epsilon):
    rng = np.random.default_rng(seed)
    x = draw(seed, kind) * rng.choice([1.0, 0.1, 1 / 3], (40, 1))
    order, back = rng.permutation(WIDTH), np.empty(WIDTH, int)
    back[order] = np.arange(WIDTH)
    # the same frame and rows, their coordinates summed in another order
    for frame in (FRAMES["standard"], Frame.given(np.sign(FRAMES["oblique"].vectors))):
        moved = Frame.given(frame.vectors[:, order])
        one = counted(x, frame, epsilon, engine=engine)
        other = counted(x[:, order], moved, epsilon, engine=engine)
        np.testing.assert_array_equal(one.kept, other.kept)


@given(seed=SEEDS, name=NAMES, cut=st.integers(1, 39), power=st.integers(-3, 6))
def test_tallies_of_different_half_widths_merge_exactly(engine, seed, name, cut, power):
    x = draw(seed)
    x[cut:] = np.ldexp(x[cut:], power)
    frame = FRAMES[name]
    first, second = (counted(part, frame, 0.6, engine=engine) for part in (x[:cut], x[cut:]))
    widest = max(first.half_width, second.half_width)
    together = (first + second, second + first)
    whole = counted(x, frame, 0.6, engine=engine)
    for tally in together:
        assert tally.half_width == widest
        grown = whole.copy()
        grown.grow(widest)
        for name in ("angle", "pairs"):
            np.testing.assert_array_equal(getattr(tally, name), getattr(whole, name))
        if not tally.outside and not grown.outside and grown.half_width == widest:
            np.testing.assert_array_equal(tally.grid, grown.grid)
        assert tally.hits == whole.hits == tally.grid.sum() + tally.outside


@given(seed=SEEDS, kind=KINDS, name=NAMES, epsilon=EPSILONS)
def test_the_projection_keeps_exactly_what_some_spotlight_sees(seed, kind, name, epsilon):
    x, frame = draw(seed, kind, rows=15), FRAMES[name]
    found = ppp.points(x, frame, epsilon)
    norm = np.linalg.norm(x, axis=1)
    light = Spotlight(epsilon, 8)
    # the spotlight that points at a kept sample sees it
    for w, row in zip(found.w, found.row, strict=True):
        assert light.sees(w[None], norm[row : row + 1], np.arctan2(w[1], w[0]))
    # and no spotlight sees any other, in whatever direction
    planes, theta = found.planes, np.linspace(0, 2 * np.pi, 97)
    for plane in range(0, planes.count, 3):
        i, j, g = planes.first[plane], planes.second[plane], planes.cosine[plane]
        c = x @ frame.vectors[[i, j]].T
        w = np.stack([c[:, 0], (c[:, 1] - g * c[:, 0]) / np.sqrt(1 - g * g)], axis=1)
        own = np.arctan2(w[:, 1], w[:, 0])
        seen = np.zeros(len(x), bool)
        for turn in theta:
            seen |= light.sees(w, norm, turn)
        seen |= np.array([light.sees(w[k : k + 1], norm[k : k + 1], own[k])[0] for k in range(15)])
        kept = np.isin(np.arange(15), found.row[found.plane == plane])
        np.testing.assert_array_equal(seen & (norm > 0), kept)


@given(seed=SEEDS, name=NAMES, epsilon=EPSILONS, angles=st.integers(1, 15))
def test_the_signed_sweep_subtracts_the_opposite_spotlight(seed, name, epsilon, angles):
    x, frame = draw(seed), FRAMES[name]
    signed = srm.sweep(x, frame, epsilon, angles, signed=True)
    plain = srm.sweep(x, frame, epsilon, angles)
    plane = seed % signed.planes.count
    pair = (int(signed.first[plane]), int(signed.second[plane]))
    for at, theta in enumerate(signed.angles):
        # for an odd number of angles no angle lies opposite: ask the spotlight itself
        opposite = len(srm.standing(x, pair, theta + np.pi, frame, epsilon)[0])
        assert signed.seen[0, plane, at] == plain.seen[0, plane, at] - opposite


@given(seed=SEEDS, name=NAMES, epsilon=st.floats(0.05, 0.99), theta=st.floats(0, 2 * np.pi))
def test_the_swapped_plane_turns_the_other_way(seed, name, epsilon, theta):
    x, frame = draw(seed), FRAMES[name]
    i, j = np.random.default_rng(seed).choice(frame.m, 2, replace=False)
    between = np.arccos(np.clip(frame.gram[i, j], -1, 1))
    ahead, _ = srm.standing(x, (i, j), theta, frame, epsilon)
    back, _ = srm.standing(x, (j, i), between - theta, frame, epsilon)
    assert ahead.tolist() == back.tolist()


def test_laws_hold_for_every_frame_maker():
    x = draw(0, rows=200)
    for frame in (ppp.thomson_frame(8, WIDTH, seed=2), ppp.diagonal_frame(WIDTH), ppp.pca_frame(x)):
        combination, permutation = (
            counted(x, frame, 0.6, pairs) for pairs in ("combination", "permutation")
        )
        of_pair = dict(
            zip(
                zip(combination.planes.first, combination.planes.second, strict=True),
                combination.kept,
                strict=True,
            )
        )
        ordered = permutation.planes
        expected = [
            of_pair[min(i, j), max(i, j)]
            for i, j in zip(ordered.first, ordered.second, strict=True)
        ]
        assert permutation.kept.tolist() == expected
        q = ppp.haar_rotation(WIDTH, 4)
        turned = counted(x @ q.T, frame.rotated(q), 0.6)
        np.testing.assert_array_equal(turned.kept, combination.kept)
        assert turned.hits > 0


@pytest.mark.parametrize("epsilon", [0.0, -0.4])
def test_what_a_wide_spotlight_sees_is_what_the_opposite_narrow_one_does_not(epsilon):
    x, frame = draw(9), FRAMES["oblique"]
    wide = srm.sweep(x, frame, epsilon, 12)
    valid = int((np.linalg.norm(x, axis=1) > 0).sum())
    for plane in (0, 5):
        pair = (int(wide.first[plane]), int(wide.second[plane]))
        for at, theta in enumerate(wide.angles):
            c = x @ frame.vectors[list(pair)].T
            g = frame.gram[pair]
            w2 = (c[:, 1] - g * c[:, 0]) / np.sqrt(1 - g * g)
            along = -(c[:, 0] * np.cos(theta) + w2 * np.sin(theta)) / np.linalg.norm(x, axis=1)
            assert wide.seen[0, plane, at] == valid - int((along > -epsilon).sum())
