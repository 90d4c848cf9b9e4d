"""What a loader gives, taken apart: the model's inputs, labels, fields and ids."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from hooks.errors import CaptureError, listed
from hooks.indexing import IndexedItem
from hooks.schema import OWN_FIELDS
from hooks.structure import leaves, map_tensors, packed_leaf

#: Names under which a dict batch is searched for labels.
LABEL_KEYS = ("label", "labels", "y", "target", "targets")
Selector = str | int | Callable[[Any], Any]


@dataclass
class Batch:
    """One batch of a loader, as the model and the store want it.

    Parameters
    ----------
    args, kwargs : tuple, dict
        For the model's forward, not yet on its device.
    size : int
        Number of inputs.
    ids : (B,) int64 array or None
        Data-set indices, where the loader carries them.
    fields : dict of str to (B,) array
        ``label`` and whatever else was asked for.
    source : Any
        What the loader gave (without indices).
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    size: int
    ids: np.ndarray | None
    source: Any
    fields: dict[str, np.ndarray] = field(default_factory=dict)

    def entry(self, name: str) -> Any:
        """Return an entry of the batch by name, or None.

        Parameters
        ----------
        name : str
            A keyword of the forward or a key of what the loader gave.

        Returns
        -------
        Any
        """
        if name in self.kwargs:
            return self.kwargs[name]
        for part in (self.source, *(self.args[:1])):
            if isinstance(part, Mapping) and name in part:
                return part[name]
        return None

    def on(self, device: torch.device) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the forward's arguments with every tensor on a device.

        Parameters
        ----------
        device : torch.device

        Returns
        -------
        tuple, dict
        """
        args, kwargs = map_tensors((self.args, self.kwargs), lambda t: t.to(device))
        return args, kwargs


class Reader:
    """Takes a loader's batches apart in one fixed way.

    Parameters
    ----------
    model : torch.nn.Module
        Its forward's parameters say which entries of a dict batch are for it.
    inputs : None, int, str, sequence of str, or callable
        Which part of a batch the model takes; None finds out. A callable gives the forward's
        arguments: a tuple, a dict of keywords, or the only argument.
    labels : bool, int, str or callable
        Whether to keep labels, or which part of a batch they are.
    fields : mapping of str to (int, str or callable), optional
        Other per-input values to keep.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Selector | Sequence[str] | None = None,
        labels: bool | Selector = True,
        fields: Mapping[str, Selector] | None = None,
    ) -> None:
        self.inputs = inputs
        self.labels = labels
        self.fields = dict(fields or {})
        for name in self.fields:
            if name in OWN_FIELDS or not name or "/" in name or set(name) == {"."}:
                raise CaptureError(
                    f"a field must have a name of its own without '/', got {name!r}: "
                    f"{', '.join(OWN_FIELDS)} are the store's"
                )
        self.parameters = _parameters(model)

    def read(self, given: Any, number: int) -> Batch:
        """Take one batch apart.

        Parameters
        ----------
        given : Any
            What the loader gave.
        number : int
            Its place, for messages.

        Returns
        -------
        Batch

        Raises
        ------
        CaptureError
            If the inputs, the labels or their number cannot be made out.
        """
        ids = None
        if isinstance(given, IndexedItem):
            ids = np.atleast_1d(torch.as_tensor(given.index).cpu().numpy()).astype(np.int64)
            given = given.item
        args, kwargs = self._arguments(given)
        kept = dict(self._labels(given))
        for name, selector in self.fields.items():
            kept[name] = _per_input(_pick(given, selector, name), name)
        count = _count(args, kwargs, ids, number)
        for name, values in kept.items():
            if len(values) != count:
                raise CaptureError(
                    f"batch {number}: {name} must have one value for each of the {count} inputs, "
                    f"got {len(values)}: inputs lie along the first axis of a batch, and "
                    "labels= or fields= choose others"
                )
        return Batch(args, kwargs, count, ids, given, kept)

    def _arguments(self, given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if callable(self.inputs):
            return _as_arguments(self.inputs(given))
        if isinstance(self.inputs, int | str):
            return _as_arguments(_pick(given, self.inputs, "inputs"), whole=True)
        if self.inputs is not None:
            return (), {name: _pick(given, name, "inputs") for name in self.inputs}
        first = _first(given)
        if isinstance(first, Mapping):
            return self._keywords(first)
        return (first,), {}

    def _keywords(self, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        names, takes_any = self.parameters
        left = {str(k): v for k, v in given.items() if k not in LABEL_KEYS and k not in self.fields}
        known = {k: v for k, v in left.items() if k in names or takes_any}
        if known:
            return (), known
        if len(left) == 1:
            return (next(iter(left.values())),), {}
        raise CaptureError(
            f"the loader gives a dict with {listed(list(map(str, given)))}, none of which the "
            f"model's forward takes ({listed(sorted(names))}): say which with inputs="
        )

    def _labels(self, given: Any) -> Iterator[tuple[str, np.ndarray]]:
        if self.labels is False:
            return
        if self.labels is not True:
            yield "label", _per_input(_pick(given, self.labels, "labels"), "labels")
            return
        found = None
        if isinstance(given, Mapping):
            found = next((given[k] for k in LABEL_KEYS if k in given), None)
        elif _is_row(given) and len(given) > 1:
            found = given[1]
        elif isinstance(_first(given), Mapping):
            found = next((_first(given)[k] for k in LABEL_KEYS if k in _first(given)), None)
        # a target that is itself a vector or an image is no label, and is left alone
        values = None if found is None else _as_column(found)
        if values is not None:
            yield "label", values


def _parameters(model: nn.Module) -> tuple[set[str], bool]:
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return set(), True
    kinds = [p.kind for p in signature.parameters.values()]
    return set(signature.parameters), inspect.Parameter.VAR_KEYWORD in kinds


def _is_row(given: Any) -> bool:
    """Return whether a batch is a tuple or list of parts, not one of inputs such as strings."""
    if isinstance(given, PackedSequence):
        return False
    return isinstance(given, list | tuple) and bool(given) and not isinstance(given[0], str)


def _first(given: Any) -> Any:
    return given[0] if _is_row(given) else given


def _as_arguments(value: Any, whole: bool = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(value, Mapping):
        return (), {str(k): v for k, v in value.items()}
    if isinstance(value, tuple) and not whole:
        return value, {}
    return (value,), {}


def _pick(given: Any, selector: Selector | bool, what: str) -> Any:
    if callable(selector):
        return selector(given)
    try:
        return given[selector]
    except (KeyError, IndexError, TypeError) as problem:
        has = (
            f"keys {listed(list(map(str, given)))}"
            if isinstance(given, Mapping)
            else f"{len(given)} parts"
            if isinstance(given, list | tuple)
            else f"one {type(given).__name__}"
        )
        raise CaptureError(
            f"{what}: the batch has no {selector!r}, it is {has}: name another"
        ) from problem


def _as_column(value: Any) -> np.ndarray | None:
    """Return a (B,) array of numbers or text, or None where the value is not one."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "biufU":
        return None
    if array.dtype.kind == "u" and len(array) and array.max() > np.iinfo(np.int64).max:
        raise CaptureError(f"whole numbers must lie below 2 ** 63, got {array.max()}")
    if array.dtype.kind in "bu":
        return array.astype(np.int64)
    if array.dtype.kind == "U":
        return array
    return array.astype(np.int64 if array.dtype.kind == "i" else np.float64)


def _per_input(value: Any, name: str) -> np.ndarray:
    values = _as_column(value)
    if values is None:
        shape = tuple(value.shape) if hasattr(value, "shape") else type(value).__name__
        raise CaptureError(
            f"{name} must give one number or one text for each input, got {shape}: "
            "reduce it with a callable"
        )
    return values


def _count(
    args: tuple[Any, ...], kwargs: dict[str, Any], ids: np.ndarray | None, number: int
) -> int:
    if ids is not None:
        return len(ids)
    for preferred in (kwargs.get("input_ids"), kwargs.get("inputs_embeds"), args, kwargs):
        found = leaves(preferred)
        if found and found[0][1].ndim:
            packed = packed_leaf(preferred, found[0][1])
            return len(found[0][1]) if packed is None else int(packed.batch_sizes[0])
    if args and isinstance(args[0], list | tuple):
        return len(args[0])
    kinds = listed([type(v).__name__ for v in (*args, *kwargs.values())])
    raise CaptureError(
        f"batch {number} holds no tensor with a batch axis ({kinds}): "
        "say with inputs= what the model takes"
    )
