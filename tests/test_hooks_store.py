"""The store: what is captured is what is read; its schema stands without this package."""

from __future__ import annotations

import json
import pickle

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hooks
from hooks import files, writer
from hooks.schema import escape, layer_path, unescape


class Tokens(nn.Module):
    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.embed = nn.Embedding(40, 6, dtype=dtype)
        self.out = nn.Linear(6, 3, dtype=dtype)

    def forward(self, input_ids, attention_mask=None):
        return self.out(self.embed(input_ids)).mean(1)


def token_batches(lengths=(5, 9, 700, 40, 900), size=6, seed=0):
    draw = torch.Generator().manual_seed(seed)
    for length in lengths:
        keep = torch.arange(length) < torch.randint(1, length + 1, (size, 1), generator=draw)
        yield {
            "input_ids": torch.randint(0, 40, (size, length), generator=draw),
            "attention_mask": keep.long(),
            "label": torch.randint(0, 3, (size,), generator=draw),
        }


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


@pytest.fixture
def loader():
    draw = torch.Generator().manual_seed(1)
    x, y = torch.randn(5000, 6, generator=draw), torch.arange(5000) % 7
    return DataLoader(TensorDataset(x, y), 333)


def record(*args, **options):
    return hooks.record(*args, progress=False, **options)


def same_blocks(live, stored):
    assert len(live) == len(stored) > 0
    for a, b in zip(live, stored, strict=True):
        assert a.rows.dtype == b.rows.dtype
        assert torch.equal(a.rows, b.rows)
        for name in ("sample", "position", "label"):
            left, right = getattr(a, name), getattr(b, name)
            assert (left is None) == (right is None)
            if left is not None:
                assert left.dtype == right.dtype
                assert (left == right).all()


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_a_stored_capture_is_the_live_one(model, loader, tmp_path, target):
    live = list(hooks.stream(model, loader, "*"))
    store = record(model, loader, "*", tmp_path / target)
    assert store.layers == ["0", "1", "2"]
    for name in store.layers:
        same_blocks([b for n, b in live if n == name], list(store[name].blocks()))
    assert store.complete
    assert store.labels.tolist() == [i % 7 for i in range(5000)]
    assert [p.name for p in tmp_path.iterdir()] == [target]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tokens_of_any_length_in_any_type(tmp_path, dtype):
    model = Tokens(dtype)
    live = list(hooks.stream(model, token_batches(), ["embed", "out"]))
    store = record(model, token_batches(), ["embed", "out"], tmp_path / "a.h5")
    for name in ("embed", "out"):
        same_blocks([b for n, b in live if n == name], list(store[name].blocks()))
    assert store["embed"].columns == ("token",)
    assert store["embed"].dtype == dtype
    layer = store["embed"]
    assert layer.shape == (sum(len(b) for n, b in live if n == "embed"), 6)
    whole = layer.rows()
    for start, stop in (
        (0, 10),
        (2000, 2500),
        (2900, None),
        (0, None),
        (len(layer) - 3, 10**9),
        (7, 7),
    ):
        assert torch.equal(layer.rows(start, stop), whole[start:stop])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["/layers/embed/rows"].shape == layer.shape


def test_the_schema_stands_without_this_package(model, loader, tmp_path):
    store = record(model, loader, ["0"], tmp_path / "a.h5", provenance={"run": 7})
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["format"].decode() == "privileged-planes/activations"
        assert file.attrs["version"] == 1
        assert file.attrs["complete"] == 1
        assert (file.attrs["shard"], file.attrs["shards"]) == (0, 1)
        assert len(file.attrs["fingerprint"]) == 32
        assert json.loads(file.attrs["provenance"]) == {"run": 7}
        assert file.attrs["store"].decode() == store.store_id
        group = file["/layers/0"]
        assert group.attrs["layer"].decode() == "0"
        assert group.attrs["module_type"].decode() == "Linear"
        assert group.attrs["source_dtype"].decode() == "float32"
        assert json.loads(group.attrs["rule"])["rows"] == "each"
        assert group["rows"].shape == (5000, 5)
        assert group["rows"].dtype == np.float32
        assert group["committed"][()] == 5000
        assert group["block"][:].tolist() == [0, 2048, 4096, 5000]
        assert group["checksum"].shape == (3,)
        assert group["sample"][:].tolist() == list(range(5000))
        assert file["/samples/id"][:].tolist() == list(range(5000))
        assert file["/samples/label"][:5].tolist() == [0, 1, 2, 3, 4]


@given(st.text(max_size=20))
def test_names_of_any_kind_survive(name):
    escaped = escape(name)
    assert unescape(escaped) == name
    assert "/" not in escaped
    assert escaped not in ("", ".", "..")


def test_layers_of_any_name_are_kept(tmp_path):
    model = nn.Module()
    model.add_module("a/b", nn.Linear(3, 2))
    model.add_module("%", nn.Tanh())
    model.forward = lambda x: model._modules["%"](model._modules["a/b"](x))
    store = record(model, [torch.ones(4, 3)], ["a/b", "%", ""], tmp_path / "a.h5")
    assert sorted(store.layers) == ["", "%", "a/b"]
    assert torch.equal(store[""].rows(), store["%"].rows())
    assert layer_path(("epoch/1", "")) == "/snapshots/epoch%2F1/layers/%"


