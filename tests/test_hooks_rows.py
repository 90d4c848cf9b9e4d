"""Every row rule against loops over the definition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import hooks
from hooks.rowrules import Inputs, RowRule, to_rows
from hooks.structure import choose_leaf, leaves, parse_leaf, spell_leaf


def oracle(tensor, axis, way, keep=None):
    """Rows, input and position of each, one at a time; batch first, features along `axis`."""
    array = np.moveaxis(tensor.numpy(), axis, -1)
    rows, owner, places = [], [], []
    for i in range(array.shape[0]):
        mine = []
        for place in np.ndindex(*array.shape[1:-1]):
            if keep is None or keep[(i, *place)]:
                mine.append((place, array[(i, *place)]))
        if way == "each":
            for place, row in mine:
                rows.append(row)
                owner.append(i)
                places.append(place)
        elif mine:
            stack = np.stack([row for _, row in mine])
            one = {
                "mean": lambda s: s.mean(0),
                "max": lambda s: s.max(0),
                "first": lambda s: s[0],
                "last": lambda s: s[-1],
            }[way](stack)
            rows.append(one)
            owner.append(i)
    return np.array(rows), owner, places


def read(tensor, module=None, size=None, keep=None, tokens=None, **rule):
    keep = {} if keep is None else {"x": keep}
    return to_rows(
        tensor, module or nn.Identity(), RowRule(**rule), Inputs(size, None, keep, tokens), "x"
    )


@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
    st.integers(1, 4),
    st.sampled_from(["each", "mean", "max", "first", "last"]),
    st.booleans(),
    st.integers(0, 1000),
)
def test_rows_are_those_of_the_loops(shape, axis, way, masked, seed):
    axis = min(axis, len(shape) - 1)
    draw = torch.Generator().manual_seed(seed)
    tensor = torch.randn(shape, generator=draw, dtype=torch.float64)
    places = [n for i, n in enumerate(shape) if i not in (0, axis)]
    keep = None
    if masked and len(places) == 1:
        keep = torch.rand([shape[0], *places], generator=draw) < 0.6
    found = read(tensor, feature_axis=axis if len(shape) > 2 else None, rows=way, keep=keep)
    rows, owner, position = oracle(tensor, axis, way, None if keep is None else keep.numpy())
    np.testing.assert_allclose(found.rows.numpy().reshape(rows.shape), rows, rtol=1e-12)
    assert np.repeat(np.arange(shape[0]), found.counts).tolist() == owner
    if way == "each" and len(shape) > 2:
        assert [tuple(p) for p in found.position.tolist()] == position
        assert len(found.columns) == len(places)


def test_flatten_takes_everything_of_an_input_in_its_own_order():
    tensor = torch.arange(24.0).reshape(2, 3, 2, 2)
    found = read(tensor, nn.Conv2d(1, 1, 1), rows="flatten")
    assert found.rows.tolist() == tensor.reshape(2, 12).tolist()


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4), (2, 3, 5, 4)])
def test_flatten_takes_everything_of_a_single_input_however_the_layer_cuts_it(shape):
    tensor = torch.randn(shape)
    assert torch.equal(read(tensor, size=1, rows="flatten").rows, tensor.reshape(1, -1))


@pytest.mark.parametrize(
    ("module", "shape", "width"),
    [
        (nn.Identity(), (2, 5, 3), 3),
        (nn.Conv1d(1, 1, 1), (2, 5, 3), 5),
        (nn.Identity(), (2, 5, 3, 4), 5),
        (nn.Conv2d(1, 1, 1), (2, 5, 3, 4), 5),
        (nn.Linear(1, 1), (2, 5, 3, 4), 4),
        (nn.LayerNorm(4), (2, 5, 3, 4), 4),
        (nn.Conv3d(1, 1, 1), (2, 5, 3, 4, 2), 5),
        (nn.Identity(), (7,), 1),
    ],
)
def test_the_feature_axis_follows_the_module_and_the_shape(module, shape, width):
    assert read(torch.zeros(shape), module).rows.shape[1] == width


def test_recurrent_layers_that_are_time_major_have_their_batch_second():
    found = read(torch.zeros(6, 2, 3), nn.LSTM(3, 3), size=2)
    assert found.counts.tolist() == [6, 6]
    assert (
        read(torch.zeros(6, 2, 3), nn.LSTM(3, 3, batch_first=True), size=6).counts.tolist()
        == [2] * 6
    )


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_states_of_recurrent_layers_have_their_batch_second(kind):
    # as many layers as inputs: the wrong axis would pass unseen
    model, x = nn.Sequential(kind(3, 4, num_layers=2, batch_first=True)), torch.randn(2, 6, 3)
    name = "0[1][0]" if kind is nn.LSTM else "0[1]"
    block = next(hooks.stream(model, [x], name))[1]
    with torch.no_grad():
        states = model(x)[1]
    states = states[0] if kind is nn.LSTM else states
    assert torch.allclose(block.rows, states.transpose(0, 1).reshape(4, 4))
    assert block.sample.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("way", ["each", "flatten", "mean"])
@pytest.mark.parametrize("shape", [(3, 0), (3, 2, 0)])
def test_rows_without_features_are_refused(way, shape):
    with pytest.raises(hooks.OutputError, match="gave rows of width 0"):
        read(torch.zeros(shape), rows=way)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_leaves_no_row(side):
    tokens = torch.randn(3, 4, 2)
    keep = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    keep = keep.flip(1) if side == "left" else keep
    found = read(tokens, keep=keep)
    assert found.counts.tolist() == [4, 2, 1]
    assert torch.equal(found.rows, tokens[keep.bool()])
    tokens[~keep.bool()] = torch.nan
    for way in ("mean", "max", "first", "last"):
        assert torch.isfinite(read(tokens, keep=keep, rows=way).rows).all()


def test_special_tokens_can_be_left_out():
    ids = torch.tensor([[101, 5, 102, 0], [101, 6, 7, 102]])
    keep = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    found = read(torch.randn(2, 4, 3), keep=keep, tokens=ids, drop_tokens=(101, 102))
    assert found.position.ravel().tolist() == [1, 1, 2]


def test_an_input_without_a_kept_position_has_no_row():
    found = read(torch.ones(2, 3, 2), keep=torch.tensor([[0, 0, 0], [1, 0, 1]]), rows="mean")
    assert found.counts.tolist() == [0, 1]
    assert found.rows.shape == (1, 2)


def test_the_subsample_depends_on_the_input_alone():
    rule = RowRule(subsample=5, seed=3)
    tensor = torch.randn(4, 50, 2)
    whole = to_rows(tensor, nn.Identity(), rule, Inputs(4, np.array([10, 11, 12, 13])), "x")
    alone = to_rows(tensor[2:3], nn.Identity(), rule, Inputs(1, np.array([12])), "x")
    assert whole.counts.tolist() == [5] * 4
    assert torch.equal(whole.rows[10:15], alone.rows)
    assert whole.position[10:15].tolist() == alone.position.tolist()
    other = to_rows(
        tensor[2:3], nn.Identity(), RowRule(subsample=5, seed=4), Inputs(1, np.array([12])), "x"
    )
    assert other.position.tolist() != alone.position.tolist()


def test_the_subsample_is_uniform():
    ids = np.arange(4000)
    found = to_rows(
        torch.zeros(4000, 10, 1), nn.Identity(), RowRule(subsample=3), Inputs(4000, ids), "x"
    )
    share = np.bincount(found.position.ravel(), minlength=10) / 4000
    # standard error 0.0072
    assert np.abs(share - 0.3).max() < 0.03


def test_a_callable_says_the_rows_and_their_inputs():
    def windows(tensor, count):
        return tensor.reshape(-1, tensor.shape[-1]), torch.arange(len(tensor)) % count

    tensor = torch.arange(12.0).reshape(6, 2)
    found = read(tensor, size=3, rows=windows)
    assert found.rows[:, 0].tolist() == [0, 6, 2, 8, 4, 10]
    assert found.counts.tolist() == [2, 2, 2]
    with pytest.raises(hooks.OutputError, match="between 0 and 2, got 0 to 5"):
        read(tensor, size=3, rows=lambda t, n: (t, torch.arange(6)))
    with pytest.raises(hooks.OutputError, match="must give rows"):
        read(tensor, size=3, rows=lambda t, n: (t, torch.arange(5)))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"rows": "median"}, "rows must be 'each'.*got 'median'"),
        ({"subsample": 0}, "subsample must be at least 1, got 0"),
        ({"calls": "first"}, "calls must be None, 'each' or a number, got 'first'"),
    ],
)
def test_a_rule_states_what_it_allows(rule, message):
    with pytest.raises(hooks.OutputError, match=message):
        RowRule(**rule)


@pytest.mark.parametrize(
    ("tensor", "options", "message"),
    [
        (torch.zeros(()), {}, "gave a scalar"),
        (
            torch.zeros(2, 3, 4),
            {"feature_axis": 3},
            r"feature_axis must lie within .*\(2, 3, 4\), got 3",
        ),
        (torch.zeros(2, 3, 4), {"feature_axis": 0}, "must not be the batch axis"),
        (torch.zeros(2, 3, 4), {"batch_axis": -4}, "batch_axis must lie within"),
        (torch.zeros(5, 4), {"size": 2}, r"gave 5 along its batch axis for 2 inputs"),
        (torch.zeros(2, 3, 4), {"keep": torch.ones(2, 5)}, r"the mask is \(2, 5\)"),
        (torch.zeros(2, 3, 4), {"drop_tokens": (1,)}, "drop_tokens needs input_ids"),
        (torch.zeros(2, 3).to_sparse(), {}, "rows must be dense"),
    ],
)
def test_an_output_that_does_not_fit_says_so(tensor, options, message):
    with pytest.raises(hooks.OutputError, match=message):
        read(tensor, **options)


def test_whatever_a_single_input_gives_belongs_to_it():
    found = read(torch.zeros(57, 4), size=1)
    assert found.counts.tolist() == [57]


@dataclass
class Output:
    hidden: torch.Tensor
    scores: torch.Tensor | None = None


def test_leaves_of_nested_outputs():
    one, two = torch.ones(2, 3), torch.zeros(2, 4)
    assert choose_leaf((one, None), (), "x") is one
    assert choose_leaf({"a": [one, two]}, parse_leaf(".a[1]"), "x") is two
    assert choose_leaf(Output(one), (), "x") is one
    assert choose_leaf((one, torch.zeros(2, dtype=torch.int64)), (), "x") is one
    assert [spell_leaf(path) for path, _ in leaves({"a b": (one, two)})] == [
        "['a b'][0]",
        "['a b'][1]",
    ]
    for text in ("[0]", ".a.b", "['a b'][2].c"):
        assert spell_leaf(parse_leaf(text)) == text


@pytest.mark.parametrize(
    ("value", "leaf", "message"),
    [
        (
            (torch.ones(2, 3), torch.ones(2, 4)),
            "",
            r"several tensors; name one, as in 'x\[0\]': \[0\] \(2, 3\) float32, \[1\] \(2, 4\)",
        ),
        ((torch.ones(2, 3),), "[4]", r"'\[4\]' is not there; choose one of: \[0\] \(2, 3\)"),
        (({"a": torch.ones(1), "b": torch.ones(1)},), "[0]", r"'\[0\]' holds several tensors"),
        ("text", "", "gave no tensor but str"),
        (torch.ones(2, dtype=torch.int64), "", "no floating-point tensor"),
    ],
)
def test_an_ambiguous_output_lists_its_leaves(value, leaf, message):
    with pytest.raises(hooks.OutputError, match=message):
        choose_leaf(value, parse_leaf(leaf), "x")
