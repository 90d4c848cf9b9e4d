"""What overwrite=True replaces: a store of that name, and nothing else."""

from __future__ import annotations

import os

import pytest
from interrupted import X, Y, network, record

import hooks

DATA = [(X[:30], Y[:30])]


@pytest.fixture
def model():
    return network()


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_neighbours_of_a_store_are_left_alone(model, tmp_path, target):
    path, other = tmp_path / target, tmp_path / f"{target}.old"
    other.mkdir()
    (other / "precious.txt").write_text("mine")
    record(model, DATA, "0", path)
    assert record(model, DATA, "2", path, overwrite=True).layers == ["2"]
    assert (other / "precious.txt").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == [target, other.name]


@pytest.mark.parametrize("name", ["precious.txt", "precious.h5", "p0000-000000.h5/x", "replaced/x"])
def test_a_folder_with_anything_else_is_not_replaced(model, tmp_path, name):
    path = tmp_path / "a.store"
    record(model, DATA, "0", path)
    (path / "p0000-000000.h5").rename(path / "p0000-000001.h5")
    stranger = path / name
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text("mine")
    with pytest.raises(hooks.StoreError, match=r"a\.store holds .*did not write.*move it away"):
        record(model, DATA, "2", path, overwrite=True)
    assert stranger.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.store"]


def test_what_comes_in_during_the_capture_is_not_removed(model, tmp_path):
    path = tmp_path / "a.store"
    record(model, DATA, "0", path)

    def late():
        yield from DATA
        (path / "late.txt").write_text("mine")

    with pytest.raises(hooks.StoreError, match=r"holds 'late\.txt'"):
        record(model, late(), "2", path, overwrite=True)
    (path / "late.txt").rename(tmp_path / "late.txt")
    assert hooks.ActivationStore(path).layers == ["0"]
    assert record(model, DATA, "2", path, overwrite=True).layers == ["2"]


def test_a_file_and_a_folder_do_not_replace_each_other(model, tmp_path):
    (tmp_path / "a.h5").mkdir()
    (tmp_path / "a.store").write_text("mine")
    for name, kind in (("a.h5", "folder"), ("a.store", "file")):
        with pytest.raises(hooks.StoreError, match=f"is a {kind}, which a store of that name"):
            record(model, DATA, "0", tmp_path / name, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "a.store"]


def test_a_link_to_a_store_is_replaced_and_not_followed(model, tmp_path):
    record(model, DATA, "0", tmp_path / "real.store")
    (tmp_path / "a.store").symlink_to("real.store")
    assert record(model, DATA, "2", tmp_path / "a.store", overwrite=True).layers == ["2"]
    assert hooks.ActivationStore(tmp_path / "real.store").layers == ["0"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_crash_while_a_folder_is_replaced_loses_neither(model, tmp_path, monkeypatch, renames):
    path, partial = tmp_path / "a.store", tmp_path / "a.store.partial"
    record(model, DATA, "0", path)
    real, done = os.replace, []

    def crash(source, target):
        if str(path) in (str(source), str(target)):
            if len(done) == renames:
                raise KeyboardInterrupt
            done.append(source)
        real(source, target)

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        patch.setattr("hooks.settling.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            record(model, DATA, "2", path, overwrite=True)
    if renames == 2:
        assert hooks.ActivationStore(path).layers == ["2"]
    else:
        old = path if renames == 0 else partial / "replaced"
        assert hooks.ActivationStore(old).layers == ["0"]
        options = {"overwrite": True} if renames == 0 else {"resume": True}
        assert record(model, DATA, "2", path, **options).layers == ["2"]
    # whatever was left over is ours, and goes with the next one
    assert record(model, DATA, "1", path, overwrite=True).layers == ["1"]
    assert [p.name for p in path.iterdir()] == ["p0000-000000.h5"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.store"]
