"""Models and loaders that are not plain: what they give is what the definition says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import hooks

X = torch.randn(12, 7, 6, generator=torch.Generator().manual_seed(1))
LENGTHS = torch.tensor([7, 1, 4, 6, 2, 7, 3, 5, 1, 7, 2, 4])


def first(model, batches, layers="", **options):
    """The rows of the first layer over all batches."""
    blocks = [block for _, block in hooks.stream(model, batches, layers, **options)]
    return torch.cat([b.rows for b in blocks])


@dataclass
class Answer:
    hidden: torch.Tensor
    extra: dict[str, torch.Tensor]


class Nests(nn.Module):
    def forward(self, x):
        return (Answer(2 * x, {"a b": 3 * x, "n": torch.ones(2)}), [None, x.long()]), "text"


def test_a_dataclass_in_a_tuple(tmp_path):
    x = X[:, 0]
    with pytest.raises(hooks.OutputError, match=r"\[0\]\[0\]\.hidden \(12, 6\) float32"):
        first(Nests(), [x])
    store = hooks.record(
        Nests(), [x], ["[0][0].hidden", "[0][0].extra['a b']"], tmp_path / "a.h5", progress=False
    )
    assert torch.equal(store["[0][0].hidden"].rows(), 2 * x)
    assert torch.equal(store["[0][0].extra['a b']"].rows(), 3 * x)
    for leaf, message in (
        ("[0][1]", r"'\[0\]\[1\]' holds no floating-point tensor; .*\[0\]\[1\]\[1\] .*int64"),
        ("[0][0]", r"holds several tensors; .*\.extra\.n \(2,\)"),
        ("[2]", "is not there"),
    ):
        with pytest.raises(hooks.OutputError, match=message):
            first(Nests(), [x], leaf)
    with pytest.raises(hooks.CaptureError, match=r"gave torch\.int64: say what to convert it to"):
        first(Nests(), [x], "[0][1][1]")
    assert torch.equal(first(Nests(), [x], "[0][1][1]", dtype="float64"), x.long().double())
    nested = nn.Sequential(nn.Identity())
    nested.forward = lambda x: ([x, 3], {"a": None})
    assert torch.equal(first(nested, [x], "[0]"), x)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 4)

    def forward(self, input_ids, attention_mask=None):
        return self.embed(input_ids)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("sizes", [(12,), (5, 7), (1,) * 12])
def test_tokens_of_padded_inputs_are_drawn_from_those_that_are_kept(side, sizes):
    torch.manual_seed(0)
    model = Tokens()
    keep = torch.arange(7) < LENGTHS[:, None]
    keep = keep.flip(1) if side == "left" else keep
    ids = torch.arange(12 * 7).reshape(12, 7) % 50
    batches, start = [], 0
    for size in sizes:
        part = slice(start, start + size)
        batches.append({"input_ids": ids[part], "attention_mask": keep[part].long()})
        start += size
    rule = hooks.RowRule(subsample=3, seed=5)
    blocks = [b for _, b in hooks.stream(model, batches, "embed", rule=rule)]
    rows, sample, place = (
        torch.cat([b.rows for b in blocks]),
        np.concatenate([b.sample for b in blocks]),
        np.concatenate([b.position for b in blocks])[:, 0],
    )
    assert np.bincount(sample).tolist() == LENGTHS.clamp(max=3).tolist()
    assert keep[sample, place].all()
    assert torch.equal(rows, model.embed.weight[ids[sample, place]])
    # which tokens are drawn depends on the input, not on the batch it came in
    alone = [b for _, b in hooks.stream(model, batches[:1], "embed", rule=rule)]
    assert (alone[0].position[:, 0] == place[: len(alone[0].position)]).all()


def test_convolutions_in_channels_last_memory():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
    x = torch.randn(4, 3, 8, 9)
    plain = first(model, [x], "0"), first(model, [x], "2")
    model = model.to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)
    for name, wanted in zip(("0", "2"), plain, strict=True):
        found = first(model, [x], name)
        assert found.is_contiguous()
        assert torch.allclose(found, wanted, atol=1e-6)
    flat = first(model, [x], "0", rule=hooks.RowRule(rows="flatten"))
    with torch.no_grad():
        assert torch.allclose(flat, model.eval()[0](x).contiguous().flatten(1), atol=1e-6)


class Packs(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.lstm = nn.LSTM(6, 3, num_layers=2, bidirectional=True, batch_first=batch_first)
        self.first = batch_first

    def forward(self, x, lengths):
        x = x if self.first else x.transpose(0, 1)
        packed = pack_padded_sequence(x, lengths, batch_first=self.first, enforce_sorted=False)
        return self.lstm(packed)[0]


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_bidirectional_lstm_over_packed_sequences(tmp_path, batch_first):
    torch.manual_seed(0)
    model = Packs(batch_first)
    batches = [{"x": X[:5], "lengths": LENGTHS[:5]}, {"x": X[5:], "lengths": LENGTHS[5:]}]
    layers = ["lstm[0]", "lstm:in", "lstm[1][0]"]
    rule = {"lstm[1][0]": hooks.RowRule(batch_axis=1)}
    store = hooks.record(model, batches, layers, tmp_path / "a.h5", rule=rule, progress=False)
    wanted, given = [], []
    with torch.no_grad():
        for batch in batches:
            output, lengths = pad_packed_sequence(model(**batch), batch_first=True)
            for sequence, x, length in zip(output, batch["x"], lengths, strict=True):
                wanted.append(sequence[:length])
                given.append(x[:length])
    assert torch.allclose(store["lstm[0]"].rows(), torch.cat(wanted), atol=1e-6)
    assert torch.equal(store["lstm:in"].rows(), torch.cat(given))
    assert np.bincount(store["lstm[0]"].sample).tolist() == LENGTHS.tolist()
    assert store["lstm[0]"].position[:, 0].tolist() == [t for n in LENGTHS for t in range(n)]
    assert store["lstm[1][0]"].shape == (12 * 4, 3)


def test_a_loader_of_packed_sequences():
    torch.manual_seed(0)
    model = nn.GRU(6, 3, batch_first=True)
    batch = pack_padded_sequence(X, LENGTHS, batch_first=True, enforce_sorted=False)
    for given in (batch, (batch, torch.arange(12))):
        ((_, block),) = hooks.stream(model, [given], "[0]")
        assert np.bincount(block.sample).tolist() == LENGTHS.tolist()
        with torch.no_grad():
            output, _ = pad_packed_sequence(model(batch)[0], batch_first=True)
        wanted = torch.cat([o[:n] for o, n in zip(output, LENGTHS, strict=True)])
        assert torch.equal(block.rows, wanted)
    assert block.label.tolist() == [i for i, n in enumerate(LENGTHS) for _ in range(n)]


@pytest.mark.parametrize("mode", ["outside", "inside"])
def test_bfloat16_under_autocast_is_what_is_stored(tmp_path, mode):
    torch.manual_seed(0)

    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 5)

        def forward(self, x):
            with torch.autocast("cpu", torch.bfloat16, enabled=mode == "inside"):
                return self.layer(x).float()

    model = nn.Linear(6, 5) if mode == "outside" else Inside()
    name = "" if mode == "outside" else "layer"
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "outside"):
        store = hooks.record(model, [X[:, 0]], name, tmp_path / "a.h5", progress=False)
        with torch.no_grad():
            bare = model if mode == "outside" else model.layer
            with torch.autocast("cpu", torch.bfloat16):
                wanted = bare(X[:, 0])
    assert wanted.dtype == torch.bfloat16
    assert store[name].dtype == torch.bfloat16
    assert store[name].spec.source_dtype == "bfloat16"
    assert torch.equal(store[name].rows(), wanted)
    assert torch.is_autocast_enabled("cpu") is False


def test_a_model_in_training_gets_every_modules_own_mode_back(tmp_path):
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 2))
    model.train()
    model[1].eval()
    model[3].weight.requires_grad_(False)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    rows = hooks.record(model, [X[:, 0]], "2", tmp_path / "a.h5", progress=False)["2"].rows()
    assert [m.training for m in model] == [True, False, True, True]
    assert model.training
    assert [p.requires_grad for p in model[3].parameters()] == [False, True]
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert (rows != 0).all()


def test_hooks_of_ones_own_are_run_and_kept(tmp_path):
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh())
    seen = []
    handles = [
        model[0].register_forward_hook(lambda m, a, o: o + 1),
        model[0].register_forward_pre_hook(lambda m, a: seen.append(1)),
    ]
    before = [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in model]
    x = X[:, 0]
    rows = first(model, [x], "0")
    with torch.no_grad():
        assert torch.equal(rows, model[0](x))

    def fails(module, args, output):
        raise RuntimeError("a hook of the user's own")

    failing = model[1].register_forward_hook(fails)
    with pytest.raises(hooks.CaptureError, match="a hook of the user's own"):
        hooks.record(model, [x], "*", tmp_path / "a.h5", progress=False)
    failing.remove()
    assert [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in model] == before
    assert len(seen) >= 3
    assert list(tmp_path.iterdir()) == []
    for handle in handles:
        handle.remove()


class Endless(IterableDataset):
    """An iterable data set that gives each worker its own part."""

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        step, start = (1, 0) if info is None else (info.num_workers, info.id)
        for i in range(start, len(X), step):
            yield {"input": X[i, 0], "label": i}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_iterable_data_set(workers):
    loader = DataLoader(Endless(), 4, num_workers=workers)
    ((_, block),) = hooks.stream(nn.Flatten(), loader, "")
    assert block.sample.tolist() == list(range(12))
    assert sorted(block.label.tolist()) == list(range(12))
    assert torch.equal(block.rows, X[:, 0][block.label])


def generated():
    for i in range(3):
        part = slice(4 * i, 4 * i + 4)
        yield (X[part, 0], LENGTHS[part]), {"target": torch.arange(12)[part]}


def test_a_generator_with_parts_that_are_chosen(tmp_path):
    class Two(nn.Module):
        def forward(self, x, lengths):
            return x * lengths[:, None]

    store = hooks.record(
        Two(),
        generated(),
        "",
        tmp_path / "a.h5",
        inputs=lambda batch: batch[0],
        labels=lambda batch: batch[1]["target"],
        progress=False,
    )
    assert torch.equal(store[""].rows(), X[:, 0] * LENGTHS[:, None])
    assert store.labels.tolist() == list(range(12))


def test_a_batch_without_inputs_adds_nothing(tmp_path):
    batches = [X[:4, 0], X[:0, 0], X[4:, 0]]
    store = hooks.record(nn.Tanh(), batches, "", tmp_path / "a.h5", progress=False)
    assert torch.equal(store[""].rows(), X[:, 0].tanh())


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_a_transformer_encoder_is_seen_past_its_fast_path(masked, nested):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(6, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested)
    pad = torch.arange(7) >= LENGTHS[:, None]
    batches = [{"src": X, **({"src_key_padding_mask": pad} if masked else {})}]
    rule = hooks.RowRule(mask=lambda batch: ~pad if masked else torch.ones(12, 7))
    rows = first(model, batches, ["layers.1.linear1"], rule=rule)
    assert torch.backends.mha.get_fastpath_enabled()
    with hooks.capture(model.eval(), "layers.1.linear1", rule=rule) as captured, torch.no_grad():
        model(**batches[0])
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.equal(captured.rows, rows)
    # the definition, in training mode, which never takes the fast path: without dropout, alike
    inside = []
    for module in model.train().modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    model.layers[1].linear1.register_forward_hook(lambda m, a, o: inside.append(o))
    with torch.no_grad():
        for each in model.layers:
            each.self_attn.dropout = 0.0
        model(**batches[0])
    wanted = inside[0][~pad] if masked else inside[0].reshape(-1, 16)
    assert torch.allclose(rows, wanted, atol=1e-6)


def test_data_parallel_is_captured_and_recorded_as_its_module(tmp_path):
    torch.manual_seed(0)
    bare = nn.Sequential(nn.Linear(6, 5), nn.Tanh())
    wrapped = nn.DataParallel(bare)
    x = X[:, 0]
    store = hooks.record(wrapped, [x], "*", tmp_path / "a.h5", progress=False)
    assert store.layers == ["0", "1"]
    assert hooks.select(wrapped, "*") == hooks.select(bare, "*")
    with torch.no_grad():
        assert torch.equal(store["1"].rows(), bare(x))
    with hooks.capture(wrapped, "0") as captured, torch.no_grad():
        wrapped(x)
    assert torch.equal(captured.rows, store["0"].rows())


def test_one_module_under_two_names_is_told_by_its_calls():
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)
    model = nn.ModuleDict({"a": shared, "b": shared})
    model.forward = lambda x: model["b"](model["a"](x).tanh())
    x = X[:, 0]
    with pytest.raises(hooks.OutputError, match="runs several times in one forward"):
        first(model, [x], "b")
    with torch.no_grad():
        once = shared(x)
        for call, wanted in enumerate((once, shared(once.tanh()))):
            rule = hooks.RowRule(calls=call)
            assert torch.equal(first(model, [x], "b", rule=rule), wanted)


def test_rows_with_nan_and_infinity_are_kept_as_they_are(tmp_path):
    x = torch.tensor([[1.0, torch.nan], [torch.inf, -torch.inf], [0.0, -0.0]])
    store = hooks.record(nn.Identity(), [x], "", tmp_path / "a.h5", progress=False)
    assert store[""].rows().numpy().tobytes() == x.numpy().tobytes()


def test_a_shuffled_pair_of_loaders_meets_by_index(tmp_path):
    data = hooks.indexed(TensorDataset(X[:, 0], LENGTHS))
    a = hooks.record(nn.Tanh(), DataLoader(data, 5, shuffle=True), "", tmp_path / "a.h5")
    b = hooks.record(nn.ReLU(), DataLoader(data, 3, shuffle=True), "", tmp_path / "b.h5")
    order = np.argsort(a[""].sample), np.argsort(b[""].sample)
    assert torch.equal(a[""].rows()[order[0]], X[:, 0].tanh())
    assert torch.equal(b[""].rows()[order[1]], X[:, 0].relu())


class Merging(nn.Linear):
    """Adds a part to its weights in eval mode and takes it away in train mode."""

    merged = False

    def train(self, mode=True):
        if self.merged == mode:
            self.weight.data.add_(-1.0 if mode else 1.0)
            self.merged = not mode
        return super().train(mode)


@pytest.mark.parametrize("found", [(True, True), (True, False), (False, True), (False, False)])
def test_what_a_module_does_on_eval_is_undone(found):
    model = nn.Sequential(Merging(2, 2), nn.Sequential(Merging(2, 2), nn.Dropout()))
    model[0].train(found[0])
    model[1][0].train(found[1])
    model[1][1].eval()
    modes = [m.training for m in model.modules()]
    weights = [p.clone() for p in model.parameters()]
    for _ in hooks.stream(model, [torch.randn(5, 2)] * 2, ""):
        assert [m.training for m in model.modules()] == modes
        assert (model[0].merged, model[1][0].merged) == (not found[0], not found[1])
        for now, then in zip(model.parameters(), weights, strict=True):
            assert torch.allclose(now, then, atol=1e-6)


def test_a_lazy_module_is_recorded_once_it_has_weights(tmp_path):
    model, x = nn.Sequential(nn.LazyLinear(5), nn.Tanh()), torch.randn(20, 4)
    path = tmp_path / "a.h5"
    with pytest.raises(hooks.CaptureError, match=r"'0.weight' of a lazy .* run the model on one"):
        hooks.record(model, [x], "1", path, progress=False)
    assert not list(tmp_path.iterdir())
    model(x)
    assert hooks.record(model, [x], "1", path, progress=False)["1"].shape == (20, 5)


def test_batches_without_an_input_are_no_data():
    with pytest.raises(hooks.CaptureError, match="gave 2 batches without an input"):
        list(hooks.stream(nn.Tanh(), [torch.ones(0, 4)] * 2, ""))


def test_positions_and_samples_of_what_was_not_captured_are_refused():
    with hooks.capture(nn.Tanh(), "") as captured:
        pass
    for of in (captured.position, captured.sample):
        with pytest.raises(hooks.OutputError, match="'other' was not captured"):
            of("other")
        with pytest.raises(hooks.CaptureError, match="nothing was captured yet"):
            of("")
