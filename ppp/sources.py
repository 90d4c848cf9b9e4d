"""What a path given to the command line holds: stores, folders of stores, plain arrays."""

from __future__ import annotations

import difflib
import fnmatch
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

ARRAYS = (".npy", ".npz", ".safetensors")
STORES = (".h5", ".store")
#: Keys that name a moment of training, the first one present decides order and title.
MOMENTS_OF_TRAINING = ("epoch", "step")


class SourceError(ValueError):
    """A path that cannot be read as activations, or a name that is not in it."""


@dataclass(frozen=True)
class Network:
    """Activations of one network: its layers, and its snapshots where a run was stored.

    Parameters
    ----------
    path : Path
        Where it was read.
    name : str
        How a figure calls it.
    layers : mapping of str to str
        Name of each layer (or array), and its shape in words.
    snapshots : mapping of str to mapping
        Key of each snapshot in the order of training, and what is known of it.
    read : callable
        ``read(layer, snapshot)`` gives what `ppp.project` takes; snapshot may be None.
    """

    path: Path
    name: str
    layers: Mapping[str, str]
    snapshots: Mapping[str, Mapping[str, Any]]
    read: Callable[[str, str | None], Any]

    def choose(self, patterns: Sequence[str]) -> list[str]:
        """Return the layers that names or globs mean, in the order asked; the only one for none.

        Raises
        ------
        SourceError
            If a pattern finds nothing (the nearest names are given), or there are several
            layers and none was asked for.
        """
        if not patterns:
            if len(self.layers) == 1:
                return list(self.layers)
            raise SourceError(
                f"{self.path} holds {len(self.layers)} {self._kind}s, choose with --layer:\n"
                f"{self._listing()}"
            )
        found: dict[str, None] = {}
        for pattern in patterns:
            hits = [pattern] if pattern in self.layers else fnmatch.filter(self.layers, pattern)
            if not hits:
                raise SourceError(self._missing(self._kind, pattern, self.layers))
            found.update(dict.fromkeys(hits))
        return list(found)

    def pick(self, keys: Sequence[str]) -> list[str]:
        """Return the snapshots that keys or epochs mean, in the order of training; all for none.

        Raises
        ------
        SourceError
            If one is not there.
        """
        if not keys:
            return list(self.snapshots)
        named = {key: key for key in self.snapshots}
        for key, known in self.snapshots.items():
            for moment in MOMENTS_OF_TRAINING:
                if moment in known:
                    named.setdefault(str(known[moment]), key)
        wanted = set()
        for key in keys:
            if key not in named:
                raise SourceError(self._missing("snapshot", key, self.snapshots))
            wanted.add(named[key])
        return [key for key in self.snapshots if key in wanted]

    def title(self, key: str) -> str:
        """Return how a figure calls a snapshot: "epoch 4"."""
        for moment in MOMENTS_OF_TRAINING:
            if moment in self.snapshots[key]:
                return f"{moment} {self.snapshots[key][moment]}"
        return key

    @property
    def _kind(self) -> str:
        return "layer" if self.path.suffix in STORES else "array"

    def _listing(self) -> str:
        return "\n".join(f"  {name}  {shape}".rstrip() for name, shape in self.layers.items())

    def _missing(self, kind: str, name: str, there: Mapping[str, Any]) -> str:
        if not there:
            return f"{self.path} holds no {kind}s, got --{kind} {name}"
        near = difflib.get_close_matches(name, list(there), n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "there are:"
        listing = "" if near else "\n" + "\n".join(f"  {each}" for each in there)
        return f"{self.path} holds no {kind} {name!r}; {hint}{listing}"


def networks(paths: Sequence[Path], open_store: Callable[[Path], Any]) -> list[Network]:
    """Read the paths of a command: each file or store is one network, a folder all its stores.

    Parameters
    ----------
    paths : sequence of Path
        Stores (NAME.h5, NAME.store/), folders of stores, or array files.
    open_store : callable
        Opens a store: an object with ``layers``, ``snapshots`` and ``store[layer, snapshot]``.

    Returns
    -------
    list of Network
        With names that tell them apart.

    Raises
    ------
    SourceError
        If a path is not there or holds nothing that can be read.
    """
    found: list[Path] = []
    for path in paths:
        found += _expand(path)
    names = _names(found)
    return [
        _arrays(path, name) if path.suffix in ARRAYS else _stored(path, name, open_store)
        for path, name in zip(found, names, strict=True)
    ]


def _expand(path: Path) -> list[Path]:
    """Return the stores in a folder, or the file itself."""
    if path.suffix in STORES and path.with_name(f"{path.name}.partial").exists():
        return [path]  # unfinished: who opens it says what to do
    if not path.exists():
        near = difflib.get_close_matches(path.name, _beside(path), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise SourceError(f"there is no file or folder {path}{hint}")
    if path.suffix in STORES:
        return [path]
    if path.is_file():
        if path.suffix in ARRAYS:
            return [path]
        raise SourceError(
            f"{path} is none of what can be read: {', '.join((*STORES, *ARRAYS))}, or a folder of "
            "stores"
        )
    inside = [each for each in path.iterdir() if each.suffix in STORES]
    if not inside:
        deeper = sorted({each.parent.name for each in path.glob("*/*") if each.suffix in STORES})
        hint = f"; give the folders inside it: {', '.join(deeper)}" if deeper else ""
        raise SourceError(f"the folder {path} holds no store ({', '.join(STORES)}){hint}")
    return sorted(inside, key=_natural)


def _beside(path: Path) -> list[str]:
    return [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort run-2 before run-10."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _names(paths: Sequence[Path]) -> list[str]:
    """Name files by what tells them apart: the ends of their stems, and folders where needed."""
    whole = [path.resolve() for path in paths]
    twice = sorted({str(path) for path in whole if whole.count(path) > 1})
    if twice:
        raise SourceError(f"each input may be given once, got twice: {', '.join(twice)}")
    bare = [path.with_suffix("") for path in whole]
    named = _without_common_start(bare) if len(set(bare)) == len(bare) else whole
    for depth in range(1, max(len(path.parts) for path in named)):
        names = ["/".join(path.parts[-depth:]) for path in named]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in named]


def _without_common_start(paths: list[Path]) -> list[Path]:
    """Cut what all stems begin with, up to a separator: run-seed0, run-seed1 are seed0, seed1."""
    names = {path.name for path in paths}
    if len(names) == 1:
        return paths  # only the folders differ
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    common = "".join(letters[0] for letters in alike)
    cut = max(common.rfind("-"), common.rfind("_")) + 1
    return [path.with_name(path.name[cut:]) for path in paths]


def _stored(path: Path, name: str, open_store: Callable[[Path], Any]) -> Network:
    store = open_store(path)
    snapshots = dict(store.snapshots)

    def moment(key: str) -> tuple[float, ...]:
        known = snapshots[key]
        return tuple(float(known.get(each, -1)) for each in MOMENTS_OF_TRAINING)

    ordered = {key: snapshots[key] for key in sorted(snapshots, key=moment)}

    def read(layer: str, snapshot: str | None) -> Any:
        return store[layer] if snapshot is None else store[layer, snapshot]

    return Network(path, name, dict.fromkeys(store.layers, ""), ordered, read)


def _arrays(path: Path, name: str) -> Network:
    """Open an array file, reading no more than its headers."""
    opened = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}[path.suffix]
    try:
        shapes, read = opened(path)
    except SourceError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path} cannot be read as {path.suffix}: {error}") from error
    if not shapes:
        raise SourceError(f"{path} holds no array")
    return Network(path, name, shapes, {}, lambda layer, _: read(layer))


