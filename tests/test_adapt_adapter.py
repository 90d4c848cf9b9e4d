"""The callback: schedules, counts of scaffold neurons, order, and what it refuses."""

import copy

import pytest
import torch
from test_adapt_mlp import D, filled

import isotropic
from isotropic import adapt


def orthogonal(widths):
    torch.manual_seed(0)
    return isotropic.MLP(widths, dtype=D)


def widths_over(net, calls, **options):
    adapter = adapt.NeuroAdapter(net, threshold=0.5, scaffold=5, **options)
    return [[adapter.step(), net.widths[1]][1] for _ in range(calls)]


@pytest.mark.parametrize("width", [20, 25])
def test_neurons_are_counted_so_growth_stops(width):
    assert widths_over(orthogonal([20, width, 3]), 4) == [25] * 4


def test_a_contracting_layer_stops_too():
    assert widths_over(orthogonal([40, 20, 3]), 4) == [25] * 4


@pytest.mark.parametrize(("start", "inputs"), [(20, 20), (25, 20)])
def test_counting_singular_values_runs_away(start, inputs):
    grown = widths_over(orthogonal([inputs, start, 3]), 4, count="singular-values")
    assert grown == [start + 5 * i for i in range(1, 5)]


def test_counting_singular_values_is_harmless_while_contracting():
    assert widths_over(orthogonal([40, 20, 3]), 4, count="singular-values") == [25] * 4


def test_pruning_down_to_the_scaffold_and_never_to_nothing():
    net = orthogonal([30, 20, 3])
    adapt.diagonalise(net, 0)
    with torch.no_grad():
        net.layers[0].weight[8:] *= 0.1
    adapter = adapt.NeuroAdapter(net, threshold=0.5, scaffold=5)
    (event,) = adapter.step()
    assert (event.before, event.scaffold, event.after, event.change) == (20, 12, 13, -7)
    kept = net.layers[0].weight.detach().norm(dim=1)
    assert (kept > 0.5).sum() == 8
    tiny = orthogonal([6, 3, 2])
    adapter = adapt.NeuroAdapter(tiny, threshold=2.0, scaffold=1)
    assert adapter.step()[0].after == 1
    with torch.no_grad():
        tiny.layers[0].weight.mul_(0.01)
    assert adapter.step()[0].after == 1


def test_layers_go_from_the_output_to_the_input():
    net = orthogonal([10, 9, 8, 7, 3])
    adapter = adapt.NeuroAdapter(net, scaffold=2)
    assert [event.layer for event in adapter.step()] == [2, 1, 0]
    assert [event.layer for event in adapt.NeuroAdapter(net, layers=[0, -2]).step()] == [2, 0]


@pytest.mark.parametrize(
    ("schedule", "acts"),
    [(1, [1, 2, 3, 4]), (2, [2, 4]), ({3}, [3]), (lambda call: call > 2, [3, 4])],
)
def test_schedules(schedule, acts):
    adapter = adapt.NeuroAdapter(orthogonal([6, 5, 3]), scaffold=1, schedule=schedule)
    done = [call for call in range(1, 5) if adapter.step()]
    assert done == acts
    assert [event.call for event in adapter.history] == acts


def test_composite_scores_are_what_the_threshold_meets():
    net = orthogonal([10, 6, 3])
    adapt.diagonalise(net, 0)
    with torch.no_grad():
        net.layers[0].weight.mul_(torch.linspace(2, 1, 6, dtype=D)[:, None])
        net.layers[1].weight[:, 2:] *= 1e-3
    scaffolds = {}
    for importance in ("singular", "composite"):
        adapter = adapt.NeuroAdapter(
            copy.deepcopy(net), threshold=0.1, scaffold=1, importance=importance
        )
        scaffolds[importance] = adapter.step()[0].scaffold
    assert scaffolds["singular"] == 0
    assert scaffolds["composite"] == 4


def test_growth_inside_a_training_loop_leaves_the_loss_where_it_was():
    net = filled([6, 12, 10, 3])
    optimizer = torch.optim.AdamW(net.parameter_groups(), lr=1e-2)
    adapter = adapt.NeuroAdapter(net, optimizer, threshold=0.05, scaffold=3)
    x = torch.randn(64, 6, dtype=D, generator=torch.Generator().manual_seed(4))
    y = torch.randint(0, 3, (64,), generator=torch.Generator().manual_seed(5))
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y) + net.penalty()
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        before = net(x).detach()
        events = adapter.step()
        if all(event.change >= 0 for event in events):
            assert (net(x).detach() - before).abs().max() < 1e-12
    assert losses[-1] < losses[0]
    assert {event.change > 0 for event in adapter.history} == {True, False}
    assert set(optimizer.state) <= set(net.parameters())


