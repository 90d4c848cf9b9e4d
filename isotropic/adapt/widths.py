"""Grow and prune hidden layers: neurogenesis and neurodegeneration."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from isotropic.adapt.checks import (
    require_carried_psi,
    require_isotropic,
    require_layer,
    require_resizable,
    require_unnormalised,
)
from isotropic.adapt.importance import importances, require_importance
from isotropic.adapt.rotations import diagonalise
from isotropic.adapt.starts import gradient_share, new_biases, new_columns
from isotropic.adapt.states import Carrier, work_dtype
from isotropic.checks import require_whole
from isotropic.mlp import MLP

CORRECTIONS = ("delete", "pseudo-inverse")


def resize(
    net: nn.Module,
    layer: int,
    width: int,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    importance: str = "singular",
    columns: str | Tensor = "normal",
    biases: str | Tensor = "zero",
    generator: torch.Generator | None = None,
) -> None:
    """Give a hidden layer another width, in place; the optimiser's state is carried along.

    The layer is diagonalised from the left, once, then neurons are added or the least important
    removed. Growth leaves the function as it is; pruning changes it in proportion to the singular
    values that go.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron.
    layer : int
        The affine layer whose output width changes: any but the last.
    width : int
        The new width, at least 1. The present one means diagonalisation alone.
    optimizer : Optimizer, optional
        SGD, Adam or AdamW.
    importance : str
        Which neurons go first: "singular" (smallest singular value) or "composite" (smallest
        singular value times length of the outgoing column).
    columns, biases : str or Tensor
        How new neurons start, see :func:`grow`.
    generator : torch.Generator, optional
        Where randomness comes from.

    Raises
    ------
    TypeError, ValueError
        As :func:`diagonalise`, :func:`grow` and :func:`prune`.

    Notes
    -----
    Adaptive-topology paper, Sec. 2.3.3. When several layers change, go from the output to the
    input: pruning a layer feeds psi of the next.

    Examples
    --------
    >>> from isotropic import MLP
    >>> net = MLP([6, 5, 3])
    >>> resize(net, 0, 4)
    >>> net.widths
    [6, 4, 3]
    """
    width = require_whole("width", width, 1)
    require_importance(importance)
    net = require_isotropic(net, optimizer)
    layer = require_layer(net, layer)
    count = width - net.layers[layer].out_features
    require_resizable(net, layer, count)
    if count > 0:
        # Made before the turn, which does not reach the space of the outgoing columns.
        block, start = _new_entries(net, layer, count, columns, biases, generator)
        diagonalise(net, layer, "left", optimizer)
        _grow(net, layer, block, start, Carrier(optimizer))
        return
    if count < 0:
        require_carried_psi(net, layer)
    values = diagonalise(net, layer, "left", optimizer)
    if count < 0:
        scores = importances(net, layer, values, importance)
        prune(net, layer, torch.argsort(scores, stable=True)[:-count].tolist(), optimizer)


def grow(
    net: nn.Module,
    layer: int,
    count: int,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    columns: str | Tensor = "normal",
    biases: str | Tensor = "zero",
    generator: torch.Generator | None = None,
) -> None:
    """Append scaffold neurons with zero rows; the function is unchanged.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron.
    layer : int
        The affine layer that gets more outputs.
    count : int
        How many, at least 1.
    optimizer : Optimizer, optional
        SGD, Adam or AdamW.
    columns : str or Tensor (o, count)
        Outgoing columns: "normal" (.01 N(0, 1)), "existing", "semi-orthogonal", "zero", or given.
    biases : str or Tensor (count,)
        "zero", "length" (signed, near the intrinsic length), or given. Other than zero they take
        their squares from omega and ``columns @ biases`` from psi, and stay exact; a normaliser
        behind the layer would see them, and takes zero only.
    generator : torch.Generator, optional
        Where randomness comes from.

    Raises
    ------
    TypeError, ValueError
        When omega would not stay positive, or nothing can take what the biases add.

    Notes
    -----
    Adaptive-topology paper, Sec. 2.3.3, growth steps 1-5; the psi correction is ours.

    Examples
    --------
    >>> from isotropic import MLP
    >>> net = MLP([6, 5, 3])
    >>> grow(net, 0, 2)
    >>> net.widths
    [6, 7, 3]
    """
    count = require_whole("count", count, 1)
    net = require_isotropic(net, optimizer)
    layer = require_layer(net, layer)
    require_resizable(net, layer, count)
    block, start = _new_entries(net, layer, count, columns, biases, generator)
    _grow(net, layer, block, start, Carrier(optimizer))


def prune(
    net: nn.Module,
    layer: int,
    neurons: Sequence[int],
    optimizer: torch.optim.Optimizer | None = None,
    *,
    correction: str = "delete",
) -> None:
    """Remove neurons of a layer; omega and psi absorb what their biases did.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron, best just diagonalised.
    layer : int
        The affine layer that loses outputs.
    neurons : sequence of int
        Which, from 0; not all.
    optimizer : Optimizer, optional
        SGD, Adam or AdamW.
    correction : str
        "delete" the outgoing columns, or refit the others by "pseudo-inverse" (Eqn 18), which
        only differs when rows are not orthogonal. Where the kept rows do not have full rank the
        columns are deleted.

    Raises
    ------
    TypeError, ValueError
        When the rows to go (or, for the pseudo-inverse, any) still have a live psi and its mean
        effect is not known.

    Notes
    -----
    Adaptive-topology paper, Sec. 2.3.3, pruning steps 1-5, for all neurons at once. Exact when
    their rows are zero. With psi "absent" the linear residual is dropped; with omega "absent" so
    is the part of the norm.

    Examples
    --------
    >>> from isotropic import MLP
    >>> net = MLP([6, 5, 3])
    >>> prune(net, 0, [4])
    >>> net.widths
    [6, 4, 3]
    """
    net = require_isotropic(net, optimizer)
    layer = require_layer(net, layer)
    if correction not in CORRECTIONS:
        raise ValueError(f"correction must be one of {', '.join(CORRECTIONS)}, got {correction!r}")
    width = net.layers[layer].out_features
    gone = sorted({require_whole("a neuron", neuron) for neuron in neurons})
    if not gone or gone[0] < 0 or gone[-1] >= width or len(gone) >= width:
        raise ValueError(
            f"neurons must name at least one and at most {width - 1} of the {width} neurons, from "
            f"0, got {list(neurons)}"
        )
    require_resizable(net, layer, -len(gone))
    # Other columns behind the neurons that stay change what their psi adds, too.
    require_carried_psi(net, layer, gone if correction == "delete" else None)
    _prune(net, layer, gone, correction, Carrier(optimizer))


def _new_entries(
    net: MLP,
    layer: int,
    count: int,
    columns: str | Tensor,
    biases: str | Tensor,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Make and check outgoing columns (o, count) and biases (count,) of new neurons."""
    outgoing = net.layers[layer + 1].weight.detach()
    omega = net.activations[layer].omega
    if isinstance(columns, str):
        columns = new_columns(columns, outgoing, count, generator=generator)
    if isinstance(biases, str):
        biases = new_biases(biases, omega, count, outgoing, generator)
    for name, given, shape in (
        ("columns", columns, (len(outgoing), count)),
        ("biases", biases, (count,)),
    ):
        if tuple(given.shape) != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tuple(given.shape)}")
        if not bool(torch.isfinite(given).all()):
            raise ValueError(f"{name} must be finite, got {given.tolist()}")
    columns, biases = columns.detach().to(outgoing), biases.detach().to(outgoing)
    taken = _square(biases)
    if taken > 0:
        require_unnormalised(net, layer)
    if taken > 0 and taken >= omega:
        raise ValueError(
            f"omega must stay positive: the new biases take {taken:.3g} of {omega:.3g}; make them "
            f"shorter than {omega**0.5:.3g} together"
        )
    if float((columns @ biases).abs().max()) > 0 and net.psi_kind == "absent":
        raise ValueError(
            "new biases add to the next layer and psi='absent' cannot take it back: use "
            "biases='zero' or columns='zero'"
        )
    if taken > 0 and net.psi_kind == "expectation":
        require_carried_psi(net, layer, [0])
    return columns, biases


