"""A bit that flips anywhere in a finished file: found, or without effect; never other numbers."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from dataclasses import asdict

import pytest
import torch
from torch import nn

import hooks


def written(path):
    draw = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    x = [(torch.randn(30, 5, 3, generator=draw), [f"class {i % 3}" for i in range(30)])] * 2
    options = {"fields": {"weight": lambda batch: batch[0][:, 0, 0].double()}}
    with hooks.Recorder(path, provenance={"run": 7}) as recorder:
        recorder.record(model, x, ["0", "1"], **options)
        recorder.record(model, x, "1", snapshot="end", attrs={"epoch": 3, "loss": 0.5}, **options)
    return path


def content(path):
    """Everything that a store gives, in a form that can be compared."""
    store = hooks.ActivationStore(path)
    layers = {}
    for snapshot, name in store.keys:
        layer = store[name, snapshot]
        blocks = [
            (b.rows.numpy().tobytes(), b.sample.tobytes(), b.position.tobytes(), b.label.tolist())
            for b in layer.blocks()
        ]
        layers[snapshot, name] = blocks, layer.block_offsets.tolist(), asdict(layer.spec)
    fields = {name: values.tolist() for name, values in store.fields.items()}
    return layers, fields, store.samples.tolist(), repr(store.snapshots), store.provenance


def outcome(path, wanted):
    try:
        found = content(path)
    except hooks.HooksError:
        return "refused"
    return "unchanged" if found == wanted else "changed"


def run(path, good, flips, wanted, log):
    """Read the file once for each flip, in a process that HDF5 may take with it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with open(log, "w") as lines:
                for place, bit in flips:
                    signal.alarm(20)
                    data = bytearray(good)
                    data[place] ^= 1 << bit
                    path.write_bytes(data)
                    lines.write(f"{outcome(path, wanted)} {place} {bit}\n")
                    lines.flush()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("some", [150, pytest.param(3000, marks=pytest.mark.soak)])
def test_a_flipped_bit_anywhere_is_found_or_without_effect(
    tmp_path, record_testsuite_property, some
):
    path = written(tmp_path / "a.h5")
    good, wanted = path.read_bytes(), content(path)
    draw = random.Random(0)
    # most of a file of this size is padding: take what has been written, and some of that too
    places = [i for i, byte in enumerate(good) if byte] + draw.sample(range(len(good)), 2000)
    draw.shuffle(places)
    flips = [(place, draw.randrange(8)) for place in places[:some]]
    count: Counter[str] = Counter()
    left = flips
    while left:
        status = run(path, good, left, wanted, tmp_path / "log")
        ended = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
        count.update(ended)
        left = left[len(ended) :]
        if status:
            # HDF5 crashed or did not come back: nothing was read as data
            assert os.WIFSIGNALED(status), left[0]
            count["inside HDF5"] += 1
            left = left[1:]
    record_testsuite_property("flips", dict(count))
    assert count["changed"] == 0
    assert count["inside HDF5"] <= 2 + len(flips) // 1000
    assert count["refused"] > len(flips) // 2
    assert count["unchanged"] > 0
