"""Convolutions: the turn of channels where it passes, refusal with the reason where not."""

import copy

import pytest
import torch
from torch import nn

import isotropic
from isotropic import RadialActivation, adapt

D = torch.float64
X = torch.randn(3, 2, 9, 9, dtype=D, generator=torch.Generator().manual_seed(0))


def radial(**options):
    return RadialActivation(axis=1, omega="fixed", initial_omega=0.5, **options)


def chain(*between, first=None, after=None, seed=0):
    torch.manual_seed(seed)
    first = first or nn.Conv2d(2, 6, 3, padding=1)
    after = after or nn.Conv2d(6, 3, 3, padding=1)
    return nn.Sequential(first, *between, after).double()


CHAINS = {
    "zero padding": lambda: chain(radial()),
    "stride and dilation": lambda: chain(
        radial(), first=nn.Conv2d(2, 6, 3, stride=2), after=nn.Conv2d(6, 3, 2, dilation=2)
    ),
    "circular": lambda: chain(
        radial(), after=nn.Conv2d(6, 3, 3, padding=1, padding_mode="circular")
    ),
    "reflect": lambda: chain(radial(), nn.ReflectionPad2d(1)),
    "a plain form": lambda: chain(isotropic.IsotropicTanh(dim=1)),
    "a profile": lambda: chain(isotropic.Radial(torch.atan, dim=-3)),
    "a mixture": lambda: chain(
        isotropic.Mixture(isotropic.IsotropicTanh(dim=1), isotropic.IsotropicLog1p(dim=-3), 0.3)
    ),
    "average pooling": lambda: chain(radial(), nn.AvgPool2d(2), nn.Identity()),
    "no bias": lambda: chain(radial(), first=nn.Conv2d(2, 6, 3, bias=False)),
    "more channels than inputs": lambda: chain(radial(), first=nn.Conv2d(2, 6, 1)),
    "flattened": lambda: chain(radial(), nn.Flatten(), after=nn.Linear(6 * 81, 4)),
    "pooled": lambda: chain(radial(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), after=nn.Linear(6, 4)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_turn_passes(name):
    net = CHAINS[name]()
    before = net(X)
    values = adapt.diagonalise_channels(net, "0")
    assert (net(X) - before).abs().max() < 1e-12
    rows = net[0].weight.detach().flatten(1)
    assert (rows @ rows.T - torch.diag(values**2)).abs().max() < 1e-12


@pytest.mark.parametrize("name", CHAINS)
def test_growth_is_exact_and_pruning_undoes_it(name):
    net = CHAINS[name]()
    before = net(X)
    adapt.resize_channels(net, "0", 9)
    assert net[0].out_channels == 9
    assert net[0].weight.shape[0] == 9
    assert (net(X) - before).abs().max() < 1e-12
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(X).square().mean().backward()
    assert net[0].weight.grad[6:].abs().max() > 0
    optimizer.step()


def test_pruning_dead_channels_without_bias_is_exact():
    net = chain(radial(), first=nn.Conv2d(2, 6, 3, bias=False))
    adapt.diagonalise_channels(net, "0")
    with torch.no_grad():
        net[0].weight[4:] = 0
    before = net(X)
    adapt.resize_channels(net, "0", 4)
    assert (net(X) - before).abs().max() < 1e-12


def rank_four(*between, after=None, factor=0.0, bias=0.5, **options):
    """A chain whose first convolution has four live kernels; the other two shrink by a factor."""
    net = chain(radial(**options), *between, after=after)
    adapt.diagonalise_channels(net, "0")
    with torch.no_grad():
        net[0].weight[4:] *= factor
        net[0].bias[4:] = torch.tensor([bias, -2 * bias], dtype=D)
    return net


RANK_FOUR = {
    "convolution, zero padding": {},
    "circular": {"after": lambda: nn.Conv2d(6, 3, 3, padding=1, padding_mode="circular")},
    "pooled": {"between": nn.AvgPool2d(2)},
    "flattened": {"between": nn.Flatten(), "after": lambda: nn.Linear(6 * 81, 4)},
    "no bias behind": {"after": lambda: nn.Conv2d(6, 3, 3, bias=False)},
}


@pytest.mark.parametrize("name", RANK_FOUR)
def test_pruned_biases_gather_in_one_channel_exactly(name):
    parts = RANK_FOUR[name]
    between = [parts["between"]] if "between" in parts else []
    net = rank_four(*between, after=parts["after"]() if "after" in parts else None)
    before, omega = net(X), net[1].omega
    adapt.resize_channels(net, "0", 5)
    assert net[0].weight.shape[0] == net[0].out_channels == 5
    assert (net(X) - before).abs().max() < 1e-12
    assert net[1].omega == omega
    # Turned on and pruned again, the channel of the biases survives.
    adapt.diagonalise_channels(net, "0")
    adapt.resize_channels(net, "0", 7)
    adapt.resize_channels(net, "0", 5)
    assert (net(X) - before).abs().max() < 1e-12


def test_without_an_intrinsic_length_too():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 6, 1), RadialActivation(axis=1), nn.Conv2d(6, 3, 3)).double()
    before = net(X)
    adapt.resize_channels(net, "0", 3)  # two inputs: rank 2, and the biases
    assert (net(X) - before).abs().max() < 1e-12


