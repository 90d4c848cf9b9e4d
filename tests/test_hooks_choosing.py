"""Names, globs, expressions, modules, types and callables choose layers."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import hooks
from hooks.choosing import targets


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.Linear(4, 4)
        self.mlp = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x):
        return x + self.mlp(self.attention(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(4, 2)
        self.same = self.head

    def forward(self, x):
        for block in self.encoder:
            x = block(x)
        return self.head(x)


@pytest.fixture
def net():
    return Net()


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("head", ["head"]),
        ("", [""]),
        ("encoder.*", ["encoder.0", "encoder.1"]),
        ("encoder.?.mlp", ["encoder.0.mlp", "encoder.1.mlp"]),
        ("**.1", ["encoder.1", "encoder.0.mlp.1", "encoder.1.mlp.1"]),
        ("encoder.*.mlp:in", ["encoder.0.mlp:in", "encoder.1.mlp:in"]),
        ("head[0]", ["head[0]"]),
        ("head:in[0]", ["head:in[0]"]),
        ("head.last_hidden_state", ["head.last_hidden_state"]),
        ("head:out.encoder", ["head.encoder"]),
        (re.compile(r"encoder\.\d\.attention"), ["encoder.0.attention", "encoder.1.attention"]),
        (nn.ReLU, ["encoder.0.mlp.1", "encoder.1.mlp.1"]),
        (lambda name, module: name.endswith("mlp"), ["encoder.0.mlp", "encoder.1.mlp"]),
        (["head", "encoder.0", "head"], ["head", "encoder.0"]),
    ],
)
def test_every_way_of_choosing(net, choice, names):
    assert sorted(hooks.select(net, choice)) == sorted(names)


def test_a_list_keeps_its_order_and_a_pattern_the_models(net):
    assert hooks.select(net, ["head", "encoder.*"]) == ["head", "encoder.0", "encoder.1"]


def test_a_module_is_its_own_name(net):
    assert hooks.select(net, net.encoder[1].mlp[0]) == ["encoder.1.mlp.0"]
    assert hooks.select(net, [net.head, nn.ReLU]) == ["head", "encoder.0.mlp.1", "encoder.1.mlp.1"]


def test_a_module_with_two_names_answers_to_both_and_to_patterns_once(net):
    assert hooks.select(net, "same") == ["same"]
    assert targets(net, "same")[0].module is net.head
    assert "same" not in hooks.select(net, "*")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("encoder.0.mpl", "did you mean 'encoder.0.mlp'"),
        ("hed", "did you mean 'head'"),
        ("zzz", "no layer is called 'zzz'; the model has 'encoder'"),
        ("encoder.7*", "no layer is called"),
        (re.compile("x+"), "no layer matches the regular expression 'x[+]'"),
        (nn.Conv2d, "no layer matches the type Conv2d"),
        (nn.Linear(1, 1), "no layer matches the Linear that was given"),
        (lambda name, module: False, "no layer matches the callable"),
        ([], "layers must name at least one layer, got none"),
        (3, "a layer is a name, a glob"),
    ],
)
def test_a_layer_that_is_not_there_comes_with_the_nearest_names(net, choice, message):
    with pytest.raises(hooks.LayerNotFoundError, match=message):
        hooks.select(net, choice)


def test_a_model_must_be_a_module():
    with pytest.raises(hooks.LayerNotFoundError, match=r"a torch\.nn\.Module, got function"):
        hooks.select(lambda x: x, "a")


def test_wrappers_leave_no_trace_in_names(net):
    plain = hooks.select(net, "**")
    assert hooks.select(torch.compile(net, backend="eager"), "**") == plain
    assert hooks.select(nn.DataParallel(net), "**") == plain
    net.encoder[1] = torch.compile(net.encoder[1], backend="eager")
    assert hooks.select(net, "**") == plain


def test_the_table_lists_types_shapes_and_calls(net):
    handles = sum(len(m._forward_hooks) for m in net.modules())
    table = hooks.layers(net, torch.zeros(5, 4))
    assert [(x.name, x.kind, x.shapes, x.calls) for x in table][-2:] == [
        ("head", "Linear", {"": (5, 2)}, 1),
        ("same", "Linear", {"": (5, 2)}, 1),
    ]
    assert "'encoder.0.mlp.1'      ReLU" in repr(table)
    assert "(does not run)" in repr(table)
    assert sum(len(m._forward_hooks) for m in net.modules()) == handles == 0
    assert net.training


def test_a_scripted_module_says_that_it_cannot_be_hooked(recwarn):
    scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.Tanh()))
    recwarn.clear()
    for model, name in ((scripted, ""), (nn.Sequential(nn.Tanh(), scripted), "1.0")):
        with pytest.raises(hooks.LayerNotFoundError, match=r"TorchScript .* cannot be hooked"):
            hooks.select(model, name)
