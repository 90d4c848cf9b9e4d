"""Interrupted captures: go on, keep what is there, join, check."""

from __future__ import annotations

import os

import pytest
import torch
from interrupted import Breaks, X, Y, interrupt, loader, network, record, same
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hooks
from hooks import settling


@pytest.fixture
def model():
    return network()


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
@pytest.mark.parametrize("stop", [1, 5, 11, 17])
def test_a_resumed_store_is_the_uninterrupted_one(model, tmp_path, target, stop):
    whole = record(model, loader(), "*", tmp_path / "whole.h5")
    path = tmp_path / target
    interrupt(model, path, stop)
    same(record(model, loader(), "*", path, resume=True), whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([target, "whole.h5"])


def test_an_interrupted_store_can_be_interrupted_again(model, tmp_path):
    whole = record(model, loader(), "*", tmp_path / "whole.h5")
    path = tmp_path / "a.h5"
    interrupt(model, path, 6)
    interrupt(model, path, 12, resume=True)
    interrupt(model, path, 12, resume=True)
    same(record(model, loader(), "*", path, resume=True), whole)


class Counting(nn.Module):
    runs = 0

    def forward(self, x):
        type(self).runs += 1
        return x


def test_what_is_there_is_not_run_again(model, tmp_path):
    model = nn.Sequential(model, Counting())
    interrupt(model, tmp_path / "a.h5", 11, ["1"])
    Counting.runs = 0
    record(model, loader(), ["1"], tmp_path / "a.h5", resume=True)
    # 5500 inputs had come, 4096 of them in committed blocks: batches 8 to 17 are left
    assert Counting.runs == 10


def test_snapshots_that_are_there_are_not_captured_again(model, tmp_path):
    path = tmp_path / "run.h5"

    def run(keys, stop=None, **options):
        with hooks.Recorder(path, **options) as recorder:
            for number, key in enumerate(keys):
                with torch.no_grad():
                    model[0].weight.fill_(number)
                batches = loader(stop if number == len(keys) - 1 else None)
                recorder.record(model, batches, ["0"], snapshot=key, attrs={"epoch": number})

    with pytest.raises(KeyboardInterrupt):
        run(["a", "b", "c"], stop=9)
    left = hooks.ActivationStore(tmp_path / "run.h5.partial", incomplete=True)
    assert list(left.snapshots) == ["a", "b", "c"]
    assert len(left["0", "b"]) == 9000
    run(["a", "b", "c", "d"], resume=True)
    store = hooks.ActivationStore(path)
    assert list(store.snapshots) == ["a", "b", "c", "d"]
    assert all(len(store["0", key]) == 9000 for key in "abcd")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: {"model": nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))},
            "weights",
        ),
        (lambda m: {"layers": ["0", "1"]}, "other layers"),
        (lambda m: {"rule": hooks.RowRule(seed=4)}, "rule"),
        (lambda m: {"dtype": "float64"}, "dtype"),
        (lambda m: {"eval_mode": False}, "eval_mode"),
        (
            lambda m: {"loader": DataLoader(TensorDataset(X[:8000], Y[:8000]), 500)},
            "data: .*9000.* then, .*8000.* now",
        ),
        (lambda m: {"loader": DataLoader(TensorDataset(X + 1, Y), 500)}, "data"),
    ],
)
def test_another_capture_is_refused_with_what_differs(model, tmp_path, change, message):
    path = tmp_path / "a.h5"
    interrupt(model, path)
    options = {"model": model, "loader": loader(), "layers": "*", **change(model)}
    with pytest.raises(hooks.StoreError, match=message):
        record(
            options.pop("model"),
            options.pop("loader"),
            options.pop("layers"),
            path,
            resume=True,
            **options,
        )
    assert not path.exists()
    same_again = record(model, loader(), "*", path, resume=True)
    assert len(same_again["0"]) == 9000


def test_a_shuffled_capture_goes_on_by_index_or_not_at_all(model, tmp_path):
    for wrap in (lambda d: d, hooks.indexed):
        path = tmp_path / f"{wrap.__name__.strip('<>')}.h5"
        with pytest.raises(KeyboardInterrupt):
            record(model, Breaks(loader(shuffle=True, wrap=wrap), 11), ["0"], path)
        if wrap is hooks.indexed:
            store = record(model, loader(shuffle=True, wrap=wrap), ["0"], path, resume=True)
            assert sorted(store["0"].sample) == list(range(9000))
            with torch.no_grad():
                assert torch.allclose(store["0"].rows(), model[0](X)[store["0"].sample], atol=1e-5)
            assert (store["0"].label == Y.numpy()[store["0"].sample]).all()
        else:
            with pytest.raises(hooks.StoreError, match="resumed from a shuffling loader"):
                record(model, loader(shuffle=True), ["0"], path, resume=True)


