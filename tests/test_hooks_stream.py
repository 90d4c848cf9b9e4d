"""Live capture: every loader, an untouched model, blocks that do not depend on the batches."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torch.utils.data.distributed import DistributedSampler

import hooks
from hooks.assembling import Assembler
from hooks.blocks import BLOCK_ROWS
from hooks.rowrules import Rows


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(5, 3))


def joined(stream):
    """Everything a stream gives, joined by layer."""
    found = {}
    for name, block in stream:
        found.setdefault(name, []).append(block)
    return {
        name: (
            torch.cat([b.rows for b in blocks]),
            np.concatenate([b.sample for b in blocks]),
            None if blocks[0].label is None else np.concatenate([b.label for b in blocks]),
        )
        for name, blocks in found.items()
    }


X = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(50) % 7


class Dicts(Dataset):
    def __len__(self):
        return 50

    def __getitem__(self, i):
        return {"image": X[i], "label": int(Y[i]), "weight": float(i)}


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y, strict=True))


LOADERS = {
    "pairs": (lambda: DataLoader(TensorDataset(X, Y), 8), {}, True),
    "alone": (lambda: DataLoader(X, 8), {}, False),
    "dicts": (lambda: DataLoader(Dicts(), 8), {"fields": {"weight": "weight"}}, True),
    "iterable": (lambda: DataLoader(Stream(), 8), {}, True),
    "list": (lambda: [(X[:20], Y[:20]), (X[20:], Y[20:])], {}, True),
    "nested": (
        lambda: [{"data": {"x": X}, "meta": [Y]}],
        {"inputs": lambda b: b["data"]["x"], "labels": lambda b: b["meta"][0]},
        True,
    ),
    "numbered": (lambda: [(Y, X)], {"inputs": 1, "labels": 0}, True),
    "named": (lambda: [{"a": X, "b": Y}], {"inputs": "a", "labels": "b"}, True),
    "keywords": (lambda: [{"input": X, "y": Y}], {}, True),
    "indexed": (lambda: DataLoader(hooks.indexed(TensorDataset(X, Y)), 8), {}, True),
    "workers": (lambda: DataLoader(TensorDataset(X, Y), 8, num_workers=1), {}, True),
    "column": (lambda: [(X, Y[:, None])], {}, True),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_every_loader_gives_the_same_rows(model, kind):
    make, options, labelled = LOADERS[kind]
    rows, sample, label = joined(hooks.stream(model, make(), "3", **options))["3"]
    with torch.no_grad():
        assert torch.allclose(rows, model.eval()(X), atol=1e-6)
    assert sample.tolist() == list(range(50))
    assert (label is not None) == labelled
    if labelled:
        assert label.tolist() == Y.tolist()


def test_labels_can_be_left_out_and_vectors_are_none(model):
    assert joined(hooks.stream(model, [(X, Y)], "3", labels=False))["3"][2] is None
    assert joined(hooks.stream(model, [(X, X)], "3"))["3"][2] is None
    texts = [f"t{i}" for i in range(50)]
    assert joined(hooks.stream(model, [(X, texts)], "3"))["3"][2].tolist() == texts


def test_a_shuffled_loader_keeps_the_data_sets_indices(model):
    loader = DataLoader(hooks.indexed(TensorDataset(X, Y)), 8, shuffle=True)
    rows, sample, label = joined(hooks.stream(model, loader, "3"))["3"]
    assert sample.tolist() != sorted(sample)
    assert (Y.numpy()[sample] == label).all()
    with torch.no_grad():
        assert torch.allclose(rows, model.eval()(X)[sample], atol=1e-6)


def test_indexed_goes_with_a_collate_function_of_ones_own(model):
    data = hooks.indexed(TensorDataset(X, Y))

    def collate(items):
        return {"input": torch.stack([x for x, _ in items]), "y": [int(y) for _, y in items]}

    loader = DataLoader(data, 8, shuffle=True, collate_fn=data.collate(collate))
    _, sample, label = joined(hooks.stream(model, loader, "3"))["3"]
    assert (Y.numpy()[sample] == label).all()
    with pytest.raises(hooks.CaptureError, match="indexed needs a data set with __len__"):
        hooks.indexed(Stream())


def test_repeated_inputs_are_dropped(model):
    data = hooks.indexed(TensorDataset(X, Y))
    loader = DataLoader(data, 8, sampler=[0, 1, 2, 1, 0, 3, 3, 4, 5, 0, 6])
    assert joined(hooks.stream(model, loader, "3"))["3"][1].tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("wrap", [lambda d: d, hooks.indexed])
def test_a_distributed_sampler_gives_each_input_once(model, wrap):
    data = TensorDataset(X, Y)
    parts = []
    for rank in range(4):
        sampler = DistributedSampler(data, num_replicas=4, rank=rank, shuffle=False)
        loader = DataLoader(wrap(data), 8, sampler=sampler)
        parts.append(joined(hooks.stream(model, loader, "3"))["3"])
    sample = np.concatenate([p[1] for p in parts])
    assert sorted(sample.tolist()) == list(range(50))
    assert (np.concatenate([p[2] for p in parts]) == Y.numpy()[sample]).all()


def test_in_place_operations_after_a_layer_do_not_change_its_rows(model):
    found = joined(hooks.stream(model, [X], ["0", "1"]))
    with torch.no_grad():
        assert torch.allclose(found["0"][0], model[0](X), atol=1e-6)
    assert (found["0"][0] < 0).any()


def test_what_a_layer_is_given_and_what_it_gives(model):
    found = joined(hooks.stream(model, [X], ["3:in", "3"]))
    with torch.no_grad():
        assert torch.allclose(model[3](found["3:in"][0]), found["3"][0], atol=1e-6)


def state_of(model):
    return (
        [m.training for m in model.modules()],
        [(p.requires_grad, p.device, p.grad) for p in model.parameters()],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        random.getstate(),
        torch.is_grad_enabled(),
    )


class Noisy(nn.Module):
    def forward(self, x):
        random.random()
        np.random.rand()  # noqa: NPY002
        return x + torch.randn_like(x)


def test_the_model_and_the_random_state_are_as_before_while_a_block_is_out_and_after(model):
    model = nn.Sequential(model, Noisy())
    model[0][3].requires_grad_(False)
    model[0][0].eval()
    model[0][1].register_forward_hook(lambda *a: None)
    before = state_of(model)
    for _ in hooks.stream(model, [X, X] * 30, "1"):
        assert state_of(model) == before
    assert state_of(model) == before


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failing_forward_leaves_nothing_registered(model, failure):
    def fail(*args):
        raise failure("no")

    handle = model.eval()[3].register_forward_hook(fail)
    before = state_of(model)
    expected = hooks.CaptureError if failure is RuntimeError else failure
    with pytest.raises(expected):
        list(hooks.stream(model, [X], "1", early_stop=False))
    assert state_of(model) == before
    with pytest.raises(failure), hooks.capture(model, "1"):
        model(X)
    assert state_of(model) == before
    handle.remove()


def test_eval_mode_can_be_turned_off(model):
    model.train()
    with torch.no_grad():
        kept = joined(hooks.stream(model, [X], "2", eval_mode=False))["2"][0]
        quiet = joined(hooks.stream(model, [X], "2"))["2"][0]
    assert (kept == 0).sum() > (quiet == 0).sum()


def test_rows_carry_no_gradient_and_keep_the_modules_type(model):
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        block = next(hooks.stream(model.to(dtype), [X.to(dtype)], "3"))[1]
        assert block.rows.dtype == dtype
        assert not block.rows.requires_grad
    block = next(hooks.stream(model.float(), [X], "3", dtype="float16"))[1]
    assert block.rows.dtype == torch.float16
    with torch.autocast("cpu", torch.bfloat16):
        assert next(hooks.stream(model, [X], "3"))[1].rows.dtype == torch.bfloat16


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=30), st.lists(st.integers(1, 5)))
def test_blocks_hold_whole_inputs_and_do_not_depend_on_the_batches(counts, cuts):
    def blocks(sizes):
        assembler = Assembler("x")
        found, start = [], 0
        for size in sizes:
            mine = np.array(counts[start : start + size], np.int64)
            ids = np.arange(start, start + len(mine))
            rows = torch.from_numpy(np.repeat(ids, mine)).float()[:, None]
            found += assembler.append(Rows(rows, mine, None, ()), ids, None)
            start += size
        return found + list(assembler.finish())

    sizes = [*cuts, len(counts)]
    found = blocks(sizes)
    assert [len(b) for b in found] == [len(b) for b in blocks([len(counts)])]
    assert sum(len(b) for b in found) == sum(counts)
    for block in found:
        assert len(block) <= BLOCK_ROWS or len(set(block.sample)) == 1
        assert (block.rows[:, 0].numpy() == block.sample).all()
    for left, right in itertools.pairwise(found):
        assert left.sample[-1] < right.sample[0]
        assert len(left) + counts[right.sample[0]] > BLOCK_ROWS


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return x


def test_the_forward_ends_when_the_last_wanted_layer_has_fired(model):
    model = nn.Sequential(model, Counter())
    early = joined(hooks.stream(model, [X[:10], X[10:30], X[30:]], ["0.0", "0.1"]))
    assert model[1].runs == 1
    full = joined(hooks.stream(model, [X[:10], X[10:30], X[30:]], ["0.0", "0.1"], early_stop=False))
    assert model[1].runs == 4
    for name in early:
        assert torch.equal(early[name][0], full[name][0])
    with hooks.capture(model, "0.1", stop=True) as captured:
        model(X)
    assert model[1].runs == 4
    assert torch.equal(captured.rows, full["0.1"][0])


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.again = self.layer

    def forward(self, x):
        return self.again(self.layer(x) * 2)


def test_a_module_that_runs_twice_is_refused_kept_or_chosen():
    model = Twice()
    with torch.no_grad():
        first = model.layer(X)
        second = model.layer(first * 2)
    with pytest.raises(hooks.OutputError, match="runs several times in one forward"):
        list(hooks.stream(model, [X], "layer"))
    for call, wanted in ((0, first), (1, second)):
        rule = hooks.RowRule(calls=call)
        assert torch.equal(joined(hooks.stream(model, [X], "again", rule=rule))["again"][0], wanted)
    blocks = [b for _, b in hooks.stream(model, [X], "layer", rule=hooks.RowRule(calls="each"))]
    rows = torch.cat([b.rows for b in blocks])
    assert torch.equal(rows[0::2], first)
    assert torch.equal(rows[1::2], second)
    assert blocks[0].position[:4].tolist() == [[0], [1], [0], [1]]
    with pytest.raises(hooks.OutputError, match="ran 2 times, so there is no call 5"):
        list(hooks.stream(model, [X], "layer", rule=hooks.RowRule(calls=5)))


class Boom(nn.Module):
    def forward(self, x):
        raise ZeroDivisionError("boom")


@pytest.mark.parametrize(
    ("loader", "options", "message"),
    [
        ([], {}, "the loader gave no batch"),
        (5, {}, "the loader must be iterable, got int"),
        ([X[:, :3]], {}, r"could not take batch 0 \(\[0\] \(50, 3\) float32\)"),
        ([X.double()], {}, r"float64.*Say with inputs="),
        ([X, X[:, :2]], {}, r"could not take batch 1 .*The batches before it [^=]*$"),
        ([{"a": X, "b": X}], {}, r"a dict with 'a', 'b', none of which"),
        ([["a", "b"]], {}, "batch 0"),
        ([(X, Y)], {"inputs": 4}, "the batch has no 4, it is 2 parts"),
        ([(X, Y)], {"labels": lambda b: b[0]}, r"labels must give one number .* got \(50, 6\)"),
        ([(X, Y[:4])], {}, "label must have one value for each of the 50 inputs, got 4"),
        ([X], {"dtype": "int8"}, "dtype must be float16, bfloat16, float32 or float64, got 'int8'"),
        ([X], {"rule": {"9": hooks.RowRule()}}, "rule names '9', which is not captured"),
        ([None], {}, "batch 0 holds no tensor with a batch axis"),
    ],
)
def test_what_does_not_fit_says_so(model, loader, options, message):
    with pytest.raises(hooks.CaptureError, match=message):
        list(hooks.stream(model, loader, "3", **options))


def test_a_layer_that_does_not_run_says_so(model):
    model.extra = nn.Linear(2, 2)
    model.forward = lambda x: model[0](x)
    with pytest.raises(hooks.OutputError, match="'extra' did not run in this forward"):
        list(hooks.stream(model, [X], "extra"))


def test_rows_must_keep_their_width():
    loader = [torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 5, 5)]
    conv = nn.Conv2d(3, 2, 1)
    assert len(joined(hooks.stream(conv, loader, ""))[""][0]) == 2 * 16 + 2 * 25
    with pytest.raises(hooks.OutputError, match=r"must keep its width .* got 32 and then 50"):
        list(hooks.stream(conv, loader, "", rule=hooks.RowRule(rows="flatten")))


def test_an_integer_layer_needs_a_dtype():
    class Pick(nn.Module):
        def forward(self, x):
            return {"index": x.argmax(1)}

    with pytest.raises(hooks.OutputError, match="no floating-point tensor"):
        list(hooks.stream(Pick(), [X], ""))
    with pytest.raises(hooks.CaptureError, match=r"gave torch.int64: say what to convert it to"):
        list(hooks.stream(Pick(), [X], ".index"))
    assert joined(hooks.stream(Pick(), [X], ".index", dtype="float32"))[".index"][0].shape == (
        50,
        1,
    )


def test_estimate_says_rows_and_bytes(model):
    found = hooks.estimate(model, DataLoader(TensorDataset(X, Y), 8), ["0", "3"])
    assert found.rows == {"0": 50, "3": 50}
    assert found.bytes == {"0": 50 * (5 * 4 + 8), "3": 50 * (3 * 4 + 8)}
    assert found.total_bytes == sum(found.bytes.values())
    assert "50 inputs" in repr(found)
    assert hooks.estimate(model, iter([X]), "0").inputs is None


def test_capture_adds_up_forwards_and_serves_a_single_layer(model):
    model.eval()
    with hooks.capture(model, ["1", "3"]) as captured:
        with pytest.raises(hooks.CaptureError, match="nothing was captured yet"):
            captured["1"]
        outputs = [model(X[:20]), model(X[20:])]
    assert torch.equal(captured["3"], torch.cat(outputs))
    assert captured.sample("3").tolist() == list(range(50))
    assert captured.position("3") is None
    assert list(captured) == ["1", "3"]
    assert len(captured) == 2
    with pytest.raises(hooks.OutputError, match="several layers were captured"):
        _ = captured.rows
    with pytest.raises(hooks.OutputError, match="'2' was not captured"):
        captured["2"]


def test_capture_sees_layers_that_a_method_calls(model):
    with hooks.capture(model, "3") as captured:
        output = model[3](X[:, :5])
    assert torch.equal(captured.rows, output)


def test_capture_reads_the_mask_of_the_call():
    class Tokens(nn.Module):
        def forward(self, input_ids, attention_mask=None):
            return input_ids[:, :, None].float()

    model = Tokens()
    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
    with hooks.capture(model, "") as captured:
        model(input_ids=ids, attention_mask=torch.tensor([[1, 1, 0], [1, 0, 0]]))
    assert captured.rows.ravel().tolist() == [1, 2, 4]
    assert captured.sample("").tolist() == [0, 0, 1]
    assert captured.position("").ravel().tolist() == [0, 1, 0]