def _grow(net: MLP, layer: int, columns: Tensor, biases: Tensor, carrier: Carrier) -> None:
    this, after = net.layers[layer], net.layers[layer + 1]
    activation = net.activations[layer]
    share = gradient_share(columns, after.weight.detach())
    rows = columns.new_zeros(len(biases), this.in_features)
    carrier.append(this, "weight", 0, rows, share)
    carrier.append(this, "bias", 0, biases, share)
    if this.has_psi:
        carrier.append(this, "psi", 0, torch.zeros_like(biases), share)
    this.out_features += len(biases)
    taken = _square(biases)
    if taken > 0:
        work = work_dtype(biases)
        activation.set_omega(activation.omega - taken)
        _add_residual(net, layer, -(columns.to(work) @ biases.to(work)), carrier)
    carrier.append(after, "weight", 1, columns, share)
    after.in_features += len(biases)


def _square(biases: Tensor) -> float:
    return float(biases.to(work_dtype(biases)).square().sum())


def _prune(net: MLP, layer: int, gone: list[int], correction: str, carrier: Carrier) -> None:
    this, after = net.layers[layer], net.layers[layer + 1]
    work = work_dtype(this.weight)
    dropped = torch.zeros(this.out_features, dtype=torch.bool, device=this.weight.device)
    dropped[gone] = True
    keep = torch.nonzero(~dropped).squeeze(1)
    bias = this.bias.detach().to(work)
    mean = net.activations[layer - 1].mean_scale if this.has_psi else None
    if mean is not None:
        # psi's share of the pre-activations varies with the input: its mean is carried over.
        bias = bias + mean * this.psi.detach().to(work)
    outgoing = after.weight.detach().to(work)
    refit = outgoing[:, keep]
    if correction == "pseudo-inverse":
        refit = _refit(outgoing, this.weight.detach().to(work), keep)
    activation = net.activations[layer]
    if net.omega_kind != "absent":
        activation.set_omega(activation.omega + float(bias[gone].square().sum()))
    for name in ["weight", "bias", *(["psi"] if this.has_psi else [])]:
        carrier.keep(this, name, 0, keep)
    this.out_features = len(keep)
    carrier.keep(after, "weight", 1, keep)
    carrier.assign(after, "weight", refit)
    after.in_features = len(keep)
    _add_residual(net, layer, outgoing @ bias - refit @ bias[keep], carrier)


def _refit(outgoing: Tensor, rows: Tensor, keep: Tensor) -> Tensor:
    """``W2 W1 (W1')^+`` where the kept rows have full rank, the kept columns otherwise."""
    kept = rows[keep]
    values = torch.linalg.svdvals(kept)
    full = len(keep) <= rows.shape[1] and float(values[-1]) > 1e-6 * float(values[0])
    return outgoing @ rows @ torch.linalg.pinv(kept) if full else outgoing[:, keep]


def _add_residual(net: MLP, layer: int, residual: Tensor, carrier: Carrier) -> None:
    """Give the next layer what constant neurons added to it: ``t * residual``."""
    after = net.layers[layer + 1]
    if after.has_psi:
        carrier.assign(after, "psi", after.psi.detach().to(residual) + residual)
    elif net.psi_kind == "expectation":
        mean = net.activations[layer].mean_scale
        carrier.assign(after, "bias", after.bias.detach().to(residual) + mean * residual)
