"""Diagnostics: reference values, closed forms, symmetry of what they report."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import isotropic
from isotropic.functional import isotropic_leaky_relu, isotropic_log1p, isotropic_tanh
from isotropic.symmetry import group_elements

DOUBLE = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def test_deflections_of_tanh_are_the_reference_values():
    at = math.radians(20)
    x = torch.tensor([[math.cos(at), math.sin(at)]], dtype=DOUBLE)
    alphas = torch.tensor([0.1, 1.0, 3.0, 10.0, 1e4])
    found = torch.rad2deg(isotropic.deflection(torch.tanh, x, alphas)).flatten()
    np.testing.assert_allclose(found, [0.047, 4.130, 17.877, 24.939, 25.0], atol=5e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6))
def test_isotropic_forms_deflect_nothing(seed, n):
    x, alphas = draw(8, n, seed=seed), torch.tensor([1e-3, 1.0, 50.0], dtype=DOUBLE)
    for f in (isotropic_tanh, isotropic_log1p, isotropic_leaky_relu):
        assert isotropic.deflection(f, x, alphas).max() < 1e-12
    assert (
        isotropic.deflection(lambda v: -isotropic_tanh(v), x, alphas) - math.pi
    ).abs().max() < 1e-7
    assert isotropic.deflection(torch.tanh, x, alphas[2:]).max() > 0.01


def test_deflection_is_undefined_where_nothing_is_left():
    x = torch.tensor([[-1.0, -1.0], [1.0, 0.0]], dtype=DOUBLE)
    found = isotropic.deflection(torch.relu, x, torch.ones(1))
    assert found[0, 0].isnan()
    assert found[0, 1] == 0
    assert isotropic.deflection(isotropic.IsotropicReLU(), x, torch.tensor([0.5])).isnan().all()


def test_tiny_angles_are_not_lost():
    turn = 1e-10
    f = lambda v: torch.stack([v[:, 0] - turn * v[:, 1], v[:, 1] + turn * v[:, 0]], 1)  # noqa: E731
    found = isotropic.deflection(f, torch.tensor([[1.0, 2.0]], dtype=DOUBLE), torch.ones(1))
    assert float(found) == pytest.approx(turn, rel=1e-4)


def test_the_deflection_map_has_the_symmetry_of_the_form():
    phi, theta = isotropic.deflection_map(torch.tanh, torch.tensor([0.5, 5.0]), 80)
    assert phi.shape == (80,)
    assert theta.shape == (2, 80)
    torch.testing.assert_close(theta.roll(20, 1), theta, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(theta.flip(1).roll(1, 1), theta, rtol=1e-7, atol=1e-9)
    assert theta[1].max() > theta[0].max() > 0.01


@pytest.mark.parametrize("n", [1, 2, 4])
def test_tanh_has_three_to_the_n_less_one_limit_points(n):
    limits = isotropic.limit_points(torch.tanh, isotropic.sign_directions(n))
    assert len(limits.unique(dim=0)) == 3**n - 1
    generic = isotropic.limit_points(torch.tanh, draw(400, n))
    assert len(generic.unique(dim=0)) == 2**n
    assert torch.equal(generic.abs(), torch.ones_like(generic))


def test_the_isotropic_tanh_keeps_a_limit_for_every_direction():
    x = draw(30, 3)
    limits = isotropic.limit_points(isotropic_tanh, x)
    torch.testing.assert_close(limits, x / x.norm(dim=1, keepdim=True))
    assert isotropic.limit_points(isotropic_log1p, x).isnan().all()
    assert isotropic.limit_points(torch.relu, -x.abs()).abs().max() == 0


PROFILES = {
    "isotropic-tanh": torch.tanh,
    "isotropic-log1p": torch.log1p,
    "isotropic-silu": nn.functional.silu,
    "isotropic-hyperbola": lambda r: (r * r + 1).sqrt() - 1,
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("omega", [0.0, 0.6])
def test_isotropic_spectra_are_the_closed_form(name, omega):
    x = 2 * draw(9, 5)
    measured = isotropic.jacobian_spectrum(isotropic.activation(name, omega=omega), x)
    wanted = isotropic.radial_spectrum(PROFILES[name], x, omega)
    torch.testing.assert_close(measured, wanted, rtol=1e-9, atol=1e-12)


def test_elementwise_spectra_are_the_sorted_slopes():
    x = draw(6, 4)
    wanted = (1 - torch.tanh(x).square()).sort(-1, descending=True).values
    torch.testing.assert_close(isotropic.jacobian_spectrum(torch.tanh, x), wanted)


def test_update_deflections_are_the_angle_of_the_jacobian():
    z, g = draw(50, 3), draw(50, 3, seed=1)
    found = isotropic.update_deflection(torch.tanh, z, g)
    back = (1 - torch.tanh(z).square()) * g
    cosine = (back * g).sum(1) / back.norm(dim=1) / g.norm(dim=1)
    torch.testing.assert_close(found.angle, cosine.acos(), rtol=1e-7, atol=1e-9)
    bits = (z > 0).long() @ torch.tensor([1, 2, 4])
    assert torch.equal(found.orthant, bits)
    table = found.by_orthant()
    assert sum(count for count, *_ in table.values()) == 50
    chosen = found.angle[bits == 3]
    assert table[3] == pytest.approx(
        (len(chosen), chosen.mean().item(), chosen.std(correction=0).item())
    )


def test_isotropic_updates_do_not_know_the_orthants():
    z, g = draw(40, 4), draw(40, 4, seed=1)
    r = group_elements("O(n)", 4, 1, torch.Generator().manual_seed(2))[0]
    for f, same in ((isotropic_tanh, True), (torch.tanh, False)):
        before = isotropic.update_deflection(f, z, g).angle
        after = isotropic.update_deflection(f, z @ r.T, g @ r.T).angle
        assert bool((before - after).abs().max() < 1e-7) is same


def test_zero_gradients_have_no_angle():
    found = isotropic.update_deflection(torch.relu, -torch.ones(1, 2), torch.ones(1, 2))
    assert found.angle.isnan().all()
    assert found.by_orthant() == {}


def test_the_affine_divergence_is_the_variance_of_the_factor():
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Sequential(nn.Tanh(), nn.Linear(4, 2)))
    net[0].eval()
    x = draw(20, 3).float()
    first, second = isotropic.affine_divergence(net, x)
    assert [first.layer, second.layer] == ["0", "2.1"]
    factor = x.double().square().sum(1) + 1
    assert first.mean == pytest.approx(float(factor.mean()))
    assert first.variance == pytest.approx(float(factor.var(correction=0)))
    assert first.relative == pytest.approx(float(factor.std(correction=0) / factor.mean()))
    hidden = torch.tanh(net[0](x)).double().square().sum(1) + 1
    assert second.variance == pytest.approx(float(hidden.var(correction=0).detach()), rel=1e-6)
    assert net.training
    assert not net[0].training
    assert not net[0]._forward_pre_hooks


def test_length_norms_remove_the_divergence():
    net = nn.Sequential(isotropic.L2Norm(), nn.Linear(3, 2, dtype=DOUBLE))
    assert isotropic.affine_divergence(net, draw(20, 3))[0].variance < 1e-28


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: isotropic.deflection(torch.tanh, torch.zeros(1, 2), torch.ones(1)),
            "other than zero",
        ),
        (
            lambda: isotropic.deflection(torch.tanh, torch.ones(2), torch.ones(1)),
            r"must be \(D, n\)",
        ),
        (lambda: isotropic.deflection(torch.tanh, torch.ones(1, 2), torch.zeros(1)), "above 0"),
        (
            lambda: isotropic.deflection_map(torch.tanh, torch.ones(1), 0),
            "angles must be at least 1",
        ),
        (lambda: isotropic.deflection_map(torch.tanh, torch.ones(1), 8.5), "whole number, got 8.5"),
        (
            lambda: isotropic.deflection(torch.tanh, torch.ones(1, 2), torch.tensor([1.0, -2.0])),
            "above 0, got -2.0",
        ),
        (lambda: isotropic.jacobian_spectrum(torch.tanh, torch.ones(3)), r"x must be \(B, n\)"),
        (lambda: isotropic.radial_spectrum(torch.tanh, torch.ones(3)), r"x must be \(B, n\)"),
        (lambda: isotropic.radial_spectrum(torch.tanh, torch.ones(1, 3), -2.0), "omega must be at"),
        (lambda: isotropic.sign_directions(13), "n must lie in 1 ... 12, got 13"),
        (lambda: isotropic.symmetry_report(torch.tanh, 2.5), "n must be a whole number, got 2.5"),
        (lambda: isotropic.symmetry_report(torch.tanh, samples=0), "samples must be at least 1"),
        (lambda: isotropic.symmetry_report(torch.tanh, elements=0), "elements must be at least 1"),
        (
            lambda: isotropic.update_deflection(torch.tanh, torch.ones(2, 3), torch.ones(2, 2)),
            "must both be",
        ),
        (lambda: isotropic.affine_divergence(nn.Tanh(), torch.ones(1, 2)), "none was called"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_kind_of_network_has_its_divergence():
    x = draw(7, 4).float()
    factor = x.double().square().sum(1) + 1
    for net in (
        isotropic.MLP([4, 6, 3]),
        isotropic.MLP([4, 6, 3], activation="tanh"),
        nn.Sequential(isotropic.CorrectedLinear(4, 2)),
        isotropic.Autoencoder(4, 3, dtype=torch.float32),
    ):
        first, *_ = isotropic.affine_divergence(net, x)
        assert first.variance == pytest.approx(float(factor.var(correction=0)))
    (alone,) = isotropic.affine_divergence(nn.Sequential(nn.Linear(4, 2)), x[0])
    assert alone.mean == pytest.approx(float(factor[0]))


def test_angles_know_no_length():
    alphas = torch.tensor([1e-300, 1e-170, 1.0, 1e170, 1e300], dtype=DOUBLE)
    found = isotropic.deflection(
        lambda x: x @ torch.tensor([[0.0, 1], [-1, 0]]).double(), draw(2, 2), alphas
    )
    assert torch.allclose(found, torch.full((5, 2), math.pi / 2, dtype=DOUBLE))
    assert torch.allclose(
        isotropic.deflection(torch.neg, draw(1, 2), alphas), torch.tensor(math.pi, dtype=DOUBLE)
    )


def test_the_closed_form_has_its_limit_at_the_origin():
    x = torch.zeros(1, 3, dtype=DOUBLE)
    found = isotropic.radial_spectrum(lambda m: 2 * torch.atan(m), x)
    assert found.tolist() == [[2.0, 2.0, 2.0]]
    assert found.equal(isotropic.jacobian_spectrum(lambda v: 2 * torch.atan(v), x))


def test_derivatives_are_taken_whatever_the_mode():
    x = draw(2, 3)
    wanted = isotropic.jacobian_spectrum(torch.tanh, x)
    with torch.no_grad():
        assert torch.equal(isotropic.jacobian_spectrum(torch.tanh, x), wanted)
        assert isotropic.radial_spectrum(torch.tanh, x).isfinite().all()
        assert isotropic.update_deflection(torch.tanh, x, x).angle.isfinite().all()


def test_a_map_with_parameters_has_a_report():
    net = nn.Sequential(nn.Linear(6, 6, dtype=DOUBLE), nn.Tanh())
    assert isotropic.symmetry_report(net).group is None


def test_directions_must_be_tensors_of_real_numbers():
    with pytest.raises(TypeError, match=r"directions must be .*, got torch.int64: use x.double"):
        isotropic.deflection(torch.tanh, torch.tensor([[1, 2]]), torch.ones(1))
    with pytest.raises(TypeError, match=r"got list: use torch.as_tensor"):
        isotropic.deflection(torch.tanh, [[1.0, 2.0]], torch.ones(1))


def test_no_rows_have_no_divergence():
    with pytest.raises(ValueError, match="at least one row, but layer '0' saw none"):
        isotropic.affine_divergence(torch.nn.Sequential(torch.nn.Linear(3, 2)), torch.zeros(0, 3))


def test_layers_called_by_keyword_have_their_divergence():
    class ByKeyword(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(3, 4), isotropic.MLP([4, 2]).layers[0]

        def forward(self, x):
            return self.other(scale=None, h=self.one(input=x))

    x = draw(20, 3).float()
    net = ByKeyword()
    first, second = isotropic.affine_divergence(net, x)
    for found, rows in ((first, x), (second, net.one(x))):
        factor = rows.double().square().sum(1) + 1
        assert found.mean == pytest.approx(float(factor.detach().mean()))
