"""Optimiser states follow their parameters: same future where the rules are exact."""

import copy

import pytest
import torch
from test_adapt_mlp import D, filled

from isotropic import adapt
from isotropic.optim import EquivariantAdam

X = torch.randn(40, 5, dtype=D, generator=torch.Generator().manual_seed(9))
Y = torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(10))


def train(net, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(X), Y) + net.penalty()
        loss.backward()
        optimizer.step()


def drift(make, change, before=7, after=7):
    """Largest difference of outputs after training with and without a change half-way."""
    net = filled([5, 4, 6, 3])
    twin = copy.deepcopy(net)
    first, second = make(net), make(twin)
    train(net, first, before)
    train(twin, second, before)
    change(net, first)
    train(net, first, after)
    train(twin, second, after)
    return float((net(X) - twin(X)).detach().abs().max())


def svd(net, optimizer):
    adapt.diagonalise(net, 1, "full", optimizer)


def signed_permutation(net, optimizer):
    turn = torch.eye(6, dtype=D)[torch.randperm(6)] * torch.tensor([1, -1, 1, 1, -1, -1.0])
    adapt.rotate(net, 1, turn, optimizer)


SGD = {
    "plain": lambda net: torch.optim.SGD(net.parameters(), lr=0.1),
    "momentum": lambda net: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
    "nesterov": lambda net: torch.optim.SGD(
        net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01
    ),
    "damped": lambda net: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, dampening=0.3),
}
ADAM = {
    "adam": lambda net: torch.optim.Adam(net.parameters(), lr=0.01),
    "amsgrad": lambda net: torch.optim.Adam(net.parameters(), lr=0.01, amsgrad=True),
    "adamw": lambda net: torch.optim.AdamW(net.parameter_groups(0.01), lr=0.01, amsgrad=True),
}


@pytest.mark.parametrize("name", SGD)
def test_sgd_trajectories_do_not_notice_a_rotation(name):
    assert drift(SGD[name], svd) < 1e-12


def test_the_equivariant_adam_does_not_notice_a_rotation_either():
    assert drift(lambda net: EquivariantAdam(net.parameters(), lr=0.01), svd) < 1e-12


def test_momentum_left_behind_would_be_noticed():
    def careless(net, optimizer):
        states = [copy.deepcopy(optimizer.state[p]) for p in net.parameters()]
        adapt.diagonalise(net, 1, "full", optimizer)
        for p, state in zip(net.parameters(), states, strict=True):
            optimizer.state[p].update(state)

    assert drift(SGD["momentum"], careless) > 1e-3


@pytest.mark.parametrize("name", ADAM)
def test_adam_is_exact_for_signed_permutations_only(name):
    assert drift(ADAM[name], signed_permutation) < 1e-12
    assert 1e-6 < drift(ADAM[name], svd) < 1.0


def test_second_moments_follow_the_kronecker_rule():
    torch.manual_seed(3)
    G = torch.randn(4, 5, dtype=D)
    A = torch.linalg.qr(torch.randn(4, 4, dtype=D))[0].contiguous()
    C, _ = torch.linalg.qr(torch.randn(5, 5, dtype=D))
    module = torch.nn.Linear(5, 4, bias=False, dtype=D)
    optimizer = torch.optim.Adam(module.parameters(), amsgrad=True)
    v = torch.rand(4, 5, dtype=D)
    optimizer.state[module.weight] = {
        "step": torch.tensor(3.0),
        "exp_avg": G.clone(),
        "exp_avg_sq": v.clone(),
        "max_exp_avg_sq": 2 * v,
    }
    W = module.weight.detach().clone()
    adapt.Carrier(optimizer).rotate(module, "weight", left=A, right=C)
    state = optimizer.state[module.weight]
    K = torch.kron(A, C.T.clone(memory_format=torch.contiguous_format))
    oracle = torch.diagonal(K @ torch.diag(v.reshape(-1)) @ K.T).reshape(4, 5)
    assert (state["exp_avg_sq"] - oracle).abs().max() < 1e-13
    assert (state["max_exp_avg_sq"] - 2 * oracle).abs().max() < 1e-13
    assert (state["exp_avg"] - A @ G @ C).abs().max() < 1e-13
    assert (module.weight - A @ W @ C).abs().max() < 1e-13
    assert state["step"] == 3
    assert len(optimizer.state) == 1


