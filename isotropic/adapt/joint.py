"""Joint sparsity optimisation: turn all hidden spaces at once towards sparse matrices."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isotropic.adapt.checks import require_dense, require_isotropic, require_rotatable
from isotropic.adapt.rotations import diagonalise, turn_hidden
from isotropic.adapt.states import Carrier, work_dtype
from isotropic.mlp import MLP

# The turns are taken up into the matrices this often, so that their generators stay small.
_RESTART_EVERY = 25


@dataclass(frozen=True)
class JointSparsity:
    """An equivalent network in sparser bases, and how its proxy fell.

    Attributes
    ----------
    network : MLP
        The same function; its layers stay dense in storage.
    proxy : list of float
        Smoothed L1 norm of all matrices, before every step and at the end.

    Examples
    --------
    >>> JointSparsity(MLP([2, 2, 2]), [3.0, 2.5]).gain
    0.5
    """

    network: MLP
    proxy: list[float]

    @property
    def gain(self) -> float:
        """How far the proxy fell."""
        return self.proxy[0] - self.proxy[-1]


def optimise_sparsity(
    net: nn.Module,
    steps: int = 200,
    rate: float = 0.01,
    smoothing: float = 1e-3,
    start: str = "alternating",
) -> JointSparsity:
    """Minimise a norm-based proxy of the parameter count over all hidden rotations.

    Parameters
    ----------
    net : MLP
        An isotropic perceptron; it is left as it is.
    steps : int
        Gradient steps on the product of the hidden orthogonal groups.
    rate : float
        Step size, in the Lie algebra.
    smoothing : float
        Entries well below it count quadratically.
    start : str
        "alternating" starts from every second layer diagonal, "given" from the bases as they are.

    Returns
    -------
    JointSparsity
        The best bases met.

    Notes
    -----
    The paper names this optimisation (Sec. 2.2.1) and gives no formula. The proxy is our choice:
    ``sum sqrt(w^2 + smoothing^2) - smoothing`` over all matrices. A smaller L1 norm is not a
    smaller count of exact zeros: count both. By dimensions, odd depth has no generic zeros to gain.

    Examples
    --------
    >>> net = MLP([4, 3, 3, 2])
    >>> optimise_sparsity(net, steps=3).network.widths
    [4, 3, 3, 2]
    """
    net = require_isotropic(net)
    require_dense(net, *range(net.depth))
    for norm in net.norms:
        require_rotatable(norm)
    if start not in ("alternating", "given"):
        raise ValueError(f"start must be 'alternating' or 'given', got {start!r}")
    if steps < 1 or not rate > 0 or not smoothing > 0:
        raise ValueError(
            "steps must be at least 1, rate and smoothing above 0, "
            f"got {steps}, {rate} and {smoothing}"
        )
    network = copy.deepcopy(net)
    if start == "alternating":
        for layer in range(1, net.depth - 1, 2):
            diagonalise(network, layer, "full")
    matrices = [m.weight.detach().to(work_dtype(m.weight)) for m in network.layers]
    turns, proxy = _descend(matrices, steps, rate, smoothing)
    for layer, turn in enumerate(turns):
        turn_hidden(network, layer, turn, Carrier())
    return JointSparsity(network, proxy)


def _descend(
    matrices: list[Tensor], steps: int, rate: float, smoothing: float
) -> tuple[list[Tensor], list[float]]:
    """Adam in the Lie algebra, restarted from the turns so far; returns the best turns met."""
    like = matrices[0]
    turns = [torch.eye(len(m), dtype=like.dtype, device=like.device) for m in matrices[:-1]]
    best, lowest = turns, float("inf")
    proxy: list[float] = []
    base: list[Tensor] = []
    generators: list[Tensor] = []
    optimiser: torch.optim.Optimizer | None = None
    for step in range(steps + 1):
        if step % _RESTART_EVERY == 0 or optimiser is None:
            base = [t.detach() for t in turns]
            generators = [torch.zeros_like(t, requires_grad=True) for t in base]
            optimiser = torch.optim.Adam(generators, lr=rate)
        turns = [
            torch.linalg.matrix_exp((g - g.T) / 2) @ b
            for g, b in zip(generators, base, strict=True)
        ]
        value = _proxy(matrices, turns, smoothing)
        proxy.append(float(value.detach()))
        if proxy[-1] < lowest:
            lowest, best = proxy[-1], [t.detach() for t in turns]
        if step < steps:
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
    proxy[-1] = lowest
    return best, proxy


def _proxy(matrices: Sequence[Tensor], turns: Sequence[Tensor], smoothing: float) -> Tensor:
    total = matrices[0].new_zeros(())
    for index, matrix in enumerate(matrices):
        if index < len(turns):
            matrix = turns[index] @ matrix
        if index:
            matrix = matrix @ turns[index - 1].T
        total = total + ((matrix.square() + smoothing**2).sqrt() - smoothing).sum()
    return total
