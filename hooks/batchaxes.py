"""Where it cannot be told which axis of an output the inputs lie along, and what settles it."""

from __future__ import annotations

import torch
from torch import nn

from hooks.errors import CaptureError
from hooks.rowrules import Inputs, RowRule, is_batch_axis_told


class BatchAxes:
    """Refuses to guess between batch and time, through the batches of one pass.

    Parameters
    ----------
    model : torch.nn.Module
        Where none of its modules is time-major there is nothing to guess.

    Notes
    -----
    A module between two time-major ones does not know that it is: a LayerNorm takes (T, B, n) as it
    takes (B, T, n). With as many tokens as inputs both readings fit, and the wrong one would give
    rows the inputs, the labels and the mask of others.
    """

    def __init__(self, model: nn.Module) -> None:
        self._time_major = next(
            (
                name
                for name, module in model.named_modules()
                if getattr(module, "batch_first", True) is False
            ),
            None,
        )
        self._settled: set[str] = set()

    def check(
        self, tensor: torch.Tensor, module: nn.Module, rule: RowRule, inputs: Inputs, layer: str
    ) -> None:
        """Refuse a tensor whose first two axes could both be the inputs'.

        Parameters
        ----------
        tensor, module, rule, inputs, layer
            As `to_rows` takes them.

        Raises
        ------
        CaptureError
            If neither the rule, the module nor an earlier batch says which axis it is.
        """
        if self._time_major is None or is_batch_axis_told(tensor, module, rule):
            return
        size = _size(rule, inputs, layer)
        if size is None or size == 1:
            # whatever there is of a single input belongs to it, either way
            return
        fits = [length == size for length in tensor.shape[:2]]
        if fits == [True, False]:
            self._settled.add(layer)
        if all(fits) and layer not in self._settled:
            raise CaptureError(
                f"layer {layer!r} gave {tuple(tensor.shape)} for {size} inputs: the inputs may lie "
                f"along axis 0 or axis 1, since {self._time_major!r} is not batch_first. Say which "
                "with RowRule(batch_axis=0) or RowRule(batch_axis=1), with RowRule(feature_axis=1) "
                "where axis 1 holds channels, or load batches of another size"
            )


def _size(rule: RowRule, inputs: Inputs, layer: str) -> int | None:
    """Return how many inputs there are, by the mask where nothing else says so."""
    if inputs.size is not None:
        return inputs.size
    keep = inputs.keep.get(layer)
    told = inputs.tokens if keep is None and rule.drop_tokens else keep
    return None if told is None else len(told)
