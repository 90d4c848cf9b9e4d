"""Makers of frames: what they must be, and what they refuse."""

import numpy as np
import pytest
import torch

from ppp.frame import Frame, haar_rotation
from ppp.frames_corners import diagonal_frame
from ppp.frames_learned import ica_frame, pca_frame, weight_frame
from ppp.frames_thomson import thomson_frame
from ppp.planes import Planes

#: Three of six neurons never move.
SILENT = np.random.default_rng(3).laplace(size=(200, 6)) * [1, 1, 1, 0, 0, 0]


def test_repelling_points_find_simplex_and_cross_polytope():
    simplex = thomson_frame(6, 5)
    off = simplex.gram[~np.eye(6, dtype=bool)]
    np.testing.assert_allclose(off, -1 / 5, atol=1e-5)
    cross = thomson_frame(6, 3, seed=1)
    np.testing.assert_allclose(np.sort(cross.gram, axis=1)[:, 0], -1, atol=1e-6)
    np.testing.assert_allclose(np.sort(np.abs(cross.gram), axis=1)[:, :4], 0, atol=1e-4)
    # two vectors flee to the poles: they span no plane
    with pytest.raises(ValueError, match="no two of the 2 vectors span a plane"):
        Planes.of(thomson_frame(2, 4), "combination")
    assert "seed 1" in cross.source


def test_diagonals_of_the_cube():
    frame = diagonal_frame(4)
    assert frame.m == 8
    np.testing.assert_allclose(np.abs(frame.vectors), 0.5)
    assert len(Planes.of(frame, "combination").degenerate) == 0
    drawn = diagonal_frame(20, count=30, seed=2)
    assert len(np.unique(drawn.vectors, axis=0)) == 30
    np.testing.assert_array_equal(drawn.vectors, diagonal_frame(20, count=30, seed=2).vectors)
    assert frame.labels[0] == "++++"


def test_rows_and_columns_of_weights():
    layer = torch.nn.Linear(5, 7)
    frame = weight_frame(layer)
    weight = layer.weight.detach().double().numpy()
    np.testing.assert_allclose(
        frame.vectors, weight / np.linalg.norm(weight, axis=1, keepdims=True), rtol=1e-12
    )
    assert weight_frame(layer.weight, columns=True).vectors.shape == (5, 7)
    dead = weight.copy()
    dead[3] = 0
    with pytest.raises(ValueError, match="must not be zero, vector 3 is: drop it"):
        weight_frame(dead)


def test_principal_axes_are_recovered():
    rng = np.random.default_rng(0)
    q = haar_rotation(5, rng)
    x = (rng.standard_normal((4000, 5)) * [9, 5, 3, 2, 1]) @ q.T + 7
    frame = pca_frame(x)
    assert frame.orthonormal
    aligned = np.abs(frame.vectors @ q)
    np.testing.assert_allclose(np.diag(aligned), 1, atol=0.01)
    assert pca_frame(torch.from_numpy(x), count=2).m == 2
    first = np.abs(pca_frame(x, centre=False).vectors[0] @ x.mean(axis=0))
    assert first / np.linalg.norm(x.mean(axis=0)) > 0.9


def test_independent_directions_are_recovered():
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((4, 4))
    frame = ica_frame(rng.laplace(size=(6000, 4)) @ mixing.T)
    wanted = mixing.T / np.linalg.norm(mixing.T, axis=1, keepdims=True)
    assert (np.abs(frame.vectors @ wanted.T).max(axis=1) > 0.99).all()


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e307])
def test_rows_of_any_size_have_the_same_axes(scale):
    x = np.random.default_rng(4).laplace(size=(300, 4)) * [4.0, 3, 2, 1]
    x /= np.abs(x).max()
    for make in (pca_frame, ica_frame):
        np.testing.assert_allclose(make(x * scale).vectors, make(x).vectors, atol=1e-9)


def test_silent_neurons_leave_axes_that_are_said_to_be_arbitrary():
    frame = pca_frame(SILENT)
    assert frame.orthonormal
    assert frame.source == "principal axes of 200 rows, which vary in 3 directions"
    np.testing.assert_allclose(frame.vectors[:3, 3:], 0, atol=1e-12)
    assert pca_frame(SILENT, count=3).source == "principal axes of 200 rows"
    sources = ica_frame(SILENT, count=3)
    moving = ica_frame(SILENT[:, :3])
    np.testing.assert_allclose(sources.vectors[:, 3:], 0, atol=1e-12)
    alike = np.abs(sources.vectors[:, :3] @ moving.vectors.T)
    np.testing.assert_allclose(np.sort(alike, axis=1)[:, -1], 1, atol=1e-4)


