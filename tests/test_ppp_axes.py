"""Frames of axes and their opposites: columns instead of products, the same numbers."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallies import assert_listed, assert_same_counts, counted

import ppp
from ppp import Frame
from ppp.kernels.axes import signed_columns
from ppp.rule import Rule


def axial(n, seed, m=None):
    """Axes and their opposites in any order, some of them left out."""
    rng = np.random.default_rng(seed)
    both = np.concatenate([np.eye(n), -np.eye(n)])
    return both[rng.permutation(2 * n)[: m or 2 * n]]


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), single=st.booleans())
def test_columns_are_the_products_to_the_last_bit(seed, n, single):
    rng = np.random.default_rng(seed)
    dtype = np.float32 if single else np.float64
    x = rng.standard_normal((7, n)).astype(dtype)
    x[rng.random(x.shape) < 0.3] = 0
    x[rng.random(x.shape) < 0.2] *= -0.0
    vectors = axial(n, seed, rng.integers(1, 2 * n + 1))
    axes = np.abs(vectors).argmax(axis=1).astype(np.uint32)
    signs = vectors[np.arange(len(vectors)), axes].astype(dtype)
    c = np.full((7, len(vectors)), np.nan, dtype)
    signed_columns(x, axes, signs, c)
    expected = x @ vectors.T.astype(dtype)
    np.testing.assert_array_equal(c, expected)
    assert not (np.signbit(c) & (c == 0)).any()


@pytest.mark.parametrize("n", [6, 20])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("complete", [True, False])
def test_axial_frames_equal_the_oracle(n, dtype, complete):
    rng = np.random.default_rng(n)
    frame = Frame.given(axial(n, 3, None if complete else n - 2))
    x = rng.laplace(size=(60, n)).astype(dtype) ** 3
    x[2], x[3, 1], x[4] = 0, np.inf, np.nan
    x[5:9] = np.eye(n)[:4]
    for pairs in ("combination", "permutation"):
        tally = counted(x, frame, 0.6, pairs)
        ordered = pairs == "permutation"
        expected = naive.kept(x, frame.vectors, frame.gram, 0.6, ordered)
        assert tally.kept.tolist() == expected.tolist()
        assert tally.hits > 50
        assert (tally.zero, tally.nonfinite) == (1, 2)


def several(n, rng, complete=True):
    """Axes with one to three vectors each, on either side, in any order."""
    axes = np.concatenate([np.arange(n), rng.integers(n, size=n)])[: None if complete else n]
    if not complete:
        axes[0] = axes[1]  # some axes have none
    frame = np.zeros((len(axes), n))
    frame[np.arange(len(axes)), axes] = rng.choice([-3.0, 1.0, 2.0], len(axes))
    return Frame.given(rng.permutation(frame))


@pytest.mark.parametrize("pairs", ["combination", "permutation"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.2])
def test_saturated_rows_beside_axes_with_several_vectors(pairs, dtype, noise):
    n = 12
    rng = np.random.default_rng(8)
    for complete in (True, False):
        frame = several(n, rng, complete)
        x = (noise * rng.standard_normal((60, n)) / np.sqrt(n)).astype(dtype)
        x[np.arange(60), rng.integers(n, size=60)] += rng.choice([-1.0, 1.0], 60)
        x[:6] *= 10.0 ** np.arange(-18, 18, 6)[:, None]
        x[6, :] = 0.001
        x[7, :2] = 1.0  # two leaders that tie, both alone above a threshold this low
        x[8, :3] = (1.0, -1.0, 1.0)
        for rule in (Rule(0.75), Rule(0.5), Rule(0, distance=0.9), Rule(0.75, bins=20, angles=12)):
            points = ppp.points(x, frame, rule.epsilon, pairs, distance=rule.distance)
            tally = counted(x, frame, rule, pairs)
            assert_listed(tally, points.w, points.plane)
            assert tally.hits > 300
            up = points.planes.first[points.plane] < points.planes.second[points.plane]
            wave = sum(naive.waves(*w, 0.0)[0] for w in points.w[up])
            np.testing.assert_allclose(tally.moments[0, 2], wave, rtol=1e-9, atol=1e-7)
            skipped = np.setdiff1d(np.arange(len(tally.pairs)), tally.planes.slots)
            assert len(skipped)
            assert not tally.pairs[skipped].any()


@given(seed=st.integers(0, 2**32 - 1), epsilon=st.sampled_from([0.3, 0.6, 2**-0.5, 0.9, 1.0]))
def test_ties_beside_axes_with_several_vectors(seed, epsilon):
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 7)
    frame = several(n, rng)
    x = rng.integers(-2, 3, (20, n)).astype(np.float32)
    tally = counted(x, frame, epsilon)
    expected = naive.kept(x, frame.vectors, frame.gram, epsilon)
    assert tally.kept.tolist() == expected.tolist()
    # the best plane is that of the two axes with the largest coordinates
    axes = np.unique(np.abs(frame.vectors).argmax(axis=1))
    largest = -np.sort(-np.square(x[:, axes].astype(float)), axis=1)[:, :2]
    total, norm2 = largest.sum(axis=1), np.square(x.astype(float)).sum(axis=1)
    kept = (norm2 > 0) & (total >= epsilon**2 * norm2 * (1 - 2**-40))
    votes = 1 - 8 * np.prod(largest[kept], axis=1) / total[kept] ** 2
    np.testing.assert_allclose(tally.moments.sum(axis=0)[4:6], [kept.sum(), votes.sum()], atol=1e-9)


def test_signs_and_order_of_axes_leave_the_planes_of_the_standard_basis():
    x = np.random.default_rng(0).laplace(size=(2000, 50)).astype(np.float32)
    order, signs = np.random.default_rng(1).permutation(50), np.where(np.arange(50) % 3, 1.0, -1.0)
    turned = counted(x, Frame.given(signs[:, None] * np.eye(50)[order]), 0.6)
    plain = counted(signs.astype(np.float32) * x[:, order], Frame.standard(50), 0.6)
    assert turned.hits > 100
    assert_same_counts(plain, turned)


def test_an_axis_may_have_hundreds_of_vectors():
    rng = np.random.default_rng(6)
    vectors = np.repeat(np.eye(3), [150, 1, 90], axis=0) * rng.choice([-1.0, 1.0], (241, 1))
    x = rng.laplace(size=(12, 3)).astype(np.float32) ** 3
    frame, four = Frame.given(rng.permutation(vectors)), Frame.given(vectors[[0, 150, 151]])
    tally, few = counted(x, frame, 0.8), counted(x, four, 0.8)
    # pairs of the axes (0, 1), (0, 2), (1, 2), as often as there are pairs of their vectors
    assert tally.hits == few.kept @ [150, 150 * 90, 90]
    assert few.kept.min() > 0


@pytest.mark.parametrize("size", [1e-180, 1e-30, 1.0, 1e150])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_a_distance_of_zero_keeps_what_lies_in_a_plane_whatever_its_size(size, epsilon, engine):
    x = size * np.array([[1.0, 0.5, 0.25, 0.1], [0.6, 0.8, 0.0, 0.0], [0.0, 0.0, -0.0, 1.0]])
    for frame in (Frame.standard(4), Frame.haar(4, 0)):
        tally = counted(x @ frame.vectors, frame, Rule(epsilon, distance=0.0), engine=engine)
        assert tally.kept.tolist() == [1, 0, 1, 0, 1, 1]
        assert counted(x @ frame.vectors, frame, Rule(epsilon, distance=size)).hits >= 10
