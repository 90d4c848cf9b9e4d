"""Growth is exact, pruning exact at s* = 0 and linear in s*, and nothing is lost in silence."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_adapt_mlp import D, filled

import isotropic
from isotropic import adapt


def with_singular(net, layer, value, count=1):
    """Diagonalise, then give the last ``count`` neurons this singular value."""
    values = adapt.diagonalise(net, layer)
    with torch.no_grad():
        for i in range(len(values) - count, len(values)):
            row = net.layers[layer].weight[i]
            row.mul_(value / values[i])
    return net


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.data())
def test_growth_is_exact(seed, count, data):
    net = filled([5, 4, 6, 3], seed)
    layer = data.draw(st.integers(0, 1))
    columns = data.draw(st.sampled_from(["normal", "existing", "zero"]))
    biases = data.draw(st.sampled_from(["zero", "length"]))
    x = torch.randn(6, 5, dtype=D)
    before = net(x)
    width = net.widths[layer + 1]
    adapt.resize(net, layer, width + count, columns=columns, biases=biases)
    assert net.widths[layer + 1] == width + count
    assert (net(x) - before).abs().max() < 1e-12


def test_bias_growth_needs_the_psi_correction():
    net = filled([5, 6, 3])
    x = torch.randn(20, 5, dtype=D)
    before = net(x)
    W = torch.ones(3, 1, dtype=D)
    broken = copy.deepcopy(net)
    adapt.grow(net, 0, 1, columns=W, biases=torch.tensor([0.5], dtype=D))
    assert (net(x) - before).abs().max() < 1e-12
    assert net.activations[0].omega == pytest.approx(0.7 - 0.25, rel=1e-12)
    psi = broken.layers[1].psi.detach().clone()
    adapt.grow(broken, 0, 1, columns=W, biases=torch.tensor([0.5], dtype=D))
    with torch.no_grad():
        broken.layers[1].psi.copy_(psi)
    assert (broken(x) - before).norm(dim=1).mean() > 0.1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_pruning_zero_singular_values_is_exact(seed, count):
    net = with_singular(filled([6, 5, 5, 3], seed), 1, 0.0, count)
    with torch.no_grad():
        net.layers[1].psi[-count:] = 0
    x = torch.randn(8, 6, dtype=D)
    before = net(x)
    adapt.resize(net, 1, 5 - count)
    assert net.widths == [6, 5, 5 - count, 3]
    assert (net(x) - before).abs().max() < 1e-12


def test_pruning_error_is_linear_in_the_singular_value():
    x = torch.randn(64, 6, dtype=D, generator=torch.Generator().manual_seed(0))
    errors = []
    for value in (1e-2, 1e-3, 1e-4):
        net = with_singular(filled([6, 5, 3]), 0, value)
        before = net(x)
        adapt.prune(net, 0, [4])
        errors.append(float((net(x) - before).detach().norm(dim=1).mean()))
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(("omega", "psi"), [("absent", "decay"), ("fixed", "absent")])
def test_each_correction_is_needed(omega, psi):
    net = filled([6, 5, 3], omega=omega, psi=psi)
    with_singular(net, 0, 0.0)
    with torch.no_grad():
        net.layers[0].bias[4] = 0.8
    x = torch.randn(32, 6, dtype=D)
    before = net(x)
    adapt.prune(net, 0, [4])
    assert (net(x) - before).norm(dim=1).mean() > 1e-2


def test_expectation_puts_the_mean_into_the_bias():
    errors = {}
    x = torch.randn(500, 6, dtype=D, generator=torch.Generator().manual_seed(1))
    for psi in ("absent", "expectation", "decay"):
        net = with_singular(filled([6, 5, 3], psi=psi), 0, 0.0)
        if psi == "expectation":
            with pytest.raises(ValueError, match="needs the mean scalar factor of layer 0"):
                adapt.prune(net, 0, [4])
            net.measure(x)
        with torch.no_grad():
            net.layers[0].bias[4] = 0.8
        if psi == "expectation":
            net.measure(x)
        before = net(x)
        adapt.prune(net, 0, [4])
        change = (net(x) - before).detach()
        errors[psi] = float(change.norm(dim=1).mean())
        if psi == "expectation":
            assert change.mean(0).abs().max() < 1e-12
    assert errors["decay"] < 1e-12 < errors["expectation"] < errors["absent"] / 2


def test_live_psi_is_carried_over_not_dropped():
    x = torch.randn(400, 6, dtype=D, generator=torch.Generator().manual_seed(2))
    net = with_singular(filled([6, 5, 5, 3]), 1, 0.0)
    with torch.no_grad():
        net.layers[1].psi[4] = 0.5
    with pytest.raises(ValueError, match=r"psi of layer 1 has not decayed \(largest entry 0\.5\)"):
        adapt.prune(net, 1, [4])
    before = net(x)
    dropped = copy.deepcopy(net)
    with torch.no_grad():
        dropped.layers[1].psi[4] = 0
    adapt.prune(dropped, 1, [4])
    net.measure(x)
    mean = net.activations[0].mean_scale
    bias = float(net.layers[1].bias.detach()[4])
    adapt.prune(net, 1, [4])
    assert net.activations[1].omega == pytest.approx(0.7 + (bias + 0.5 * mean) ** 2, rel=1e-12)
    carried = (net(x) - before).norm(dim=1).mean()
    assert carried < 0.3 * (dropped(x) - before).norm(dim=1).mean()


def test_wide_layers_never_need_more_than_their_input():
    net = filled([4, 9, 3])
    x = torch.randn(16, 4, dtype=D)
    before = net(x)
    adapt.resize(net, 0, 4)
    assert (net(x) - before).abs().max() < 1e-12


def test_pseudo_inverse_is_deletion_on_orthogonal_rows_and_better_elsewhere():
    x = torch.randn(200, 4, dtype=D, generator=torch.Generator().manual_seed(3))
    net = filled([4, 6, 3], seed=5)
    adapt.diagonalise(net, 0)
    other = copy.deepcopy(net)
    adapt.prune(net, 0, [1, 4, 5])
    adapt.prune(other, 0, [1, 4, 5], correction="pseudo-inverse")
    assert torch.allclose(net.layers[1].weight, other.layers[1].weight, atol=1e-12)

    torch.manual_seed(7)
    net = filled([4, 6, 3], seed=7)
    with torch.no_grad():
        net.layers[0].weight.normal_()
        net.layers[0].weight[5] = net.layers[0].weight[0] * 0.9 + 0.02
        net.layers[0].weight[4] = net.layers[0].weight[1] * 1.1
    linear = net.layers[1].weight.detach() @ net.layers[0].weight.detach()
    errors = {}
    for correction in ("delete", "pseudo-inverse"):
        pruned = copy.deepcopy(net)
        adapt.prune(pruned, 0, [4, 5], correction=correction)
        product = pruned.layers[1].weight.detach() @ pruned.layers[0].weight.detach()
        errors[correction] = float((product - linear).norm())
    assert errors["pseudo-inverse"] < 1e-10 < 0.1 < errors["delete"]
    assert x.shape == (200, 4)


def test_pseudo_inverse_falls_back_where_rank_is_missing():
    net = filled([4, 6, 3])
    with torch.no_grad():
        net.layers[0].weight[1] = net.layers[0].weight[0]
    outgoing = net.layers[1].weight.detach().clone()
    adapt.prune(net, 0, [4, 5], correction="pseudo-inverse")
    assert torch.equal(net.layers[1].weight, outgoing[:, :4])


def test_the_pseudo_inverse_carries_the_psi_of_the_neurons_that_stay():
    net = filled([4, 4, 6, 3])
    with torch.no_grad():
        # Inputs of one length meet one scalar factor: the mean of psi's effect is its effect.
        net.layers[0].weight.copy_(torch.eye(4))
        net.layers[0].bias.zero_()
        net.layers[1].weight[4:] = torch.randn(2, 4, dtype=D) @ net.layers[1].weight[:4]
        net.layers[1].psi[:4], net.layers[1].psi[4:] = 0.8, 0.0
        net.layers[2].bias.zero_()
    x = torch.nn.functional.normalize(torch.randn(50, 4, dtype=D))
    before = copy.deepcopy(net)
    with pytest.raises(ValueError, match=r"not decayed \(largest entry 0\.8\)"):
        adapt.prune(net, 1, [4, 5], correction="pseudo-inverse")
    adapt.prune(copy.deepcopy(net), 1, [4, 5])
    net.measure(x)
    adapt.prune(net, 1, [4, 5], correction="pseudo-inverse")
    # The logits are the same up to the scalar factor, which the lost rows took part in.
    cosine = torch.cosine_similarity(net(x), before(x))
    assert (cosine - 1).abs().max() < 1e-12


def test_batched_pruning_is_pruning_one_at_a_time():
    net = filled([7, 6, 6, 3])
    net.measure(torch.randn(50, 7, dtype=D))
    one = copy.deepcopy(net)
    adapt.resize(net, 1, 3)
    for width in (5, 4, 3):
        adapt.resize(one, 1, width)
    x = torch.randn(30, 7, dtype=D)
    assert (net(x) - one(x)).abs().max() < 1e-12


def test_composite_importance_keeps_the_neuron_that_matters():
    net = filled([4, 4, 2])
    adapt.diagonalise(net, 0)
    with torch.no_grad():
        net.layers[0].weight.copy_(torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0])))
        net.layers[1].weight.fill_(1.0)
        net.layers[1].weight[:, 1] = 0
    other = copy.deepcopy(net)
    adapt.resize(net, 0, 3)
    adapt.resize(other, 0, 3, importance="composite")
    assert net.layers[0].weight.detach().norm(dim=1).tolist() == pytest.approx([4, 3, 2])
    assert other.layers[0].weight.detach().norm(dim=1).tolist() == pytest.approx([4, 2, 1])


def test_starts_of_new_columns():
    outgoing = torch.randn(8, 3, dtype=D)
    normal = adapt.new_columns("normal", outgoing, 4000)
    assert float(normal.std()) == pytest.approx(0.01, rel=0.05)
    existing = adapt.new_columns("existing", outgoing, 2)
    span = outgoing @ torch.linalg.pinv(outgoing)
    assert (span @ existing - existing).abs().max() < 1e-12
    assert existing.norm(dim=0).tolist() == pytest.approx([0.01 * math.sqrt(8)] * 2)
    free = adapt.new_columns("semi-orthogonal", outgoing, 5)
    assert (free.T @ outgoing).abs().max() < 1e-12
    gram = free.T @ free
    assert (gram - 8e-4 * torch.eye(5, dtype=D)).abs().max() < 1e-12
    with pytest.raises(ValueError, match="in 8 dimensions only 5 are left"):
        adapt.new_columns("semi-orthogonal", outgoing, 6)
    with pytest.raises(ValueError, match="columns must be one of"):
        adapt.new_columns("ones", outgoing, 1)


def test_biases_at_the_intrinsic_length():
    start = adapt.new_biases("length", 4.0, 9, torch.zeros(1, dtype=D))
    assert float(start.square().sum()) == pytest.approx(0.81 * 4)
    assert set(start.sign().tolist()) <= {-1.0, 1.0}
    with pytest.raises(ValueError, match="needs an intrinsic length"):
        adapt.new_biases("length", 0.0, 1, torch.zeros(1))
    with pytest.raises(ValueError, match="biases must be one of"):
        adapt.new_biases("one", 1.0, 1, torch.zeros(1))


def test_zero_start_is_a_fixed_point_and_each_way_out_leaves_it():
    def gradients(columns, biases):
        net = filled([5, 4, 3])
        adapt.grow(net, 0, 1, columns=columns, biases=biases)
        loss = net(torch.randn(9, 5, dtype=D)).logsumexp(1).sum()
        loss.backward()
        first, last = net.layers
        return (
            float(first.weight.grad[4].abs().max()),
            float(first.bias.grad[4].abs()),
            float(last.weight.grad[:, 4].abs().max()),
        )

    assert gradients("zero", "zero") == (0, 0, 0)
    incoming, bias, outgoing = gradients("normal", "zero")
    assert incoming > 0
    assert bias > 0
    assert outgoing == 0
    incoming, bias, outgoing = gradients("zero", "length")
    assert outgoing > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: adapt.resize(n, 0, 0), "width must be at least 1, got 0"),
        (lambda n: adapt.grow(n, 0, 0), "count must be at least 1"),
        (lambda n: adapt.prune(n, 0, []), "at least one and at most 3 of the 4"),
        (lambda n: adapt.prune(n, 0, [0, 1, 2, 3]), "at least one and at most 3"),
        (lambda n: adapt.prune(n, 0, [-1]), "from 0, got"),
        (lambda n: adapt.prune(n, 0, [1], correction="none"), "correction must be one of"),
        (lambda n: adapt.resize(n, 0, 3, importance="size"), "importance must be one of"),
        (
            lambda n: adapt.grow(n, 0, 1, biases=torch.ones(1)),
            r"omega must stay positive: the new biases take 1 of 0\.7",
        ),
        (lambda n: adapt.grow(n, 0, 1, biases=torch.ones(2)), r"biases must have shape \(1,\)"),
        (lambda n: adapt.grow(n, 0, 1, columns=torch.ones(2, 2)), r"columns must have shape"),
        (
            lambda n: adapt.grow(n, 0, 1, columns=torch.full((3, 1), math.nan)),
            "columns must be finite",
        ),
        (lambda n: adapt.grow(n, 0, 1, biases=torch.tensor([math.inf])), "biases must be finite"),
    ],
)
def test_bad_input(call, message):
    net = filled([5, 4, 3])
    state = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=message):
        call(net)
    assert net.widths == [5, 4, 3]
    for key, value in net.state_dict().items():
        assert torch.equal(value, state[key])


@pytest.mark.parametrize(
    "call",
    [
        lambda n: adapt.resize(n, 0, 3.0),
        lambda n: adapt.grow(n, 0, 1.5),
        lambda n: adapt.prune(n, 0, [1.5]),
        lambda n: adapt.resize(n, 0.0, 3),
        lambda n: adapt.resize(n, 0, True),
        lambda n: adapt.prune(n, 0, [True, False, False, False]),
    ],
)
def test_numbers_that_are_not_whole(call):
    with pytest.raises(ValueError, match="must be a whole number, got"):
        call(filled([5, 4, 3]))


def test_neurons_may_come_as_a_tensor():
    net, twin = filled([5, 4, 3]), filled([5, 4, 3])
    for each in (net, twin):
        each.measure(torch.zeros(2, 5, dtype=D))
    adapt.prune(net, 0, torch.tensor([1, 3]))
    adapt.prune(twin, 0, [3, 1])
    assert torch.equal(net.layers[0].weight, twin.layers[0].weight)


def test_growth_by_bias_without_psi_is_refused():
    net = filled([5, 4, 3], psi="absent")
    with pytest.raises(ValueError, match="psi='absent' cannot take it back"):
        adapt.grow(net, 0, 1, biases="length")
    x = torch.randn(4, 5, dtype=D)
    before = net(x)
    adapt.grow(net, 0, 1, columns="zero", biases="length")
    assert (net(x) - before).abs().max() < 1e-12


def test_batch_normalised_layers_keep_their_width():
    net = isotropic.MLP([4, 5, 2], normaliser=lambda n: torch.nn.BatchNorm1d(n, affine=False))
    with pytest.raises(ValueError, match="no variance to divide by"):
        adapt.resize(net, 0, 7)
