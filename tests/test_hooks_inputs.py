"""An id stands for one input throughout a store: labels and fields that contradict are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from interrupted import Breaks
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import hooks
from hooks import writer
from hooks.inputtable import Inputs, InputTable

X = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(200) % 7
TRAIN, TEST = [(X, Y)], [(X[:90] + 1, Y[:90] + 1)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh())


def shuffled(wrap=lambda d: d):
    draw = torch.Generator().manual_seed(1)
    return DataLoader(wrap(TensorDataset(X, Y)), 20, shuffle=True, generator=draw)


def into(path, model, *passes, **options):
    """Record passes, each (loader, layer, options), into one store."""
    with hooks.Recorder(path, **options) as recorder:
        for loader, layer, more in passes:
            recorder.record(model, loader, layer, **more)


def count_blocks(path, model, loader, counts):
    with hooks.Recorder(path) as recorder:
        for epoch in range(3):
            counts.append(0)
            for _ in recorder.stream(model, loader, "0", snapshot=f"e{epoch}"):
                counts[-1] += 1


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_a_shuffled_second_pass_is_refused_at_its_first_batch(model, tmp_path, target):
    loader, counts = shuffled(), []
    with pytest.raises(hooks.StoreError, match=r"input \d+ has label \d in this pass but \d"):
        count_blocks(tmp_path / target, model, loader, counts)
    assert counts == [1, 0]
    assert not (tmp_path / target).exists()
    # without labels there is nothing to contradict
    passes = [(loader, "0", {"snapshot": key, "labels": False}) for key in "abc"]
    into(tmp_path / target, model, *passes, overwrite=True)
    assert hooks.ActivationStore(tmp_path / target).labels is None


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_indexed_passes_in_any_order_keep_their_labels(model, tmp_path, target):
    loader, live = shuffled(hooks.indexed), {}
    with hooks.Recorder(tmp_path / target) as recorder:
        for key in ("a", "b"):
            blocks = [b for _, b in recorder.stream(model, loader, "0", snapshot=key)]
            live[key] = np.concatenate([b.label for b in blocks])
    store = hooks.ActivationStore(tmp_path / target)
    assert live["a"].tolist() != live["b"].tolist()
    for key, labels in live.items():
        assert store["0", key].label.tolist() == labels.tolist()


@pytest.mark.parametrize("other", [(TEST, "1", {}), (TEST, "0", {"snapshot": "test"})])
def test_train_and_test_data_are_not_one_store(model, tmp_path, other):
    with pytest.raises(hooks.StoreError, match="input 0 has label 1 in this pass but 0 before"):
        into(tmp_path / "a.h5", model, (TRAIN, "0", {}), other)


def test_a_contradiction_with_an_interrupted_recorder_is_refused(model, tmp_path):
    path = tmp_path / "a.h5"
    loader = DataLoader(TensorDataset(X, Y), 20)
    a, b, c = ({"snapshot": key} for key in "abc")
    with pytest.raises(KeyboardInterrupt):
        into(path, model, (loader, "0", a), (Breaks(loader, 3), "0", b))
    whole = [(loader, "0", a), (loader, "0", b)]
    with pytest.raises(hooks.StoreError, match="input 0 has label 1 in this pass but 0 before"):
        into(path, model, *whole, (TEST, "0", c), resume=True)
    into(path, model, *whole, resume=True)
    assert hooks.ActivationStore(path)["0", "b"].label.tolist() == Y.tolist()


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
@pytest.mark.parametrize("labels", [(True, False), (False, True)])
def test_a_missing_field_takes_nothing_away(model, tmp_path, target, labels):
    passes = [(TRAIN, layer, {"labels": x}) for layer, x in zip("01", labels, strict=True)]
    into(tmp_path / target, model, *passes)
    store = hooks.ActivationStore(tmp_path / target)
    assert store["0"].label.tolist() == store["1"].label.tolist() == Y.tolist()


def test_other_data_without_labels_does_not_get_the_first_ones(model, tmp_path):
    with pytest.raises(hooks.StoreError, match=r"gives the fields \[\], the store has \['label'\]"):
        into(tmp_path / "a.h5", model, (TRAIN, "0", {}), (TEST, "1", {"labels": False}))


def test_a_field_that_only_some_inputs_have_ends_no_store(model, tmp_path):
    data, path = hooks.indexed(TensorDataset(X, Y)), tmp_path / "a.h5"
    some, whole = DataLoader(Subset(data, range(90)), 30), DataLoader(data, 50)
    with pytest.raises(hooks.StoreError, match=r"some inputs of .* have no 'label', which others"):
        into(path, model, (some, "0", {}), (whole, "1", {"labels": False}))
    into(path, model, (whole, "0", {"snapshot": "all"}), resume=True)
    assert hooks.ActivationStore(path)["1"].label.tolist() == Y.tolist()


def test_a_field_of_another_type_is_refused(model, tmp_path):
    texts = [(X, [str(y) for y in Y.tolist()])]
    with pytest.raises(hooks.StoreError, match=r"label must be of one type .* whole .* texts"):
        into(tmp_path / "a.h5", model, (TRAIN, "0", {}), (texts, "1", {}))


def test_a_store_that_contradicts_itself_gives_rows_but_no_labels(model, tmp_path, monkeypatch):
    # as versions before the check wrote them
    monkeypatch.setattr(writer.InputTable, "check", lambda table, part: None)
    into(tmp_path / "a.store", model, (TRAIN, "0", {}), (TEST, "1", {}))
    monkeypatch.undo()
    store = hooks.ActivationStore(tmp_path / "a.store")
    message = r"input 0 has label 1 in .*p0000-000001\.h5 but 0 before: an id must stand for one"
    for read in (lambda: store.labels, lambda: store["1"].label, lambda: store["1"].block(0)):
        with pytest.raises(hooks.StoreError, match=message):
            read()
    assert len(store["1"].block(0, labels=False)) == 90


def test_nan_does_not_contradict_nan():
    ids = np.arange(3)
    one = Inputs("a", ids, {"age": np.array([1.0, np.nan, 3.0])})
    table = InputTable([one, Inputs("b", ids[::-1], {"age": np.array([3.0, np.nan, 1.0])})])
    assert table.ids.tolist() == [0, 1, 2]
    with pytest.raises(hooks.StoreError, match=r"input 1 has age 2\.0 in c but nan before"):
        table.check(Inputs("c", ids[1:2], {"age": np.array([2.0])}))


def test_one_hot_targets_are_labels_by_a_callable_alone():
    x, classes = torch.randn(6, 3), torch.arange(6) % 3
    batches = [(x, torch.eye(3)[classes])]
    assert next(hooks.stream(torch.nn.Identity(), batches, ""))[1].label is None
    found = hooks.stream(torch.nn.Identity(), batches, "", labels=lambda b: b[1].argmax(1))
    assert next(found)[1].label.tolist() == classes.tolist()