def test_error_of_pruned_channels_is_linear_in_their_singular_values():
    errors = []
    for factor in (1e-2, 1e-3, 1e-4):
        net = rank_four(factor=factor)
        before = net(X)
        adapt.resize_channels(net, "0", 5)
        errors.append(float((net(X) - before).detach().norm()))
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)


def test_the_mean_is_no_more_than_a_mean_and_has_to_be_asked_for():
    net = rank_four(track_scale=True, after=nn.Conv2d(6, 3, 3))
    with pytest.raises(ValueError, match="run a forward in training mode first"):
        adapt.resize_channels(copy.deepcopy(net), "0", 4, residual="mean")
    before = net(X)
    omega = net[1].omega
    bare, channel = copy.deepcopy(net), copy.deepcopy(net)
    adapt.resize_channels(net, "0", 4, residual="mean")
    assert net[1].omega == pytest.approx(omega + 0.25 + 1, rel=1e-12)
    with torch.no_grad():
        for layer in (bare[0], bare[2]):
            layer.weight = nn.Parameter(
                layer.weight[:4] if layer is bare[0] else layer.weight[:, :4]
            )
        bare[0].bias = nn.Parameter(bare[0].bias[:4])
    error = (net(X) - before).norm()
    assert 1e-3 < error < 0.3 * (bare(X) - before).norm()
    adapt.resize_channels(channel, "0", 5)
    assert (channel(X) - before).norm() < 1e-12


def test_biases_that_nothing_can_hold_are_refused():
    net = rank_four()
    with pytest.raises(ValueError, match="keep 2, or say residual='mean'"):
        adapt.resize_channels(net, "0", 1)
    with pytest.raises(ValueError, match="residual must be one of channel, mean, got 'drop'"):
        adapt.resize_channels(net, "0", 4, residual="drop")
    net = rank_four(track_scale=True, after=nn.Conv2d(6, 3, 3, bias=False))
    net(X)
    with pytest.raises(ValueError, match=r"the next layer has no bias .*say residual='channel'"):
        adapt.resize_channels(net, "0", 4, residual="mean")
    assert net[0].out_channels == 6


def test_momentum_follows_gathered_biases():
    net = rank_four()
    twin = copy.deepcopy(net)
    optimizers = [torch.optim.SGD(n.parameters(), lr=0.05, momentum=0.9) for n in (net, twin)]
    for n, optimizer in zip((net, twin), optimizers, strict=True):
        (n(X) - 1).square().mean().backward()
        optimizer.step()
    # Dead kernels have moved: what is lost now is a gradient step, but no state is left behind.
    adapt.resize_channels(net, "0", 5, optimizers[0])
    momenta = [
        optimizers[0].state[p]["momentum_buffer"] for p in net.parameters() if p.requires_grad
    ]
    assert [m.shape for m in momenta] == [p.shape for p in net.parameters() if p.requires_grad]
    error = (net(X) - twin(X)).norm()
    assert 0 < error < 0.1 * twin(X).norm()


