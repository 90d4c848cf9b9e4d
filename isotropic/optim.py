"""An Adam that commutes with rotations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from isotropic.functional._norms import working


class EquivariantAdam(torch.optim.Optimizer):
    """Adam with one second moment per tensor instead of one per number.

    ``m <- b1 m + (1 - b1) g`` as in Adam, but ``v <- b2 v + (1 - b2) ||g||^2/N`` with N the numbers
    in the tensor: a scalar that no rotation of the tensor changes. Training a network and training
    its rotated copy then give rotated copies, where Adam, which divides number by number, commutes
    with signed permutations only.

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups.
    lr : float, default 1e-3
        Step size.
    betas : (float, float), default (0.9, 0.999)
        Decay of first and second moments, each in [0, 1).
    eps : float, default 1e-8
        Added to the root of the second moment.
    weight_decay : float, default 0
        Decoupled, as in AdamW; it commutes with rotations too.

    Raises
    ------
    ValueError
        A setting is out of its range.

    Notes
    -----
    No printed formula exists; this is the natural one. One scalar per *row* of a matrix would not
    commute with rotations from the left.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> optimizer = EquivariantAdam([weight], lr=0.1)
    >>> weight.square().sum().backward()
    >>> optimizer.step()
    >>> weight  # moved by 0.1 sqrt(2) along the gradient, whatever its direction
    Parameter containing:
    tensor([2.9151, 3.8869], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        if not 0 <= lr < math.inf:
            raise ValueError(f"lr must be at least 0 and finite, got {lr}")
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be two numbers in [0, 1), got {betas}")
        if not eps >= 0:
            raise ValueError(f"eps must be at least 0, got {eps}")
        if not weight_decay >= 0:
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step.

        Parameters
        ----------
        closure : callable, optional
            Evaluates the loss anew.

        Returns
        -------
        object
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    _update(parameter, parameter.grad, self.state[parameter], group)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state, wherever it was saved.

        Parameters
        ----------
        state_dict : dict
            What ``state_dict()`` gave.
        """
        super().load_state_dict(state_dict)
        numbers = [n for group in state_dict["param_groups"] for n in group["params"]]
        held = [p for group in self.param_groups for p in group["params"]]
        for number, parameter in zip(numbers, held, strict=True):
            if number in state_dict["state"]:
                # The base class rounds it to the parameter's precision, where squares vanish.
                square = state_dict["state"][number]["exp_avg_sq"]
                like = working(parameter.new_zeros(()))
                self.state[parameter]["exp_avg_sq"] = square.to(like, copy=True)


def _update(parameter: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if grad.is_sparse:
        raise ValueError("gradients must be dense, got a sparse one: use sparse=False in the layer")
    if not state:
        state["step"] = 0
        state["exp_avg"] = torch.zeros_like(parameter)
        # In half precision the squares of small gradients would vanish, those of large overflow.
        state["exp_avg_sq"] = working(parameter.new_zeros(()))
    state["step"] += 1
    first, second = group["betas"]
    state["exp_avg"].lerp_(grad, 1 - first)
    square = working(grad).square().mean()
    state["exp_avg_sq"] = torch.lerp(state["exp_avg_sq"].to(square), square, 1 - second)
    mean = state["exp_avg"] / (1 - first ** state["step"])
    root = (state["exp_avg_sq"] / (1 - second ** state["step"])).sqrt()
    parameter.mul_(1 - group["lr"] * group["weight_decay"])
    divisor = root + group["eps"]
    # Before the first gradient other than zero there is nothing to divide.
    parameter.sub_(group["lr"] * mean / torch.where(divisor == 0, 1.0, divisor))
