"""Archive: a result as one HDF5 file, written whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from ppp.draws import Nulls
from ppp.files import replacing
from ppp.frame import Frame
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.statistics import Statistic
from ppp.tally import Tally

if TYPE_CHECKING:
    import h5py

    from ppp.result import PPPResult

FORMAT = "privileged-planes/result"
VERSION = 2
#: Files of this version and later carry a checksum.
SUMMED = 2
#: What reading a damaged file ends in: HDF5 and NumPy have no error of their own for it.
DAMAGE = (
    OSError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    UnicodeError,
    json.JSONDecodeError,
)


def save(result: PPPResult, path: str | os.PathLike[str]) -> None:
    """Write a result, its null control and its statistics.

    Parameters
    ----------
    result : PPPResult
        Statistics that were not asked for yet are computed first, so that the file has them.
    path : path
        The final name; it appears only when everything is written.
    """
    import h5py

    statistics, nulls = dict(result.statistics), result.nulls
    with replacing(path) as part, h5py.File(part, "w") as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs["provenance"] = json.dumps(result.provenance)
        file.attrs["rule"] = json.dumps(asdict(result.rule))
        file.attrs["statistics"] = json.dumps([asdict(one) for one in statistics.values()])
        if result.diagonal is not None:
            file.attrs["diagonal"] = result.diagonal
        _save_frame(file.create_group("frame"), result.planes)
        _save_tally(file.create_group("tally"), result.tally)
        drawn = file.create_group("drawn")
        for index, tally in enumerate(result.drawn):
            _save_tally(drawn.create_group(f"{index:04d}"), tally)
        if nulls is not None:
            group = file.create_group("nulls")
            group.attrs["classes"] = json.dumps(nulls.classes)
            _save_state(group, nulls.arrays())
        file.attrs["checksum"] = _checksum(file)


def load(path: str | os.PathLike[str]) -> PPPResult:
    """Read a result back.

    Parameters
    ----------
    path : path
        A file that `save` wrote.

    Returns
    -------
    PPPResult

    Raises
    ------
    ValueError
        If the file is no result, cut off, damaged (it does not fit its checksum), or of a newer
        version.
    """
    import h5py

    if not os.path.exists(path):
        raise FileNotFoundError(f"no result at {os.fspath(path)}")
    try:
        with h5py.File(path, "r") as file:
            _check(file, path)
            _compare(file)
            return _load(file)
    except DAMAGE as error:
        raise ValueError(
            f"{os.fspath(path)} is not a whole ppp result ({error}): save it again"
        ) from error


def _check(file: h5py.File, path: str | os.PathLike[str]) -> None:
    kind = file.attrs.get("format")
    kind = kind.decode() if isinstance(kind, bytes) else kind
    if kind != FORMAT:
        raise ValueError(
            f"{os.fspath(path)} is no ppp result: its format is {kind!r}, not {FORMAT!r}"
            + (": analyse it with ppp.analyze_store" if kind else "")
        )
    if int(file.attrs["version"]) > VERSION:
        raise ValueError(
            f"{os.fspath(path)} has result version {file.attrs['version']}, this package reads up "
            f"to {VERSION}: update privileged-planes"
        )


def _compare(file: h5py.File) -> None:
    """Raise an OSError where the file's contents are not what was written."""
    if int(file.attrs["version"]) == SUMMED - 1:
        return
    try:
        fits = _checksum(file) == file.attrs["checksum"]
    except ValueError as error:  # sizes that no array can have
        raise OSError(error) from error
    if not fits:
        raise OSError("its contents do not fit its checksum")


def _checksum(file: h5py.File) -> str:
    """Return a digest of every dataset and attribute of a file, but of the checksum itself."""
    digest = xxhash.xxh3_128()
    names: list[str] = []
    file.visit(names.append)
    for name in ["/", *sorted(names)]:
        item = file[name]
        digest.update(f"{name}\0{type(item).__name__}".encode())
        for key in sorted(set(item.attrs) - {"checksum"}):
            digest.update(key.encode())
            _add(digest, item.attrs[key])
        if hasattr(item, "dtype"):
            _add(digest, item[()])
    return str(digest.hexdigest())


def _add(digest: Any, value: Any) -> None:
    array = np.asarray(value)
    digest.update(f"{array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())


def _load(file: h5py.File) -> PPPResult:
    from ppp.result import PPPResult

    planes = _load_planes(file["frame"])
    rule = Rule(**json.loads(file.attrs["rule"]))
    result = PPPResult(
        planes=planes,
        rule=rule,
        tally=_load_tally(file["tally"], planes, rule),
        provenance=json.loads(file.attrs["provenance"]),
        drawn=tuple(
            _load_tally(file["drawn"][name], planes, rule) for name in sorted(file["drawn"])
        ),
    )
    nulls = None
    if "nulls" in file:
        group = file["nulls"]
        state = {name: _value(item) for name, item in group.items()}
        nulls = Nulls.restore(tuple(json.loads(group.attrs["classes"])), state | dict(group.attrs))
        nulls.tallies.extend(result.drawn)
    statistics = [Statistic(**_tuples(one)) for one in json.loads(file.attrs["statistics"])]
    # what a fresh result computes on first use is on file already
    result.__dict__["nulls"] = nulls
    diagonal = file.attrs.get("diagonal")
    result.__dict__["diagonal"] = None if diagonal is None else float(diagonal)
    result.__dict__["statistics"] = {one.name: one for one in statistics}
    return result


def _save_frame(group: h5py.Group, planes: Planes) -> None:
    frame = planes.frame
    group.attrs["pairs"], group.attrs["source"] = planes.pairs, frame.source
    group.attrs["is_standard"], group.attrs["n"] = frame.is_standard, frame.n
    group.create_dataset("labels", data=json.dumps(frame.labels))
    if not frame.is_standard:
        group.create_dataset("vectors", data=frame.vectors)


def _load_planes(group: h5py.Group) -> Planes:
    labels = tuple(json.loads(group["labels"].asstr()[()]))
    if group.attrs["is_standard"]:
        frame = Frame.standard(int(group.attrs["n"]), labels)
    else:
        frame = Frame(group["vectors"][()], labels, str(group.attrs["source"]))
    return Planes.of(frame, str(group.attrs["pairs"]))


def _save_tally(group: h5py.Group, tally: Tally) -> None:
    group.attrs["classes"] = json.dumps(tally.classes)
    _save_state(group, tally.arrays())


def _load_tally(group: h5py.Group, planes: Planes, rule: Rule) -> Tally:
    state = {name: _value(item) for name, item in group.items()}
    return Tally.restore(planes, rule, json.loads(group.attrs["classes"]), state | _counts(group))


def _counts(group: h5py.Group) -> dict[str, Any]:
    return {name: value for name, value in group.attrs.items() if name != "classes"}


def _save_state(group: h5py.Group, state: dict[str, Any]) -> None:
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            packed = {"compression": "gzip", "compression_opts": 1} if value.size > 4096 else {}
            group.create_dataset(name, data=value, **packed)
        else:
            group.attrs[name] = value


def _value(dataset: h5py.Dataset) -> Any:
    return dataset[()]


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
