"""Networks on an accelerator change their width there, as their copies on the CPU do."""

from __future__ import annotations

import pytest
import torch
from places import DEVICES, D, draw, lies, near, present
from torch import nn

import isotropic
from isotropic import adapt

#: Up to rounding, which the decompositions and three steps of training carry on.
CLOSE = 1e-7

OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "equivariant": lambda p: isotropic.EquivariantAdam(p, lr=0.01),
}


@pytest.fixture(params=DEVICES)
def device(request):
    return present(request.param)


def filled(widths, device, **options):
    """A network none of whose parameters is special, drawn on the CPU."""
    net = isotropic.MLP(widths, dtype=D, **options)
    with torch.no_grad():
        for number, layer in enumerate(net.layers):
            layer.weight.copy_(0.6 * draw(*layer.weight.shape, seed=number))
            layer.bias.copy_(0.3 * draw(*layer.bias.shape, seed=number + 50))
            if layer.has_psi:
                layer.psi.copy_(0.2 * draw(*layer.psi.shape, seed=number + 70))
        for activation in net.activations:
            if getattr(activation, "omega_kind", "absent") != "absent":
                activation.set_omega(0.7)
    return net.to(device)


def step(net, optimiser):
    device = net.layers[0].bias.device
    x, y = (draw(30, net.widths[k], seed=k + 9).to(device) for k in (0, -1))
    optimiser.zero_grad()
    ((net(x) - y).square().mean() + net.penalty()).backward()
    optimiser.step()


def trained(device, kind, **options):
    net = filled([6, 5, 4, 3], device, **options)
    optimiser = OPTIMISERS[kind](net.parameters())
    for _ in range(3):
        step(net, optimiser)
    return net, optimiser


def value(net, x):
    """What it gives, without counting the scalar factors."""
    found = net.eval()(x).detach()
    net.train()
    return found


def numbers(net, optimiser):
    """Parameters, buffers and the optimiser's tensors that have their shape, in order."""
    held = [optimiser.state[p] for p in net.parameters()]
    moments = [s[k] for s in held for k in sorted(s) if k != "step"]
    return [*net.state_dict().values(), *moments]


def new():
    return torch.Generator().manual_seed(5)


def grow_by_length(net, optimiser):
    adapt.grow(net, 0, 2, optimiser, biases="length", generator=new())


def turn(net, optimiser):
    # The rotation is given from the CPU.
    adapt.rotate(net, 0, torch.linalg.qr(draw(5, 5))[0], optimiser)


def grow_and_back(net, optimiser):
    adapt.grow(net, 0, 2, optimiser, columns=draw(4, 2), biases=torch.zeros(2))
    adapt.prune(net, 0, [5, 6], optimiser)


#: Each change by its name, and whether it leaves the function alone.
CHANGES = {
    "rotate": (turn, True),
    "left": (lambda net, o: adapt.diagonalise(net, 1, "left", o), True),
    "full": (lambda net, o: adapt.diagonalise(net, 1, "full", o), True),
    "grow": (lambda net, o: adapt.grow(net, 1, 3, o, generator=new()), True),
    "existing": (
        lambda net, o: adapt.grow(net, 0, 2, o, columns="existing", generator=new()),
        True,
    ),
    "length": (grow_by_length, True),
    "back": (grow_and_back, True),
    "wider": (lambda net, o: adapt.resize(net, 0, 8, o, generator=new()), True),
    "narrower": (
        lambda net, o: adapt.resize(net, 0, 3, o, importance="composite"),
        False,
    ),
    "refit": (
        lambda net, o: adapt.prune(net, 1, [0, 2], o, correction="pseudo-inverse"),
        False,
    ),
    "adapter": (
        lambda net, o: adapt.NeuroAdapter(net, o, 0.4, 2, generator=new()).step(),
        False,
    ),
}


