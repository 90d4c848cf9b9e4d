"""One pass of a loader through a model, as steps: a batch's rows, of each layer, with their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.data.distributed import DistributedSampler

from hooks.batches import Batch, Reader
from hooks.choosing import Target
from hooks.errors import CaptureError
from hooks.forwarding import at_rest, call, device_of
from hooks.generators import Seeds
from hooks.idsets import IdSet, first_of_each
from hooks.rowrules import Inputs, RowRule, Rows
from hooks.taps import StopForward, Taps


class Part(NamedTuple):
    """One layer's share of a step.

    Parameters
    ----------
    rows : Rows
    ids : (B,) int64 array
        Of the inputs that the rows' counts speak of.
    label : (B,) array or None
    """

    rows: Rows
    ids: np.ndarray
    label: np.ndarray | None


class Step(NamedTuple):
    """What one batch brought.

    Parameters
    ----------
    ids : (B,) int64 array
        Of the inputs that are new to the sample table.
    fields : dict of str to (B,) array
        Their per-input values, ``label`` among them.
    parts : dict of str to Part
        By layer.
    """

    ids: np.ndarray
    fields: dict[str, np.ndarray]
    parts: dict[str, Part]


@dataclass
class Done:
    """What an interrupted capture has already: nothing, for a new one.

    Parameters
    ----------
    samples : IdSet
        Inputs in the sample table.
    layers : dict of str to IdSet
        Inputs whose rows are there, by layer.
    """

    samples: IdSet = field(default_factory=IdSet)
    layers: dict[str, IdSet] = field(default_factory=dict)


@dataclass
class Job:
    """A capture that is set up: what to run, what to hook and how to read it.

    Parameters
    ----------
    model : torch.nn.Module
        The bare module.
    loader : iterable
    targets : list of Target
    rules : dict of str to RowRule
        By the targets' names.
    reader : Reader
    dtype : torch.dtype or None
        What rows are converted to; None keeps the module's.
    eval_mode, early_stop, progress : bool
        As `hooks.stream` takes them.
    share : (int, int)
        Which of how many processes this is, for ids that count arrivals.
    """

    model: nn.Module
    loader: Iterable[Any]
    targets: list[Target]
    rules: dict[str, RowRule]
    reader: Reader
    dtype: torch.dtype | None = None
    eval_mode: bool = True
    early_stop: bool = True
    progress: bool = False
    share: tuple[int, int] = (0, 1)
    source_dtypes: dict[str, torch.dtype] = field(default_factory=dict)

    def steps(
        self,
        done: Done | None = None,
        check: Callable[[Batch], None] | None = None,
        peek: bool = False,
    ) -> Iterator[Step]:
        """Run the loader through the model, a batch at a time.

        Parameters
        ----------
        done : Done, optional
            Inputs to leave out; a batch that has nothing else is not run.
        check : callable, optional
            Called with the first batch before the model is run.
        peek : bool
            Stop there.

        Yields
        ------
        Step
            While it is out, the model is as the user left it.

        Raises
        ------
        CaptureError
            If the loader is empty.
        """
        taps, seeds = Taps(self.targets, self.rules, self.model), Seeds.found()
        done = done or Done()
        seen, arrived, number = IdSet(), 0, -1
        for number, given in enumerate(_progress(self.loader, self.progress)):
            batch = self.reader.read(given, number)
            if number == 0 and check is not None:
                check(batch)
            if peek:
                return
            ids, keep = self._identify(batch, arrived, seen)
            arrived += batch.size
            wanted = {
                target.name: keep & ~done.layers[target.name].contains(ids)
                if target.name in done.layers
                else keep
                for target in self.targets
            }
            if any(mask.any() for mask in wanted.values()):
                rows = self._forward(taps, batch, ids, number, seeds)
                yield _step(batch, ids, keep & ~done.samples.contains(ids), wanted, rows)
        if number < 0:
            raise CaptureError("the loader gave no batch: give it at least one input")
        if not arrived:
            raise CaptureError(
                f"the loader gave {number + 1} batches without an input: give it at least one"
            )

    def _identify(self, batch: Batch, arrived: int, seen: IdSet) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs' ids and which of them are not repetitions."""
        sampler = getattr(self.loader, "sampler", None)
        rank, ranks = self._rank()
        place = (arrived + np.arange(batch.size)) * ranks + rank
        keep = np.ones(batch.size, bool)
        if isinstance(sampler, DistributedSampler):
            keep &= place < spread_length(sampler)
        if batch.ids is None:
            return place, keep
        keep &= first_of_each(batch.ids) & ~seen.contains(batch.ids)
        seen.add(batch.ids)
        return batch.ids, keep

    def _rank(self) -> tuple[int, int]:
        """Return which of how many processes this is."""
        sampler = getattr(self.loader, "sampler", None)
        if isinstance(sampler, DistributedSampler):
            return sampler.rank, sampler.num_replicas
        return self.share

    def _forward(
        self, taps: Taps, batch: Batch, ids: np.ndarray, number: int, seeds: Seeds
    ) -> dict[str, Rows]:
        taps.begin(self._inputs(batch, ids))
        rank, ranks = self._rank()
        rest = at_rest(self.model, self.eval_mode, seeds, number * ranks + rank)
        with rest, taps, suppress(StopForward):
            call(self.model, batch, number, device_of(self.model))
        rows = taps.finish()
        if not self.source_dtypes:
            self.source_dtypes = {name: found.rows.dtype for name, found in rows.items()}
            # the whole first forward shows how often each layer fires
            if self.early_stop and all(rule.calls is None for rule in self.rules.values()):
                taps.stop_after = taps.fired
        return {name: self._convert(name, found) for name, found in rows.items()}

    def _inputs(self, batch: Batch, ids: np.ndarray) -> Inputs:
        keep = {name: _mask(rule, batch) for name, rule in self.rules.items()}
        tokens = batch.entry("input_ids")
        return Inputs(batch.size, ids, keep, None if tokens is None else torch.as_tensor(tokens))

    def _convert(self, name: str, found: Rows) -> Rows:
        if self.dtype is not None:
            return found._replace(rows=found.rows.to(self.dtype))
        if not found.rows.dtype.is_floating_point or found.rows.dtype.itemsize < 2:
            raise CaptureError(
                f"layer {name!r} gave {found.rows.dtype}: say what to convert it to, as in "
                "dtype=torch.float32"
            )
        return found


