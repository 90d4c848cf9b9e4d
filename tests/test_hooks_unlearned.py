"""Captures with eval_mode=False: what modules in training mode learn from a forward is put back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from interrupted import Breaks
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hooks

BATCHES = list(torch.randn(40, 50, 6, generator=torch.Generator().manual_seed(1)))


class Odd(nn.Module):
    """Has a buffer that it replaces, one that it fills, and two that it cannot change in place."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("last", None)
        self.register_buffer("one", torch.ones(1).expand(6))
        self.register_buffer("graph", torch.eye(6).to_sparse())

    def forward(self, x):
        self.mean = 0.9 * self.mean + x.mean(0)
        self.last = x[-1]
        return x * self.one


def network():
    torch.manual_seed(0)
    norm = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6))
    return nn.Sequential(norm, nn.BatchNorm1d(6), Odd(), nn.BatchNorm1d(6).eval())


def held(model):
    return {
        (name, key): (buffer, None if buffer is None else buffer.clone())
        for name, module in model.named_modules()
        for key, buffer in module._buffers.items()
    }


def assert_left(model, before):
    after = held(model)
    assert list(after) == list(before)
    for key, (buffer, copy) in before.items():
        assert after[key][0] is buffer, key
        if buffer is not None:
            assert torch.equal(buffer.to_dense(), copy.to_dense()), key


def test_running_statistics_are_as_they_were_also_between_blocks():
    model = network()
    before = held(model)
    for _ in hooks.stream(model, BATCHES, "2", eval_mode=False):
        assert_left(model, before)
    assert_left(model, before)
    assert model[1].training


def test_running_statistics_are_as_they_were_after_an_error():
    model = network()
    before = held(model)
    model.append(nn.Linear(5, 5))
    with pytest.raises(hooks.CaptureError):
        list(hooks.stream(model, BATCHES, "2", eval_mode=False))
    assert_left(model, before)


def test_a_backward_of_the_users_goes_on_past_a_capture():
    model = network()
    loss = model(BATCHES[0]).sum()
    list(hooks.stream(model, BATCHES[:2], "2", eval_mode=False))
    loss.backward()


def test_an_interrupted_capture_in_training_mode_goes_on(tmp_path):
    model, path = network(), tmp_path / "a.h5"
    loader = DataLoader(TensorDataset(torch.cat(BATCHES)), 10)
    options = {"eval_mode": False, "progress": False}
    whole = hooks.record(model, loader, "2", tmp_path / "whole.h5", **options)
    with pytest.raises(KeyboardInterrupt):
        hooks.record(model, Breaks(loader, 190), "2", path, **options)
    store = hooks.record(model, loader, "2", path, resume=True, **options)
    assert np.array_equal(store["2"].rows(), whole["2"].rows())


class Growing(nn.Module):
    """Has buffers that grow, that hold NaN in one place seen many times, and that hold nothing."""

    def __init__(self):
        super().__init__()
        self.register_buffer("least", torch.zeros(0))
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("none", torch.full((1,), torch.nan).expand(6))
        self.register_buffer("shape", torch.zeros(3, device="meta"))

    def forward(self, x):
        self.least.resize_(6).copy_(x.amin(0))
        self.scale.resize_(6).fill_(2.0)
        return x + 1


def test_buffers_that_grow_shrink_again_and_those_nobody_can_read_are_left_alone():
    model = nn.Sequential(Growing(), nn.Linear(6, 2))
    inner = model[0]
    buffers = dict(inner._buffers)
    for _ in hooks.stream(model, BATCHES[:3], "1", eval_mode=False):
        assert all(inner._buffers[name] is buffer for name, buffer in buffers.items())
        assert inner.least.shape == (0,)
        assert inner.scale.tolist() == [1.0]
        assert inner.none.isnan().all()
