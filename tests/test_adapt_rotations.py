"""Diagonalisation leaves the function, and its optimiser's future, as they were."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_adapt_mlp import D, filled
from torch import nn

import isotropic
from isotropic import adapt

WIDTHS = st.lists(st.integers(1, 8), min_size=3, max_size=6)


@settings(max_examples=40, deadline=None)
@given(WIDTHS, st.integers(0, 10**6), st.data())
def test_diagonalising_any_shape_leaves_the_function(widths, seed, data):
    net = filled(widths, seed)
    x = torch.randn(6, widths[0], dtype=D)
    before = net(x)
    layer = data.draw(st.integers(0, net.depth - 2))
    kind = data.draw(st.sampled_from(["left", "full"] if layer else ["left"]))
    values = adapt.diagonalise(net, layer, kind)
    assert (net(x) - before).abs().max() < 1e-12
    weight = net.layers[layer].weight.detach()
    assert values.shape == (len(weight),)
    if kind == "full":
        expected = torch.zeros_like(weight)
        expected.diagonal()[:] = values[: min(weight.shape)]
        assert torch.equal(weight, expected)
    else:
        assert (weight @ weight.T - torch.diag(values**2)).abs().max() < 1e-12
    assert (values[:-1] >= values[1:]).all()
    assert torch.allclose(adapt.singular_values(net, layer), values, atol=1e-12)


def test_the_decomposition_has_signs_of_its_own():
    torch.manual_seed(1)
    W = torch.randn(5, 7, dtype=D)
    U, S, Vh = adapt.signed_svd(W)
    assert (U[:, :5] * S @ Vh[:5] - W).abs().max() < 1e-13
    places = U.abs().argmax(0)
    assert (U[places, torch.arange(5)] > 0).all()
    assert (Vh[5:].gather(1, Vh[5:].abs().argmax(1, keepdim=True)) > 0).all()
    # A left rotation of W by signs must not change the right factor's signs relative to the left.
    again = adapt.signed_svd(W * -1)
    assert torch.allclose(again[0], U, atol=1e-12)
    assert torch.allclose(again[2][:5], -Vh[:5], atol=1e-12)


def test_diagonalising_twice_changes_nothing_more():
    net = filled([6, 5, 4, 3])
    adapt.diagonalise(net, 1, "full")
    once = copy.deepcopy(net.state_dict())
    adapt.diagonalise(net, 1, "full")
    for key, value in net.state_dict().items():
        assert torch.allclose(value, once[key], atol=1e-12), key


def test_orthogonal_start_with_all_values_equal():
    net = isotropic.MLP([8, 8, 8, 3], dtype=D)
    x = torch.randn(4, 8, dtype=D)
    before = net(x)
    values = adapt.diagonalise(net, 1, "full")
    assert torch.allclose(values, torch.ones(8, dtype=D))
    assert (net(x) - before).abs().max() < 1e-12


def test_float32_error_is_rounding():
    torch.manual_seed(0)
    net = isotropic.MLP([300, 100, 100, 10])
    x = torch.randn(64, 300)
    before = net(x)
    adapt.diagonalise(net, 1, "full")
    assert (net(x) - before).norm(dim=1).mean() < 2e-6


def test_rotate_moves_every_vector_of_the_hidden_space():
    net = filled([4, 5, 6, 2])
    turn, _ = torch.linalg.qr(torch.randn(6, 6, dtype=D))
    hidden = {}
    handle = net.activations[1].register_forward_hook(
        lambda module, args, out: hidden.setdefault("h", []).append(out)
    )
    x = torch.randn(3, 4, dtype=D)
    before, psi = net(x), net.layers[1].psi.detach().clone()
    adapt.rotate(net, 1, turn)
    after = net(x)
    handle.remove()
    assert (after - before).abs().max() < 1e-12
    assert (hidden["h"][1] - hidden["h"][0] @ turn.T).abs().max() < 1e-12
    assert torch.allclose(net.layers[1].psi, turn @ psi)


def test_rotate_refuses_what_is_not_orthogonal():
    net = filled([4, 5, 2])
    for turn in (torch.ones(5, 5), torch.eye(4), 2 * torch.eye(5)):
        with pytest.raises(ValueError, match="orthogonal 5 by 5 matrix"):
            adapt.rotate(net, 0, turn)


class ResidualNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x):
        return x + self.inner(x)


@pytest.mark.parametrize("call", [adapt.diagonalise, lambda n, i: adapt.resize(n, i, 2)])
def test_other_networks_are_refused_with_the_reason(call):
    with pytest.raises(TypeError, match="residual sums or pooling"):
        call(ResidualNet(), 0)
    with pytest.raises(ValueError, match="'tanh' acts on each neuron by itself"):
        call(isotropic.MLP([3, 4, 2], activation="tanh"), 0)


@pytest.mark.parametrize(
    ("norm", "reason"),
    [
        (nn.LayerNorm, "weighted-mean LayerNorm"),
        (nn.BatchNorm1d, "affine=False"),
        (lambda n: nn.BatchNorm1d(n, affine=False), "only approximately"),
        (nn.RMSNorm, "elementwise_affine=False"),
        (lambda n: nn.Dropout(0.5), "dropout of single neurons"),
        (lambda n: nn.ReLU(), "not known to commute"),
    ],
)
def test_normalisers_that_rotations_do_not_pass_are_refused(norm, reason):
    net = isotropic.MLP([3, 4, 4, 2], normaliser=norm)
    with pytest.raises(ValueError, match=reason):
        adapt.diagonalise(net, 1)


def test_equivariant_normalisers_pass():
    net = isotropic.MLP(
        [3, 4, 4, 2], normaliser=lambda n: nn.RMSNorm(n, elementwise_affine=False), dtype=D
    )
    x = torch.randn(5, 3, dtype=D)
    before = net(x)
    adapt.diagonalise(net, 1, "full")
    assert (net(x) - before).abs().max() < 1e-12


def test_layers_that_are_not_there_are_refused():
    net = filled([3, 4, 4, 2])
    with pytest.raises(ValueError, match=r"layer must lie in 0 \.\.\. 1"):
        adapt.diagonalise(net, 2)
    with pytest.raises(ValueError, match=r"layer must lie in 1 \.\.\. 1"):
        adapt.diagonalise(net, 0, "full")
    with pytest.raises(ValueError, match="kind must be one of left, full"):
        adapt.diagonalise(net, 1, "right")


def test_factored_layers_must_be_written_out_first_and_frozen_values_stay():
    net = filled([6, 5, 4, 3])
    x = torch.randn(8, 6, dtype=D)
    before = net(x)
    adapt.factorise(net, 1, freeze=True)
    assert (net(x) - before).abs().max() < 1e-12
    right = net.layers[1].right.detach().clone()
    assert (right @ right.T - torch.eye(4, dtype=D)).abs().max() < 1e-12
    with pytest.raises(ValueError, match=r"it is left: call adapt\.densify\(net, 1\)"):
        adapt.resize(net, 1, 3)
    frozen = net.layers[1].singular.detach().clone()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.5)
    net(x).square().sum().backward()
    optimizer.step()
    assert torch.equal(net.layers[1].singular, frozen)
    assert not torch.equal(net.layers[1].right, right)
    trained = net(x)
    adapt.densify(net, 1)
    assert (net(x) - trained).abs().max() < 1e-12
    adapt.resize(net, 0, 7)


def test_frozen_values_hold_the_spectrum_where_rows_are_taken_back():
    kept = {}
    x = torch.randn(30, 5, dtype=D)
    for take_back in (False, True):
        net = filled([5, 6, 4, 3])
        adapt.factorise(net, 0, freeze=True)
        before = adapt.singular_values(net, 0)
        optimizer = torch.optim.SGD(
            [p for p in net.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1
        )
        for _ in range(30):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
            if take_back:
                adapt.orthonormalise(net, 0)
        kept[take_back] = float((adapt.singular_values(net, 0) - before).abs().max())
    assert kept[True] < 1e-12
    assert kept[False] > 0.1
    with pytest.raises(ValueError, match="must be stored in factors, but it is dense"):
        adapt.orthonormalise(net, 1)
    with torch.no_grad():
        net.layers[0].right[1] = net.layers[0].right[0]
    with pytest.raises(ValueError, match="depend on each other: factorise it anew"):
        adapt.orthonormalise(net, 0)


def test_a_graph_still_alive_does_not_stop_training_after_a_change():
    net = filled([4, 5, 2])
    optimizer = torch.optim.Adam(net.parameters())
    x = torch.randn(8, 4, dtype=D)
    kept = net(x).square().sum()
    kept.backward()
    optimizer.step()
    adapt.resize(net, 0, 7, optimizer)
    net(x).square().sum().backward()
    optimizer.step()
    assert net.layers[0].weight.grad.shape == (7, 4)
