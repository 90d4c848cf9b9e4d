"""Inserted layers, and the wider elementwise network."""

import copy

import pytest
import torch
from test_adapt_mlp import D, filled

import isotropic
from isotropic import adapt
from isotropic.intrinsic import SCALES
from isotropic.mlp import ELEMENTWISE


@pytest.mark.parametrize("after", [0, 1])
def test_an_inserted_layer_is_the_identity(after):
    net = filled([5, 6, 4, 3])
    x = torch.randn(9, 5, dtype=D)
    before = net(x)
    adapt.insert_layer(net, after)
    assert net.depth == 4
    assert net.widths[after + 2] == net.widths[after + 1]
    assert (net(x) - before).abs().max() < 1e-6
    worse = filled([5, 6, 4, 3])
    adapt.insert_layer(worse, after, omega=1e4)
    error = (worse(x) - before).abs().max()
    assert 1e-6 < error < 1e-2
    (net(x).sum() + net.penalty()).backward()
    assert net.layers[after + 1].weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("dtype", "way", "omega"),
    [
        (torch.float16, "length", 1e4),
        (torch.bfloat16, "length", 1e8),
        (torch.float16, "origin", 1e8),
        (torch.bfloat16, "origin", 1e8),
    ],
)
def test_in_half_precision_too(dtype, way, omega):
    net = filled([5, 6, 3], psi="absent").to(dtype)
    x = torch.randn(50, 5).to(dtype)
    before = net(x).double()
    adapt.insert_layer(net, 0, omega, way=way)
    # Three products of rounded factors instead of one.
    error = (net(x).double() - before).norm() / before.norm()
    assert error < torch.finfo(dtype).eps


def test_a_length_beyond_the_precision_is_refused():
    net = filled([5, 6, 3]).half()
    state = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=r"in torch\.float16: give a smaller omega"):
        adapt.insert_layer(net, 0)
    assert net.widths == [5, 6, 3]
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize("way", ["length", "origin"])
def test_an_inserted_layer_takes_the_mode_of_the_network_and_gives_none(way):
    net = filled([5, 6, 3]).eval()
    net.activations[0].train()
    adapt.insert_layer(net, 0, way=way)
    assert [name for name, module in net.named_modules() if module.training] == ["activations.0"]
    net.train()
    net.activations[0].eval()
    adapt.insert_layer(net, 1, way=way)
    assert [name for name, module in net.named_modules() if not module.training] == [
        "activations.0"
    ]


def test_an_inserted_layer_can_be_adapted_in_turn():
    net = filled([5, 6, 4, 3])
    x = torch.randn(9, 5, dtype=D)
    adapt.insert_layer(net, 0)
    before = net(x)
    adapt.resize(net, 1, 9)
    assert (net(x) - before).abs().max() < 1e-9


def test_psi_that_cannot_pass_is_refused():
    net = filled([5, 2, 4, 3])
    with pytest.raises(ValueError, match="psi of layer 1 does not pass through"):
        adapt.insert_layer(net, 0)
    with torch.no_grad():
        net.layers[1].psi.zero_()
    adapt.insert_layer(net, 0)
    assert net.widths == [5, 2, 2, 4, 3]


@pytest.mark.parametrize("omega", ["absent", "trainable"])
@pytest.mark.parametrize("name", ["isotropic-tanh", "isotropic-leaky-relu"])
def test_near_the_origin_no_length_is_needed(name, omega):
    net = filled([5, 6, 4, 3], activation=name, omega=omega)
    x = torch.randn(9, 5, dtype=D)
    before = net(x)
    adapt.insert_layer(net, 0, way="origin")
    assert net.widths == [5, 6, 6, 4, 3]
    assert (net(x) - before).abs().max() < 1e-6


@pytest.mark.parametrize("omega", ["absent", "trainable"])
@pytest.mark.parametrize("name", sorted({*SCALES} - {"isotropic-tanh", "isotropic-leaky-relu"}))
def test_what_bends_with_the_norm_itself_at_the_origin_is_refused(name, omega):
    net = filled([5, 6, 3], activation=name, omega=omega)
    with pytest.raises(ValueError, match="not linear around the origin: say way='length'"):
        adapt.insert_layer(net, 0, way="origin")
    assert net.widths == [5, 6, 3]
    with pytest.raises(ValueError, match="way must be one of length, origin, got 'far'"):
        adapt.insert_layer(net, 0, way="far")
    normed = isotropic.MLP([5, 6, 3], normaliser=lambda n: isotropic.normalise.MeanNorm())
    with pytest.raises(ValueError, match="a normaliser would undo"):
        adapt.insert_layer(normed, 0)


def test_insertion_needs_an_intrinsic_length():
    with pytest.raises(ValueError, match="say way='origin', or build the network with omega"):
        adapt.insert_layer(filled([5, 4, 3], omega="absent"), 0)
    with pytest.raises(ValueError, match="omega must be positive"):
        adapt.insert_layer(filled([5, 4, 3]), 0, omega=-1.0)


WIDENED = [name for name in ELEMENTWISE if name != "parity-leaky-relu"]


@pytest.mark.parametrize("activation", WIDENED)
def test_duplicates_keep_an_elementwise_network(activation):
    net = filled([5, 4, 3], activation=activation)
    x = torch.randn(9, 5, dtype=D)
    before = net(x)
    adapt.widen_elementwise(net, 0, 11)
    assert net.widths == [5, 11, 3]
    assert net.layers[0].weight.shape == (11, 5)
    assert (net(x) - before).abs().max() < 1e-12
    adapt.widen_elementwise(net, 0, 13, noise=0.01)
    assert 1e-6 < (net(x) - before).abs().max() < 0.5


def test_duplicates_would_change_the_sign_of_a_product_over_all_neurons():
    net = filled([5, 4, 3], activation="parity-leaky-relu")
    state = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=r"sign of a product over all .* 'tanh'"):
        adapt.widen_elementwise(net, 0, 7)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize("kind", [isotropic.L2Norm, isotropic.RMSNorm, isotropic.MeanNorm])
def test_duplicates_would_change_what_a_normaliser_divides_by(kind):
    net = filled([5, 4, 3], activation="tanh", normaliser=lambda n: kind())
    with pytest.raises(ValueError, match=rf"{kind.__name__} behind .* without a normaliser"):
        adapt.widen_elementwise(net, 0, 7)
    assert net.widths == [5, 4, 3]


def test_duplicates_would_change_an_isotropic_network():
    net = filled([5, 4, 3])
    with pytest.raises(ValueError, match=r"use adapt\.grow"):
        adapt.widen_elementwise(net, 0, 5)
    with pytest.raises(ValueError, match="at least the present 4"):
        adapt.widen_elementwise(filled([5, 4, 3], activation="tanh"), 0, 3)
    with pytest.raises(TypeError, match="Linear"):
        adapt.widen_elementwise(torch.nn.Linear(2, 2), 0, 3)
    # What is refused would indeed be wrong.
    x = torch.randn(9, 5, dtype=D)
    before = net(x)
    net.activation, kept = "tanh", net.activation
    adapt.widen_elementwise(net, 0, 6)
    net.activation = kept
    assert (net(x) - before).abs().max() > 1e-2
    assert isotropic.MLP([5, 4, 3]).is_isotropic
