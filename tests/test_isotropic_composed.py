"""Forms made of others: the radial wrapper and mixtures."""

import copy
import pickle

import pytest
import torch

import isotropic
from isotropic import functional
from isotropic.functional import radial

DOUBLE = torch.float64


def draw(shape, seed):
    return torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("profile", [torch.tanh, torch.atan, torch.sin, torch.asinh, torch.erf])
def test_any_odd_profile_makes_an_isotropic_form(profile):
    f = isotropic.Radial(profile)
    assert isotropic.symmetry_report(f, 4).group == "O(n)"
    x = draw((5, 4), 9)
    x[0] = 0
    r = x.norm(dim=1, keepdim=True)
    wanted = torch.where(r > 0, profile(r) * x / r.clamp_min(1e-300), 0)
    assert torch.allclose(f(x), wanted, rtol=1e-13)
    x.requires_grad_()
    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))


@pytest.mark.parametrize(
    "profile",
    [
        lambda t: t.clamp(-10, 10),
        torch.sinh,
        lambda t: torch.relu(t - 20) - torch.relu(-t - 20),
    ],
    ids=["clipped", "overflowing", "dead up to 20"],
)
def test_profiles_that_bend_far_out_are_taken(profile):
    x = torch.tensor([[15.0, 20.0], [3.0, 4.0]], dtype=DOUBLE)
    wanted = profile(x.norm(dim=1, keepdim=True)) / x.norm(dim=1, keepdim=True) * x
    assert torch.allclose(isotropic.Radial(profile)(x), wanted, rtol=1e-14)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (torch.relu, "1 times the length, .* a radial ReLU needs an offset"),
        (torch.abs, "must bend"),
        (lambda t: 3 * t, "3 times the length"),
        (torch.nn.functional.leaky_relu, "must bend"),
        (torch.nn.functional.softplus, r"must be odd, but sigma\("),
        (torch.nn.functional.gelu, "must be odd"),
        (torch.cos, "must be odd"),
        (lambda t: t / 0, "must"),
    ],
)
def test_degenerate_profiles_are_refused(profile, message):
    with pytest.raises(ValueError, match=message):
        radial(profile)


class Odd(torch.nn.Module):
    """A profile that learns its slope at zero."""

    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(2.0, dtype=DOUBLE))

    def forward(self, t):
        return torch.atan(self.slope * t)


def slope_at_zero(profile, dtype):
    x = torch.zeros(1, 2, dtype=dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(isotropic.Radial(profile)(x)[0, 1], x)
    assert slope[0, 0] == 0
    return float(slope[0, 1])


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize(
    ("profile", "wanted"),
    [
        (lambda t: torch.tanh(100 * t), 100.0),
        (lambda t: torch.tanh(1e4 * t), 1e4),
        (lambda t: torch.atan(1e-6 * t), 1e-6),
        (lambda t: t.sign() * t.abs().log1p(), 1.0),  # what is differentiated at zero itself is 0
        (lambda t: torch.sigmoid(t) - 0.5, 0.25),
        (lambda t: t**3, 0.0),
    ],
)
def test_the_slope_at_zero_is_that_of_the_profile(profile, wanted, dtype):
    assert slope_at_zero(profile, dtype) == pytest.approx(wanted, rel=1e-6, abs=1e-12)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own call of it
@pytest.mark.parametrize("steepness", [1.0, 100.0, 1e4])
def test_a_steep_form_is_differentiated_by_every_means(steepness):
    f, x = radial(lambda t: torch.tanh(steepness * t)), draw((3, 4), 5) / steepness
    x[0] = 0
    with torch.inference_mode():
        plain = f(x)
    assert torch.equal(torch.func.vmap(f)(x), plain)
    assert torch.equal(torch.compile(f, fullgraph=True, backend="eager")(x), plain)
    at = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(f(at).sum(), at)
    assert torch.allclose(torch.func.jacfwd(lambda x: f(x).sum())(x), wanted, rtol=1e-12)
    assert torch.allclose(torch.func.jacrev(lambda x: f(x).sum())(x), wanted, rtol=1e-12)
    assert torch.func.hessian(lambda x: f(x).sum())(x).isfinite().all()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own call of it
@pytest.mark.parametrize("steepness", [1.0, 100.0, 1e4])
def test_derivatives_of_a_steep_form_are_those_of_finite_differences(steepness):
    form = radial(lambda t: torch.tanh(steepness * t))

    def f(z):
        return form(z / steepness)  # on the scale on which it bends, that of the differences

    z = draw((3, 4), 5)
    z[0] = 0
    z.requires_grad_()
    assert torch.autograd.gradcheck(f, (z,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, (z,))


class Backward(torch.autograd.Function):
    """Arc tangent of the old style, which torch.func refuses."""

    @staticmethod
    def forward(ctx, t):
        ctx.save_for_backward(t)
        return t.atan()

    @staticmethod
    def backward(ctx, grad):
        return grad / (1 + ctx.saved_tensors[0] ** 2)


def test_a_profile_that_cannot_be_transformed_has_a_slope_at_zero():
    assert slope_at_zero(Backward.apply, DOUBLE) == pytest.approx(1, rel=1e-14)


def test_a_radial_form_is_copied_saved_shown_and_trained_with_its_profile():
    x = draw((3, 4), 11)
    plain = isotropic.Radial(torch.atan, omega=0.5)
    assert repr(plain) == "Radial(atan, omega=0.5, dim=-1)"
    assert torch.equal(pickle.loads(pickle.dumps(plain))(x), plain(x))
    learned = isotropic.Radial(Odd())
    twin = copy.deepcopy(learned)
    learned(x).sum().backward()
    assert learned.profile.slope.grad != 0
    assert [name for name, _ in twin.named_parameters()] == ["profile.slope"]
    with torch.no_grad():
        learned.profile.slope.fill_(1.0)
    assert torch.equal(learned(x), isotropic.Radial(torch.atan)(x))
    assert not torch.equal(twin(x), learned(x))


def test_a_mixture_is_the_weighted_sum():
    x = draw((5, 3), 10)
    mixed = isotropic.Mixture("tanh", "isotropic-tanh", 0.25)(x)
    wanted = 0.75 * torch.tanh(x) + 0.25 * functional.isotropic_tanh(x)
    assert torch.equal(mixed, wanted)
    for pair in (("tanh", "isotropic-tanh"), ("relu", "parity-leaky-relu")):
        form = isotropic.Mixture(*pair, 0.4)
        assert isotropic.symmetry_report(form, 5).group == form.group
    for weight, name in ((0, "tanh"), (1, "isotropic-tanh")):
        ends = isotropic.Mixture("tanh", "isotropic-tanh", weight)
        assert torch.equal(ends(x), isotropic.activation(name)(x))


def test_a_mixture_with_a_form_that_declares_no_group_says_so():
    mixed = isotropic.Mixture(torch.nn.Tanh(), "isotropic-tanh", 0.4)
    assert mixed(torch.zeros(1, 2)).shape == (1, 2)
    with pytest.raises(TypeError, match=r"first form declares no group, got Tanh\(\): measure it"):
        _ = mixed.group


def test_settings_for_a_module_that_is_there_are_refused():
    with pytest.raises(ValueError, match=r"settings need a name, got omega and the module Isotrop"):
        isotropic.activation(isotropic.IsotropicTanh(), omega=0.5)
