"""`hooks.capture`: a context in which the user runs the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import nn

from hooks.choosing import Layers, targets, unwrap
from hooks.errors import CaptureError, OutputError
from hooks.forwarding import eager
from hooks.rowrules import Inputs, Rows
from hooks.streaming import Rules, rules_for
from hooks.taps import StopForward, Taps


class Captured(Mapping[str, torch.Tensor]):
    """Rows that a `capture` has gathered, by layer; the context manager itself.

    Parameters
    ----------
    model : torch.nn.Module
    layers : see `select`
    rule : RowRule or mapping, optional
    stop : bool
        End the forward, and the ``with`` body, when the last wanted layer has fired.
    """

    def __init__(
        self, model: nn.Module, layers: Layers, rule: Rules = None, stop: bool = False
    ) -> None:
        self._targets = targets(model, layers)
        self._rules = rules_for([t.name for t in self._targets], rule)
        self._model, self._root = model, unwrap(model)
        self._eager = ExitStack()
        self._taps = Taps(self._targets, self._rules, self._root)
        if stop:
            self._taps.stop_after = len(self._targets)
        self._handles: list[Any] = []
        self._rows: dict[str, list[torch.Tensor]] = {t.name: [] for t in self._targets}
        self._samples: dict[str, list[np.ndarray]] = {t.name: [] for t in self._targets}
        self._positions: dict[str, list[np.ndarray]] = {t.name: [] for t in self._targets}
        self._inputs = 0

    def __enter__(self) -> Captured:
        self._eager.enter_context(eager(self._model))
        self._handles.append(
            self._root.register_forward_pre_hook(self._begin, with_kwargs=True, prepend=True)
        )
        self._taps.__enter__()
        self._handles.append(self._root.register_forward_hook(self._end))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        while self._handles:
            self._handles.pop().remove()
        self._taps.__exit__(kind, problem, trace)
        self._eager.close()
        if kind is None or kind is StopForward:
            # layers that ran outside a forward of the whole model: a method that calls them
            self._gather(self._taps.take())
        return kind is StopForward

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = kwargs
        if args and isinstance(args[0], Mapping):
            given = {**args[0], **kwargs}
        keep = {}
        for name, rule in self._rules.items():
            if callable(rule.mask):
                keep[name] = rule.mask(given)
            elif rule.mask is not None:
                keep[name] = given.get("attention_mask" if rule.mask == "auto" else rule.mask)
        self._taps.begin(Inputs(None, None, keep, given.get("input_ids")))

    def _end(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._gather(self._taps.finish())

    def _gather(self, found: dict[str, Rows]) -> None:
        count = max((len(rows.counts) for rows in found.values()), default=0)
        ids = np.arange(self._inputs, self._inputs + count)
        self._inputs += count
        for name, rows in found.items():
            self._rows[name].append(rows.rows)
            self._samples[name].append(np.repeat(ids[: len(rows.counts)], rows.counts))
            if rows.position is not None:
                self._positions[name].append(rows.position)

    def _parts(self, layer: str) -> list[torch.Tensor]:
        """Return a layer's rows, forward by forward, if it was captured."""
        if layer not in self._rows:
            raise OutputError(f"layer {layer!r} was not captured; captured are {list(self._rows)}")
        if not self._rows[layer]:
            raise CaptureError(
                "nothing was captured yet: run the model, the very one that was given to capture, "
                "inside the with block (a function compiled around it runs past its hooks)"
            )
        return self._rows[layer]

    def __getitem__(self, layer: str) -> torch.Tensor:
        parts = self._parts(layer)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> torch.Tensor:
        """Return the rows of the only layer.

        Returns
        -------
        (R, n) tensor

        Raises
        ------
        OutputError
            If several layers were captured.
        """
        if len(self._rows) != 1:
            raise OutputError(f"several layers were captured: choose one of {list(self._rows)}")
        return self[next(iter(self._rows))]

    def sample(self, layer: str) -> np.ndarray:
        """Return which input each row comes from, counted from the first forward on.

        Parameters
        ----------
        layer : str

        Returns
        -------
        (R,) int64 array
        """
        self._parts(layer)  # raises where there are none
        return np.concatenate(self._samples[layer])

    def position(self, layer: str) -> np.ndarray | None:
        """Return the rows' positions, where an input gives several rows.

        Parameters
        ----------
        layer : str

        Returns
        -------
        (R, k) int32 array or None
        """
        self._parts(layer)  # raises where there are none
        parts = self._positions[layer]
        return np.concatenate(parts) if parts else None


def capture(
    model: nn.Module, layers: Layers, *, rule: Rules = None, stop: bool = False
) -> Captured:
    """Gather the outputs of some layers while you run the model.

    Parameters
    ----------
    model : torch.nn.Module
        Run it inside the ``with`` block, in whatever mode you like: nothing about it is changed,
        and when the block is left, by an error too, our hooks are gone and yours are still there.
    layers : see `select`
    rule : RowRule or mapping of layer name to RowRule, optional
    stop : bool
        End the forward when the last wanted layer has fired; it ends the ``with`` body too.

    Returns
    -------
    Captured
        A mapping of layer name to rows (R, n), detached; ``.rows`` for a single layer. Several
        forwards add up.

    Raises
    ------
    LayerNotFoundError
        If a layer is not there.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    >>> with capture(model, "1") as captured:
    ...     out = model(torch.randn(5, 4))
    >>> bool((captured["1"] == out).all()), tuple(captured.rows.shape)
    (True, (5, 3))
    """
    return Captured(model, layers, rule, stop)