def test_a_descent_that_was_cut_short_says_so():
    assert thomson_frame(24, 3, steps=5).source.endswith("seed 0, not at rest after 5 steps")
    assert thomson_frame(12, 3).source == "Thomson frame of 12 in R^3, seed 0"


def test_nearly_all_diagonals_are_drawn_without_repeats():
    frame = diagonal_frame(15, count=2**14 - 1, seed=3)
    assert len(np.unique(frame.vectors, axis=0)) == 2**14 - 1
    np.testing.assert_array_equal(frame.vectors[:, 0], 1 / np.sqrt(15))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_weights_of_any_type_sparse_or_dense(kind):
    weight = torch.tensor([[1.0, 2, 0], [0, 3, 4]], dtype=kind)
    exact = weight_frame(weight.double().numpy())
    np.testing.assert_array_equal(weight_frame(weight).vectors, exact.vectors)
    sparse = weight.float().to_sparse()
    np.testing.assert_array_equal(weight_frame(sparse).vectors, exact.vectors)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32, torch.int64])
def test_a_frame_is_given_as_a_tensor(kind):
    vectors = torch.tensor([[3, 0, 4], [0, 2, 0]], dtype=kind)
    if kind.is_floating_point:
        vectors = torch.nn.Parameter(vectors)  # as a layer's weights are, with gradients
    expected = Frame.given([[3.0, 0, 4], [0, 2, 0]])
    np.testing.assert_array_equal(Frame.given(vectors).vectors, expected.vectors)
    sparse = vectors.detach().to_sparse()
    np.testing.assert_array_equal(Frame.given(sparse).vectors, expected.vectors)


