"""A table of a model's layers, their types and the shapes they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from hooks.batches import Reader
from hooks.choosing import module_tree, unwrap
from hooks.forwarding import at_rest, call, device_of
from hooks.structure import leaves, spell_leaf


@dataclass
class Layer:
    """One line of `layers`.

    Parameters
    ----------
    name : str
        What `select`, `capture` and `record` call it.
    kind : str
        The module's type.
    shapes : dict of str to tuple of int
        Shape of each tensor of its output, by leaf (``""`` for a plain tensor); of the last call.
    calls : int
        How often it ran in the forward.
    """

    name: str
    kind: str
    shapes: dict[str, tuple[int, ...]]
    calls: int

    def shown(self) -> str:
        """Return the shapes as text.

        Returns
        -------
        str
        """
        if not self.calls:
            return "(does not run)"
        return ", ".join(
            f"{leaf}{' ' if leaf else ''}{shape}" for leaf, shape in self.shapes.items()
        )


class LayerTable(list[Layer]):
    """Layers of a model; prints as a table."""

    def __repr__(self) -> str:
        rows = [("layer", "module", "calls", "output")]
        rows += [(repr(x.name), x.kind, str(x.calls), x.shown()) for x in self]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join(
            "  ".join([*(cell.ljust(w) for cell, w in zip(row[:3], widths, strict=True)), row[3]])
            for row in rows
        )


def layers(model: nn.Module, example: Any) -> LayerTable:
    """Run an example through a model and list its layers with what they give.

    Parameters
    ----------
    model : torch.nn.Module
        Run once in eval mode without gradients, and left as it was.
    example : Any
        A batch as a loader would give it.

    Returns
    -------
    LayerTable
        One `Layer` for each module name, the model itself (``""``) first.

    Raises
    ------
    CaptureError
        If the model cannot take the example.

    Examples
    --------
    >>> import torch
    >>> layers(nn.Sequential(nn.Linear(4, 3), nn.Tanh()), torch.zeros(5, 4))
    layer  module      calls  output
    ''     Sequential  1      (5, 3)
    '0'    Linear      1      (5, 3)
    '1'    Tanh        1      (5, 3)
    """
    bare = unwrap(model)
    tree = module_tree(bare)
    seen: dict[int, tuple[dict[str, tuple[int, ...]], int]] = {}

    def note(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        shapes = {spell_leaf(path): tuple(t.shape) for path, t in leaves(output)}
        seen[id(module)] = shapes, seen.get(id(module), ({}, 0))[1] + 1

    batch = Reader(bare).read(example, 0)
    handles = []
    try:
        for module in {id(m): m for m in tree.values()}.values():
            handles.append(module.register_forward_hook(note))
        with at_rest(bare):
            call(bare, batch, 0, device_of(bare))
    finally:
        for handle in handles:
            handle.remove()
    return LayerTable(
        Layer(name, type(module).__name__, *seen.get(id(module), ({}, 0)))
        for name, module in tree.items()
    )
