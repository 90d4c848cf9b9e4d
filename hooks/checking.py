"""Is a store what was written? Every block of it is read, in a process that may be ended."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from hooks.errors import HooksError, StoreError
from hooks.store import ActivationStore


@dataclass
class Report:
    """What `verify` found.

    Parameters
    ----------
    path : str
    problems : list of str
        What is broken, with file and dataset.
    notes : list of str
        What is worth knowing: an unfinished capture, rows that are not finite.
    blocks, rows : int
        How many were read and compared with their checksums.
    """

    path: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    blocks: int = 0
    rows: int = 0

    @property
    def ok(self) -> bool:
        """Return whether nothing is broken.

        Returns
        -------
        bool
        """
        return not self.problems


def verify(path: str | Path, *, timeout: float | None = None) -> Report:
    """Read everything in a store and say whether it is what was written.

    Parameters
    ----------
    path : str or Path
    timeout : float, optional
        Seconds; the check then runs in a process of its own, which is ended after that time. A
        damaged HDF5 file can make the library run for ever.

    Returns
    -------
    Report

    Examples
    --------
    >>> verify("/no/such/store.h5").problems
    ['there is no store at /no/such/store.h5: check the path']
    """
    if timeout is None:
        return _check(Path(path))
    command = [sys.executable, "-m", "hooks.checking", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        problem = f"{path}: HDF5 did not come back in {timeout:g} s: the file is damaged"
        return Report(str(path), [problem])
    try:
        return Report(**json.loads(done.stdout))
    except (ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        problem = f"{path}: reading it ended the process ({done.returncode}): {last}"
        return Report(str(path), [problem])


def _check(path: Path) -> Report:
    report = Report(str(path))
    try:
        store = ActivationStore(path, incomplete=True)
        if not store.complete:
            report.notes.append(f"{path}: the capture did not end cleanly")
        store.check_shards()
        labels = _check_samples(store, report)
        for snapshot, layer in store.keys:
            _check_layer(store, layer, snapshot, report, labels)
    except HooksError as problem:
        report.problems.append(str(problem))
    return report


def _check_samples(store: ActivationStore, report: Report) -> bool:
    """Return whether the inputs with their fields are what was written."""
    try:
        store.check_samples()
    except StoreError as problem:
        report.problems.append(str(problem))
        return False
    return True


def _check_layer(
    store: ActivationStore, layer: str, snapshot: str | None, report: Report, labels: bool
) -> None:
    stored = store[layer, snapshot]
    odd = 0
    ended = -1
    for index in range(len(stored.block_offsets) - 1):
        try:
            block = stored.block(index, labels)
        except StoreError as problem:
            report.problems.append(str(problem))
            continue
        report.blocks += 1
        report.rows += len(block)
        odd += int((~torch.isfinite(block.rows).all(1)).sum())
        if len(block) and block.sample[0] == ended:
            report.problems.append(
                f"{store.path}: layer {layer!r}: input {ended} is cut between two blocks"
            )
        ended = int(block.sample[-1])
    if odd:
        at = "" if snapshot is None else f" at snapshot {snapshot!r}"
        report.notes.append(f"{store.path}: layer {layer!r}{at} has {odd} rows that are not finite")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_check(Path(sys.argv[1])))))
