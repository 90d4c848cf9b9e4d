"""The affine divergence of a network's layers: how unequally updates weigh their inputs."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from isotropic.affine import Affine
from isotropic.modes import evaluating


@dataclass(frozen=True)
class AffineDivergence:
    """Statistics of the factor ``||x||^2 + 1`` over the inputs of one affine layer.

    Parameters
    ----------
    layer : str
        Its name.
    mean, variance : float
        Of the factor over all vectors that entered the layer.

    Examples
    --------
    >>> AffineDivergence("encoder", mean=2.0, variance=1.0).relative
    0.5
    """

    layer: str
    mean: float
    variance: float

    @property
    def relative(self) -> float:
        """Standard deviation over mean: what no learning rate can make up for."""
        return self.variance**0.5 / self.mean


@torch.no_grad()
def affine_divergence(model: nn.Module, *inputs: Tensor) -> list[AffineDivergence]:
    """Measure the affine divergence of every ``torch.nn.Linear``, and layer of an MLP, in a model.

    Parameters
    ----------
    model : Module
        Left as it was; it runs in evaluation mode.
    *inputs : tensor
        What the model is called with.

    Returns
    -------
    list of AffineDivergence
        In the order in which the layers are called.

    Raises
    ------
    ValueError
        No linear layer was called, or one saw no rows.

    Notes
    -----
    Emergence of quantised representations, App. C.2.1: Var(||x||^2 + 1). A layer that is called
    several times is measured over all its calls.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> first, second = affine_divergence(net, torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    >>> first
    AffineDivergence(layer='0', mean=3.5, variance=2.25)
    """
    factors: dict[str, list[Tensor]] = {}
    handles = []

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], more: dict[str, Any]) -> None:
            # The input is the first parameter, which may be given by its name.
            rows = inspect.signature(module.forward).bind(*args, **more).args[0]
            squares = rows.double().square().sum(-1)
            factors.setdefault(name, []).append(squares.reshape(-1) + 1)

        return hook

    try:
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear | Affine):
                handles.append(module.register_forward_pre_hook(keep(name), with_kwargs=True))
        with evaluating(model):
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    empty = [name for name, parts in factors.items() if not sum(map(len, parts))]
    if empty:
        raise ValueError(f"inputs must have at least one row, but layer {empty[0]!r} saw none")
    if not factors:
        raise ValueError(
            "model must call at least one torch.nn.Linear or layer of an isotropic.MLP, but none "
            "was called"
        )
    return [
        AffineDivergence(name, float(joined.mean()), float(joined.var(correction=0)))
        for name, joined in ((name, torch.cat(parts)) for name, parts in factors.items())
    ]
