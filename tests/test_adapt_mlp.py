"""The adaptable perceptron: its function, its kinds of omega and psi, its state dicts."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import isotropic
from isotropic import adapt
from isotropic.adapt.forms import replace_form
from isotropic.intrinsic import SCALES, RadialActivation

D = torch.float64


def filled(widths, seed=0, **options):
    """A float64 network none of whose parameters is special."""
    torch.manual_seed(seed)
    net = isotropic.MLP(widths, dtype=D, **options)
    with torch.no_grad():
        for layer in net.layers:
            # Distinct singular values: inside equal ones the basis is anybody's choice.
            layer.weight.add_(0.3 * torch.randn_like(layer.weight))
            layer.bias.normal_(0, 0.4)
            if layer.has_psi:
                layer.psi.normal_(0, 0.3)
        for activation in net.activations:
            if getattr(activation, "omega_kind", "absent") != "absent":
                activation.set_omega(0.7)
    return net


def forward_by_loops(net, x):
    """One input at a time, straight from the definition (isotropic tanh)."""
    rows = []
    for row in x.tolist():
        h, t = row, None
        for index, layer in enumerate(net.layers):
            W = layer.matrix().tolist()
            b = layer.bias.tolist()
            z = [sum(w * v for w, v in zip(W[i], h, strict=True)) + b[i] for i in range(len(W))]
            if t is not None and layer.has_psi:
                z = [v + t * p for v, p in zip(z, layer.psi.tolist(), strict=True)]
            if index < net.depth - 1:
                m = math.sqrt(sum(v * v for v in z) + net.activations[index].omega)
                t = math.tanh(m) / m
                h = [t * v for v in z]
        rows.append(z)
    return torch.tensor(rows, dtype=D)


@pytest.mark.parametrize("psi", ["absent", "constant", "trainable", "decay", "expectation"])
@pytest.mark.parametrize("omega", ["absent", "fixed", "trainable"])
def test_forward_is_the_definition(omega, psi):
    net = filled([5, 4, 6, 3], omega=omega, psi=psi)
    x = torch.randn(7, 5, dtype=D)
    assert (net(x) - forward_by_loops(net, x)).abs().max() < 1e-13


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(SCALES)), st.integers(2, 9), st.integers(0, 10**6))
def test_activations_commute_with_rotations(name, n, seed):
    generator = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=D))
    f = RadialActivation(name, omega="fixed", initial_omega=0.3).double()
    x = torch.randn(5, n, generator=generator, dtype=D) * 3
    assert (f(x @ turn.T) - f(x) @ turn.T).abs().max() < 1e-12


@pytest.mark.parametrize("name", sorted(SCALES))
def test_profiles_are_those_of_the_plain_forms(name):
    x = torch.randn(40, 3, dtype=D, generator=torch.Generator().manual_seed(1))
    assert torch.equal(RadialActivation(name)(x), isotropic.activation(name)(x))


@pytest.mark.parametrize("name", sorted(SCALES))
def test_no_gradient_is_nan_at_the_origin(name):
    f = RadialActivation(name)
    x = torch.zeros(2, 3, requires_grad=True)
    f(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_omega_stays_positive_in_training_and_constant_psi_cannot_be_trained():
    net = filled([4, 5, 2], omega="trainable", psi="constant")
    assert "layers.1.psi" not in dict(net.named_parameters())
    before = net.layers[1].psi.clone()
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    optimizer = torch.optim.SGD(net.parameters(), lr=50.0)
    net(torch.randn(8, 4, dtype=D)).square().sum().backward()
    optimizer.step()
    assert net.activations[0].omega > 0
    assert torch.equal(net.layers[1].psi, before)


def test_penalty_is_the_decay_of_psi_only_when_asked():
    net = filled([4, 5, 3, 2], psi="decay")
    expected = 0.1 * sum(layer.psi.detach().square().sum() for layer in net.layers[1:])
    assert net.penalty().detach().item() == pytest.approx(expected.item(), rel=1e-14)
    assert expected.item() > 0
    assert filled([4, 5, 3, 2], psi="trainable").penalty() == 0


def test_weight_decay_touches_matrices_only():
    net = filled([4, 5, 2])
    decayed, plain = net.parameter_groups(0.5)
    assert {tuple(p.shape) for p in decayed["params"]} == {(5, 4), (2, 5)}
    assert decayed["weight_decay"] == 0.5
    assert plain["weight_decay"] == 0
    assert len(decayed["params"]) + len(plain["params"]) == len(list(net.parameters()))


def test_weight_decay_touches_what_matrices_are_made_of_in_every_form():
    net = filled([6, 5, 5, 5, 3], normaliser=lambda n: torch.nn.RMSNorm(n), psi="absent")
    for layer, form in enumerate(("left", "diagonal", "triangular", "dense")):
        replace_form(net, layer, form)
    decayed, plain = net.parameter_groups()
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    assert [names[id(parameter)] for parameter in decayed["params"]] == [
        "layers.0.singular",
        "layers.0.right",
        "layers.1.singular",
        "layers.2.packed",
        "layers.3.weight",
    ]
    assert {"norms.0.weight", "layers.0.bias", "activations.0.log_omega"} <= {
        names[id(parameter)] for parameter in plain["params"]
    }
    assert len(decayed["params"]) + len(plain["params"]) == len(names)


def test_mean_scale_is_weighted_by_rows_and_only_counts_training():
    net = filled([4, 5, 2])
    x = torch.randn(10, 4, dtype=D)
    activation = net.activations[0]
    net.eval()
    net(x)
    assert activation.mean_scale is None
    net.train()
    net(x[:7])
    net(x[7:])
    by_batches = activation.mean_scale
    net.measure(x)
    assert by_batches == pytest.approx(activation.mean_scale, rel=1e-14)
    z = (x @ net.layers[0].weight.T + net.layers[0].bias).detach()
    m = (z.square().sum(1) + 0.7).sqrt()
    assert by_batches == pytest.approx(float((m.tanh() / m).mean()), rel=1e-13)


def test_a_state_dict_loads_into_a_network_of_other_widths_and_forms():
    net = filled([6, 5, 7, 4, 3])
    x = torch.randn(9, 6, dtype=D)
    net.measure(x)
    adapt.resize(net, 1, 4)
    adapt.resize(net, 0, 8)
    adapt.factorise(net, 0)
    other = isotropic.MLP([6, 9, 9, 9, 3], dtype=D)
    other.load_state_dict(net.state_dict())
    assert other.widths == [6, 8, 4, 4, 3]
    assert other.layers[0].form == "left"
    assert torch.equal(other(x), net(x))
    deeper = isotropic.MLP([6, 5, 3], dtype=D)
    deeper.load_state_dict(net.state_dict())
    assert torch.equal(deeper(x), net(x))
    shallow = filled([6, 5, 3])
    deeper.load_state_dict(shallow.state_dict())
    assert torch.equal(deeper(x), shallow(x))


@pytest.mark.parametrize("widths", [[6, 5, 3], [4, 7, 3], [5, 5, 3], [1, 3, 2], [3, 1, 2]])
def test_a_triangular_first_layer_tells_its_input_width(widths):
    net = adapt.sparsify(filled(widths), triangular=True)
    assert net.layers[0].form == "triangular"
    other = isotropic.MLP([9, 5, 3], dtype=D)
    other.load_state_dict(net.state_dict())
    assert other.widths == widths
    x = torch.randn(4, widths[0], dtype=D)
    assert torch.equal(other(x), net(x))


def test_layers_that_do_not_meet_are_refused():
    net = isotropic.MLP([4, 5, 3])
    before = copy.deepcopy(net.state_dict())
    mixed = isotropic.MLP([6, 7, 3]).state_dict()
    mixed["layers.1.weight"] = torch.zeros(3, 9)
    with pytest.raises(ValueError, match=r"layer 1 .* the 7 features .* got a matrix for 9: load"):
        net.load_state_dict(mixed)
    assert net.widths == [4, 5, 3]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_loading_still_refuses_what_does_not_belong():
    net = isotropic.MLP([4, 5, 2])
    with pytest.raises(RuntimeError, match="nonsense"):
        net.load_state_dict({**net.state_dict(), "nonsense": torch.zeros(1)})
    with pytest.raises(RuntimeError, match="psi"):
        net.load_state_dict(isotropic.MLP([4, 5, 2], psi="absent").state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "isotropc"}, "activation must be one of"),
        ({"omega": "maybe"}, "omega must be one of absent, fixed, trainable"),
        ({"psi": "maybe"}, "psi must be one of"),
        ({"initial_omega": 0.0}, "initial_omega must be positive and finite, got 0.0"),
        ({"initial_omega": -1.0}, "initial_omega must be positive"),
        ({"initial_omega": math.inf}, "initial_omega must be positive and finite, got inf"),
        ({"psi_decay": -1.0}, "psi_decay must be finite and at least 0, got -1.0"),
        ({"psi_decay": math.nan}, "psi_decay must be finite and at least 0, got nan"),
        ({"activation": "tanh", "omega": "fixed"}, "acts on each neuron by itself"),
        ({"normaliser": torch.nn.Identity, "psi": "decay"}, "psi must be 'absent'"),
    ],
)
def test_bad_kinds_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        isotropic.MLP([3, 4, 2], **options)


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_length_is_set_to_what_a_length_can_be(value):
    activation = isotropic.RadialActivation(omega="fixed", initial_omega=4.0)
    with pytest.raises(ValueError, match=f"omega must stay positive and finite, got {value}"):
        activation.set_omega(value)
    assert activation.omega == pytest.approx(4.0)


@pytest.mark.parametrize("widths", [[3], [], [3, 0, 2]])
def test_bad_widths_are_refused(widths):
    with pytest.raises(ValueError, match="widths must be two or more positive numbers"):
        isotropic.MLP(widths)


def test_elementwise_networks_are_the_ordinary_ones():
    net = isotropic.MLP([3, 4, 2], activation="tanh")
    x = torch.randn(5, 3)
    first, last = net.layers
    by_hand = torch.tanh(x @ first.weight.T + first.bias) @ last.weight.T + last.bias
    assert torch.allclose(net(x), by_hand, atol=1e-6)
    assert not net.is_isotropic


def test_images_are_flattened_and_sequences_are_not():
    net = filled([12, 5, 3])
    images = torch.randn(4, 1, 3, 4, dtype=D)
    assert torch.equal(net(images), net(images.reshape(4, 12)))
    sequences = torch.randn(2, 7, 12, dtype=D)
    assert torch.equal(net(sequences)[1], net(sequences[1]))
    net.measure(images)
    seen = net.activations[0].mean_scale
    net.measure(images.reshape(4, 12))
    assert net.activations[0].mean_scale == seen


def test_measuring_a_network_without_psi_is_refused():
    net = isotropic.MLP([3, 4, 2], psi="absent")
    with pytest.raises(ValueError, match="no use for mean scalar factors"):
        net.measure(torch.zeros(1, 3))
