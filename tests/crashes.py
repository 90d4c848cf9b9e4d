"""Every call by which a capture changes the disk, in order, and the disk after any of them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import h5py

from hooks import creating, files

_FOLDER_CALLS = ("replace", "link", "unlink", "mkdir", "rmdir")


class Recording(io.RawIOBase):
    """A file for HDF5 whose every write is noted."""

    def __init__(self, path, mode, log):
        self.path, self.log = Path(path), log
        if mode == "w":
            self.path.write_bytes(b"")
            log.append(("write", self.path, 0, b""))
        self.file = open(path, "r+b")  # noqa: SIM115

    def seek(self, offset, whence=0):
        return self.file.seek(offset, whence)

    def tell(self):
        return self.file.tell()

    def readinto(self, buffer):
        return self.file.readinto(buffer)

    def write(self, data):
        self.log.append(("write", self.path, self.file.tell(), bytes(data)))
        return self.file.write(data)

    def truncate(self, size=None):
        self.log.append(("truncate", self.path, self.file.tell() if size is None else size))
        return self.file.truncate(size)

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()
        super().close()

    def readable(self):
        return True

    def writable(self):
        return True

    def seekable(self):
        return True


def record_calls(monkeypatch, log):
    """Note what the package does to files from here on."""
    real = {name: getattr(os, name) for name in ("pwrite", *_FOLDER_CALLS)}

    def open_h5(path, mode, **options):
        if mode == "r":
            return files_open(path, mode, **options)
        return h5py.File(Recording(path, mode, log), mode, **options)

    files_open = files.open_h5

    def pwrite(descriptor, data, offset):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        log.append(("write", path, offset, bytes(data)))
        return real["pwrite"](descriptor, data, offset)

    def noted(name):
        def call(*args, **options):
            result = real[name](*args, **options)
            log.append((name, *(Path(a) if isinstance(a, str | Path) else a for a in args)))
            return result

        return call

    def write_text(path, text):
        log.append(("write", Path(path), 0, text.encode()))
        return real_write_text(path, text)

    def touch(path):
        log.append(("write", Path(path), 0, b""))
        real_touch(path)

    real_write_text, real_touch = Path.write_text, Path.touch

    monkeypatch.setattr(creating, "open_h5", open_h5)
    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(Path, "write_text", write_text)
    monkeypatch.setattr(Path, "touch", touch)
    for name in _FOLDER_CALLS:
        monkeypatch.setattr(os, name, noted(name))


class Disk:
    """A folder brought to the state after each call of a log, one after the other."""

    def __init__(self, old, new):
        self.old, self.new = Path(old), Path(new)

    def place(self, path):
        return self.new / Path(path).relative_to(self.old)

    def apply(self, call):
        name, path, *rest = call
        path = self.place(path)
        if name == "write":
            if not path.exists():
                path.write_bytes(b"")
            with open(path, "r+b") as file:
                file.seek(rest[0])
                file.write(rest[1])
        elif name == "truncate":
            os.truncate(path, rest[0])
        elif name in ("replace", "link"):
            getattr(os, name)(path, self.place(rest[0]))
        elif name == "mkdir":
            path.mkdir(exist_ok=True)
        else:
            getattr(os, name)(path)


def torn(log):
    """Yield every call of a log, each longer write in two halves: a crash may fall between them."""
    for call in log:
        if call[0] == "write" and len(call[3]) > 1:
            half = len(call[3]) // 2
            yield "write", call[1], call[2], call[3][:half]
            yield "write", call[1], call[2] + half, call[3][half:]
        else:
            yield call
