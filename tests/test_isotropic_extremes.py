"""Radii below the root of the smallest number, vectors beyond that of the largest, directions."""

import mpmath
import pytest
import torch

import isotropic
from isotropic.functional import isotropic_hyperbola, isotropic_leaky_relu, isotropic_relu
from isotropic.intrinsic import SCALES

DOUBLE = torch.float64
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])


def row(*numbers, dtype=DOUBLE):
    return torch.tensor([numbers], dtype=dtype, requires_grad=True)


@pytest.mark.parametrize(("radius", "dtype"), [(1e-23, torch.float32), (1e-170, DOUBLE)])
@pytest.mark.parametrize(
    ("form", "at_zero"),
    [(isotropic_relu, 0.0), (isotropic_leaky_relu, 0.01), (isotropic_hyperbola, 0.0)],
)
def test_a_radius_whose_square_vanishes(form, at_zero, radius, dtype):
    for x, slope in ((row(0.0, 0.0, dtype=dtype), at_zero), (row(0.0, 1e-3, dtype=dtype), 1.0)):
        y = form(x, radius=radius)
        assert torch.allclose(y, slope * x)
        (got,) = torch.autograd.grad(y.sum(), x)
        assert torch.allclose(got, torch.full_like(x, slope))


@PRECISIONS
@pytest.mark.parametrize("size", [1e-11, 1e-9, 1e-7, 1e-4, 1.0])
def test_the_hyperbola_of_short_vectors(size, dtype):
    x = row(0.6 * size, 0.8 * size, dtype=dtype)
    with mpmath.workdps(60):
        m, r = mpmath.mpf(size), mpmath.mpf(0.5)
        length, slope = mpmath.hypot(m, r) - r, m / mpmath.hypot(m, r)
    y = isotropic_hyperbola(x, radius=0.5)
    (gradient,) = torch.autograd.grad(y @ torch.tensor([0.6, 0.8], dtype=dtype), x)
    eps = torch.finfo(dtype).eps
    assert float(y.detach().norm()) == pytest.approx(float(length), rel=8 * eps)
    wanted = float(slope) * torch.tensor([[0.6, 0.8]], dtype=dtype)
    assert torch.allclose(gradient, wanted, rtol=8 * eps, atol=0)


@PRECISIONS
def test_second_derivatives_of_the_hyperbola_are_finite_at_every_length(dtype):
    for power in range(-44 if dtype == torch.float32 else -323, 1):
        x = row(10.0**power, 0.0, dtype=dtype)
        (slope,) = torch.autograd.grad(isotropic_hyperbola(x).sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), x)
        assert slope.isfinite().all(), power
        assert bend.isfinite().all(), power


@PRECISIONS
@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("omega", ["absent", "trainable"])
def test_modules_of_an_mlp_are_the_functional_forms_at_every_length(name, omega, dtype):
    squared = 0.0 if omega == "absent" else 0.5
    module = isotropic.RadialActivation(name, omega=omega, initial_omega=0.5, dtype=dtype)
    form = isotropic.activation(name, omega=squared)
    for power in (-10, 0, 10, 18, 25, 37, *((150, 200, 300) if dtype == DOUBLE else ())):
        x, twin = (row(0.6 * 10.0**power, -0.8 * 10.0**power, dtype=dtype) for _ in range(2))
        y, wanted = module(x), form(twin)
        assert torch.allclose(y, wanted, rtol=4e-6 if dtype == torch.float32 else 1e-13, atol=0)
        (got,) = torch.autograd.grad(y[0, 0], x)
        (slope,) = torch.autograd.grad(wanted[0, 0], twin)
        assert torch.allclose(got, slope, rtol=1e-4, atol=1e-6 * float(slope.abs().max()))


@pytest.mark.parametrize(
    "directions",
    [
        torch.tensor([[1e-30, 1e-30]]),
        torch.tensor([[1e-42, 0.0]]),
        torch.tensor([[1e200, 0.0], [1e308, -1e308]], dtype=DOUBLE),
        torch.tensor([[5e-324, 0.0]], dtype=DOUBLE),
        torch.tensor([[6e4, 6e4]], dtype=torch.float16),
    ],
)
def test_directions_of_any_length_are_directions(directions):
    theta = isotropic.deflection(torch.tanh, directions, torch.tensor([1.0]))
    assert theta.abs().max() < 1e-3  # axes and diagonals stay where they are
    assert torch.equal(isotropic.limit_points(torch.tanh, directions), directions.sign())


@pytest.mark.parametrize("wrong", [0.0, torch.inf, torch.nan])
def test_what_is_no_direction_is_refused(wrong):
    for call in (
        lambda x: isotropic.deflection(torch.tanh, x, torch.tensor([1.0])),
        lambda x: isotropic.limit_points(torch.tanh, x),
    ):
        with pytest.raises(ValueError, match="directions must be finite vectors other than zero"):
            call(torch.tensor([[1.0, 1.0], [wrong, 0.0]]))
