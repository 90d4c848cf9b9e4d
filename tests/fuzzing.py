"""Hostile store files: a good one, changed in ways that know its structure. Run as a program.

``python fuzzing.py FOLDER FIRST CASES`` writes one line a case to FOLDER/log-FIRST: the case's
number and "good" (read as a store) or "refused" (an error of this package); anything else ends the
program. A case is the same bytes whenever and wherever it is made: ``python fuzzing.py FOLDER 4711
1`` leaves case 4711 in FOLDER/case-4711.h5.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import uuid
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import torch
from torch import nn

import hooks
from hooks.creating import set_flags

NAMES = [
    "/layers/0/rows",
    "/layers/0/committed",
    "/layers/0/block",
    "/layers/0/checksum",
    "/layers/0/sample",
    "/layers/0/position",
    "/samples/id",
    "/samples/label",
    "/samples/checksum",
    "/samples/committed",
]
GROUPS = [
    "/",
    "/layers",
    "/layers/0",
    "/samples",
    "/snapshots",
    "/snapshots/s",
    "/snapshots/s/layers",
]
DTYPES = ["i1", "i8", ">i8", "u8", "f2", "f4", ">f8", "c8", "S5", "?", "V7", "O", "enum"]
VALUES = [0, 1, -1, 2, 3, 10**12, -(2**63), 2**63 - 1, 1.5, float("nan"), "", "x" * 1000, "\udcff"]


def replace_dataset(file, draw):
    """Another type, shape, layout, or content under one of the names."""
    name = draw.choice(NAMES)
    if name in file:
        del file[name]
    shape = draw.choice([(), (0,), (1,), (5,), (40,), (40, 3), (3, 40), (2, 2, 2), None])
    dtype = draw.choice(DTYPES)
    if shape is None:
        file.create_dataset(name, data=h5py.Empty("f4"))
    elif dtype == "O":
        file.create_dataset(name, shape, h5py.string_dtype())
    elif dtype == "enum":
        file.create_dataset(name, shape, h5py.enum_dtype({"A": 1, "B": 2}, "i8"))
    else:
        chunked = shape and 0 not in shape and draw.random() < 0.4
        options = {"chunks": shape, "compression": "gzip"} if chunked else {}
        made = file.create_dataset(name, shape, dtype, **options)
        if dtype in ("i8", "u8", "f4") and shape:
            made[...] = draw.choice([0, 1, 40])


def declare_much(file, draw):
    """A dataset of a size that no disk has."""
    name = draw.choice(NAMES)
    if name in file:
        del file[name]
    rows = draw.choice([10**6, 10**9, 2**40, 2**60])
    shape = (rows, 3) if name.endswith(("rows", "position")) else (rows,)
    dtype = {"rows": "f4", "position": "i4", "checksum": "u8"}.get(name.split("/")[-1], "i8")
    chunks = tuple(min(n, 1000) for n in shape)
    file.create_dataset(name, shape, dtype, chunks=chunks, fillvalue=draw.choice([0, 1]))
    committed = file.get("/layers/0/committed")
    if draw.random() < 0.5 and isinstance(committed, h5py.Dataset) and committed.shape == ():
        committed[...] = min(rows, 2**62)


def change_numbers(file, draw):
    """Wrong counters, offsets, ids and rows."""
    name = draw.choice(NAMES)
    if name not in file or not isinstance(file[name], h5py.Dataset):
        return
    data = file[name]
    if data.size is not None and data.size > 10**6:
        return
    if data.dtype.kind not in "iuf" or data.shape is None:
        return
    value = draw.choice([0, 1, 7, 41, 2**31, 2**62])
    value = value if data.dtype.kind == "f" or value <= np.iinfo(data.dtype).max else 1
    if data.shape and data.shape[0]:
        data[draw.randrange(data.shape[0])] = value
    elif data.shape == ():
        data[...] = value


def change_attribute(file, draw):
    """An attribute gone, of another type, or huge."""
    group = draw.choice(GROUPS)
    if group not in file:
        return
    attrs = file[group].attrs
    names = [*attrs, "format", "version", "complete", "order", "seal", "provenance +1"]
    name = draw.choice(names)
    if draw.random() < 0.3:
        attrs.pop(name, None)
        return
    value = draw.choice([*VALUES, np.arange(5), np.zeros((3, 3)), b"\xff\xfe", "[" * 5000])
    try:
        attrs[name] = value
    except (TypeError, ValueError, UnicodeEncodeError, OverflowError):
        attrs[name] = 0


def add_link(file, draw):
    """Soft, external and hard links: to nowhere, out of the file, to itself."""
    name = draw.choice([*NAMES, *GROUPS[1:], "/layers/1", "/snapshots/t"])
    if name in file or file.get(name, getlink=True) is not None:
        del file[name]
    above = draw.choice(["/", "/layers", "/samples", name])
    kind = draw.randrange(5)
    if kind == 0:
        file[name] = h5py.SoftLink(draw.choice(["/nowhere", "/", "/layers/0", name]))
    elif kind == 1:
        file[name] = h5py.ExternalLink(draw.choice(["/etc/passwd", file.filename, "x"]), "/")
    elif above in file and above != name:
        file[name] = file[above]
    else:
        file.create_group(name)


def point_elsewhere(file, draw):
    """Numbers that lie in another file: external storage and virtual datasets."""
    name = draw.choice(["/layers/0/rows", "/layers/0/sample", "/samples/id"])
    if name in file:
        del file[name]
    shape = (40, 3) if name.endswith("rows") else (40,)
    dtype = "f4" if name.endswith("rows") else "i8"
    if draw.random() < 0.5:
        file.create_dataset(name, shape, dtype, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
    else:
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape)
        file.create_virtual_dataset(name, layout)


def flip_bytes(data, draw):
    """Bytes of the file itself, most of them in its structures."""
    data = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 8, 64])):
        reach = min(len(data), draw.choice([100, 2000, 8000, len(data)]))
        data[draw.randrange(reach)] = draw.choice([0, 255, draw.randrange(256)])
    if draw.random() < 0.15:
        data = data[: draw.randrange(len(data))]
    return bytes(data)


STRUCTURED = [
    replace_dataset,
    declare_much,
    change_numbers,
    change_attribute,
    add_link,
    point_elsewhere,
]


def make_good(path):
    """Write the store that the cases are made of: the same bytes every time."""
    draw = torch.Generator().manual_seed(0)
    x = [(torch.randn(8, 5, 4, generator=draw), torch.arange(8))]
    model = nn.Linear(4, 3)
    with torch.no_grad():
        model.weight.copy_(torch.arange(12).reshape(3, 4) / 12)
        model.bias.zero_()
    identity = uuid.UUID(int=7)
    with mock.patch("uuid.uuid4", return_value=identity), hooks.Recorder(path) as recorder:
        recorder.record(nn.Sequential(model), x, "0")
        recorder.record(nn.Sequential(model), x, "0", snapshot="s", attrs={"epoch": 1})


def make_case(path, good, number):
    """Write hostile file `number`."""
    draw = random.Random(number)
    path.write_bytes(good)
    if draw.random() < 0.5:
        # who means harm can make a seal that fits: what lies behind it must hold by itself
        set_flags(path, seal=0)
        good = path.read_bytes()
    if draw.random() < 0.35:
        path.write_bytes(flip_bytes(good, draw))
        return
    with h5py.File(path, "r+") as file:
        for _ in range(draw.choice([1, 1, 2, 3])):
            change = draw.choice(STRUCTURED)
            try:
                change(file, draw)
            except (KeyError, ValueError, TypeError, OSError, RuntimeError, OverflowError):
                # a change that HDF5 itself refuses after an earlier one
                continue


def read_case(path, check=True):
    """Read everything that a store offers; say how it went."""
    try:
        store = hooks.ActivationStore(path, incomplete=True, check=check)
        for snapshot, layer in store.keys:
            for block in store[layer, snapshot].blocks():
                block.rows.sum()
        _ = store.snapshots, store.labels, store.provenance, store.layers, repr(store)
    except hooks.HooksError:
        return "refused"
    return "good"


def main():
    folder, first, cases = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    # bounded memory: a reader that believes a huge size dies here
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    make_good(folder / f"good-{first}.h5")
    good = (folder / f"good-{first}.h5").read_bytes()
    path = folder / f"case-{first}.h5"
    with open(folder / f"log-{first}", "a") as log:
        for number in range(first, first + cases):
            # HDF5 can loop for ever on damaged bytes: this process then ends, another goes on
            signal.alarm(20)
            log.write(f"{number} ")
            log.flush()
            make_case(path, good, number)
            log.write(f"{read_case(path, check=number % 2 == 0)}\n")
            log.flush()


if __name__ == "__main__":
    main()
