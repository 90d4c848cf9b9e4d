"""Forward hooks that turn what modules give into rows, and remove nothing but themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_packed_sequence

from hooks.batchaxes import BatchAxes
from hooks.choosing import Target
from hooks.errors import OutputError
from hooks.rowrules import Inputs, RowRule, Rows, to_rows
from hooks.structure import choose_leaf, packed_leaf


class StopForward(BaseException):
    """Ends a forward once every wanted layer has fired.

    Not an Exception, so that a model which catches those cannot swallow it.
    """


class Taps:
    """Hooks on some layers of a model; a context manager.

    Parameters
    ----------
    targets : sequence of Target
    rules : mapping of str to RowRule
        By the targets' names.
    model : torch.nn.Module
        That they are part of.

    Notes
    -----
    `inputs` says how the next forward's batch reads as rows and is set by whoever runs it. Rows
    are copied when the hook fires: a later in-place operation must not change them.
    """

    def __init__(
        self, targets: Sequence[Target], rules: Mapping[str, RowRule], model: nn.Module
    ) -> None:
        self.targets = list(targets)
        self.rules = rules
        self.inputs = Inputs()
        self._axes = BatchAxes(model)
        self.stop_after: int | None = None
        self.fired = 0
        self._calls: dict[str, int] = {}
        self._found: dict[str, list[Rows]] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> Taps:
        try:
            for target in self.targets:
                self._handles.append(self._register(target))
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _register(self, target: Target) -> Any:
        def given(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._take(target, module, {**dict(enumerate(args)), **kwargs})

        def gave(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
        ) -> None:
            self._take(target, module, output)

        if target.side == "in":
            return target.module.register_forward_pre_hook(given, with_kwargs=True)
        return target.module.register_forward_hook(gave, with_kwargs=True)

    def _take(self, target: Target, module: nn.Module, value: Any) -> None:
        rule = self.rules[target.name]
        call = self._calls.get(target.name, 0)
        self._calls[target.name] = call + 1
        self.fired += 1
        if not isinstance(rule.calls, int) or call == rule.calls:
            if call and rule.calls is None:
                raise OutputError(
                    f"layer {target.name!r} runs several times in one forward: say which call "
                    'to keep with RowRule(calls=0), or keep every one with calls="each"'
                )
            tensor = choose_leaf(value, target.leaf, target.name)
            rule = _for_leaf(rule, target, module, tensor)
            tensor, rule, inputs = self._unpacked(target, rule, module, value, tensor)
            self._axes.check(tensor, module, rule, inputs, target.name)
            rows = to_rows(tensor.detach(), module, rule, inputs, target.name)
            if rows.rows.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr():
                rows = rows._replace(rows=rows.rows.clone())
            self._found.setdefault(target.name, []).append(rows)
        if self.stop_after is not None and self.fired >= self.stop_after:
            raise StopForward

    def _unpacked(
        self, target: Target, rule: RowRule, module: nn.Module, value: Any, tensor: torch.Tensor
    ) -> tuple[torch.Tensor, RowRule, Inputs]:
        """Return a packed sequence as the padded tensor it stands for, with its rule and mask."""
        packed = packed_leaf(value, tensor)
        if packed is None:
            return tensor, rule, self.inputs
        axis = rule.batch_axis
        if axis is None:
            axis = 1 if getattr(module, "batch_first", True) is False else 0
        padded, lengths = pad_packed_sequence(packed, batch_first=axis == 0)
        keep = torch.arange(int(lengths.max()), device=lengths.device) < lengths[:, None]
        inputs = self.inputs._replace(keep={**self.inputs.keep, target.name: keep})
        return padded, replace(rule, batch_axis=axis), inputs

    def begin(self, inputs: Inputs) -> None:
        """Forget what an earlier forward left and say how the next batch reads.

        Parameters
        ----------
        inputs : Inputs
        """
        self.inputs = inputs
        self.fired = 0
        self._calls = {}
        self._found = {}

    def finish(self) -> dict[str, Rows]:
        """Return the rows of the forward that has just run, by layer.

        Returns
        -------
        dict of str to Rows

        Raises
        ------
        OutputError
            If a wanted layer did not fire.
        """
        missing = [t.name for t in self.targets if t.name not in self._found]
        if missing:
            name = missing[0]
            calls = self._calls.get(name, 0)
            why = (
                f"ran {calls} times, so there is no call {self.rules[name].calls}"
                if calls
                else "did not run in this forward: it is not used, or is called past its forward"
            )
            raise OutputError(f"layer {name!r} {why}; capture a layer that runs")
        return self.take()

    def take(self) -> dict[str, Rows]:
        """Return what has fired since the last time, and forget it.

        Returns
        -------
        dict of str to Rows
        """
        found, self._found, self._calls = self._found, {}, {}
        return {
            target.name: _join(found[target.name], target.name, self.rules[target.name].calls)
            for target in self.targets
            if target.name in found
        }


def _for_leaf(rule: RowRule, target: Target, module: nn.Module, tensor: torch.Tensor) -> RowRule:
    """Return the rule for what lies the same way whether a layer is `batch_first` or not."""
    if rule.batch_axis is not None or target.leaf[:1] != (1,) or tensor.ndim != 3:
        return rule
    if isinstance(module, nn.RNNBase):
        # the states, (layers, B, h)
        return replace(rule, batch_axis=1)
    if isinstance(module, nn.MultiheadAttention) and target.side == "out":
        # the weights, (B, T, S)
        return replace(rule, batch_axis=0)
    return rule


def _join(calls: list[Rows], layer: str, rule: str | int | None) -> Rows:
    """Join the calls of one forward, rows of one input side by side."""
    if rule != "each":
        return calls[0]
    sizes = {len(part.counts) for part in calls}
    if len(sizes) > 1:
        raise OutputError(
            f"layer {layer!r} ran on {sorted(sizes)} inputs in the calls of one forward, so its "
            "rows cannot be told by input: load one input a batch, or choose a call with calls=0"
        )
    counts = np.stack([part.counts for part in calls])
    owner = np.concatenate([np.repeat(np.arange(len(c)), c) for c in counts])
    order = np.argsort(owner, kind="stable")
    number = np.repeat(np.arange(len(calls)), counts.sum(1)).astype(np.int32)[:, None]
    places = [part.position for part in calls if part.position is not None]
    position = np.hstack([number, np.concatenate(places)]) if places else number
    rows = torch.cat([part.rows for part in calls])
    if len(calls) > 1:
        rows = rows[torch.as_tensor(order, device=rows.device)]
    return Rows(rows, counts.sum(0), position[order], ("call", *calls[0].columns))
