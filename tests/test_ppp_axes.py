"""Frames of axes and their opposites: columns instead of products, the same numbers."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallies import assert_same_counts, counted

from ppp import Frame
from ppp.kernels.axes import signed_columns


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


def test_signs_and_order_of_axes_leave_the_planes_of_the_standard_basis():
    x = np.random.default_rng(0).laplace(size=(2000, 50)).astype(np.float32)
    order, signs = np.random.default_rng(1).permutation(50), np.where(np.arange(50) % 3, 1.0, -1.0)
    turned = counted(x, Frame.given(signs[:, None] * np.eye(50)[order]), 0.6)
    plain = counted(signs.astype(np.float32) * x[:, order], Frame.standard(50), 0.6)
    assert turned.hits > 100
    assert_same_counts(plain, turned)