@pytest.mark.parametrize("kind", sorted(OPTIMISERS))
@pytest.mark.parametrize("change", sorted(CHANGES))
def test_changes_with_an_optimiser(device, change, kind):
    act, exact = CHANGES[change]
    (net, optimiser), ours = trained(device, kind), trained("cpu", kind)
    x = draw(20, 6, seed=3).to(device)
    before = value(net, x)
    for each in ((net, optimiser), ours):
        act(*each)
    if exact:
        near(value(net, x), before, 1e-9)
    for _ in range(2):
        found, wanted = numbers(net, optimiser), numbers(*ours)
        lies(device, *found)
        for one, other in zip(found, wanted, strict=True):
            near(one, other, CLOSE)
        held = {id(p) for group in optimiser.param_groups for p in group["params"]}
        assert held == {id(p) for p in net.parameters()}
        step(net, optimiser)
        step(*ours)


def test_events_and_values_come_as_documented(device):
    net, optimiser = trained(device, "adam")
    ours, theirs = trained("cpu", "adam")
    (event, *_), (wanted, *_) = (
        adapt.NeuroAdapter(each, o, 0.4, 2, generator=new()).step()
        for each, o in ((net, optimiser), (ours, theirs))
    )
    assert (event.before, event.after, event.scaffold) == (
        wanted.before,
        wanted.after,
        wanted.scaffold,
    )
    lies("cpu", event.values)
    near(event.values, wanted.values)
    lies(device, adapt.singular_values(net, 0), adapt.diagonalise(net, 0))


@pytest.mark.parametrize("psi", ["constant", "expectation", "absent"])
def test_pruned_neurons_leave_what_they_added(device, psi):
    nets = [filled([6, 5, 4, 3], place, psi=psi, omega="fixed") for place in (device, "cpu")]
    for net, place in zip(nets, (device, "cpu"), strict=True):
        if psi != "absent":
            net.measure(draw(40, 6).to(place))
        adapt.resize(net, 1, 2)
    lies(device, *nets[0].state_dict().values())
    for one, other in zip(*(net.state_dict().values() for net in nets), strict=True):
        near(one, other)


def test_generators_serve_networks_elsewhere(device):
    for place, source in ((device, "cpu"), ("cpu", device)):
        for columns in ("normal", "existing", "semi-orthogonal", "zero"):
            net = filled([6, 3, 8], place, psi="absent")
            x = draw(9, 6).to(place)
            before = net(x)
            generator = torch.Generator(source).manual_seed(0)
            adapt.insert_layer(net, 0, generator=generator)
            adapt.grow(net, 1, 2, columns=columns, generator=generator)
            adapt.grow(net, 0, 2, columns="zero", biases="length", generator=generator)
            lies(place, *net.state_dict().values())
            near(net(x), before, 1e-6)
        net = filled([6, 4, 3], place, activation="tanh", psi="absent", omega="absent")
        before = net(x)
        adapt.widen_elementwise(net, 0, 7, generator=generator)
        near(net(x), before)
        adapt.widen_elementwise(net, 0, 8, noise=0.1, generator=generator)
        lies(place, *net.parameters())


@pytest.mark.parametrize("living", [True, False])
def test_a_layer_goes_in_before_a_matrix_of_lower_rank(device, living):
    net = filled([5, 4, 6, 6], device, psi="constant")
    behind = net.layers[1]
    with torch.no_grad():
        behind.weight[:, 2] = behind.weight[:, 1]
        behind.psi.copy_(behind.weight[:, 0] if living else 0 * behind.psi)
    x = draw(9, 5).to(device)
    before = net(x).detach()
    adapt.insert_layer(net, 0, generator=new())
    lies(device, *net.state_dict().values())
    near(net(x), before, 1e-6)


@pytest.mark.parametrize("widths", [[6, 5, 4, 5, 4, 3], [6, 5, 4, 5, 3]])
def test_forms_do_what_the_dense_network_does(device, widths):
    net, x = filled(widths, device), draw(9, 6).to(device)
    before = net(x)
    for made in (adapt.sparsify(net, triangular=True), adapt.precompute(net)):
        lies(device, *made.state_dict().values(), *made.buffers())
        near(made(x), before, 1e-9)
    near(adapt.precompute(net).forward_by_scalars(x), before, 1e-7)
    ours = adapt.sparsify(filled(widths, "cpu"), triangular=True)
    theirs = adapt.sparsify(net, triangular=True)
    assert adapt.nonzero_parameters(theirs) == adapt.nonzero_parameters(ours)
    adapt.factorise(net, 0, freeze=True)
    adapt.orthonormalise(net, 0)
    near(net(x), before, 1e-9)
    adapt.densify(net, 0)
    near(net(x), before, 1e-9)
    lies(device, *net.state_dict().values())