def test_an_unfinished_capture_is_in_the_way_until_told(model, tmp_path):
    path = tmp_path / "a.h5"
    interrupt(model, path)
    with pytest.raises(hooks.StoreError, match="go on with resume=True, keep what it has"):
        record(model, loader(), "*", path)
    assert record(model, loader(), ["0"], path, overwrite=True).layers == ["0"]


def test_a_stream_that_is_left_early_makes_no_store(model, tmp_path):
    path = tmp_path / "a.h5"
    with (
        pytest.raises(hooks.StoreError, match="was left before its end"),
        hooks.Recorder(path) as r,
    ):
        next(r.stream(model, loader(), "0"))
    assert not path.exists()


def test_two_writers_at_one_path(model, tmp_path):
    path = tmp_path / "a.h5"
    with hooks.Recorder(path) as recorder:
        recorder.record(model, loader(), "0")
        for options in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(hooks.StoreError, match=f"another recorder .process {os.getpid()}"):
                record(model, loader(), "0", path, **options)
        with pytest.raises(hooks.StoreError, match="another recorder"):
            hooks.recover(path)
    assert len(hooks.ActivationStore(path)["0"]) == 9000


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_a_recovered_store_can_be_gone_on_with(model, tmp_path, target):
    whole = record(model, loader(), "*", tmp_path / "whole.h5")
    path = tmp_path / target
    interrupt(model, path)
    assert not hooks.recover(path).complete
    with pytest.raises(hooks.IncompleteStoreError, match="go on with the capture, resume=True"):
        hooks.ActivationStore(path)
    with pytest.raises(hooks.StoreError, match="exists: choose another path"):
        record(model, loader(), "*", path)
    with pytest.raises(hooks.StoreError, match="weights"):
        record(nn.Sequential(*(nn.Tanh() for _ in range(3))), loader(), "*", path, resume=True)
    store = record(model, loader(), "*", path, resume=True)
    same(store, whole)
    assert store.complete
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([target, "whole.h5"])
    with pytest.raises(
        hooks.StoreError, match="exists and is finished, nothing is left to go on with"
    ):
        record(model, loader(), "*", path, resume=True)


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
@pytest.mark.parametrize("call", ["replace", "rmdir"])
def test_a_crash_while_a_recovered_store_is_taken_back_loses_nothing(
    model, tmp_path, monkeypatch, target, call
):
    whole = record(model, loader(), "*", tmp_path / "whole.h5")
    path = tmp_path / target
    interrupt(model, path)
    hooks.recover(path)

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, call, killed)
        with pytest.raises(KeyboardInterrupt):
            record(model, loader(3), "*", path, resume=True)
    same(record(model, loader(), "*", path, resume=True), whole)


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
@pytest.mark.parametrize("removed", range(4))
def test_a_crash_while_a_recovered_capture_is_cleared_away_loses_nothing(
    model, tmp_path, monkeypatch, target, removed
):
    whole = record(model, loader(), "*", tmp_path / "whole.h5")
    path = tmp_path / target
    interrupt(model, path)
    names, discard = [], settling.discard

    def killed(each):
        if len(names) == removed:
            raise KeyboardInterrupt
        names.append(each)
        discard(each)

    with monkeypatch.context() as patch:
        patch.setattr(settling, "discard", killed)
        try:
            hooks.recover(path)
        except KeyboardInterrupt:
            assert list(tmp_path.glob("*.partial"))
    assert not hooks.ActivationStore(path, incomplete=True).complete
    same(record(model, loader(), "*", path, resume=True), whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([target, "whole.h5"])


def test_what_a_cut_recovery_left_is_kept_beside_any_other_store(model, tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    interrupt(model, path, 6)
    hooks.recover(path)
    other = path.rename(tmp_path / "other.h5")
    interrupt(model, path)

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(settling, "replace", killed)  # marked, but not yet at its name
        with pytest.raises(KeyboardInterrupt):
            hooks.recover(path)
    other.rename(path)
    with pytest.raises(hooks.StoreError, match="both hold part of a capture"):
        record(model, loader(), "*", path, resume=True)


def test_two_parts_of_a_capture_are_not_mixed(model, tmp_path):
    path = tmp_path / "a.h5"
    interrupt(model, path)
    hooks.recover(path)
    kept = path.rename(tmp_path / "kept.h5")
    interrupt(model, path)
    kept.rename(path)
    with pytest.raises(hooks.StoreError, match="both hold part of a capture: move one"):
        record(model, loader(), "*", path, resume=True)


def test_several_processes_do_not_go_on_with_a_recovered_store(model, tmp_path):
    path = tmp_path / "a.store"
    interrupt(model, path)
    hooks.recover(path)
    with (
        pytest.raises(hooks.StoreError, match="exists"),
        hooks.Recorder(path, share=(0, 2), resume=True),
    ):
        pass
