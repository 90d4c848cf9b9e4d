"""A callback that lets any training loop change its network's widths as the task asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from isotropic.adapt.checks import (
    require_carried_psi,
    require_isotropic,
    require_layer,
    require_resizable,
    require_unnormalised,
)
from isotropic.adapt.importance import COUNTS, IMPORTANCES, importances, scaffold_count
from isotropic.adapt.rotations import diagonalise
from isotropic.adapt.starts import BIASES, COLUMNS
from isotropic.adapt.widths import grow, prune
from isotropic.checks import require_whole


@dataclass(frozen=True)
class Adaptation:
    """What happened to one layer at one call.

    Attributes
    ----------
    call : int
        Number of the call, from 1.
    layer : int
        The affine layer.
    before, after : int
        Its width.
    scaffold : int
        Neurons at or below the threshold before the change.
    values : Tensor (before,)
        Singular values, one per neuron.

    Examples
    --------
    >>> import torch
    >>> Adaptation(1, 0, 10, 12, 3, torch.ones(10)).change
    2
    """

    call: int
    layer: int
    before: int
    after: int
    scaffold: int
    values: Tensor

    @property
    def change(self) -> int:
        """Neurons gained, or lost when negative."""
        return self.after - self.before


class NeuroAdapter:
    """Keeps a buffer of scaffold neurons in every hidden layer by growing and pruning.

    Parameters
    ----------
    model : MLP
        An isotropic perceptron.
    optimiser : Optimizer, optional
        SGD, Adam or AdamW of this network; its state is carried along.
    threshold : float
        Neurons at or below it are scaffold; above 0.
    scaffold : int
        How many scaffold neurons every layer shall have; at least 1.
    schedule : int, collection of int, or callable
        When a call of :meth:`step` acts: every so many calls, at these calls (from 1), or where
        the callable says so of the call's number.
    layers : sequence of int, optional
        Which affine layers; all but the last by default.
    importance : str
        "singular" or "composite", see :func:`resize`; the threshold applies to the same score.
    count : str
        "neurons", or "singular-values" as published code counts: see :func:`scaffold_count`.
    columns, biases : str
        How new neurons start, see :func:`grow`.
    generator : torch.Generator, optional
        Where randomness comes from.

    Attributes
    ----------
    history : list of Adaptation
        Every layer of every call that acted, in the order it was done.

    Raises
    ------
    TypeError, ValueError
        For networks, optimisers or settings that cannot work.

    Notes
    -----
    Adaptive-topology paper, Sec. 2.3; layers go from the output to the input, since pruning a
    layer feeds psi of the next. There is one decomposition per layer and call.

    Examples
    --------
    >>> from isotropic import MLP
    >>> net = MLP([8, 6, 3])
    >>> adapter = NeuroAdapter(net, threshold=.95, scaffold=2)
    >>> [event.change for event in adapter.step()]   # orthogonal start: all values are 1
    [2]
    >>> net.widths
    [8, 8, 3]
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None = None,
        threshold: float = 0.95,
        scaffold: int = 5,
        schedule: int | Collection[int] | Callable[[int], bool] = 1,
        *,
        layers: Sequence[int] | None = None,
        importance: str = "singular",
        count: str = "neurons",
        columns: str = "normal",
        biases: str = "zero",
        generator: torch.Generator | None = None,
    ) -> None:
        self.model = require_isotropic(model, optimiser)
        for name, given, known in (
            ("importance", importance, IMPORTANCES),
            ("count", count, COUNTS),
            ("columns", columns, COLUMNS),
            ("biases", biases, BIASES),
        ):
            if given not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {given!r}")
        chosen = range(max(1, self.model.depth - 1)) if layers is None else layers
        indices = {require_layer(self.model, layer) for layer in chosen}
        if not indices:
            raise ValueError("layers must name at least one affine layer, got none")
        for layer in indices:
            for change in (1, -1):
                require_resizable(self.model, layer, change)
            if biases != "zero":
                require_unnormalised(self.model, layer)
        self.layers = tuple(sorted(indices, reverse=True))
        self.optimiser = optimiser
        self.threshold = _positive("threshold", threshold)
        self.scaffold = require_whole("scaffold", scaffold, 1)
        self.importance = importance
        self.count = count
        self.columns = columns
        self.biases = biases
        self.generator = generator
        self._due = _schedule(schedule)
        self.calls = 0
        self.history: list[Adaptation] = []

    def step(self) -> list[Adaptation]:
        """Adapt the network if this call is due: call it once per epoch, say.

        Returns
        -------
        list of Adaptation
            One per layer, last layer first; empty when not due.
        """
        self.calls += 1
        if not self._due(self.calls):
            return []
        for layer in self.layers:
            require_carried_psi(self.model, layer)
        events = [self._adapt(layer) for layer in self.layers]
        for activation in self.model.activations:
            activation.reset_scale()
        self.history.extend(events)
        return events

    def _adapt(self, layer: int) -> Adaptation:
        net = self.model
        before = net.layers[layer].out_features
        visible = min(before, net.layers[layer].in_features)
        values = diagonalise(net, layer, "left", self.optimiser)
        scores = importances(net, layer, values, self.importance)
        present = scaffold_count(scores, self.threshold, visible, self.count)
        # A layer keeps at least one neuron, whatever its spectrum.
        surplus = min(present - self.scaffold, before - 1)
        if surplus < 0:
            grow(
                net,
                layer,
                -surplus,
                self.optimiser,
                columns=self.columns,
                biases=self.biases,
                generator=self.generator,
            )
        elif surplus > 0:
            order = torch.argsort(scores, stable=True)
            prune(net, layer, order[:surplus].tolist(), self.optimiser)
        after = net.layers[layer].out_features
        return Adaptation(self.calls, layer, before, after, present, values.cpu())


def _positive(name: str, value: Any) -> float:
    if not isinstance(value, Real) or not float(value) > 0:
        raise ValueError(f"{name} must be a number above 0, got {value!r}")
    return float(value)


def _schedule(
    schedule: int | Collection[int] | Callable[[int], bool],
) -> Callable[[int], bool]:
    if isinstance(schedule, int):
        every = require_whole("schedule", schedule, 1)
        return lambda call: call % every == 0
    if isinstance(schedule, Collection) and not isinstance(schedule, str):
        calls = frozenset(require_whole("a call of the schedule", call, 1) for call in schedule)
        return lambda call: call in calls
    if not callable(schedule):
        raise TypeError(
            f"schedule must be a whole number, a collection of them or a callable, got {schedule!r}"
        )
    return schedule
