"""Recover, merge and verify, from Python and from the command line."""

from __future__ import annotations

import shutil
import subprocess

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from interrupted import X, Y, interrupt, loader, network, record
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hooks
from hooks import writer
from hooks.cli import store as command


@pytest.fixture
def model():
    return network()


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_recover_keeps_the_committed_rows(model, tmp_path, target):
    whole = record(model, loader(), "*", tmp_path / "whole.h5")
    path = tmp_path / target
    interrupt(model, path)
    store = hooks.recover(path)
    assert not store.complete
    assert len(store["0"]) == 4096
    assert torch.equal(store["0"].rows(), whole["0"].rows(0, 4096))
    assert store.samples.tolist() == list(range(5500))
    with pytest.raises(hooks.IncompleteStoreError, match="did not end cleanly; 12288 rows"):
        hooks.ActivationStore(path)
    assert hooks.verify(path).notes == [f"{path}: the capture did not end cleanly"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([target, "whole.h5"])
    with pytest.raises(hooks.StoreError, match="no unfinished capture"):
        hooks.recover(path)


def test_recover_can_take_what_is_there_for_the_whole(model, tmp_path):
    path = tmp_path / "a.h5"
    interrupt(model, path)
    assert hooks.recover(tmp_path / "a.h5.partial", accept=True).complete
    assert len(hooks.ActivationStore(path)["0"]) == 4096


def test_merge_joins_inputs_layers_and_snapshots(model, tmp_path):
    first = [(X[:3000], Y[:3000])]
    data = hooks.indexed(TensorDataset(X, Y))
    later = DataLoader(data, 500, sampler=range(2000, 9000))
    a = record(model, first, ["0"], tmp_path / "a.h5")
    b = record(model, later, ["0"], tmp_path / "b.h5")
    c = record(model, first, ["2"], tmp_path / "c.h5", snapshot="end")
    paths = [a.path, b.path, c.path]
    with pytest.raises(hooks.StoreError, match=r"id 2000.*overlap='drop'"):
        hooks.merge(paths, tmp_path / "m.h5")
    dropped = hooks.merge(paths, tmp_path / "m.h5", overlap="drop")
    assert dropped["0"].sample.tolist() == list(range(9000))
    with torch.no_grad():
        assert torch.allclose(dropped["0"].rows(), model[0](X), atol=1e-5)
    assert dropped.labels.tolist() == Y.tolist()
    assert set(dropped.keys) == {(None, "0"), ("end", "2")}
    assert hooks.verify(dropped.path).ok
    renumbered = hooks.merge(paths[:2], tmp_path / "n.h5", overlap="renumber")
    assert len(renumbered["0"]) == 10000
    assert len(np.unique(renumbered["0"].sample)) == 10000
    with pytest.raises(hooks.StoreError, match="exists: merge into another path"):
        hooks.merge(paths, tmp_path / "m.h5")


def test_merge_refuses_another_network(model, tmp_path):
    record(model, [(X[:30], Y[:30])], ["0"], tmp_path / "a.h5")
    other = nn.Sequential(nn.Linear(6, 5))
    record(other, [(X[:30], Y[:30])], ["0"], tmp_path / "b.h5")
    record(nn.Sequential(nn.Linear(6, 4)), [(X[:30], Y[:30])], ["0"], tmp_path / "c.h5")
    for name, message in (("b.h5", "other weights"), ("c.h5", "has width 4")):
        with pytest.raises(hooks.StoreError, match=message):
            hooks.merge([tmp_path / "a.h5", tmp_path / name], tmp_path / "m.h5", overlap="renumber")
    assert not (tmp_path / "m.h5").exists()


def offset_of(path, name):
    with h5py.File(path) as file:
        return file[name].id.get_offset(), file[name].nbytes


@pytest.mark.parametrize("name", ["rows", "sample", "checksum"])
def test_a_flipped_bit_is_found_and_not_read(model, tmp_path, name):
    path = tmp_path / "a.h5"
    record(model, loader(), ["0"], path)
    start, size = offset_of(path, f"/layers/0/{name}")
    data = bytearray(path.read_bytes())
    data[start + size // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(hooks.StoreError, match=r"layer '0' are not what was written \(checksum\)"):
        list(hooks.ActivationStore(path)["0"].blocks())
    assert "checksum" in hooks.verify(path).problems[0]


def test_a_missing_or_foreign_shard_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "FIRST_ROOM", 1000)
    path = tmp_path / "a.store"
    store = record(model, (batch for batch in loader()), ["0"], path)
    assert len(store.files) > 2
    kept = store.files[1].rename(tmp_path / "kept")
    with pytest.raises(hooks.StoreError, match=r"must have shards 0 to \d+, '1' missing"):
        hooks.ActivationStore(path)
    assert not hooks.verify(path).ok
    shutil.copy(store.files[0], store.files[1])
    with pytest.raises(hooks.StoreError, match="missing or doubled"):
        hooks.ActivationStore(path)
    other = record(model, loader(), ["0"], tmp_path / "b.h5")
    shutil.copy(other.path, store.files[1])
    with pytest.raises(hooks.StoreError, match="mixes files of 2 stores"):
        hooks.ActivationStore(path)
    kept.rename(store.files[1])
    assert len(hooks.ActivationStore(path)["0"]) == 9000


def test_a_diverged_network_is_noted(tmp_path):
    x = torch.ones(10, 3)
    x[4, 1] = torch.nan
    record(nn.Identity(), [x], "", tmp_path / "a.h5")
    assert hooks.verify(tmp_path / "a.h5").notes[0].endswith("has 1 rows that are not finite")


def run(*args):
    return CliRunner().invoke(command, [str(a) for a in args])


def test_the_command_line(model, tmp_path):
    path = tmp_path / "a.h5"
    record(model, loader(), ["0"], path, snapshot="end", attrs={"epoch": 3}, provenance={"run": 1})
    shown = run("info", path)
    assert shown.exit_code == 0
    for text in (
        "complete",
        "inputs     9000",
        "end  epoch=3",
        "'0' at end: 9000 × 5 float32",
        '"run": 1',
    ):
        assert text in shown.output
    assert run("verify", path).output == f"{path}: 5 blocks, 9000 rows as they were written\n"
    assert run("merge", path, "-o", tmp_path / "m.h5").exit_code == 0
    broken = tmp_path / "b.h5"
    interrupt(model, broken)
    assert run("info", broken).exit_code == 2
    assert run("recover", broken).exit_code == 1
    assert run("info", broken).exit_code == 1
    assert run("verify", broken).exit_code == 1
    broken.write_bytes(broken.read_bytes()[:5000])
    for name in ("info", "verify"):
        done = run(name, broken)
        assert done.exit_code == 2
        assert str(broken) in done.output
        assert "Traceback" not in done.output
    assert run("recover", tmp_path / "none.h5").exit_code == 2
    assert run("merge", path).exit_code == 2
    for name in ("", "info", "verify", "recover", "merge"):
        helped = run(*filter(None, [name]), "--help")
        assert helped.exit_code == 0
        assert "Example" in helped.output


def test_a_file_that_hangs_the_reader_is_given_up(model, tmp_path, monkeypatch):
    def hang(*args, timeout, **options):
        raise subprocess.TimeoutExpired("x", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "did not come back in 3 s" in hooks.verify(tmp_path / "a.h5", timeout=3).problems[0]