def test_snapshots_keep_their_order_and_attributes(model, loader, tmp_path):
    path = tmp_path / "run.h5"
    keys = ["start", "epoch-10", "epoch-2"]
    with hooks.Recorder(path, provenance={"seed": 3}) as recorder:
        for number, key in enumerate(keys):
            with torch.no_grad():
                model[0].weight.add_(1)
            attrs = {"epoch": number, "loss": 0.5, "note": "ü", "curve": [1, 2]}
            recorder.record(model, loader, ["1"], snapshot=key, attrs=attrs)
    store = hooks.ActivationStore(path)
    assert list(store.snapshots) == keys
    assert store.snapshots["epoch-10"] == {"epoch": 1, "loss": 0.5, "note": "ü", "curve": "[1, 2]"}
    assert store.provenance == {"seed": 3}
    assert ("1", "start") in store
    assert ("1", "end") not in store
    assert "1" not in store
    assert not torch.equal(store["1", "start"].rows(), store["1", "epoch-2"].rows())
    same_blocks(
        [b for _, b in hooks.stream(model, loader, "1")], list(store["1", "epoch-2"].blocks())
    )
    assert len(store.samples) == 5000
    with pytest.raises(hooks.LayerNotFoundError, match=r"at 3 snapshots: choose one.*'epoch-10'"):
        store["1"]
    with pytest.raises(hooks.LayerNotFoundError, match="no snapshot 'end'"):
        store["1", "end"]
    with pytest.raises(hooks.LayerNotFoundError, match="has no layer '7'; it has '1'"):
        store["7", "start"]
    prints = {k: store["1", k].fingerprint["weights"] for k in keys}
    assert len(set(prints.values())) == 3


def test_a_single_snapshot_needs_no_key(model, loader, tmp_path):
    store = record(model, loader, "1", tmp_path / "a.h5", snapshot="end", attrs={"epoch": 9})
    assert store["1"].snapshot == "end"
    assert "1" in store
    assert ("1", "end") in store
    assert "2" not in store
    assert ("1", "start") not in store
    assert store["1"].shape == (5000, 5)
    assert "end" in repr(store["1"])


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_layers_come_back_in_the_order_of_their_numbers(tmp_path, target):
    model, names = nn.Sequential(*(nn.Tanh() for _ in range(12))), [str(i) for i in range(12)]
    with hooks.Recorder(tmp_path / target) as recorder:
        for name in names[::-1]:
            recorder.record(model, [torch.ones(4, 3)], name, snapshot="a")
    store = hooks.ActivationStore(tmp_path / target)
    assert store.layers == names
    assert store.keys == [("a", name) for name in names]


def test_blocks_come_while_they_are_written(model, loader, tmp_path):
    live = [b for _, b in hooks.stream(model, loader, "1")]
    with hooks.Recorder(tmp_path / "a.h5") as recorder:
        given = [b for _, b in recorder.stream(model, loader, "1")]
        with pytest.raises(hooks.StoreError, match="'1' is in this store already"):
            recorder.record(model, loader, "1")
        recorder.record(model, loader, "2")
    same_blocks(live, given)
    store = hooks.ActivationStore(tmp_path / "a.h5")
    same_blocks(live, list(store["1"].blocks()))
    assert store.layers == ["1", "2"]


def test_a_layer_pickles_as_its_place(model, loader, tmp_path):
    layer = record(model, loader, "1", tmp_path / "a.h5")["1"]
    assert len(pickle.dumps(layer)) < 500
    other = pickle.loads(pickle.dumps(layer))
    assert torch.equal(other.rows(), layer.rows())
    assert (other.path, other.layer, other.snapshot) == (tmp_path / "a.h5", "1", None)


def test_texts_and_fields_are_kept_by_input(model, tmp_path):
    x = torch.randn(30, 6)
    names = [f"n{i}" * (i % 5 + 1) for i in range(30)]
    batches = [
        {"input": x[i : i + 10], "label": names[i : i + 10], "age": torch.arange(i, i + 10) / 2}
        for i in (0, 10, 20)
    ]
    store = record(model, batches, "2", tmp_path / "a.h5", fields={"age": "age"})
    assert store.labels.tolist() == names
    assert store.fields["age"].tolist() == [i / 2 for i in range(30)]
    assert next(store["2"].blocks()).label.tolist() == names
    assert store["2"].label.tolist() == names


def test_room_that_was_misjudged_is_made_good(model, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "FIRST_ROOM", 1000)
    draw = torch.Generator().manual_seed(0)
    x = [torch.randn(n, 6, generator=draw) for n in (3, 3000, 1, 2500, 7000)]
    live = [b for _, b in hooks.stream(model, iter(x), "2")]
    for target in ("a.h5", "a.store"):
        store = record(model, iter(x), "2", tmp_path / target)
        same_blocks(live, list(store["2"].blocks()))
    assert len(hooks.ActivationStore(tmp_path / "a.store").files) > 1
    assert store["2"].block_offsets[-1] == 12504


