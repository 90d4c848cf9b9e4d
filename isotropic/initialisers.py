"""Initialisers as data: what they draw and which rotations leave their distribution alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from isotropic.affine import Affine, Dense
from isotropic.draws import Fill, fill
from isotropic.functional._norms import working


@dataclass(frozen=True)
class Initialiser:
    """A distribution of weight matrices.

    Parameters
    ----------
    name : str
        What :func:`initialise` calls it.
    fill : callable
        Fills a matrix in place from a generator.
    left, right : str
        The largest group G with ``p(R W) = p(W)``, or ``p(W R) = p(W)``, for all R in G: ``"O(n)"``
        or ``"B_n"``.

    Notes
    -----
    Adaptive topologies, Eqn 2.

    Examples
    --------
    >>> INITIALISERS["haar"].left, INITIALISERS["xavier-uniform"].left
    ('O(n)', 'B_n')
    """

    name: str
    fill: Fill
    left: str
    right: str


def _standard(weight: Tensor, generator: torch.Generator | None) -> Tensor:
    return nn.init.normal_(weight, generator=generator)


def _he_normal(weight: Tensor, generator: torch.Generator | None) -> Tensor:
    return nn.init.normal_(weight, std=math.sqrt(2 / weight.shape[1]), generator=generator)


@torch.no_grad()
def haar(weight: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fill a matrix in place with a (semi-)orthogonal one, uniformly distributed.

    Parameters
    ----------
    weight : Tensor (m, n)
        Of any precision: no library decomposes half precision, which is drawn in float32.
    generator : torch.Generator, optional
        Where it is drawn from, on the same device.

    Returns
    -------
    Tensor (m, n)
        The same tensor.

    Examples
    --------
    >>> turn = haar(torch.empty(2, 2, dtype=torch.float64))
    >>> torch.allclose(turn @ turn.T, torch.eye(2, dtype=torch.float64))
    True
    """
    return weight.copy_(nn.init.orthogonal_(working(weight), generator=generator))


def _xavier_normal(weight: Tensor, generator: torch.Generator | None) -> Tensor:
    return nn.init.xavier_normal_(weight, generator=generator)


def _xavier_uniform(weight: Tensor, generator: torch.Generator | None) -> Tensor:
    return nn.init.xavier_uniform_(weight, generator=generator)


#: Every initialiser by its name. Only the uniform one singles the axes out.
INITIALISERS: dict[str, Initialiser] = {
    item.name: item
    for item in (
        Initialiser("normal", _standard, "O(n)", "O(n)"),
        Initialiser("xavier-normal", _xavier_normal, "O(n)", "O(n)"),
        Initialiser("he-normal", _he_normal, "O(n)", "O(n)"),
        Initialiser("haar", haar, "O(n)", "O(n)"),
        Initialiser("xavier-uniform", _xavier_uniform, "B_n", "B_n"),
    )
}


@torch.no_grad()
def initialise(
    module: nn.Module, name: str = "xavier-normal", generator: torch.Generator | None = None
) -> nn.Module:
    """Draw the weights of every linear layer in a module anew, and set its biases to zero.

    Parameters
    ----------
    module : Module
        A network, or one layer: every ``torch.nn.Linear`` and every layer of an MLP, whose psi
        becomes zero too.
    name : str, default "xavier-normal"
        One of the names in ``isotropic.initialisers.INITIALISERS``; "haar" draws (semi-)orthogonal
        matrices.
    generator : torch.Generator, optional
        Where they are drawn from, layer by layer; on any device.

    Returns
    -------
    Module
        The same module.

    Raises
    ------
    ValueError
        No initialiser has that name, there is no linear layer, or one whose matrix is not dense.

    Notes
    -----
    Gains: an isotropic tanh maps vectors of any width n, whose length is about sqrt n, to length
    about 1. No gain preserves the mean square through it, and none is applied here.

    Examples
    --------
    >>> layer = initialise(nn.Linear(4, 4), "haar", torch.Generator().manual_seed(0))
    >>> torch.allclose(layer.weight @ layer.weight.T, torch.eye(4), atol=1e-6)
    True
    """
    if name not in INITIALISERS:
        near = get_close_matches(name, INITIALISERS, n=2)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "choose one of them"
        raise ValueError(f"name must be one of {', '.join(INITIALISERS)}, got {name!r}: {hint}")
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | Affine)]
    if not layers:
        kind = type(module).__name__
        raise ValueError(f"module must hold a linear layer, got a {kind} without one")
    for layer in layers:
        if not isinstance(layer, nn.Linear | Dense):
            raise ValueError(f"layers must be dense, got {layer}: initialise before diagonalising")
        fill(layer.weight, INITIALISERS[name].fill, generator)
        for offset in (layer.bias, getattr(layer, "psi", None)):
            if offset is not None:
                nn.init.zeros_(offset)
    return module
