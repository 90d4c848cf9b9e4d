"""Models that are not batch_first: as many tokens as inputs, and what says which axis is which."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import hooks


class TimeMajor(nn.Module):
    """Takes (B, T, n) and works on (T, B, n) inside."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, attention_mask=None):
        return self.inner(x.transpose(0, 1)).transpose(0, 1)


def encoder(batch_first=False):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def batch(size, tokens):
    x = torch.randn(size, tokens, 8, generator=torch.Generator().manual_seed(size))
    return x, torch.arange(size)


def rows_of(model, batches, layer, **options):
    blocks = [block for _, block in hooks.stream(model, batches, layer, **options)]
    return torch.cat([b.rows for b in blocks]), np.concatenate([b.label for b in blocks])


@pytest.mark.parametrize("layer", ["layers.0", "layers.0.norm1", "layers.1.linear1", "layers.0:in"])
def test_as_many_tokens_as_inputs_are_not_guessed_at(layer):
    model = TimeMajor(encoder())
    with pytest.raises(
        hooks.CaptureError,
        match=r"\(6, 6, \d+\) for 6 inputs: .* 'inner\.layers\.0\.self_attn' is not batch_first\. "
        r"Say which with RowRule\(batch_axis=0\) or RowRule\(batch_axis=1\)",
    ):
        rows_of(model, [batch(6, 6)], f"inner.{layer}")


def test_the_rule_says_which_axis_it_is():
    model, (x, y) = TimeMajor(encoder()).eval(), batch(6, 6)
    rule = hooks.RowRule(batch_axis=1)
    rows, label = rows_of(model, [(x, y)], "inner.layers.1", rule=rule)
    with torch.no_grad():
        assert torch.allclose(rows, model(x).reshape(36, 8), atol=1e-6)
    assert label.tolist() == y.repeat_interleave(6).tolist()
    rule = hooks.RowRule(batch_axis=0)
    rows, label = rows_of(model, [(x, y)], "inner.layers.1", rule=rule)
    with torch.no_grad():
        assert torch.allclose(rows, model.inner(x.transpose(0, 1)).reshape(36, 8), atol=1e-6)


def test_a_linear_layer_beside_a_recurrent_one_keeps_what_earlier_batches_settled():
    model = nn.Sequential(TimeMajor(Steps()), nn.Linear(8, 3))
    with torch.no_grad():
        wanted = torch.cat([model(batch(n, 6)[0]).flatten(0, 1) for n in (4, 6, 1)])
    rows, label = rows_of(model, [batch(4, 6), batch(6, 6), batch(1, 6)], "1")
    assert torch.equal(rows, wanted)
    assert label.tolist() == [i for n in (4, 6, 1) for i in range(n) for _ in range(6)]
    with pytest.raises(hooks.CaptureError, match="layer '1' gave"):
        rows_of(model, [batch(6, 6), batch(4, 6)], "1")


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 8)
        self.head = nn.Linear(8, 8)

    def forward(self, x):
        return self.head(self.gru(x)[0])


@pytest.mark.parametrize("size", [1, 6])
def test_a_single_input_has_all_its_rows(size):
    rule = hooks.RowRule(batch_axis=1) if size > 1 else None
    batches = [batch(n, 6) for n in {size, 1}]
    rows, label = rows_of(TimeMajor(Steps()), batches, "inner.head", rule=rule)
    assert len(rows) == 6 * sum(len(y) for _, y in batches)
    assert label.tolist() == [i for _, y in batches for i in y.tolist() for _ in range(6)]


def test_what_is_known_is_not_refused():
    batches = [batch(6, 6)]
    for layer in ("", "layers.0", "layers.0.linear2"):
        assert len(rows_of(encoder(batch_first=True), batches, layer)[0]) == 36
    model = TimeMajor(Steps())
    rows, label = rows_of(model, batches, "inner.gru[0]")
    with torch.no_grad():
        wanted = model.inner.gru(batches[0][0].transpose(0, 1))[0].transpose(0, 1)
    assert torch.equal(rows, wanted.reshape(36, 8))
    assert label.tolist() == np.repeat(np.arange(6), 6).tolist()


def test_channels_and_single_vectors_beside_time_major_layers_are_not_refused():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act = nn.Conv1d(1, 6, 1), nn.ReLU()
            self.gru, self.head = nn.GRU(6, 6), nn.Linear(6, 6)

        def forward(self, x):
            return self.head(self.gru(self.act(self.conv(x)).permute(2, 0, 1))[1][0])

    batches = [(torch.randn(6, 1, 5), torch.arange(6))]
    rule = {"act": hooks.RowRule(feature_axis=1)}
    found = dict(hooks.stream(Reads(), batches, ["conv", "act", "head"], rule=rule))
    assert [len(found[name].rows) for name in ("conv", "act", "head")] == [30, 30, 6]


def test_attention_weights_have_the_batch_first_whatever_the_layer_has():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, x):
            x = x.transpose(0, 1)
            return self.attention(x, x, x)[1]

    model, (x, y) = Attends(), batch(6, 6)
    with torch.no_grad():
        wanted = model(x)
    assert torch.equal(rows_of(model, [(x, y)], "attention[1]")[0], wanted.reshape(36, 6))


def test_packed_sequences_say_it_themselves():
    class Packs(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.gru = nn.Identity(), nn.GRU(8, 8)

        def forward(self, x):
            return self.gru(self.inside(pack_sequence(list(x))))[1]

    x, y = batch(6, 6)
    rows, label = rows_of(Packs(), [(x, y)], "inside")
    assert torch.equal(rows, x.reshape(36, 8))
    assert label.tolist() == np.repeat(np.arange(6), 6).tolist()


def test_capture_refuses_a_mask_that_fits_both_ways():
    model, (x, _) = TimeMajor(encoder()), batch(6, 6)
    mask = torch.ones(6, 6).tril()
    with (
        pytest.raises(hooks.CaptureError, match="RowRule"),
        hooks.capture(model, "inner.layers.0"),
    ):
        model(x, attention_mask=mask)
    with hooks.capture(model, "inner.layers.0", rule=hooks.RowRule(batch_axis=1)) as captured:
        model(x, attention_mask=mask)
    assert (
        captured.sample("inner.layers.0").tolist() == np.repeat(np.arange(6), range(1, 7)).tolist()
    )


def test_a_model_that_takes_time_major_batches_is_fed_by_a_pre_hook():
    model, (x, y) = Steps(), batch(4, 6)
    rule = hooks.RowRule(batch_axis=1)
    with pytest.raises(
        hooks.OutputError, match=r"load \(B, T, n\) and transpose it in a forward pre"
    ):
        list(hooks.stream(model, [x.transpose(0, 1)], "head", rule=rule))
    with pytest.raises(
        hooks.CaptureError, match="6 inputs, got 4: inputs lie along the first axis"
    ):
        list(hooks.stream(model, [(x.transpose(0, 1), y)], "head", rule=rule))
    with torch.no_grad():
        wanted = model(x.transpose(0, 1)).transpose(0, 1).reshape(24, 8)
    model.register_forward_pre_hook(lambda module, args: (args[0].transpose(0, 1),))
    rows, label = rows_of(model, [(x, y)], "head", rule=rule)
    assert torch.equal(rows, wanted)
    assert label.tolist() == y.repeat_interleave(6).tolist()
