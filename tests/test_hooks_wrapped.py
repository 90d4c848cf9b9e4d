"""Compiled, parallel and recurrent models: names and rows as for the bare module."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import hooks
from hooks.forwarding import eager

X = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Sequential(nn.Tanh(), nn.Linear(5, 4)), nn.Tanh())


@pytest.fixture
def group(tmp_path):
    torch.distributed.init_process_group(
        "gloo", f"file://{tmp_path / 'meet'}", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


def rows_of(model, layers="**"):
    return {name: block.rows for name, block in hooks.stream(model, [X], layers)}


def same(found, wanted):
    assert list(found) == list(wanted)
    for name in wanted:
        assert torch.equal(found[name], wanted[name])


def test_data_parallel_is_the_bare_module():
    same(rows_of(nn.DataParallel(network())), rows_of(network()))


def test_distributed_data_parallel_is_the_bare_module(group):
    model = DistributedDataParallel(network())
    wanted = rows_of(network())
    same(rows_of(model), wanted)
    with hooks.capture(model, "1.0") as captured, torch.no_grad():
        model(X)
    assert torch.equal(captured.rows, wanted["1.0"])


def test_hooks_fire_in_a_model_that_was_compiled_and_run_before():
    wanted = rows_of(network())
    model = torch.compile(network(), backend="eager")
    with torch.no_grad():
        model(X)
    same(rows_of(model), wanted)
    with hooks.capture(model, "1.0") as captured, torch.no_grad():
        model(X)
    assert torch.equal(captured.rows, wanted["1.0"])


@pytest.mark.parametrize("in_place", [True, False])
def test_hooks_fire_in_a_part_that_was_compiled(in_place):
    wanted = rows_of(network())
    model = network()
    if in_place:
        model[1].compile(backend="eager")
    else:
        model[1] = torch.compile(model[1], backend="eager")
    with torch.no_grad():
        model(X)
    same(rows_of(model), wanted)


def test_a_torch_that_cannot_do_so_is_refused(monkeypatch):
    monkeypatch.delattr(torch.compiler, "set_stance")
    model = nn.Sequential(torch.compile(network(), backend="eager"))
    with pytest.raises(hooks.CaptureError, match=r"use torch 2\.6 or later"), eager(model):
        pass
    with eager(network()):
        pass


def test_a_recurrent_layer_gives_one_leaf_of_several():
    torch.manual_seed(0)
    model = nn.LSTM(6, 5, num_layers=2, batch_first=True)
    x = torch.randn(4, 7, 6)
    with torch.no_grad():
        output, (hidden, _) = model(x)
    with pytest.raises(hooks.OutputError, match=r"\[0\] \(4, 7, 5\) .* \[1\]\[0\] \(2, 4, 5\)"):
        rows_of_batch(model, x, "")
    assert torch.equal(rows_of_batch(model, x, "[0]"), output.reshape(28, 5))
    rule = hooks.RowRule(batch_axis=1)
    found = rows_of_batch(model, x, "[1][0]", rule=rule)
    assert torch.equal(found, hidden.movedim(1, 0).reshape(8, 5))


def rows_of_batch(model, x, layer, **options):
    return next(hooks.stream(model, [x], layer, **options))[1].rows


def test_channels_last_by_feature_axis():
    x = torch.randn(2, 3, 4, 5)
    rule = hooks.RowRule(feature_axis=-1)
    assert torch.equal(rows_of_batch(nn.Identity(), x, "", rule=rule), x.reshape(24, 5))
