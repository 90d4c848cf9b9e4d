"""An open store is the one that was opened, wherever the process goes and whatever comes after."""

from __future__ import annotations

import os
import shutil

import h5py
import pytest
import torch
from interrupted import X, Y, network, record

import hooks
from hooks import writer


@pytest.fixture
def model():
    return network()


@pytest.fixture
def elsewhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_the_working_directory_plays_no_part(model, tmp_path, elsewhere, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    record(model, [(X[:30], Y[:30])], "0", target)
    record(model, [(X[:30] + 1, Y[:30])], "0", elsewhere / target)
    store = hooks.ActivationStore(target)
    monkeypatch.chdir(elsewhere)
    with torch.no_grad():
        assert torch.allclose(store["0"].rows(), model[0](X[:30]), atol=1e-5)
    assert store["0"].path == tmp_path / target


def test_a_recorder_ends_where_it_began(model, tmp_path, elsewhere, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def moving():
        yield X[:30], Y[:30]
        os.chdir(elsewhere)

    store = record(model, moving(), "0", "a.h5")
    assert store.path == tmp_path / "a.h5"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_a_replaced_store_is_not_read_in_its_place(model, tmp_path, target):
    path = tmp_path / target
    store = record(model, [(X[:30], Y[:30])], "0", path)
    begun = record(model, [(X[:30], Y[:30])], "0", path, overwrite=True)["0"]
    first = begun.rows()
    record(model, [(X[:30] + 1, Y[:30] + 1)], "0", path, overwrite=True)
    for read in (lambda: store["0"].rows(), lambda: store["0"].sample):
        with pytest.raises(hooks.StoreError, match="was replaced or changed since it was opened"):
            read()
    # what is mapped already stays what it was
    assert torch.equal(begun.rows(), first)
    assert hooks.ActivationStore(path)["0"].label.tolist() == (Y[:30] + 1).tolist()


def test_a_file_written_over_in_place_is_refused(model, tmp_path):
    store = record(model, [(X[:30], Y[:30])], "0", tmp_path / "a.h5")
    other = record(model, [(X[:30] + 1, Y[:30] + 1)], "0", tmp_path / "b.h5")
    shutil.copyfile(other.path, store.path)
    with pytest.raises(hooks.StoreError, match="was replaced or changed since it was opened"):
        store["0"].rows()


def test_a_removed_file_is_named(model, tmp_path):
    store = record(model, [(X[:30], Y[:30])], "0", tmp_path / "a.h5")
    store.path.unlink()
    with pytest.raises(hooks.StoreError, match=r"a\.h5 was moved or removed since it was opened"):
        store["0"].rows()


def test_compressed_rows_of_a_replaced_file_are_refused(model, tmp_path):
    path = tmp_path / "a.h5"
    record(model, [(X[:30], Y[:30])], "0", path)
    with h5py.File(path, "r+") as file:
        rows = file["/layers/0/rows"][:]
        del file["/layers/0/rows"]
        file["/layers/0"].create_dataset("rows", data=rows, chunks=(10, 5), compression="gzip")
    store = hooks.ActivationStore(path)
    shutil.copyfile(path, tmp_path / "b.h5")
    os.replace(tmp_path / "b.h5", path)
    with pytest.raises(hooks.StoreError, match="was replaced or changed since it was opened"):
        store["0"].rows()


def test_a_capture_that_is_still_written_can_be_looked_at(model, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "COMMIT_SECONDS", 0)
    batches = [(X[i : i + 3000], Y[i : i + 3000]) for i in (0, 3000, 6000)]
    with hooks.Recorder(tmp_path / "a.h5") as recorder:
        blocks = recorder.stream(model, batches, "0")
        given = [next(blocks)[1], next(blocks)[1]]
        store = hooks.ActivationStore(tmp_path / "a.h5.partial", incomplete=True)
        given += [block for _, block in blocks]
        assert len(given) > 2
        assert torch.equal(store["0"].rows(), torch.cat([b.rows for b in given])[: len(store["0"])])
        assert len(store["0"]) == 4096
