"""Adaptation inside ordinary training: loaders, schedulers, clipping, checkpoints, frozen parts."""

import copy
import io

import pytest
import torch
from test_adapt_mlp import D, filled
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import isotropic
from isotropic import adapt

X = torch.randn(300, 8, dtype=D, generator=torch.Generator().manual_seed(0))
Y = (X[:, :2].norm(dim=1) > 1.1).long()
OPTIMISERS = {
    "amsgrad": lambda net: torch.optim.AdamW(net.parameters(), lr=1e-2, amsgrad=True),
    "fused": lambda net: torch.optim.AdamW(net.parameters(), lr=1e-2, fused=True),
    "foreach": lambda net: torch.optim.Adam(net.parameters(), lr=1e-2, foreach=True),
    "nesterov": lambda net: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True),
}


def fit(model, mlp, opt, epochs, adapter=None, scheduler=None):
    order = torch.Generator().manual_seed(1)
    jumps = []
    for _ in range(epochs):
        model.train()
        for x, y in DataLoader(TensorDataset(X, Y), 48, shuffle=True, generator=order):
            opt.zero_grad()
            (nn.functional.cross_entropy(model(x), y) + mlp.penalty()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
        if scheduler:
            scheduler.step()
        model.eval()
        if adapter:
            before = model(X).detach()
            grew = all(event.change >= 0 for event in adapter.step())
            jumps.append((grew, float((model(X) - before).detach().abs().max())))
            assert not model.training
    return jumps


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_ordinary_loop_inside_a_sequential(name):
    torch.manual_seed(0)
    mlp = isotropic.MLP([8, 12, 6, 2], dtype=D)
    model = nn.Sequential(nn.Flatten(), mlp)
    opt = OPTIMISERS[name](model)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 12)
    adapter = adapt.NeuroAdapter(mlp, opt, 0.95, 1)
    jumps = fit(model, mlp, opt, 12, adapter, scheduler)
    assert any(event.change for event in adapter.history)
    assert all(jump < 1e-12 for grew, jump in jumps if grew)
    assert {id(p) for g in opt.param_groups for p in g["params"]} == {
        id(p) for p in model.parameters()
    }
    assert opt.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_checkpoint_after_adaptation_goes_on_as_if_nothing_had_happened(name):
    torch.manual_seed(0)
    net = isotropic.MLP([8, 12, 6, 2], dtype=D)
    opt = OPTIMISERS[name](net)
    fit(net, net, opt, 4, adapt.NeuroAdapter(net, opt, 0.95, 2))
    file = io.BytesIO()
    torch.save({"net": net.state_dict(), "opt": opt.state_dict()}, file)
    file.seek(0)
    kept = torch.load(file, weights_only=True)
    twin = isotropic.MLP([8, 3, 3, 2], dtype=D)
    twin.load_state_dict(kept["net"])
    twin_opt = OPTIMISERS[name](twin)
    twin_opt.load_state_dict(kept["opt"])
    fit(net, net, opt, 2)
    fit(twin, twin, twin_opt, 2)
    assert net.widths == twin.widths != [8, 12, 6, 2]
    assert torch.equal(net(X), twin(X))


def test_frozen_parameters_stay_frozen_and_still():
    net = filled([5, 4, 6, 3])
    net.layers[0].weight.requires_grad_(False)
    net.layers[1].bias.requires_grad_(False)
    opt = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    x = torch.randn(30, 5, dtype=D)

    def step():
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()

    step()
    before = net(x).detach()
    adapt.resize(net, 0, 7, opt)
    adapt.diagonalise(net, 1, "full", opt)
    assert (net(x) - before).abs().max() < 1e-12
    still = net.layers[0].weight.clone(), net.layers[1].bias.clone()
    moving = net.layers[1].weight.clone()
    step()
    assert torch.equal(still[0], net.layers[0].weight)
    assert torch.equal(still[1], net.layers[1].bias)
    assert not torch.equal(moving, net.layers[1].weight)


def test_any_order_of_changes_leaves_the_function_and_the_states_whole():
    for seed in range(12):
        torch.manual_seed(seed)
        widths = torch.randint(1, 7, (4,)).tolist()
        net = filled(widths, seed)
        opt = OPTIMISERS[list(OPTIMISERS)[seed % 4]](net)
        x, y = torch.randn(20, widths[0], dtype=D), torch.randint(0, widths[-1], (20,))
        for change in torch.randint(0, 5, (6,)).tolist():
            opt.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            opt.step()
            before = net(x).detach()
            layer = change % 2
            if change < 2:
                adapt.diagonalise(net, layer, "left", opt)
            elif change == 2:
                adapt.diagonalise(net, 1, "full", opt)
            else:
                adapt.resize(net, layer, net.widths[layer + 1] + change - 2, opt)
            assert (net(x) - before).abs().max() < 1e-11
            for parameter, state in opt.state.items():
                for value in state.values():
                    if torch.is_tensor(value) and value.dim():
                        assert value.shape == parameter.shape
            other = isotropic.MLP([2, 2], dtype=D)
            other.load_state_dict(copy.deepcopy(net.state_dict()))
            assert torch.equal(other(x), net(x))
        for layer in (1, 0):
            net.measure(x)
            adapt.resize(net, layer, 1, opt)
        assert net.widths == [widths[0], 1, 1, widths[-1]]
        assert torch.isfinite(net(x)).all()
