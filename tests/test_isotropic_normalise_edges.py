"""Normalisers at the edges: equal eigenvalues, no variance, no rows, half precision, any length."""

import math

import pytest
import torch

from isotropic.normalise import (
    DiagonalBatchNorm,
    FrobNorm,
    L2Norm,
    MeanNorm,
    RMSNorm,
    WeightedLayerNorm,
    Whitening,
)
from isotropic.roots import inverse_root

DOUBLE = torch.float64
MAKERS = {
    "L2Norm": lambda n, **_: L2Norm(),
    "RMSNorm": lambda n, **_: RMSNorm(),
    "MeanNorm": lambda n, **more: MeanNorm(**more),
    "FrobNorm": lambda n, **more: FrobNorm(**more),
    "WeightedLayerNorm": lambda n, **more: WeightedLayerNorm(torch.ones(n), **more),
    "Whitening": lambda n, **more: Whitening(n, **more),
    "DiagonalBatchNorm": lambda n, **more: DiagonalBatchNorm(n, **more),
}
RUNNING = ("MeanNorm", "FrobNorm", "Whitening", "DiagonalBatchNorm")


def draw(*shape, seed=0):
    return torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


CROSS = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=DOUBLE)


@pytest.mark.parametrize("x", [CROSS, draw(3, 6), draw(9, 4)], ids=["equal", "few rows", "many"])
def test_whitening_is_differentiable_where_eigenvalues_are_equal(x):
    norm = Whitening(x.shape[1], eps=1e-2).double()
    leaf = x.clone().requires_grad_()
    assert torch.autograd.gradcheck(norm, (leaf,))
    assert torch.autograd.gradgradcheck(norm, (leaf,))


def test_the_inverse_root_is_the_matrix_power():
    a = draw(5, 5)
    covariance = a @ a.T
    values, vectors = torch.linalg.eigh(covariance)
    wanted = vectors @ torch.diag((values + 0.3) ** -0.5) @ vectors.T
    assert torch.allclose(inverse_root(covariance, 0.3), wanted, rtol=1e-12)


def test_what_is_not_finite_is_passed_on_instead_of_an_error_about_eigenvalues():
    x = draw(4, 3)
    x[1, 2] = math.inf
    x.requires_grad_()
    y = Whitening(3)(x)
    assert y.isnan().all()
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert slope.isnan().any()


def test_whitening_works_under_function_transforms():
    def loss(x):
        return (Whitening(3).double()(x) * weights).square().sum()

    weights, batches = draw(5, 3, seed=1), draw(2, 5, 3)
    leaf = batches[0].clone().requires_grad_()
    (wanted,) = torch.autograd.grad(loss(leaf), leaf)
    assert torch.allclose(torch.func.grad(loss)(batches[0]), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("batch", [torch.zeros(4, 3), torch.full((4, 3), 0.1), torch.ones(1, 3)])
def test_batches_without_variance_give_numbers_and_gradients(name, batch):
    for eps in (0.0, 1e-5):
        x = batch.double().requires_grad_()
        y = MAKERS[name](3, eps=eps).double()(x)
        weights = torch.arange(1.0, x.numel() + 1).view_as(x)
        (slope,) = torch.autograd.grad((y * weights).sum(), x)
        assert y.isfinite().all()
        assert slope.isfinite().all()
        assert y.abs().max() <= 3


@pytest.mark.parametrize("name", RUNNING)
def test_an_empty_batch_is_refused_in_training_and_empty_in_evaluation(name):
    norm = MAKERS[name](3)
    with pytest.raises(ValueError, match=r"at least one vector, got shape \(0, 3\): .* eval\(\)"):
        norm(torch.zeros(0, 3))
    assert all(buffer.isfinite().all() for buffer in norm.buffers())
    assert norm.eval()(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(name, dtype):
    x = (400 * draw(12, 3)).to(dtype)  # squares overflow float16
    got = MAKERS[name](3)(x)
    assert got.dtype == dtype
    wanted = MAKERS[name](3).double()(x.double())
    assert torch.allclose(got.double(), wanted, rtol=torch.finfo(dtype).eps, atol=1e-3)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1.0, 1e160, 1e300])
def test_vectors_of_any_length_become_unit_vectors(size):
    x = (size * torch.tensor([[3.0, -4.0]], dtype=DOUBLE)).requires_grad_()
    assert torch.allclose(L2Norm()(x), torch.tensor([[0.6, -0.8]], dtype=DOUBLE), rtol=1e-15)
    (slope,) = torch.autograd.grad(L2Norm()(x)[0, 0], x)
    wanted = torch.tensor([[0.64, 0.48]], dtype=DOUBLE) / 5
    assert torch.allclose(slope * size, wanted, rtol=1e-12)


def test_rounding_along_the_direction_is_not_blown_up():
    x = torch.tensor([[0.1, 0.1, 0.1], [1e5, 1e5, 1e5], [1.0, 2.0, 3.0]], dtype=DOUBLE)
    got = WeightedLayerNorm(torch.ones(3, dtype=DOUBLE))(x)
    assert torch.equal(got[:2], torch.zeros(2, 3, dtype=DOUBLE))
    assert torch.allclose(got[2] * math.sqrt(2 / 3), torch.tensor([-1.0, 0, 1], dtype=DOUBLE))


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("n", [18, 768, 20_000])
def test_wide_vectors_along_the_direction_give_zero(n, dtype):
    for w in (torch.ones(n, dtype=dtype), draw(n, seed=1).to(dtype)):
        x = 10 * draw(200, 1).to(dtype) * w
        assert not WeightedLayerNorm(w)(x).any()


def test_wide_vectors_far_from_zero_lose_all_of_their_mean():
    x = (1000 + draw(20, 20_000)).float()
    got = WeightedLayerNorm(torch.ones(20_000))(x)
    assert got.mean(-1).abs().max() < 1e-6
    wanted = WeightedLayerNorm(torch.ones(20_000, dtype=DOUBLE))(x.double())
    assert torch.allclose(got.double(), wanted, atol=2e-3)  # at a thousand, float32 rounds to 6e-5


@pytest.mark.parametrize("name", MAKERS)
def test_one_vector_is_a_batch_of_one(name):
    x = torch.tensor([1.0, 2.0, 4.0])
    assert torch.equal(MAKERS[name](3)(x), MAKERS[name](3)(x.unsqueeze(0))[0])


@pytest.mark.parametrize("name", MAKERS)
def test_whole_numbers_are_refused(name):
    with pytest.raises(TypeError, match=r"floating-point numbers, got torch.int64"):
        MAKERS[name](3)(torch.ones(2, 3, dtype=torch.int64))


def test_a_direction_is_a_vector_of_real_numbers():
    with pytest.raises(TypeError, match=r"direction must be .*, got torch.int64"):
        WeightedLayerNorm(torch.ones(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="eps must be at least 0, got -1"):
        WeightedLayerNorm(torch.ones(3), eps=-1)
