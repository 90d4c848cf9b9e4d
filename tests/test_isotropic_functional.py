"""Functional forms: against mpmath, their symmetry, their behaviour at the origin."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import isotropic
from isotropic.functional import isotropic_tanh, tanh
from isotropic.functional._norms import SERIES_BELOW
from isotropic.modules import FORMS

DOUBLE = torch.float64
seeds = st.integers(0, 2**32 - 1)


def exact(vector, omega=0.0):
    """f(x) = tanh(m)/m x in forty digits."""
    with mpmath.workdps(40):
        q = mpmath.fsum(mpmath.mpf(float(v)) ** 2 for v in vector) + mpmath.mpf(omega)
        m = mpmath.sqrt(q)
        scale = mpmath.mpf(1) if q == 0 else mpmath.tanh(m) / m
        return np.array([float(scale * mpmath.mpf(float(v))) for v in vector])


def haar(n, seed):
    draw = torch.randn(n, n, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    q, r = torch.linalg.qr(draw)
    return q * r.diagonal().sign()


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    exponent=st.floats(-12, 3),
    n=st.integers(1, 9),
    omega=st.sampled_from([0, 1e-9, 0.3, 50]),
)
def test_the_isotropic_tanh_is_right_to_the_last_digits(seed, exponent, n, omega):
    x = torch.randn(n, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed)) * 10**exponent
    wanted = exact(x, omega)
    np.testing.assert_allclose(isotropic_tanh(x, omega).numpy(), wanted, rtol=5e-15, atol=0)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, omega=st.sampled_from([0.0, 0.7]))
def test_the_isotropic_tanh_commutes_with_rotations_and_reflections(seed, omega):
    x = 3 * torch.randn(40, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    q = haar(6, seed)
    error = (isotropic_tanh(x @ q.T, omega) - isotropic_tanh(x, omega) @ q.T).abs().max()
    assert error < 1e-13


def test_the_elementwise_tanh_commutes_with_signed_permutations_alone():
    x = 2 * torch.randn(30, 5, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    signed = torch.eye(5, dtype=DOUBLE)[[2, 0, 4, 1, 3]] * torch.tensor([1, -1, 1, -1, -1])
    assert torch.equal(tanh(x @ signed.T), tanh(x) @ signed.T)
    assert (tanh(x @ haar(5, 1).T) - tanh(x) @ haar(5, 1).T).abs().max() > 0.05


@pytest.mark.parametrize("place", [0.0, 1e-30, 1e-3, SERIES_BELOW**0.5, 0.11, 2.0])
@pytest.mark.parametrize("omega", [0.0, 0.4])
def test_derivatives_are_right_everywhere(place, omega):
    x = torch.zeros(2, 3, dtype=DOUBLE)
    x[0, 1] = place
    x.requires_grad_()
    assert torch.autograd.gradcheck(isotropic_tanh, (x, omega))
    assert torch.autograd.gradgradcheck(isotropic_tanh, (x, omega))


def test_the_intrinsic_length_has_a_gradient_even_at_zero():
    x = torch.zeros(3, 4, dtype=DOUBLE)
    x[1:] = torch.randn(2, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(3))
    omega = torch.tensor(0.0, dtype=DOUBLE, requires_grad=True)
    (slope,) = torch.autograd.grad(isotropic_tanh(x, omega).sum(), omega)
    step = 1e-6
    numeric = (isotropic_tanh(x, step) - isotropic_tanh(x, 0.0)).sum() / step
    assert slope == pytest.approx(float(numeric), rel=1e-4)
    assert omega.requires_grad
    assert torch.autograd.gradcheck(
        lambda o: isotropic_tanh(x, o.square()),
        (torch.tensor(0.6, dtype=DOUBLE, requires_grad=True),),
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_other_precisions_are_rounded_once(dtype):
    x = torch.tensor([[3e2, -4e2, 0.0], [1e-4, 2e-4, 0.0], [0.5, 0.25, -1.0]], dtype=dtype)
    result = isotropic_tanh(x)
    assert result.dtype == dtype
    wanted = isotropic_tanh(x.double())
    assert torch.allclose(result.double(), wanted, rtol=2 * torch.finfo(dtype).eps, atol=0)


def test_the_vector_may_lie_along_any_dimension():
    x = torch.randn(2, 5, 3, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(5))
    wanted = isotropic_tanh(x.movedim(1, -1)).movedim(-1, 1)
    assert torch.allclose(isotropic_tanh(x, dim=1), wanted, rtol=1e-15)


def test_the_isotropic_tanh_batches_through_vmap():
    x = torch.randn(6, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(6))
    single = torch.stack([torch.func.jacrev(isotropic_tanh)(row) for row in x])
    assert torch.equal(torch.func.vmap(torch.func.jacrev(isotropic_tanh))(x), single)


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match=r"real floating-point numbers, got torch.int64: use"):
        isotropic_tanh(torch.arange(3))
    with pytest.raises(TypeError, match="got list"):
        tanh([1.0])
    with pytest.raises(ValueError, match="omega must be at least 0, got -1"):
        isotropic_tanh(torch.zeros(3), -1)
    with pytest.raises(ValueError, match="omega must be at least 0, got -2"):
        isotropic.IsotropicTanh(omega=-2)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_found_by_its_name_and_carries_its_data(name):
    module = isotropic.activation(name)
    assert module.name == name
    assert module.group in {"S_n", "D_n", "B_n", "O(n)"}
    told = " ".join(type(module).__doc__.split())
    assert all(text and text in told for text in (module.formula, module.group, module.source))
    x = torch.randn(4, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    assert module(x).shape == x.shape


def test_a_wrong_name_comes_with_the_nearest_ones():
    with pytest.raises(ValueError, match=r"got 'isotropic_tanh': did you mean 'isotropic-tanh'"):
        isotropic.activation("isotropic_tanh")
    with pytest.raises(ValueError, match=r"one of tanh, .*got 'qqq': choose one of them"):
        isotropic.activation("qqq")


def test_a_module_is_copied():
    given_module = torch.nn.PReLU()
    made = isotropic.activation(given_module)
    assert made is not given_module
    assert isinstance(made, torch.nn.PReLU)


@pytest.mark.parametrize("exponent", [-300, -8, -1, 1.3, 8, 30, 155, 250, 307])
def test_vectors_of_any_length_are_squashed_exactly(exponent):
    x = torch.tensor([[0.3, -0.5, 0.8]], dtype=DOUBLE) * 10.0**exponent
    np.testing.assert_allclose(isotropic_tanh(x)[0], exact(x[0]), rtol=1e-15)
    m = mpmath.sqrt(mpmath.fsum(mpmath.mpf(float(v)) ** 2 for v in x[0]))
    for form, sigma in (
        (isotropic.IsotropicLog1p(), mpmath.log1p),
        (isotropic.Radial(torch.atan), mpmath.atan),
    ):
        wanted = [float(sigma(m) / m * mpmath.mpf(float(v))) for v in x[0]]
        np.testing.assert_allclose(form(x)[0], wanted, rtol=2e-15)


@pytest.mark.parametrize("exponent", [1, 3, 8, 16, 100, 200])
def test_far_out_only_tangents_are_left_of_the_gradient(exponent):
    """r J to rounding: 1 - tanh^2, which cancels, must not stand in for sech^2."""
    r = 10.0**exponent
    x = torch.tensor([3.0, 4.0], dtype=DOUBLE) / 5 * r
    got = torch.autograd.functional.jacobian(isotropic_tanh, x) * r
    tangential, radial = math.tanh(r), min(r, 300) / math.cosh(min(r, 300)) ** 2
    wanted = tangential * torch.tensor([[0.64, -0.48], [-0.48, 0.36]], dtype=DOUBLE)
    wanted += radial * torch.tensor([[0.36, 0.48], [0.48, 0.64]], dtype=DOUBLE)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_precision_has_a_vector_too_long(dtype):
    x = torch.tensor([[3e30, 4e30]], dtype=dtype)
    lengths = isotropic_tanh(x).double().norm()
    assert lengths == pytest.approx(1, rel=2 * torch.finfo(dtype).eps)


def test_an_infinite_component_is_a_direction():
    x = torch.tensor([[math.inf, 1.0], [0.0, -math.inf], [math.nan, 1.0]], dtype=DOUBLE)
    got = isotropic_tanh(x)
    assert torch.allclose(got[:2], torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=DOUBLE))
    assert got[2].isnan().all()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own call of it
@pytest.mark.parametrize("name", FORMS)
def test_every_form_differentiates_forwards(name):
    form = isotropic.activation(name)
    x = 2 * torch.randn(4, dtype=DOUBLE, generator=torch.Generator().manual_seed(7))
    forwards, backwards = torch.func.jacfwd(form)(x), torch.func.jacrev(form)(x)
    assert torch.allclose(forwards, backwards, rtol=1e-12, atol=1e-14)
    assert torch.func.hessian(lambda v: form(v).square().sum())(x).isfinite().all()
