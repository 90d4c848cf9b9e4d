"""Merging: only what belongs together becomes one store, and a failure leaves nothing behind."""

from __future__ import annotations

import errno

import h5py
import pytest
import torch
from interrupted import X, Y, network, record
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import hooks

FIRST = [(X[:30], Y[:30])]


@pytest.fixture
def model():
    return network()


def merged(tmp_path, *names, **options):
    return hooks.merge([tmp_path / name for name in names], tmp_path / "m.h5", **options)


@pytest.mark.parametrize("overlap", ["refuse", "drop", "renumber"])
def test_other_layers_of_another_network_are_refused(model, tmp_path, overlap):
    record(model, FIRST, "0", tmp_path / "a.h5")
    other = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    record(other, FIRST, "2", tmp_path / "b.h5")
    with pytest.raises(hooks.StoreError, match="'2' was captured from other weights"):
        merged(tmp_path, "a.h5", "b.h5", overlap=overlap)
    # a training run: another state of it, under a key of its own
    record(other, FIRST, "2", tmp_path / "c.h5", snapshot="later")
    assert set(merged(tmp_path, "a.h5", "c.h5").keys) == {(None, "0"), ("later", "2")}


def test_other_data_under_the_same_ids_are_refused(model, tmp_path):
    record(model, FIRST, "0", tmp_path / "a.h5")
    record(model, [(X[:30] + 5, Y[:30] + 1)], "2", tmp_path / "b.h5")
    with pytest.raises(hooks.StoreError, match=r"input ids that an earlier store has \(id 0\)"):
        merged(tmp_path, "a.h5", "b.h5")
    with pytest.raises(hooks.StoreError, match=r"input 0 has label 1 in .*b\.h5 but 0 before"):
        merged(tmp_path, "a.h5", "b.h5", overlap="drop")
    assert list(tmp_path.glob("m*")) == []
    store = merged(tmp_path, "a.h5", "b.h5", overlap="renumber")
    assert store["0"].label.tolist() == Y[:30].tolist()
    assert store["2"].label.tolist() == (Y[:30] + 1).tolist()


def test_shuffled_data_under_the_same_ids_contradict_each_other(model, tmp_path):
    loader = DataLoader(TensorDataset(X[:200], Y[:200]), 50, shuffle=True)
    record(model, loader, "0", tmp_path / "a.h5")
    record(model, loader, "2", tmp_path / "b.h5")
    with pytest.raises(hooks.StoreError, match=r"has label . in .*b\.h5 but . before: stores in"):
        merged(tmp_path, "a.h5", "b.h5")


def test_parts_of_one_data_set_are_joined_by_index(model, tmp_path):
    data = hooks.indexed(TensorDataset(X[:60], Y[:60]))
    record(model, DataLoader(Subset(data, range(40)), 10), "0", tmp_path / "a.h5")
    record(model, DataLoader(Subset(data, range(20, 60)), 20), "2", tmp_path / "b.h5")
    with pytest.raises(hooks.StoreError, match="overlap='drop' takes the ids for those of one"):
        merged(tmp_path, "a.h5", "b.h5")
    store = merged(tmp_path, "a.h5", "b.h5", overlap="drop")
    assert store.samples.tolist() == list(range(60))
    assert store["2"].label.tolist() == Y[20:60].tolist()


@pytest.mark.parametrize("overlap", ["refuse", "drop", "renumber"])
def test_fields_that_one_store_has_not_or_of_another_type_are_refused(model, tmp_path, overlap):
    record(model, FIRST, "0", tmp_path / "a.h5")
    record(model, FIRST, "2", tmp_path / "b.h5", labels=False)
    record(model, [(X[:30], list("x" * 30))], "2", tmp_path / "c.h5")
    with pytest.raises(hooks.StoreError, match=r"has the fields \[\], .* has \['label'\]"):
        merged(tmp_path, "a.h5", "b.h5", overlap=overlap)
    with pytest.raises(hooks.StoreError, match=r"label must be of one type .* whole .* texts"):
        merged(tmp_path, "a.h5", "c.h5", overlap=overlap)
    assert list(tmp_path.glob("m*")) == []


def test_a_lone_path_is_no_sequence(tmp_path):
    for path in (tmp_path / "a.h5", str(tmp_path / "a.h5")):
        with pytest.raises(hooks.StoreError, match=r"sequence of paths, got the path .*a\.h5"):
            hooks.merge(path, tmp_path / "m.h5")


def test_a_folder_that_is_not_there_is_named(model, tmp_path):
    record(model, FIRST, "0", tmp_path / "a.h5")
    with pytest.raises(hooks.StoreError, match=r"there is no folder .*no to write m\.h5 in"):
        hooks.merge([tmp_path / "a.h5"], tmp_path / "no" / "m.h5")


def test_a_merge_that_fails_leaves_nothing(model, tmp_path):
    record(model, FIRST, "0", tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["/layers/0/rows"][3, 2] += 1
    with pytest.raises(hooks.StoreError, match="not what was written"):
        merged(tmp_path, "a.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_full_disk_is_named_when_a_file_is_begun(model, tmp_path, monkeypatch):
    record(model, FIRST, "0", tmp_path / "a.h5")
    real = h5py.File

    def full(path, mode, **options):
        if mode == "w":
            path.touch()
            raise OSError(errno.ENOSPC, "unable to truncate a file")
        return real(path, mode, **options)

    monkeypatch.setattr(h5py, "File", full)
    with pytest.raises(hooks.StoreError, match=r"the disk of .*m\.h5\.draft\.new is full"):
        merged(tmp_path, "a.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_the_same_inputs_in_other_layers_are_joined(model, tmp_path):
    record(model, FIRST, "0", tmp_path / "a.h5")
    record(model, FIRST, "2", tmp_path / "b.h5")
    store = merged(tmp_path, "a.h5", "b.h5")
    with torch.no_grad():
        assert torch.allclose(store["2"].rows(), model(X[:30]), atol=1e-5)
    assert store["2"].label.tolist() == Y[:30].tolist()
