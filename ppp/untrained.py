"""An untrained copy of a model: the control for what architecture and data alone bring about."""

from __future__ import annotations

import copy
from typing import Any

import torch


def untrained_copy(model: Any, seed: int = 0) -> Any:
    """Return a copy of a model with every parameter drawn anew by its own initialiser.

    Parameters
    ----------
    model : torch.nn.Module
        It is left as it is.
    seed : int
        Seed of the draw; torch's global generator is left as it was.

    Returns
    -------
    torch.nn.Module
        Of the same class, in the same training mode, buffers such as running means reset where
        the modules know how.

    Raises
    ------
    ValueError
        When a parameter belongs to no module with `reset_parameters`: the copy would still be
        partly trained. The parameters are named.

    Notes
    -----
    Structure that an untrained copy shows as well (inputs bounded in [0, 1], one-sided
    activation functions) was not learned. Compare it with `ppp.compare`.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh())
    >>> control = untrained_copy(model, seed=1)
    >>> bool(torch.equal(control[0].weight, model[0].weight))
    False
    """
    twin = copy.deepcopy(model)
    reset: set[int] = set()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in twin.modules():
            again = getattr(module, "reset_parameters", None)
            if callable(again):
                again()
                reset.update(id(parameter) for parameter in module.parameters(recurse=False))
    kept = [name for name, each in twin.named_parameters() if id(each) not in reset]
    if kept:
        raise ValueError(
            f"an untrained copy needs modules that know reset_parameters(); {', '.join(kept)} "
            "belong to none: build the model anew instead"
        )
    return twin