def spread_length(sampler: DistributedSampler[Any]) -> int:
    """Return how many inputs a distributed sampler spreads before it repeats some.

    Parameters
    ----------
    sampler : DistributedSampler

    Returns
    -------
    int
        To give every process as many, it repeats inputs after the last.
    """
    length = len(sampler.dataset)  # type: ignore[arg-type]
    return min(length, sampler.total_size)


def _mask(rule: RowRule, batch: Batch) -> torch.Tensor | None:
    if rule.mask is None:
        return None
    if callable(rule.mask):
        return torch.as_tensor(rule.mask(batch.source))
    found = batch.entry("attention_mask" if rule.mask == "auto" else rule.mask)
    if found is None and rule.mask != "auto":
        raise CaptureError(f"mask: the batch has no entry {rule.mask!r}: name another")
    return None if found is None else torch.as_tensor(found)


def _step(
    batch: Batch,
    ids: np.ndarray,
    fresh: np.ndarray,
    wanted: dict[str, np.ndarray],
    rows: dict[str, Rows],
) -> Step:
    label = batch.fields.get("label")
    parts = {}
    for name, mask in wanted.items():
        found = rows[name] if mask.all() else _only(rows[name], mask)
        parts[name] = Part(found, ids[mask], None if label is None else label[mask])
    return Step(ids[fresh], {k: v[fresh] for k, v in batch.fields.items()}, parts)


def _only(found: Rows, mask: np.ndarray) -> Rows:
    """Return the rows of some of a batch's inputs."""
    chosen = np.flatnonzero(np.repeat(mask, found.counts))
    position = None if found.position is None else found.position[chosen]
    rows = found.rows[torch.as_tensor(chosen, device=found.rows.device)]
    return Rows(rows, found.counts[mask], position, found.columns)


def _progress(loader: Iterable[Any], wanted: bool) -> Iterable[Any]:
    if not wanted:
        return loader
    from tqdm.auto import tqdm

    return tqdm(loader, desc="capture", unit="batch")