def test_new_entries_do_not_jump():
    def first_update(careful):
        net = filled([5, 4, 3])
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        train(net, optimizer, 30)
        for state in optimizer.state.values():
            # An old optimiser: nothing left of the bias correction, which would hide the jump.
            state["step"] += 100_000
            state["exp_avg_sq"] /= 1 - 0.999**30
        adapt.grow(net, 0, 1, optimizer)
        if not careful:
            optimizer.state[net.layers[0].weight]["exp_avg_sq"][4] = 0
        row = net.layers[0].weight.detach()[4].clone()
        train(net, optimizer, 1)
        return float((net.layers[0].weight.detach()[4] - row).abs().max())

    # .1 g / sqrt(share of the mean): moderate, and not next to nothing either.
    assert first_update(careful=True) > 1e-5
    assert first_update(careful=False) == pytest.approx(3.16e-3, rel=0.01)
    assert first_update(careful=True) < 1e-3


def test_pruning_and_growth_keep_the_other_entries():
    net = filled([5, 4, 3])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    train(net, optimizer, 5)
    old = {k: v.clone() for k, v in optimizer.state[net.layers[0].weight].items()}
    adapt.prune(net, 0, [1], optimizer)
    adapt.grow(net, 0, 1, optimizer)
    new = optimizer.state[net.layers[0].weight]
    for key in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(new[key][:3], old[key][[0, 2, 3]])
    assert torch.equal(new["exp_avg"][3], torch.zeros(5, dtype=D))
    outgoing = net.layers[1].weight.detach()
    share = float(outgoing[:, 3:].square().mean() / outgoing[:, :3].square().mean())
    assert 1e-4 < share < 0.1
    expected = share * old["exp_avg_sq"][[0, 2, 3]].mean()
    assert torch.allclose(new["exp_avg_sq"][3], expected.expand(5))
    assert new["step"] == old["step"]
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in net.parameters()}
    assert set(optimizer.state) == set(net.parameters())
    train(net, optimizer, 2)


def test_share_of_the_gradients_stays_within_its_bounds():
    ones = torch.ones(3, 2)
    assert adapt.gradient_share(0 * ones, ones) == 1e-4
    assert adapt.gradient_share(5 * ones, ones) == 1
    assert adapt.gradient_share(0.1 * ones, 0 * ones) == 1
    assert adapt.gradient_share(0.1 * ones, ones) == pytest.approx(0.01)


def test_other_optimisers_are_refused_before_anything_moves():
    net = filled([5, 4, 3])
    weight = net.layers[0].weight.detach().clone()
    for optimizer in (
        torch.optim.RMSprop(net.parameters()),
        torch.optim.NAdam(net.parameters()),
        type("Mine", (torch.optim.SGD,), {})(net.parameters(), lr=0.1),
    ):
        with pytest.raises(TypeError, match=f"SGD, Adam, AdamW.*{type(optimizer).__name__}"):
            adapt.resize(net, 0, 6, optimizer)
    assert torch.equal(net.layers[0].weight, weight)


def test_an_optimiser_of_another_network_is_refused():
    net, other = filled([5, 4, 3]), filled([5, 4, 3])
    with pytest.raises(ValueError, match="holds none of this network's parameters"):
        adapt.diagonalise(net, 0, optimizer=torch.optim.SGD(other.parameters(), lr=0.1))


def test_an_unknown_state_is_refused():
    net = filled([5, 4, 3])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    optimizer.state[net.layers[0].weight]["mystery"] = torch.zeros(4, 5)
    with pytest.raises(TypeError, match="'mystery'"):
        adapt.diagonalise(net, 0, optimizer=optimizer)
