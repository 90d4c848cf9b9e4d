"""Crashes at every write, kills, full disks: nothing is lost, nothing broken looks whole.

The long ones are marked ``soak``. What was tried and how it ended is in the report of
``python -m pytest -m soak tests/test_hooks_faults.py --junitxml=faults.xml``, as properties.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter

import crashes
import pytest
import torch
from torch import nn

import hooks
from hooks import files, writer


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def batches(sizes, tokens=False):
    draw = torch.Generator().manual_seed(1)
    for size in sizes:
        shape = (size, 7, 3) if tokens else (size, 3)
        yield torch.randn(shape, generator=draw), torch.arange(size)


def one_file(path, **options):
    """Rows that are counted beforehand: a single file, renamed."""
    x = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*next(batches([7000]))), batch_size=1000
    )
    return hooks.record(network(), x, ["0", "2"], path, progress=False, **options)


def several():
    return batches([500, 400, 300, 400], tokens=True)


def several_files(path, **options):
    """A loader without a length: one file after the other, joined at the end."""
    return hooks.record(network(), several(), ["0", "2"], path, progress=False, **options)


def snapshots(path, **options):
    """Three snapshots, each in a file of its own."""
    with hooks.Recorder(path, **options) as recorder:
        for number in range(3):
            model = network()
            with torch.no_grad():
                model[0].weight.add_(number)
            made = list(batches([1500, 1500]))
            recorder.record(model, made, "1", snapshot=f"s{number}", attrs={"epoch": number})
    return hooks.ActivationStore(path)


def shares(path, **options):
    """Two processes, one after the other, writing one folder."""
    for number in range(2):
        if not (path.exists() and options.get("resume")):
            with hooks.Recorder(path, share=(number, 2), **options) as recorder:
                recorder.record(network(), [next(batches([2500]))] * 2, "0")
    return hooks.ActivationStore(path)


def interrupted(path):
    with hooks.Recorder(path) as recorder:
        for count, _ in enumerate(recorder.stream(network(), several(), ["0", "2"])):
            if count == 4:
                raise KeyboardInterrupt


def gone_on_with(path, **options):
    """Interrupted, recovered, and gone on with: what a recovered store becomes."""
    if not options.get("resume"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(path)
    partial = path.with_name(path.name + ".partial")
    if partial.exists() and not path.exists() and any(partial.glob("*.h5")):
        hooks.recover(path)
    return hooks.record(network(), several(), ["0", "2"], path, progress=False, resume=True)


SCENARIOS = {
    "one file": (one_file, "a.h5"),
    "several files": (several_files, "a.h5"),
    "shards": (several_files, "a.store"),
    "snapshots": (snapshots, "a.h5"),
    "two processes": (shares, "a.store"),
    "recovered file": (gone_on_with, "a.h5"),
    "recovered folder": (gone_on_with, "a.store"),
}


@pytest.fixture(autouse=True)
def eager_commits(monkeypatch):
    monkeypatch.setattr(writer, "COMMIT_SECONDS", 0)
    monkeypatch.setattr(writer, "FIRST_ROOM", 120_000)


def content(store):
    return {key: store[key[1], key[0]].rows() for key in store.keys}


def check_state(folder, target, whole, floor):
    """Raise if a state of the disk breaks a promise; return the rows that it has."""
    path = folder / target
    try:
        found = content(hooks.ActivationStore(path))
    except hooks.StoreError:
        found = None
    if found is not None:
        assert found.keys() == whole.keys()
        assert all(torch.equal(found[key], whole[key]) for key in whole)
        return {key: len(rows) for key, rows in whole.items()}
    rows: dict[tuple[str | None, str], int] = {}
    # a recovered store stands at its name, unfinished, before its partial folder is emptied
    for place in (path, folder / f"{target}.partial"):
        if place.is_file() or any(place.glob("*.h5")):
            found = content(hooks.ActivationStore(place, incomplete=True))
            for key, stored in found.items():
                assert torch.equal(stored, whole[key][: len(stored)]), key
                rows[key] = max(rows.get(key, 0), len(stored))
    for key, least in floor.items():
        assert rows.get(key, 0) >= least, (key, rows, floor)
    return rows


@pytest.mark.parametrize(
    ("name", "resumed_at"),
    [
        *((name, 40 if name != "snapshots" else 80) for name in list(SCENARIOS)[:5]),
        ("recovered file", 150),
        *(pytest.param(name, 1, marks=pytest.mark.soak) for name in SCENARIOS),
    ],
)
def test_a_crash_at_any_write_loses_nothing(tmp_path, record_testsuite_property, name, resumed_at):
    capture, target = SCENARIOS[name]
    real, replayed, log = tmp_path / "real", tmp_path / "replayed", []
    real.mkdir()
    replayed.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        crashes.record_calls(patch, log)
        whole = content(capture(real / target))
    disk, floor, count = crashes.Disk(real, replayed), {}, Counter()
    for number, call in enumerate(crashes.torn(log), start=1):
        disk.apply(call)
        count["prefixes"] += 1
        # a draft is not looked at before it has its name: a look now and then will do
        if call[0] != "write" or call[1].suffix == ".h5" or number % 20 == 0:
            floor = check_state(replayed, target, whole, floor)
            ended = all(floor.get(key, 0) == len(rows) for key, rows in whole.items())
            count["looked at"] += 1
            count["whole" if ended else "unfinished" if floor else "nothing yet"] += 1
        if number % resumed_at == 0 and not is_finished(replayed / target):
            count["gone on with"] += 1
            again = tmp_path / "again"
            shutil.copytree(replayed, again)
            found = content(capture(again / target, resume=True))
            assert all(torch.equal(found[key], whole[key]) for key in whole)
            assert [p.name for p in again.iterdir()] == [target]
            shutil.rmtree(again)
    record_testsuite_property(f"crash, {name}", dict(count))
    assert count["prefixes"] > 100
    assert count["gone on with"] > 2
    assert [p.name for p in replayed.iterdir()] == [target]
    assert floor == {key: len(rows) for key, rows in whole.items()}


def is_finished(path):
    try:
        return hooks.ActivationStore(path).complete
    except hooks.StoreError:
        return False


def in_a_process(path):
    """Begin a capture in a process of its own; return its number."""
    child = os.fork()
    if child == 0:
        try:
            several_files(path)
        finally:
            os._exit(0)
    return child


def kill_once(folder, whole, seconds):
    """Kill a capturing process after some time, then go on where it was; return what it left."""
    path = folder / "a.h5"
    child = in_a_process(path)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    left = "whole"
    if not path.exists():
        rows = check_state(folder, "a.h5", whole, {})
        left = "unfinished" if any(rows.values()) else "nothing yet"
        several_files(path, resume=(folder / "a.h5.partial").exists())
    found = content(hooks.ActivationStore(path))
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[key], whole[key]) for key in found)
    assert hooks.verify(path).ok
    return left


@pytest.mark.parametrize("kills", [8, pytest.param(100, marks=pytest.mark.soak)])
def test_a_killed_process_loses_nothing(tmp_path, record_testsuite_property, kills):
    whole = content(several_files(tmp_path / "whole.h5"))
    began = time.monotonic()
    os.waitpid(in_a_process(tmp_path / "timed.h5"), 0)
    # spread over all of its time, however busy the machine is
    taken = time.monotonic() - began
    draw = random.Random(0)
    count: Counter[str] = Counter()
    for number in range(kills):
        folder = tmp_path / f"kill{number}"
        folder.mkdir()
        count[kill_once(folder, whole, taken * draw.uniform(0, 1.1))] += 1
        shutil.rmtree(folder)
    record_testsuite_property("killed", dict(count))
    assert count.total() == kills
    assert count["whole"] < kills


def test_a_second_process_at_one_path_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with hooks.Recorder(path) as recorder:
        recorder.record(network(), several(), "0")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                one_file(path, overwrite=True)
            except hooks.StoreError as problem:
                code = 0 if f"process {os.getppid()}" in str(problem) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert hooks.ActivationStore(path)["0"].shape == (11200, 4)
    assert hooks.verify(path).ok


@pytest.mark.parametrize("kind", ["pwrite", "fsync", "replace"])
def test_a_disk_that_fails_at_any_call_loses_nothing(tmp_path, record_testsuite_property, kind):
    whole = content(several_files(tmp_path / "whole.h5"))
    real = getattr(os, kind)
    failing_at, failures = 0, 0
    while True:
        failing_at += 1
        folder = tmp_path / "try"
        folder.mkdir()
        calls = 0

        def fails(*args, limit=failing_at):
            nonlocal calls
            calls += 1
            if calls >= limit:
                raise OSError(28, os.strerror(28))
            return real(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files.os, kind, fails)
            try:
                several_files(folder / "a.h5")
                ended = True
            except (hooks.StoreError, OSError) as problem:
                ended, message = False, str(problem)
        if ended:
            break
        failures += 1
        assert "full" in message or "No space" in message
        if not (folder / "a.h5").exists():
            check_state(folder, "a.h5", whole, {})
            there = (folder / "a.h5.partial").exists()
            several_files(folder / "a.h5", resume=there)
        found = content(hooks.ActivationStore(folder / "a.h5"))
        assert all(torch.equal(found[key], whole[key]) for key in whole)
        shutil.rmtree(folder)
        failing_at += {"pwrite": 9, "fsync": 4, "replace": 0}[kind]
    record_testsuite_property(f"failing {kind}", failures)
    assert failures > 2


def test_a_disk_that_fills_while_hdf5_writes(tmp_path):
    resource = pytest.importorskip("resource")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
            one_file(tmp_path / "a.h5")
        except hooks.StoreError as problem:
            code = 0 if "full" in str(problem) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not (tmp_path / "a.h5").exists()
    assert len(one_file(tmp_path / "a.h5", overwrite=True)["0"]) == 7000


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_really_full(small_disk, tmp_path):
    whole = content(several_files(tmp_path / "whole.h5"))
    path = small_disk / "a.h5"
    with pytest.raises(hooks.StoreError, match=r"is full: make room and go on with resume=True"):
        several_files(path)
    rows = check_state(small_disk, "a.h5", whole, {})
    assert sum(rows.values()) > 0
    # more room: the disk's files are brought to a larger one
    larger = tmp_path / "larger"
    shutil.copytree(small_disk, larger)
    found = content(several_files(larger / "a.h5", resume=True))
    assert all(torch.equal(found[key], whole[key]) for key in whole)


@pytest.mark.parametrize("target", ["a.h5", "a.store"])
def test_a_file_cut_anywhere_is_refused(tmp_path, target):
    path = tmp_path / target
    file = several_files(path).files[-1]
    data = file.read_bytes()
    for size in [
        0,
        1,
        8,
        100,
        1000,
        *range(2000, len(data), max(1, len(data) // 40)),
        len(data) - 1,
    ]:
        file.write_bytes(data[:size])
        with pytest.raises(hooks.StoreError, match=r"cut off|damaged|cannot be opened"):
            hooks.ActivationStore(path)
    file.write_bytes(data)
    assert hooks.verify(path).ok
