"""Which neurons matter, and how many are scaffold."""

from __future__ import annotations

import torch
from torch import Tensor

from isotropic.mlp import MLP

IMPORTANCES = ("singular", "composite")
COUNTS = ("neurons", "singular-values")


def importances(net: MLP, layer: int, values: Tensor, kind: str = "singular") -> Tensor:
    """Score the neurons of a layer that was just diagonalised.

    Parameters
    ----------
    net : MLP
        The network, after :func:`diagonalise` of this layer.
    layer : int
        The layer.
    values : Tensor (m,)
        What :func:`diagonalise` returned.
    kind : str
        "singular": the singular value. "composite": times the length of the outgoing column,
        which bounds what removing the neuron takes from the next layer.

    Returns
    -------
    Tensor (m,)
        Higher matters more.

    Raises
    ------
    ValueError
        For an unknown kind.

    Examples
    --------
    >>> import torch
    >>> net = MLP([2, 2, 1])
    >>> importances(net, 0, torch.tensor([2.0, 1.0])).tolist()
    [2.0, 1.0]
    """
    require_importance(kind)
    if kind == "singular":
        return values
    return values * net.layers[layer + 1].weight.detach().norm(dim=0).to(values)


def require_importance(kind: str) -> None:
    """Refuse an unknown score.

    Parameters
    ----------
    kind : str
        "singular" or "composite".

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> require_importance("composite")
    """
    if kind not in IMPORTANCES:
        raise ValueError(f"importance must be one of {', '.join(IMPORTANCES)}, got {kind!r}")


def scaffold_count(scores: Tensor, threshold: float, visible: int, count: str = "neurons") -> int:
    """Count the neurons at or below the threshold.

    Parameters
    ----------
    scores : Tensor (m,)
        One score per neuron.
    threshold : float
        Neurons at or below it are scaffold.
    visible : int
        min(m, n), the number of singular values.
    count : str
        "neurons": over all m. "singular-values": over the visible ones only, as published code
        does: there a layer at least as wide as its input never sees the zero rows it grows, and
        grows again at every event.

    Returns
    -------
    int
        How many are scaffold.

    Raises
    ------
    ValueError
        For an unknown kind.

    Examples
    --------
    >>> import torch
    >>> scores = torch.tensor([2.0, 1.0, 0.0])
    >>> scaffold_count(scores, .5, 2), scaffold_count(scores, .5, 2, "singular-values")
    (1, 0)
    """
    if count not in COUNTS:
        raise ValueError(f"count must be one of {', '.join(COUNTS)}, got {count!r}")
    seen = scores if count == "neurons" else scores[:visible]
    return int(torch.count_nonzero(seen <= threshold))