def test_a_frame_is_turned_by_a_tensor_and_named_by_a_generator():
    frame = Frame.standard(3, labels=(f"unit {k}" for k in range(3)))
    assert frame.labels == ("unit 0", "unit 1", "unit 2")
    q = torch.tensor(haar_rotation(3, 1), requires_grad=True)
    np.testing.assert_array_equal(frame.rotated(q).vectors, frame.rotated(q.detach()).vectors)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Frame.given(np.ones((3, 1))), r"n at least 2, got shape \(3, 1\)"),
        (lambda: Frame.given(np.eye(3) + 1j), "must be real numbers, got dtype complex128"),
        (lambda: Frame.given(torch.eye(2) + 0j), "must be real numbers, got dtype complex64"),
        (lambda: Frame.given([["a", "b"]] * 2), "must be real numbers, got dtype <U1"),
        (lambda: Frame.given([[1, np.nan], [1, 2]]), "vector 0 is not: drop it"),
        (lambda: Frame.standard(2.5), "a whole number of vectors, got 2.5"),
        (lambda: Frame.haar(3, -1), "seed must not be negative, got -1"),
        (lambda: Frame.haar(3, 0.5), "seed must be a whole number, got 0.5"),
        (
            lambda: Frame.haar(10**6, 0),
            "n must lie between 1 and 32,768, .* got 1,000,000: in wider",
        ),
        (lambda: haar_rotation(0, 0), "n must lie between 1 and 32,768, .* got 0"),
        (lambda: haar_rotation(2.5, 0), "n must be a whole number, got 2.5"),
        (lambda: haar_rotation(3, -1), "seed must not be negative, got -1"),
        (lambda: Frame.standard(3, labels=5), "labels must hold one name a vector, got 5"),
        (lambda: Frame.standard(3, labels=["a"]), "a frame of 3 vectors needs 3 labels, got 1"),
        (lambda: Frame.given([[1, 2], [3]]), "a frame must fill an array, got lists of different"),
        (
            lambda: Frame.given(torch.nn.Linear(2, 2)),
            r"numbers, got Linear: .*weight_frame\(layer",
        ),
        (lambda: Frame.given(None), r"real numbers, got NoneType: give an \(m, n\) array"),
        (lambda: Frame.standard(2).rotated("a"), "a rotation must be real numbers, got str"),
        (lambda: Frame.standard(2).rotated([[1], [2, 3]]), "a rotation must fill an array"),
        (lambda: Frame.standard(2).rotated(1j * np.eye(2)), "real numbers, got dtype complex128"),
        (lambda: thomson_frame(1, 3), "at least 2, got m=1, n=3"),
        (lambda: diagonal_frame(40), "say how many with `count`"),
        (lambda: diagonal_frame(3, count=9), "between 2 and 4 in R.3, got 9"),
        (lambda: thomson_frame(2.5, 3), "m must be a whole number, got 2.5"),
        (lambda: thomson_frame(5, 3, steps=0), "steps must be at least 1, got 0"),
        (lambda: thomson_frame(5, 3, seed=-1), "seed must not be negative, got -1"),
        (
            lambda: thomson_frame(50_000, 64),
            "8,192 vectors can repel each other here, got m=50,000",
        ),
        (lambda: diagonal_frame(3, count=2.5), "count must be a whole number, got 2.5"),
        (lambda: diagonal_frame(20_000), r"R\^20000 has 2\^19999 diagonals: say how many"),
        (lambda: diagonal_frame(20_000, 1), r"between 2 and 2\^19999 in R\^20000, got 1"),
        (lambda: diagonal_frame(1000, 10**6), "1,000,000,000 numbers, the limit is 67,108,864"),
        (lambda: weight_frame(torch.nn.ReLU()), "or a module that has one, got ReLU"),
        (lambda: weight_frame(torch.nn.LayerNorm(4, elementwise_affine=False)), "got LayerNorm"),
        (lambda: weight_frame(np.eye(3) + 1j), "must be real numbers, got dtype complex128"),
        (lambda: weight_frame(np.ones((4, 1))), "rows of width 1: take the columns instead"),
        (lambda: pca_frame(np.eye(3), count=2.5), "count must be a whole number, got 2.5"),
        (lambda: pca_frame(np.ones((50, 6))), "50 rows that vary in 0: take another layer"),
        (lambda: pca_frame(np.outer(np.arange(9), np.ones(6))), "9 rows that vary in 1: take"),
        (lambda: ica_frame(SILENT), "200 rows that vary in 3 directions have no 6 independent"),
        (lambda: ica_frame(SILENT[:3], count=3), "3 rows that vary in 2 directions have no 3"),
        (lambda: ica_frame(np.ones((50, 6)), count=2), "vary in 0 directions have no 2"),
        (lambda: ica_frame(np.eye(3), seed=2**32), r"seed must be below 2\^32"),
        (lambda: weight_frame(np.ones(4)), r"got shape \(4,\): flatten it"),
        (lambda: pca_frame(np.eye(3), count=4), "between 2 and the width 3, got 4"),
        (lambda: pca_frame(np.full((3, 3), np.nan)), "two finite rows, got 0"),
        (lambda: ica_frame(np.eye(3), count=1), "between 2 and the width 3, got 1"),
    ],
)
def test_bad_requests_say_the_rule_and_the_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_standard_frame_takes_no_matrix():
    frame = Frame.standard(200_000)
    assert frame.vectors.shape == (200_000, 200_000)
    assert frame.vectors[123_456].sum() == frame.vectors[123_456, 123_456] == 1
    assert not frame.vectors.flags.writeable
    assert frame.same_vectors(Frame.standard(200_000))


def test_many_vectors_have_no_gram_matrix_but_bounds():
    rng = np.random.default_rng(2)
    frame = Frame.given(rng.standard_normal((9000, 8)))
    with pytest.raises(ValueError, match="not kept, the limit is 8,192"):
        _ = frame.gram
    np.testing.assert_allclose(
        frame.gram_rows(5, 8), frame.vectors[5:8] @ frame.vectors.T, atol=1e-12
    )
    turned = frame.rotated(haar_rotation(8, 0))
    planes, other = Planes.of(frame, "combination"), Planes.of(turned, "permutation")
    assert other.leader_bounds is planes.frame.__dict__["planes"].leader_bounds
    np.testing.assert_array_equal(other.degenerate, planes.degenerate)


@pytest.mark.parametrize("n", [2, 60])
def test_only_orthogonal_matrices_turn_a_frame(n):
    q = haar_rotation(n, [0, n])
    for frame in (Frame.standard(n), Frame.given(np.random.default_rng(n).standard_normal((5, n)))):
        np.testing.assert_allclose(frame.rotated(q).vectors, frame.vectors @ q.T, atol=1e-15)
        for at, by in (((0, 0), 1e-7), ((n - 1, 0), 1e-8), ((1, 1), np.nan), ((0, 1), np.inf)):
            off = q.copy()
            off[at] += by
            with pytest.raises(ValueError, match="a rotation must be orthogonal"):
                frame.rotated(off)
