"""Captures of models on an accelerator, beside those of their copies on the CPU."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from interrupted import interrupt, loader, network
from places import DEVICES, D, draw, lies, near, present
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader, TensorDataset

import hooks
from hooks.forwarding import at_rest

CLOSE = 1e-10


@pytest.fixture(params=DEVICES)
def device(request):
    return present(request.param)


def record(*args, **options):
    return hooks.record(*args, progress=False, **options)


def filled(model):
    """The same numbers everywhere, drawn on the CPU."""
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.copy_(0.5 * draw(*parameter.shape, seed=number))
    return model.to(D)


def pictures():
    return filled(
        nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4)
        )
    )


def batches(device, count=50, wrap=lambda data: data, **options):
    """Images and labels; pinned where there is something to pin them for."""
    data = TensorDataset(draw(count, 2, 6, 6), torch.arange(count) % 7)
    return DataLoader(wrap(data), 8, pin_memory=device == "cuda", **options)


def alike(store, other, tolerance=CLOSE):
    """The same rows, to rounding, of the same inputs at the same places."""
    assert store.keys == other.keys
    assert (store.samples == other.samples).all()
    for snapshot, name in store.keys:
        one, two = store[name, snapshot], other[name, snapshot]
        assert (one.dtype, one.columns) == (two.dtype, two.columns)
        near(one.rows(), two.rows(), tolerance)
        for ours, theirs in ((one.sample, two.sample), (one.position, two.position)):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(one.label, two.label)


def both(device, tmp_path, model, data, layers, tolerance=CLOSE, **options):
    """Record a model and its copy on the device, and compare; return the latter's store."""
    wanted = record(model, data, layers, tmp_path / "cpu.h5", **options)
    moved = copy.deepcopy(model).to(device)
    store = record(moved, data, layers, tmp_path / "device.h5", **options)
    alike(store, wanted, tolerance)
    assert hooks.verify(tmp_path / "device.h5").ok
    lies(device, *moved.state_dict().values())
    return store


def test_convolutions(device, tmp_path):
    store = both(device, tmp_path, pictures(), batches(device), ["0", "1", "2", "4", "4:in"])
    assert store["0"].columns == ("y", "x")
    assert store.labels.tolist() == [n % 7 for n in range(50)]


@pytest.mark.parametrize("way", ["flatten", "mean", "max", "first", "last"])
def test_pooled_rows(device, tmp_path, way):
    rule = {"0": hooks.RowRule(rows=way), "2": hooks.RowRule(subsample=2, seed=3)}
    both(device, tmp_path, pictures(), batches(device), ["0", "2"], rule=rule)


def by_rank(tensor, count):
    """Rows of every second input, in an order of their own."""
    owner = torch.arange(count - 1, -1, -2, device=tensor.device)
    return tensor[owner].flatten(1), owner


def test_rows_by_a_callable(device, tmp_path):
    rule = hooks.RowRule(rows=by_rank)
    store = both(device, tmp_path, pictures(), batches(device), ["2"], rule=rule)
    assert 0 < len(store["2"]) < 50