def test_one_decomposition_per_layer_and_call(monkeypatch):
    calls = []
    svd = torch.linalg.svd
    monkeypatch.setattr(torch.linalg, "svd", lambda *a, **k: calls.append(1) or svd(*a, **k))
    net = orthogonal([20, 12, 9, 3])
    events = adapt.NeuroAdapter(net, scaffold=4).step()
    assert [event.change for event in events] == [4, 4]
    assert len(calls) == 2


def test_mean_scales_start_afresh_after_a_call():
    net = filled([6, 5, 3])
    net(torch.randn(4, 6, dtype=D))
    assert net.activations[0].mean_scale is not None
    adapt.NeuroAdapter(net).step()
    assert net.activations[0].mean_scale is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, "threshold must be a number above 0, got 0.0"),
        ({"threshold": float("nan")}, "threshold must be a number above 0"),
        ({"threshold": "low"}, "threshold must be a number above 0, got 'low'"),
        ({"layers": []}, "layers must name at least one"),
        ({"scaffold": 0}, "scaffold must be at least 1, got 0"),
        ({"schedule": 0}, "schedule must be at least 1"),
        ({"count": "all"}, "count must be one of neurons, singular-values"),
        ({"importance": "size"}, "importance must be one of"),
        ({"columns": "ones"}, "columns must be one of"),
        ({"biases": "ones"}, "biases must be one of"),
        ({"layers": [1]}, r"layer must lie in 0 \.\.\. 0"),
        ({"layers": ["layers.0"]}, "layer must be a whole number, got 'layers.0'"),
        ({"scaffold": 2.5}, "scaffold must be a whole number, got 2.5"),
        ({"schedule": [1, 2.5]}, "a call of the schedule must be a whole number, got 2.5"),
        ({"schedule": True}, "schedule must be a whole number, got True"),
    ],
)
def test_settings_that_cannot_work(options, message):
    with pytest.raises(ValueError, match=message):
        adapt.NeuroAdapter(orthogonal([6, 5, 3]), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "often"}, "schedule must be a whole number, a collection .* got 'often'"),
        ({"schedule": 2.5}, "schedule must be a whole number"),
    ],
)
def test_settings_of_another_kind(options, message):
    with pytest.raises(TypeError, match=message):
        adapt.NeuroAdapter(orthogonal([6, 5, 3]), **options)


def test_networks_and_optimisers_that_cannot_work():
    with pytest.raises(ValueError, match="each neuron by itself"):
        adapt.NeuroAdapter(isotropic.MLP([3, 4, 2], activation="relu"))
    net = orthogonal([6, 5, 3])
    with pytest.raises(TypeError, match="Adagrad"):
        adapt.NeuroAdapter(net, torch.optim.Adagrad(net.parameters()))
    normed = isotropic.MLP([3, 4, 2], normaliser=lambda n: torch.nn.BatchNorm1d(n, affine=False))
    with pytest.raises(ValueError, match="no variance to divide by"):
        adapt.NeuroAdapter(normed)
    with pytest.raises(ValueError, match="a network with 1 affine layers has none"):
        adapt.NeuroAdapter(isotropic.MLP([3, 2]))


def test_a_diverged_network_is_refused():
    net = orthogonal([6, 5, 3])
    with torch.no_grad():
        net.layers[0].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"must be finite, .* training diverged before"):
        adapt.NeuroAdapter(net).step()


@pytest.mark.parametrize("threshold", [1e-9, 1e9])
def test_extreme_thresholds(threshold):
    net = orthogonal([6, 5, 4, 3])
    adapter = adapt.NeuroAdapter(net, threshold=threshold, scaffold=1)
    for _ in range(3):
        adapter.step()
    # Nothing is scaffold but neurons whose rows are zero; or everything is. The first hidden
    # layer's new neuron feeds the second's, which is scaffold no more: one further there.
    assert net.widths == ([6, 6, 6, 3] if threshold < 1 else [6, 1, 1, 3])
    assert not any(event.change for event in adapter.step())