def test_nothing_is_there_until_all_of_it_is(model, loader, tmp_path):
    path = tmp_path / "a.h5"
    with hooks.Recorder(path) as recorder:
        for _ in recorder.stream(model, loader, "1"):
            assert not path.exists()
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m, x, p: record(m, [], "1", p), hooks.CaptureError, "gave no batch"),
        (lambda m, x, p: record(m, x, "7", p), hooks.LayerNotFoundError, "no layer is called"),
        (lambda m, x, p: record(m, [torch.ones(2, 9)], "1", p), hooks.CaptureError, "could not"),
        (lambda m, x, p: record(m, x, "1", p, provenance={"a": p}), hooks.StoreError, "plain"),
        (
            lambda m, x, p: record(m, x, "1", p, snapshot="a", attrs={"order": 1}),
            hooks.StoreError,
            "'order'",
        ),
        (
            lambda m, x, p: record(m, x, "1", p, snapshot="a", attrs={"b": p}),
            hooks.StoreError,
            "'b' is",
        ),
        (lambda m, x, p: record(m, x, "1", p.with_suffix(".txt")), hooks.StoreError, "NAME.h5"),
        (lambda m, x, p: record(m, x, "1", p / "deep" / "a.h5"), hooks.StoreError, "no folder"),
    ],
)
def test_a_mistake_leaves_nothing(model, loader, tmp_path, call, error, message):
    with pytest.raises(error, match=message):
        call(model, loader, tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_recorder_says_so(tmp_path):
    with (
        pytest.raises(hooks.StoreError, match="nothing was captured"),
        hooks.Recorder(tmp_path / "a.h5"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_replaced_only_when_asked(model, loader, tmp_path):
    for target in ("a.h5", "a.store"):
        path = tmp_path / target
        record(model, loader, "1", path)
        with pytest.raises(
            hooks.StoreError, match="exists: choose another path, or overwrite=True"
        ):
            record(model, loader, "2", path)
        assert hooks.ActivationStore(path).layers == ["1"]
        assert record(model, loader, "2", path, overwrite=True).layers == ["2"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "a.store"]


def test_a_disk_without_room_is_refused_with_both_numbers(model, loader, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "free_bytes", lambda folder: 100_000)
    with pytest.raises(hooks.StoreError, match=r"needs 0\.000 GB but .* has 0\.000 GB free"):
        record(model, loader, "1", tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_newer_version_names_what_reads_it(model, loader, tmp_path):
    path = tmp_path / "a.h5"
    record(model, loader, "1", path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 9
        file.attrs["written_by"] = "7.2"
    with pytest.raises(hooks.StoreError, match=r"version 9.*written by privileged-planes 7\.2"):
        hooks.ActivationStore(path)


def test_compressed_rows_are_read_through_hdf5(model, loader, tmp_path):
    path = tmp_path / "a.h5"
    layer = record(model, loader, "1", path)["1"]
    whole = layer.rows().clone()
    with h5py.File(path, "r+") as file:
        group = file["/layers/1"]
        rows = group["rows"][:]
        del group["rows"]
        group.create_dataset("rows", data=rows, chunks=(500, 5), compression="gzip")
    other = hooks.ActivationStore(path)["1"]
    assert torch.equal(other.rows(), whole)
    assert torch.equal(other.block(1).rows, whole[2048:4096])


def test_paths_that_are_no_store(tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "empty.store").mkdir()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    for name, message in (
        ("none.h5", "there is no store at"),
        ("text.h5", "cannot be opened as HDF5"),
        ("empty.store", "a folder without .h5 files"),
        ("other.h5", "HDF5 but not an activation store"),
    ):
        with pytest.raises(hooks.StoreError, match=message):
            hooks.ActivationStore(tmp_path / name)


def test_a_full_disk_keeps_what_was_committed(model, loader, tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    monkeypatch.setattr(writer, "COMMIT_SECONDS", 0)
    real, calls = files.os.pwrite, []

    def limited(descriptor, data, offset):
        calls.append(len(data))
        if len(calls) > 40:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(files.os, "pwrite", limited)
    with pytest.raises(
        hooks.StoreError, match="is full: make room and go on with resume=True"
    ) as caught:
        record(model, loader, "*", path)
    assert "what was captured so far is at" in caught.value.__notes__[0]
    monkeypatch.setattr(files.os, "pwrite", real)
    assert not path.exists()
    with pytest.raises(hooks.IncompleteStoreError, match="an unfinished capture at"):
        hooks.ActivationStore(path)
    left = hooks.ActivationStore(tmp_path / "a.h5.partial", incomplete=True)
    rows = sum(len(left[name]) for name in left.layers)
    assert rows > 0
    store = record(model, loader, "*", path, resume=True)
    live = list(hooks.stream(model, loader, "*"))
    for name in store.layers:
        same_blocks([b for n, b in live if n == name], list(store[name].blocks()))