class Words(nn.Module):
    """Embedding, recurrence over time first, attention, and one layer used twice."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.rnn = nn.GRU(6, 6)
        self.block = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
        self.shared = nn.Linear(6, 6)

    def forward(self, input_ids, attention_mask):
        h = self.rnn(self.embed(input_ids).movedim(1, 0))[0].movedim(0, 1)
        h = self.block(h, src_key_padding_mask=~attention_mask)
        return self.shared(self.shared(h).tanh())


def sentences(count=20):
    lengths = torch.arange(count) % 5 + 1
    ids = torch.randint(0, 11, (count, 5), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(5) < lengths[:, None]
    return [
        {"input_ids": i, "attention_mask": m, "labels": n}
        for i, m, n in zip(ids.split(4), mask.split(4), lengths.split(4), strict=True)
    ]


@pytest.mark.parametrize("rows", ["each", "mean", "max", "first", "last"])
def test_sequences_and_their_masks(device, tmp_path, rows):
    rule = hooks.RowRule(rows=rows, calls="each", drop_tokens=(3,))
    layers = ["embed", "rnn[0]", "block.self_attn[0]", "block", "shared"]
    both(device, tmp_path, filled(Words()), sentences(), layers, rule=rule)


class Packs(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.rnn(packed)[0].data


def test_packed_sequences(device, tmp_path):
    lengths = torch.tensor([3, 5, 1, 4])
    data = [{"x": draw(4, 5, 3, seed=seed), "lengths": lengths} for seed in range(3)]
    layers, rule = ["rnn[0]"], hooks.RowRule()
    store = both(device, tmp_path, filled(Packs()), data, layers, rule=rule)
    assert len(store["rnn[0]"]) == 3 * 13
    with torch.device(device):  # whatever the default device
        again = record(Packs().to(D), data, layers, tmp_path / "default.h5", rule=rule)
    assert (again["rnn[0]"].sample == store["rnn[0]"].sample).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_precisions_come_as_the_model_gives_them(device, tmp_path, dtype):
    model = filled(nn.Sequential(nn.Linear(6, 5), nn.Tanh())).to(dtype).to(device)
    x = draw(40, 6).to(dtype)
    with torch.no_grad():
        wanted = model(x.to(device)).cpu()
    store = record(model, [x], ["1"], tmp_path / "a.h5")
    assert store["1"].dtype == dtype
    assert torch.equal(store["1"].rows(), wanted)
    wide = record(model, [x], ["1"], tmp_path / "b.h5", dtype="float64")
    assert torch.equal(wide["1"].rows(), wanted.to(D))


def test_rows_under_autocast_are_half(device, tmp_path):
    model = filled(nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3))).float().to(device)
    with torch.autocast(device, dtype=torch.bfloat16):
        store = record(model, [draw(40, 6).float()], "*", tmp_path / "a.h5")
    assert {store[name].dtype for name in store.layers} == {torch.bfloat16}
    near(store["0"].rows(), model[0](draw(40, 6).float().to(device)), 0.1)


def test_streams_stay_on_the_device(device):
    model, found = pictures().to(device), {}
    for name, block in hooks.stream(model, batches(device, 300), ["0", "4"]):
        lies(device, block.rows)
        assert isinstance(block.sample, np.ndarray)
        found.setdefault(name, []).append(block.rows)
    for name, rows in found.items():
        with hooks.capture(model.eval(), name) as captured, torch.no_grad():
            model(draw(300, 2, 6, 6).to(device))
        lies(device, captured.rows)
        near(torch.cat(rows), captured.rows)


def test_captures_know_masks_and_samples(device):
    model = filled(Words()).to(device).eval()
    for rule in (hooks.RowRule(calls=1), hooks.RowRule(calls=1, rows="mean")):
        with hooks.capture(model, ["shared"], rule=rule) as captured, torch.no_grad():
            for batch in sentences():
                model(**{k: v.to(device) for k, v in batch.items() if k != "labels"})
        lies(device, captured["shared"])
        assert len(captured.sample("shared")) == len(captured["shared"])


@pytest.mark.parametrize("first", ["cpu", "device"])
def test_an_interrupted_capture_goes_on_elsewhere(device, tmp_path, first):
    places = ["cpu", device] if first == "cpu" else [device, "cpu"]
    wanted = record(network(), loader(), "*", tmp_path / "whole.h5")
    interrupt(network().to(places[0]), tmp_path / "a.h5")
    store = record(network().to(places[1]), loader(), "*", tmp_path / "a.h5", resume=True)
    alike(store, wanted, 1e-5)


class Noise(nn.Module):
    """Draws where its buffer is."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x):
        return x + self.scale * torch.rand_like(x)


@pytest.mark.parametrize("model", [Noise(), nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5))])
def test_random_generators_are_left_as_found(device, model, tmp_path):
    model, x = copy.deepcopy(model).to(device).train(), torch.ones(30, 6)

    def states():
        there = torch.cuda.get_rng_state() if device == "cuda" else torch.zeros(1)
        return torch.get_rng_state(), there

    before = states()
    store = record(model, [x, x], [""], tmp_path / "a.h5", eval_mode=False)
    for one, other in zip(states(), before, strict=True):
        assert torch.equal(one, other)
    assert float(store[""].rows().std()) > 0
    with at_rest(model, eval_mode=False):
        drawn = model(x.to(device))
    near(model(x.to(device)), drawn, 0)


