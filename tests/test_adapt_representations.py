"""Covariance eigenbasis, independent components, products up front."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_adapt_mlp import D, filled
from torch import nn

import isotropic
from isotropic import adapt
from isotropic.adapt.covariance import hidden_rows


def normalised(widths, seed=0, batches=30):
    net = filled(widths, seed, normaliser=lambda n: nn.BatchNorm1d(n, affine=False))
    generator = torch.Generator().manual_seed(seed)
    net.double().train()
    for _ in range(batches):
        net(torch.rand(64, widths[0], generator=generator, dtype=D))
    return net.eval()


X = torch.rand(900, 5, dtype=D, generator=torch.Generator().manual_seed(1)) * 4 - 2


def test_batchnorm_is_the_whitening_in_the_eigenbasis():
    net = normalised([5, 4, 3])
    rows = hidden_rows(net, 0, X)
    variances = adapt.diagonalise_covariance(net, 0, X)
    assert (variances[:-1] >= variances[1:]).all()
    turned = hidden_rows(net, 0, X)
    out = net.norms[0](turned)
    covariance = out.T @ out / len(out)
    expected = torch.diag(variances / (variances + net.norms[0].eps))
    assert (covariance - expected).abs().max() < 1e-10
    # Same rows as before, turned, and the eigenvalues of their covariance.
    assert torch.allclose(rows.norm(dim=1), turned.norm(dim=1), atol=1e-12)
    by_hand = torch.linalg.eigvalsh(torch.cov(rows.T, correction=0)).flip(0)
    assert torch.allclose(variances, by_hand, atol=1e-12)


def test_more_neurons_than_directions():
    net = normalised([2, 6, 3])
    variances = adapt.diagonalise_covariance(net, 0, X[:, :2])
    assert (variances[3:] < 1e-20).all()
    assert torch.isfinite(net(X[:, :2])).all()


def test_approximate_turn_of_batchnorm_is_the_diagonal_of_a_rank_two_tensor():
    net = normalised([5, 4, 3])
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=D))[0]
    mean, variance = net.norms[0].running_mean.clone(), net.norms[0].running_var.clone()
    before = net(X)
    with pytest.raises(ValueError, match="approximate=True"):
        adapt.rotate(net, 0, turn)
    adapt.rotate(net, 0, turn, approximate=True)
    assert torch.allclose(net.norms[0].running_mean, turn @ mean)
    oracle = torch.diagonal(turn @ torch.diag(variance) @ turn.T)
    assert torch.allclose(net.norms[0].running_var, oracle)
    assert (net(X) - before).abs().max() > 1e-6


def test_a_signed_permutation_passes_batchnorm_exactly():
    net = normalised([5, 4, 3])
    before = net(X)
    turn = torch.eye(4, dtype=D)[[2, 0, 3, 1]] * torch.tensor([1.0, -1, 1, -1], dtype=D)
    adapt.rotate(net, 0, turn, approximate=True)
    assert (net(X) - before).abs().max() < 1e-12


def mixed_sources(seed=0):
    generator = torch.Generator().manual_seed(seed)
    uniform = (torch.rand(6000, 2, generator=generator, dtype=D) - 0.5) * math.sqrt(12)
    laplace = torch.distributions.Laplace(0.0, 1 / math.sqrt(2))
    torch.manual_seed(seed)
    sources = torch.cat([uniform, laplace.sample((6000, 2)).double()], 1)
    sources = sources - sources.mean(0)
    L = torch.linalg.cholesky(sources.T @ sources / len(sources))
    return torch.linalg.solve_triangular(L, sources.T, upper=False).T


def test_ica_finds_the_sources_up_to_signed_permutation():
    white = mixed_sources()
    mixing = torch.linalg.qr(
        torch.randn(4, 4, dtype=D, generator=torch.Generator().manual_seed(3))
    )[0]
    turn, converged = adapt.fast_ica(white @ mixing.T)
    assert converged
    recovered = (turn @ mixing).abs()
    assert (recovered.max(1).values > 0.99).all()
    assert sorted(recovered.argmax(1).tolist()) == [0, 1, 2, 3]


def test_gaussian_rows_do_not_settle_on_anything():
    rows = torch.randn(3000, 3, dtype=D, generator=torch.Generator().manual_seed(0))
    a, _ = adapt.fast_ica(rows[:1500], seed=1, steps=50)
    b, _ = adapt.fast_ica(rows[1500:], seed=1, steps=50)
    assert (a @ b.T).abs().max(1).values.min() < 0.98


def test_the_three_forms():
    net = normalised([5, 4, 3])
    adapt.diagonalise_covariance(net, 0, X)
    before = net(X)
    turn, _ = adapt.find_components(net, 0, X)
    assert (turn @ turn.T - torch.eye(4, dtype=D)).abs().max() < 1e-12
    assert not torch.allclose(turn.abs().max(1).values, torch.ones(4, dtype=D), atol=1e-3)
    parts = {
        form: adapt.represent_components(net, 0, turn, form)
        for form in ("kept", "full", "diagonal")
    }
    assert (parts["kept"](X) - before).abs().max() < 1e-11
    assert (parts["full"](X) - before).abs().max() < 1e-11
    error = (parts["diagonal"](X) - before).abs().max()
    assert 1e-6 < error < before.abs().max()
    assert parts["diagonal"].norms[0].map.shape == (4,)
    assert torch.equal(net(X), before)
    components = {}
    for form, part in parts.items():
        with adapt.watch_components(part, 0) as seen:
            part(X[:300])
            part(X[300:])
        components[form] = seen.rows
        assert seen.rows.shape == (900, 4)
    assert (components["kept"] - components["full"]).abs().max() < 1e-11
    white = net.norms[0](hidden_rows(net, 0, X))
    assert (components["kept"] - white @ turn.T).abs().max() < 1e-11


def test_eps_is_part_of_the_variances():
    net = normalised([2, 6, 3])
    adapt.diagonalise_covariance(net, 0, X[:, :2])
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=D))[0]
    before = net(X[:, :2])
    part = adapt.represent_components(net, 0, turn, "full")
    assert (part(X[:, :2]) - before).abs().max() < 1e-9
    found, _ = adapt.find_components(net, 0, X[:, :2])
    assert torch.equal(found[3:, 3:], torch.eye(3, dtype=D))


def test_components_are_refused_where_they_have_no_meaning():
    with pytest.raises(ValueError, match="affine=False"):
        adapt.diagonalise_covariance(filled([5, 4, 3]), 0, X)
    net = normalised([5, 4, 3])
    with pytest.raises(ValueError, match=r"not white in this basis .*diagonalise_covariance"):
        adapt.find_components(net, 0, X)
    with pytest.raises(ValueError, match="form must be one of kept, full, diagonal"):
        adapt.represent_components(net, 0, torch.eye(4), "half")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 7), min_size=2, max_size=6),
    st.sampled_from(["absent", "decay"]),
    st.sampled_from(["absent", "fixed", "trainable"]),
    st.integers(0, 10**6),
)
def test_products_up_front_compute_the_same(widths, psi, omega, seed):
    net = filled(widths, seed, psi=psi, omega=omega)
    x = torch.randn(6, widths[0], dtype=D)
    nested = adapt.precompute(net)
    assert (nested(x) - net(x)).abs().max() < 1e-12
    assert (nested.forward_by_scalars(x) - net(x)).abs().max() < 1e-11
    for index, product in enumerate(nested.products):
        assert product.shape == (widths[index + 1], widths[0])
        assert nested.offsets[index].shape == (index + 1, widths[index + 1])


def test_products_of_sparse_networks_too():
    net = adapt.sparsify(filled([5, 6, 6, 6, 3]), triangular=True)
    x = torch.randn(6, 5, dtype=D)
    assert (adapt.precompute(net)(x) - net(x)).abs().max() < 1e-12
    with pytest.raises(ValueError, match="depend on the data"):
        adapt.precompute(normalised([5, 4, 3]))


def test_without_offsets_the_decision_is_linear_and_with_them_it_trains_beyond():
    net = filled([5, 6, 4, 3], psi="absent")
    with torch.no_grad():
        for layer in net.layers:
            layer.bias.zero_()
    linear = adapt.precompute(net).products[-1]
    assert torch.equal(net(X).argmax(1), (X @ linear.T).argmax(1))
    # The unconstrained class learns what no linear map can: inside a circle or outside.
    torch.manual_seed(0)
    nested = adapt.NestedMLP([2, 8, 8, 2], dtype=D)
    x = torch.randn(400, 2, dtype=D)
    y = (x.norm(dim=1) > 1.1).long()
    optimizer = torch.optim.Adam(nested.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(nested(x), y).backward()
        optimizer.step()
    assert (nested(x).argmax(1) == y).double().mean() > 0.95


def test_a_deeper_network_contains_the_shallower_one_in_the_limit():
    errors = []
    net = filled([5, 4, 3], psi="absent")
    x = X[:20]
    for omega in (1e4, 1e6, 1e8):
        deeper = isotropic.MLP([5, 4, 3, 3], psi="absent", dtype=D)
        with torch.no_grad():
            for a, b in zip(deeper.layers, net.layers, strict=False):
                a.load_state_dict(b.state_dict())
            deeper.activations[0].set_omega(0.7)
            deeper.activations[1].set_omega(omega)
            constant = math.tanh(math.sqrt(omega)) / math.sqrt(omega)
            deeper.layers[2].weight.copy_(torch.eye(3, dtype=D) / constant)
        errors.append(float((deeper(x) - net(x)).detach().abs().max()))
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.05)
    assert errors[2] < 1e-6


def test_bad_widths_of_the_nested_class():
    with pytest.raises(ValueError, match="two or more positive numbers"):
        adapt.NestedMLP([4])
    with pytest.raises(ValueError, match=r"widths must be a whole number, got 2.7"):
        adapt.NestedMLP([4, 2.7, 3])
