"""All functional forms: against loops from the equations, their groups, zero, frames, compiling."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import isotropic
from isotropic import functional
from isotropic.forms import Activation
from isotropic.modules import FORMS
from isotropic.symmetry import GROUPS, group_elements

DOUBLE = torch.float64
DISCONTINUOUS = {"isotropic-softplus", "parity-leaky-relu"}


def softplus(t):
    return max(t, 0.0) + math.log1p(math.exp(-abs(t)))


def precise(profile, m):
    """A profile that cancels, in forty digits."""
    with mpmath.workdps(40):
        return float(profile(mpmath.mpf(m)))


def phi(t):
    return 0.5 * math.erfc(-t / math.sqrt(2))


#: Radial profiles sigma(m), one number at a time, from the equations.
PROFILES = {
    "isotropic-tanh": math.tanh,
    "isotropic-leaky-relu": lambda m: 0.01 * m if m < 1 else m - 0.99,
    "isotropic-relu": lambda m: max(m - 1, 0.0),
    "isotropic-log1p": math.log1p,
    "isotropic-gelu": lambda m: m * phi(m),
    "isotropic-silu": lambda m: m / (1 + math.exp(-m)),
    "isotropic-softplus": softplus,
    "isotropic-hyperbola": lambda m: precise(lambda r: mpmath.sqrt(r * r + 1) - 1, m),
    "isotropic-soft-relu": lambda m: precise(
        lambda r: (mpmath.log1p(mpmath.exp(4 * (r - 1))) - mpmath.log1p(mpmath.exp(-4))) / 4, m
    ),
}
#: Elementwise functions psi(t), likewise.
ELEMENTS = {
    "tanh": math.tanh,
    "sigmoid": lambda t: 1 / (1 + math.exp(-t)),
    "relu": lambda t: max(t, 0.0),
    "leaky-relu": lambda t: max(0.01 * t, t),
    "hyperoctahedral-leaky-relu": lambda t: (
        t - (0.01 - 1) if t <= -1 else (t + (0.01 - 1) if t >= 1 else 0.01 * t)
    ),
}


def naive(name, x, omega=0.0):
    """f(x) for one vector, by loops."""
    if name in PROFILES:
        m = math.sqrt(sum(v * v for v in x) + omega)
        return [0.0 if m == 0 else PROFILES[name](m) / m * v for v in x]
    if name in ELEMENTS:
        return [ELEMENTS[name](v) for v in x]
    if name == "max-norm-leaky-relu":
        largest = max(abs(v) for v in x)
        return [0.01 * v if largest < 1 else v + (0.01 - 1) * v / largest for v in x]
    assert name == "parity-leaky-relu"
    negative = sum(v < 0 for v in x)
    return [0.01 * v if negative % 2 and all(x) else v for v in x]


def draw(shape, seed, scale=1.0):
    return scale * torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), exponent=st.floats(-6, 2), n=st.integers(1, 7))
def test_every_form_is_its_equation(name, seed, exponent, n):
    x = draw((5, n), seed, 10**exponent)
    x[0] = 0
    got = isotropic.activation(name)(x)
    wanted = [naive(name, row) for row in x.tolist()]
    np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("name", PROFILES)
def test_intrinsic_length_enters_every_radial_form(name):
    x = draw((6, 4), 1, 1.5)
    got = isotropic.activation(name, omega=0.8)(x)
    np.testing.assert_allclose(got, [naive(name, row, 0.8) for row in x.tolist()], rtol=1e-12)


@pytest.mark.parametrize("name", FORMS)
def test_the_group_a_form_declares_is_the_one_it_has(name):
    module = isotropic.activation(name)
    report = isotropic.symmetry_report(module, 5)
    assert report.group == module.group
    beyond = GROUPS[GROUPS.index(module.group) + 1 :]
    assert all(report.errors[group] > 0.05 for group in beyond)


@pytest.mark.parametrize("name", FORMS)
def test_no_gradient_is_ever_nan(name):
    x = torch.zeros(3, 4, dtype=DOUBLE)
    x[1, 2] = 1e-160
    x[2] = torch.tensor([1.0, -1.0, 0.0, 2.0])
    x.requires_grad_()
    (first,) = torch.autograd.grad(
        isotropic.activation(name)(x).square().sum(), x, create_graph=True
    )
    assert first.isfinite().all()
    if first.requires_grad:
        (second,) = torch.autograd.grad(first.sum(), x)
        assert second.isfinite().all()


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, DOUBLE])
def test_the_ends_of_every_precision_are_finite(name, dtype):
    limits = torch.finfo(dtype)
    for size in (limits.max / 2, limits.max**0.6, limits.tiny, limits.smallest_normal / 4):
        x = torch.full((2, 3), float(size), dtype=dtype, requires_grad=True)
        y = isotropic.activation(name)(x)
        assert y.isfinite().all()
        (slope,) = torch.autograd.grad(y.double().sum(), x)
        assert slope.isfinite().all()


@pytest.mark.parametrize("name", sorted(set(FORMS) - DISCONTINUOUS))
def test_derivatives_are_right_away_from_kinks(name):
    x = draw((3, 4), 2, 1.7).requires_grad_()
    f = isotropic.activation(name)
    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))


@pytest.mark.parametrize("name", sorted(set(FORMS) - DISCONTINUOUS - {"relu", "leaky-relu"}))
def test_first_derivatives_are_right_at_the_origin(name):
    x = torch.zeros(2, 3, dtype=DOUBLE, requires_grad=True)
    f = isotropic.activation(name)
    assert torch.autograd.gradcheck(f, (x,), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_form_keeps_the_dtype_and_stays_finite(name, dtype):
    x = torch.tensor([[3e2, -4e2, 1.0], [0.0, 0.0, 0.0], [0.6, -0.25, 1.7]], dtype=dtype)
    got = isotropic.activation(name)(x)
    assert got.dtype == dtype
    wanted = isotropic.activation(name)(x.double())
    eps = float(torch.finfo(dtype).eps)
    assert torch.allclose(got.double(), wanted, rtol=4 * eps, atol=4 * eps)


@pytest.mark.parametrize("name", PROFILES)
def test_radial_forms_work_along_channels(name):
    x = draw((2, 5, 3, 4), 3)
    wanted = isotropic.activation(name)(x.movedim(1, -1)).movedim(-1, 1)
    assert torch.allclose(isotropic.activation(name, dim=1)(x), wanted, rtol=1e-14)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_compiles_in_one_graph(name):
    f, x = isotropic.activation(name), draw((4, 3), 4, 1.3)
    torch._dynamo.reset()
    assert torch.equal(torch.compile(f, fullgraph=True, backend="eager")(x), f(x))


# Frames


def rotated(n, seed=0):
    return group_elements("O(n)", n, 1, torch.Generator().manual_seed(seed))[0]


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "leaky-relu"])
@pytest.mark.parametrize("m", [4, 7])
def test_a_frame_form_is_the_sum_over_its_vectors(name, m):
    frame = torch.nn.functional.normalize(draw((m, 4), 5), dim=1)
    x = draw((6, 4), 6)
    psi = ELEMENTS[name]
    wanted = [0.5 * sum(psi(float(row @ b)) * b.numpy() for b in frame) for row in x]
    got = isotropic.activation(name, frame=frame, gain=0.5)(x)
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def test_a_rotated_frame_moves_the_symmetry_with_it():
    frame = rotated(5)
    form = isotropic.Tanh(frame=frame)
    assert isotropic.symmetry_report(form, 5, frame=frame).group == "B_n"
    assert isotropic.symmetry_report(form, 5).group is None
    x = draw((9, 5), 7)
    np.testing.assert_allclose(form(x @ frame), torch.tanh(x) @ frame, rtol=1e-12, atol=1e-14)


def test_the_tight_gain_keeps_short_vectors():
    angles = torch.arange(7, dtype=DOUBLE) * 2 * math.pi / 7
    frame = torch.stack([angles.cos(), angles.sin()], dim=1)
    x = draw((5, 2), 8, 1e-6)
    np.testing.assert_allclose(isotropic.Tanh(frame=frame, gain="tight")(x), x, rtol=1e-9)
    np.testing.assert_allclose(isotropic.Tanh(frame=frame)(x), 3.5 * x, rtol=1e-9)


def test_a_frame_travels_with_its_module():
    form = isotropic.Tanh(frame=rotated(3))
    other = isotropic.Tanh(frame=torch.eye(3, dtype=DOUBLE))
    other.load_state_dict(form.state_dict())
    assert torch.equal(other.frame, form.frame)
    assert "frame=(3, 3)" in repr(form)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: isotropic.Tanh(frame=torch.ones(3)), r"must be an \(m, n\) matrix"),
        (lambda: isotropic.Tanh(frame=torch.ones(3, 2)), "row 0 has length 1.41421"),
        (lambda: isotropic.Tanh(frame=torch.full((2, 2), math.nan)), "unit rows"),
        (
            lambda: isotropic.Tanh(frame=torch.eye(2), gain="loose"),
            "number or 'tight', got 'loose'",
        ),
        (
            lambda: isotropic.Tanh(frame=torch.eye(2))(torch.zeros(1, 3)),
            "as wide as the vectors, got 2 and 3",
        ),
        (lambda: functional.tanh(torch.zeros(2), gain=2.0), "gain needs a frame"),
        (lambda: isotropic.IsotropicReLU(radius=0), "radius must be above 0, got 0"),
        (
            lambda: functional.isotropic_leaky_relu(torch.zeros(2), slope=-1),
            "slope must be at least 0",
        ),
        (lambda: isotropic.IsotropicSoftReLU(sharpness=-1), "sharpness must be above 0"),
        (lambda: isotropic.symmetry_report(torch.tanh, 1), "n must be at least 2"),
        (
            lambda: isotropic.symmetry_report(torch.tanh, 3, frame=torch.eye(3)[:2]),
            "3 orthonormal rows",
        ),
        (lambda: group_elements("C_n", 3, 1, torch.Generator()), "group must be one of S_n"),
        (
            lambda: isotropic.Mixture("tanh", "isotropic-tanh", 1.5),
            r"weight must lie in \[0, 1\], got 1.5",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Groups


def test_in_the_plane_a_twist_has_rotations_but_no_reflections():
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=DOUBLE)
    report = isotropic.symmetry_report(lambda x: x + x @ quarter.T * x.norm(dim=1, keepdim=True), 2)
    assert report.group == "SO(n)"
    assert report.errors["O(n)"] > 0.1
    assert "SO(n)" in str(report)


@pytest.mark.parametrize("group", GROUPS)
def test_group_elements_are_what_they_are_called(group):
    g = group_elements(group, 4, 200, torch.Generator().manual_seed(0))
    eye = torch.eye(4, dtype=DOUBLE)
    assert torch.allclose(g @ g.mT, eye.expand_as(g))
    if group in ("S_n", "D_n", "B_n"):
        assert torch.equal(g.abs().sum(-1), torch.ones(200, 4, dtype=DOUBLE))
        negative = (g < 0).sum((-1, -2))
        wanted = {"S_n": {0}, "D_n": {0, 2, 4}, "B_n": {0, 1, 2, 3, 4}}[group]
        assert set(negative.tolist()) == wanted
    else:
        signs = set(torch.linalg.det(g).round().tolist())
        assert signs == ({1.0} if group == "SO(n)" else {1.0, -1.0})


def test_every_public_form_is_in_the_lookup():
    modules = {getattr(isotropic, name) for name in isotropic.__all__ if name[0].isupper()}
    forms = {m for m in modules if isinstance(m, type) and issubclass(m, Activation)} - {Activation}
    assert forms == set(FORMS.values())


def test_a_symmetry_report_needs_a_map_of_vectors_to_vectors():
    with pytest.raises(ValueError, match=r"f must keep the shape \(256, 6\), got \(256,\)"):
        isotropic.symmetry_report(lambda x: x.sum(-1))


def test_a_frame_that_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="frame must be a tensor, got ndarray"):
        isotropic.Tanh(frame=torch.eye(3).numpy())


def test_settings_are_numbers():
    for omega in ("0.5", None, True):
        with pytest.raises(TypeError, match=f"omega must be a number, got {omega!r}"):
            isotropic.IsotropicTanh(omega=omega)
    with pytest.raises(TypeError, match=r"rate must be a number, got '.1'"):
        isotropic.Protocol(rate=".1")


def test_a_module_takes_no_tensor_that_it_would_not_train():
    with pytest.raises(TypeError, match=r"omega must be a number, .*RadialActivation trains"):
        isotropic.IsotropicTanh(omega=torch.nn.Parameter(torch.tensor(0.5)))