class Split(nn.Module):
    """The first half on the CPU, the second wherever it is."""

    def __init__(self, place):
        super().__init__()
        self.near = nn.Linear(6, 5, dtype=D)
        self.far = nn.Linear(5, 4, dtype=D).to(place)

    def forward(self, x):
        return self.far(self.near(x).tanh().to(self.far.weight.device))


def test_a_model_on_two_devices(device, tmp_path):
    data = [draw(9, 6, seed=seed) for seed in range(3)]
    model = filled(Split(device))
    store = record(model, data, ["near", "far", "far:in"], tmp_path / "a.h5")
    alike(store, record(filled(Split("cpu")), data, ["near", "far", "far:in"], tmp_path / "b.h5"))
    places = {name: block.rows.device.type for name, block in hooks.stream(model, data, "*")}
    assert places == {"near": "cpu", "far": device}


@pytest.mark.parametrize("here", [True, False])
def test_batches_come_from_anywhere(device, tmp_path, here):
    model = pictures().to(device if here else "cpu")
    data = [(x.to(device), y.to(device)) for x, y in batches(device)]
    store = record(model, data, ["4"], tmp_path / "a.h5")
    alike(store, record(pictures(), batches(device), ["4"], tmp_path / "b.h5"))


def test_indices_come_through_pinned_and_default_loaders(device, tmp_path):
    model = pictures().to(device)
    plain = record(model, batches(device), ["4"], tmp_path / "a.h5")
    shuffled = batches(device, wrap=hooks.indexed, shuffle=True)
    store = record(model, shuffled, ["4"], tmp_path / "b.h5")
    assert sorted(store.samples.tolist()) == list(range(50))
    near(store["4"].rows()[np.argsort(store["4"].sample)], plain["4"].rows())
    with torch.device(device):  # a loader then collates the indices there
        given = DataLoader(hooks.indexed(TensorDataset(draw(50, 2, 6, 6))), 8)
        store = record(model, given, ["4"], tmp_path / "c.h5")
    assert store["4"].sample.tolist() == list(range(50))
    near(store["4"].rows(), plain["4"].rows())


def compiled(model):
    return torch.compile(model, backend="eager")


@pytest.mark.parametrize("wrap", [compiled, nn.DataParallel])
def test_wrapped_models(device, tmp_path, wrap):
    model = pictures().to(device)
    store = record(wrap(model), batches(device), ["0", "4"], tmp_path / "a.h5")
    alike(store, record(model, batches(device), ["0", "4"], tmp_path / "b.h5"))


def test_tables_and_estimates(device):
    model = pictures().to(device)
    assert hooks.layers(model, draw(3, 2, 6, 6))[1].shapes == {"": (3, 3, 4, 4)}
    found = hooks.estimate(model, batches(device), ["4"])
    assert (found.inputs, found.rows) == (50, {"4": 50})
    assert found.seconds > 0


class Full(nn.Module):
    def forward(self, x):
        raise torch.cuda.OutOfMemoryError("no room for 8 GiB")


def test_where_memory_runs_out_batches_should_be_smaller(device, tmp_path):
    with pytest.raises(hooks.CaptureError, match=r"no room for 8 GiB\. Load smaller batches$"):
        record(Full().to(device), [draw(3, 2)], [""], tmp_path / "a.h5")


class Busy(nn.Module):
    """Keeps an accelerator at work long after its forward has returned."""

    def __init__(self, width):
        super().__init__()
        self.register_buffer("turn", torch.eye(width))

    def forward(self, x):
        for _ in range(50):
            x = x @ self.turn
        return x


def test_estimates_wait_for_the_device(device):
    width = 4096 if device == "cuda" else 8
    found = hooks.estimate(Busy(width).to(device), [torch.eye(width)], [""])
    assert found.seconds > 0
    assert device == "cpu" or torch.cuda.current_stream().query()