def test_momentum_follows_the_channels():
    def train(net, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            (net(X) - 1).square().mean().backward()
            optimizer.step()

    for make in (CHAINS["zero padding"], CHAINS["flattened"]):
        net = make()
        nets = [net, copy.deepcopy(net)]
        optimizers = [torch.optim.SGD(n.parameters(), lr=0.05, momentum=0.9) for n in nets]
        for net, optimizer in zip(nets, optimizers, strict=True):
            train(net, optimizer, 4)
        adapt.diagonalise_channels(nets[0], "0", optimizers[0])
        for net, optimizer in zip(nets, optimizers, strict=True):
            train(net, optimizer, 4)
        assert (nets[0](X) - nets[1](X)).abs().max() < 1e-12


class Functional(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.a = nn.Conv2d(2, 6, 3, padding=1)
        self.b = nn.Conv2d(6, 6, 3, padding=1)
        self.f = radial()
        self.call = forward

    def forward(self, x):
        return self.call(self, x)


def branch(m, x):
    if x.sum() > 0:
        return m.b(m.f(m.a(x)))
    return m.a(x)


REFUSED = [
    (lambda: chain(radial(), nn.MaxPool2d(2)), "average pooling"),
    (lambda: chain(nn.ReLU()), "acts on each channel by itself"),
    (lambda: chain(radial(), nn.BatchNorm2d(6)), "scales channels by themselves"),
    (lambda: chain(radial(), nn.Dropout2d()), "dropping single channels"),
    (lambda: chain(radial(), nn.ConstantPad2d(1, 3.0)), "not known to commute"),
    (lambda: chain(radial(), first=nn.Conv2d(2, 6, 3, groups=2)), "'0' has 2 groups"),
    (lambda: chain(radial(), after=nn.Conv2d(6, 3, 3, groups=3)), "'2' has 3 groups"),
    (lambda: chain(RadialActivation()), "takes norms along axis -1"),
    (lambda: chain(isotropic.IsotropicTanh()), "takes norms along axis -1"),
    (
        lambda: chain(isotropic.Mixture(isotropic.IsotropicTanh(dim=1), "isotropic-tanh", 0.5)),
        "takes norms along axis -1",
    ),
    (lambda: chain(isotropic.L2Norm()), "'1' does not say along which axis it takes norms"),
    (lambda: nn.Sequential(nn.Conv2d(2, 6, 3), radial()), "no affine layer follows"),
    (lambda: chain(radial(), nn.Flatten(2), after=nn.Linear(81, 3)), "must flatten from axis 1"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_refusals(make, reason):
    net = make()
    weight = net[0].weight.detach().clone()
    with pytest.raises(ValueError, match=reason):
        adapt.diagonalise_channels(net, "0")
    assert torch.equal(net[0].weight, weight)


def test_residual_sums_and_branches_are_refused():
    with pytest.raises(ValueError, match="must be used once in the forward, it is used 2 times"):
        adapt.diagonalise_channels(Functional(lambda m, x: m.b(m.f(m.a(x)) + 1 * m.a(x))), "a")
    skip = Functional(lambda m, x: (lambda h: m.b(m.b(h) + h))(m.f(m.a(x))))
    with pytest.raises(ValueError, match=r"used in 2 places \(a residual sum or branch\)"):
        adapt.diagonalise_channels(skip, "a")
    sums = Functional(lambda m, x: m.b(m.f(m.a(x)) + x.mean()))
    with pytest.raises(ValueError, match="a residual sum follows 'a'"):
        adapt.diagonalise_channels(sums, "a")
    with pytest.raises(TypeError, match="cannot be traced"):
        adapt.diagonalise_channels(Functional(branch), "a")


def test_plain_forwards_pass_too():
    net = Functional(lambda m, x: m.b(m.f(m.a(x)))).double()
    before = net(X)
    adapt.resize_channels(net, "a", 8)
    assert (net(X) - before).abs().max() < 1e-12


def test_bad_names_and_numbers():
    net = CHAINS["zero padding"]()
    with pytest.raises(ValueError, match=r"must name a Conv2d, one of \['0', '2'\], got '1'"):
        adapt.diagonalise_channels(net, "1")
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        adapt.resize_channels(net, "0", 0)
