"""Nested outputs (tuple, dict, dataclass, ModelOutput): their tensors and how to name them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from hooks.errors import OutputError

#: One step into a nested structure: an index, or a key or attribute name.
Step = int | str
_STEP = re.compile(r"\[(\d+)\]|\[(['\"])(.+?)\2\]|\.([A-Za-z_]\w*)")


def parse_leaf(text: str) -> tuple[Step, ...] | None:
    """Return the steps that ``[0].name['key']`` spells, or None where it spells none.

    Examples
    --------
    >>> parse_leaf("[1].hidden")
    (1, 'hidden')
    >>> parse_leaf(".2") is None
    True
    """
    steps: list[Step] = []
    end = 0
    for match in _STEP.finditer(text):
        if match.start() != end:
            return None
        end = match.end()
        steps.append(int(match[1]) if match[1] is not None else match[3] or match[4])
    return tuple(steps) if end == len(text) else None


def spell_leaf(steps: tuple[Step, ...]) -> str:
    """Return the text that `parse_leaf` reads back.

    Examples
    --------
    >>> spell_leaf((1, "hidden", "a b"))
    "[1].hidden['a b']"
    """
    return "".join(_spell(step) for step in steps)


def _spell(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{step!r}]"


def _children(value: Any) -> Iterator[tuple[Step, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key if isinstance(key, int) else str(key), item
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))


def leaves(value: Any) -> list[tuple[tuple[Step, ...], torch.Tensor]]:
    """Return every tensor of a nested value with the steps that lead to it.

    Parameters
    ----------
    value : nested tuples, lists, dicts, dataclasses and tensors
        What a module gave or was given.

    Returns
    -------
    list of (steps, tensor)
        In the order of the structure. A packed sequence is one tensor, its steps one after another.

    Examples
    --------
    >>> [steps for steps, _ in leaves((torch.ones(1), {"h": torch.ones(2)}, None))]
    [(0,), (1, 'h')]
    """
    if isinstance(value, torch.Tensor):
        return [((), value)]
    if isinstance(value, PackedSequence):
        return [((), value.data)]
    return [
        ((step, *rest), tensor) for step, item in _children(value) for rest, tensor in leaves(item)
    ]


def choose_leaf(value: Any, steps: tuple[Step, ...], layer: str) -> torch.Tensor:
    """Return the tensor at `steps`, or the only floating tensor that is there.

    Parameters
    ----------
    value : nested structure
        A module's output or input.
    steps : tuple
        Steps of `parse_leaf`; empty to ask for the only tensor.
    layer : str
        The layer's name, for the message.

    Returns
    -------
    tensor

    Raises
    ------
    OutputError
        If there is none, or several; the message lists them with their shapes.
    """
    found = leaves(value)
    if steps:
        for path, tensor in found:
            if path == steps:
                return tensor
        inside = [(path, t) for path, t in found if path[: len(steps)] == steps]
        only = [t for _, t in inside if t.is_floating_point()]
        if len(only) == 1:
            return only[0]
        kind = "several tensors" if only else "no floating-point tensor"
        problem = f"holds {kind}" if inside else "is not there"
        raise OutputError(
            f"layer {layer!r}: {spell_leaf(steps)!r} {problem}; "
            f"choose one of: {_table(inside or found)}"
        )
    floating = [(path, t) for path, t in found if t.is_floating_point()]
    if len(floating) == 1:
        return floating[0][1]
    if not found:
        raise OutputError(
            f"layer {layer!r} gave no tensor but {type(value).__name__}: "
            "capture a module whose output holds one"
        )
    what = "several tensors" if floating else "no floating-point tensor"
    raise OutputError(
        f"layer {layer!r} gave {what}; name one, as in {layer + spell_leaf(found[0][0])!r}: "
        f"{_table(floating or found)}"
    )


def packed_leaf(value: Any, tensor: torch.Tensor) -> PackedSequence | None:
    """Return the packed sequence of a nested value that a tensor is the data of.

    Parameters
    ----------
    value : nested structure
    tensor : tensor
        A leaf of it.

    Returns
    -------
    PackedSequence or None
        None for a tensor that is no packed sequence's.
    """
    if isinstance(value, PackedSequence):
        return value if value.data is tensor else None
    found = (packed_leaf(item, tensor) for _, item in _children(value))
    return next((packed for packed in found if packed is not None), None)


def _table(found: list[tuple[tuple[Step, ...], torch.Tensor]]) -> str:
    shown = [
        f"{spell_leaf(path) or '(whole)'} {tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}"
        for path, t in found[:16]
    ]
    return ", ".join(shown) + (" …" if len(found) > 16 else "") if shown else "(no tensors)"


def map_tensors(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return a nested value with every tensor changed and everything else as it was.

    Parameters
    ----------
    value : nested structure
        Tuples, lists, dicts, named tuples and mappings with a ``to`` method.
    change : callable
        Applied to each tensor.

    Returns
    -------
    nested structure
        Of the same types; other mappings become dicts.
    """
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, PackedSequence):
        # the number of sequences at each step stays on the CPU, whatever the data's device
        orders = (map_tensors(o, change) for o in (value.sorted_indices, value.unsorted_indices))
        return PackedSequence(change(value.data), value.batch_sizes, *orders)
    if isinstance(value, Mapping):
        return {key: map_tensors(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, change) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(map_tensors(item, change) for item in value)
    return value