def test_joint_sparsity(device):
    found, wanted = (
        adapt.optimise_sparsity(filled([6, 5, 4, 3], place), steps=30) for place in (device, "cpu")
    )
    lies(device, *found.network.state_dict().values())
    assert found.proxy == pytest.approx(wanted.proxy, rel=1e-6)
    near(found.network(draw(9, 6).to(device)), filled([6, 5, 4, 3], "cpu")(draw(9, 6)), 1e-9)


def mixed(device, normaliser):
    """A network whose latent layer turns three independent, skewed sources."""
    net = isotropic.MLP([3, 4, 2], dtype=D, normaliser=normaliser)
    with torch.no_grad():
        for number, layer in enumerate(net.layers):
            layer.weight.copy_(draw(*layer.weight.shape, seed=number))
    x = torch.rand(3000, 3, generator=torch.Generator().manual_seed(1), dtype=D) - 0.5
    return net.to(device).eval(), (0.3 * x).to(device)


@pytest.mark.parametrize(
    "normaliser",
    [isotropic.DiagonalBatchNorm, lambda n: nn.BatchNorm1d(n, affine=False, dtype=D)],
    ids=["diagonal", "batch"],
)
def test_independent_components(device, normaliser):
    found = []
    for place in (device, "cpu"):
        net, x = mixed(place, normaliser)
        variances = adapt.diagonalise_covariance(net, 0, x)
        turn, converged = adapt.find_components(net, 0, x)
        assert converged
        outs = [variances, turn, net(x)]
        for form in ("kept", "full", "diagonal"):
            twin = adapt.represent_components(net, 0, turn.cpu(), form)
            lies(place, *twin.state_dict().values())
            with adapt.watch_components(twin, 0) as captured:
                twin(x)
            outs += [twin(x), captured.rows]
        lies(place, *outs)
        found.append(outs)
    for one, other in zip(*found, strict=True):
        near(one, other, 1e-5)


def images(device):
    between = isotropic.RadialActivation(omega="fixed", initial_omega=0.5, axis=1, track_scale=True)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        between,
        nn.AvgPool2d(2),
        nn.Conv2d(4, 3, 1),
        isotropic.RadialActivation(axis=1),
        nn.Flatten(),
        nn.Linear(12, 2),
    ).double()
    with torch.no_grad():
        for number, parameter in enumerate(p for p in net.parameters()):
            parameter.copy_(0.5 * draw(*parameter.shape, seed=number))
    net, x = net.to(device), draw(5, 2, 6, 6).to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    net(x).square().sum().backward()
    optimiser.step()
    return net, x, optimiser


@pytest.mark.parametrize("layer", ["0", "3"])
@pytest.mark.parametrize("residual", ["channel", "mean"])
@pytest.mark.parametrize("channels", [2, 4, 6])
def test_channels(device, layer, residual, channels):
    if layer == "3" and residual == "mean":
        return  # its activation keeps no mean: refused everywhere
    found = []
    for place in (device, "cpu"):
        net, x, optimiser = images(place)
        before = net.eval()(x).detach()
        values = adapt.diagonalise_channels(net, layer, optimiser)
        near(net(x), before, 1e-9)
        adapt.resize_channels(net, layer, channels, optimiser, new(), residual=residual)
        if channels >= 4:
            near(net(x), before, 1e-9)
        moments = [optimiser.state[p]["exp_avg_sq"] for p in net.parameters()]
        found.append([values, net(x), *net.state_dict().values(), *moments])
        lies(place, *found[-1])
    for one, other in zip(*found, strict=True):
        near(one, other, CLOSE)