Opened = tuple[dict[str, str], Callable[[str], Any]]


def _npy(path: Path) -> Opened:
    with path.open("rb") as file:
        shape, dtype = _header(file, path)
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)  # raises where the file is cut off
    return {path.stem: _words(shape, dtype)}, lambda _: mapped


def _npz(path: Path) -> Opened:
    shapes = {}
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.namelist() if each.endswith(".npy")]
        for member in members:
            with archive.open(member) as file:
                shapes[member.removesuffix(".npy")] = _words(*_header(file, path))

    def read(layer: str) -> np.ndarray:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[layer])

    return shapes, read


def _header(file: Any, path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Read shape and dtype of a .npy stream; refuse Python objects."""
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise SourceError(f"{path} is of .npy version {version}, which holds no plain numbers")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise SourceError(
            f"{path} holds Python objects (a pickle), which are never loaded: save one plain "
            "numeric array a layer, np.save(path, np.stack(rows))"
        )
    return shape, dtype


def _safetensors(path: Path) -> Opened:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise SourceError(
            f"reading {path} needs the package safetensors: pip install "
            '"privileged-planes[safetensors]"'
        ) from error
    shapes = {}
    try:
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118
                piece = file.get_slice(key)
                shapes[key] = _words(piece.get_shape(), piece.get_dtype())
    except SafetensorError as error:
        raise SourceError(f"{path} cannot be read as .safetensors: {error}") from error

    def read(layer: str) -> Any:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(layer)

    return shapes, read


def _words(shape: Sequence[int], dtype: Any) -> str:
    return f"{' × '.join(map(str, shape)) or 'scalar'} {str(dtype).lower()}"
