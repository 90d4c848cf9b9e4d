"""Store a layer in factors, or write its matrix out again."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from isotropic.adapt.checks import require_isotropic, require_layer
from isotropic.adapt.rotations import diagonalise, signed_svd
from isotropic.adapt.states import work_dtype
from isotropic.affine import Affine
from isotropic.mlp import MLP


def factorise(net: nn.Module, layer: int, freeze: bool = False) -> None:
    """Diagonalise a layer from the left and keep ``S`` and ``V^T`` as two parameters.

    Make a new optimiser afterwards: the factors take other steps than their product.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron.
    layer : int
        Any affine layer but the last.
    freeze : bool
        Whether the singular values stop training. ``V^T`` goes on, and its rows may shrink or
        lean: :func:`orthonormalise` takes them back, so that the frozen values are the matrix's. A
        state dict does not tell: where it is loaded into another network, freeze them again with
        ``net.layers[layer].singular.requires_grad_(False)``.

    Notes
    -----
    Adaptive-topology paper, App. A.2 and Sec. 3.

    Examples
    --------
    >>> net = MLP([6, 5, 3])
    >>> factorise(net, 0, freeze=True)
    >>> net.layers[0].form, net.layers[0].singular.requires_grad
    ('left', False)
    """
    net = require_isotropic(net)
    layer = require_layer(net, layer)
    diagonalise(net, layer, "left")
    weight = net.layers[layer].weight
    _, S, Vh = signed_svd(weight, right=False)
    k = len(S)
    # The rows are orthogonal already: their own directions, not those of a second decomposition
    # that may turn inside equal singular values.
    tiny = torch.finfo(S.dtype).tiny
    right = torch.where(S[:, None] > 0, weight[:k].to(S) / S[:, None].clamp_min(tiny), Vh[:k])
    factored: Any = replace_form(net, layer, "left")
    with torch.no_grad():
        factored.singular.copy_(S)
        factored.right.copy_(right)
    factored.singular.requires_grad_(not freeze)


@torch.no_grad()
def orthonormalise(net: MLP, layer: int) -> None:
    """Take ``V^T`` of a factored layer back to orthonormal rows, in place.

    Training moves the rows off; then ``S`` are no longer the singular values of the matrix, and
    freezing them would not keep a function from decaying. Called after every epoch, say, this keeps
    the spectrum exactly. It changes the function by as much as the rows had moved off.

    Parameters
    ----------
    net : MLP
        Any perceptron.
    layer : int
        A layer that :func:`factorise` stored in factors.

    Raises
    ------
    ValueError
        When the layer has another form, or a row vanished.

    Notes
    -----
    Adaptive-topology paper, Sec. 3: "singular values may be frozen to prevent function loss". The
    nearest matrix with orthonormal rows is the orthogonal factor of the polar decomposition.

    Examples
    --------
    >>> net = MLP([6, 5, 3])
    >>> factorise(net, 0, freeze=True)
    >>> orthonormalise(net, 0)
    """
    factored: Any = net.layers[layer]
    if factored.form != "left":
        raise ValueError(
            f"layer {layer} must be stored in factors, but it is {factored.form}: call "
            f"adapt.factorise(net, {layer}) first"
        )
    right = factored.right.detach().to(work_dtype(factored.right))
    U, stretch, Vh = torch.linalg.svd(right, full_matrices=False)
    if not float(stretch.min()) > 1e-12 * float(stretch.max()):
        raise ValueError(f"rows of V^T of layer {layer} depend on each other: factorise it anew")
    factored.right.copy_(U @ Vh)


def densify(net: MLP, layer: int) -> None:
    """Write the matrix of a layer out as one dense parameter, whatever its form was.

    Make a new optimiser afterwards.

    Parameters
    ----------
    net : MLP
        Any perceptron.
    layer : int
        Any affine layer.

    Examples
    --------
    >>> net = MLP([6, 5, 3])
    >>> factorise(net, 0)
    >>> densify(net, 0)
    >>> net.layers[0].form
    'dense'
    """
    matrix = net.layers[layer].matrix().detach()
    dense: Any = replace_form(net, layer, "dense")
    with torch.no_grad():
        dense.weight.copy_(matrix)


def replace_form(net: MLP, layer: int, form: str) -> Affine:
    """Put a layer of another form in place, with the same bias and psi and a zero matrix.

    Parameters
    ----------
    net : MLP
        Any perceptron.
    layer : int
        Any affine layer.
    form : str
        "dense", "left", "diagonal" or "triangular".

    Returns
    -------
    Affine
        The new layer, in place.

    Examples
    --------
    >>> replace_form(MLP([6, 5, 3]), 1, "diagonal").form
    'diagonal'
    """
    old = net.layers[layer]
    new: Any = net.new_layer(layer, old.in_features, old.out_features, form).to(old.bias)
    with torch.no_grad():
        new.bias.copy_(old.bias)
        if old.has_psi:
            new.psi.copy_(old.psi)
    net.layers[layer] = new.train(old.training)
    return new
