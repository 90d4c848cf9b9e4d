"""The inverse square root of a covariance, with derivatives that survive equal eigenvalues.

The gradient of an eigendecomposition divides by differences of eigenvalues: it is infinite where
two are equal, as in every whitened, isotropic or rank-deficient covariance, though the root itself
is smooth there. The rules below divide by sums.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def inverse_root(covariance: Tensor, eps: float) -> Tensor:
    """Return the symmetric ``(C + eps I)^(-1/2)``, differentiable any number of times.

    Parameters
    ----------
    covariance : (n, n) tensor
        Symmetric, with no eigenvalue below zero but for rounding.
    eps : float
        At least 0; with 0, directions without variance get 0 instead of infinity.

    Returns
    -------
    (n, n) tensor

    Notes
    -----
    With R the root, ``R dR + dR R = -R^2 dC R^2``; solving for dR divides by sums of R's
    eigenvalues, which are never negative.

    Examples
    --------
    >>> inverse_root(torch.diag(torch.tensor([4.0, 16.0])), 0.0)
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    root: Tensor = _InverseRoot.apply(covariance, eps)
    return root


def _eigen(symmetric: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return whether a matrix is finite, and its eigenvalues and -vectors if so.

    NaN shall come out as NaN: an error about eigenvalues would hide that a training diverged.
    """
    finite = symmetric.isfinite().all()
    values, vectors = torch.linalg.eigh(torch.where(finite, symmetric, 0.0))
    return finite, values, vectors


class _InverseRoot(torch.autograd.Function):
    """``R = (C + eps I)^(-1/2)``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(covariance: Tensor, eps: float) -> Tensor:
        finite, values, vectors = _eigen(covariance)
        least = values[-1] * len(values) * torch.finfo(values.dtype).eps if not eps else -1.0
        variances = values.clamp_min(0) + eps
        roots = torch.where(variances > least, variances, torch.inf).rsqrt()
        return torch.where(finite, (vectors * roots) @ vectors.T, torch.nan)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (root,) = ctx.saved_tensors
        inverse = root @ root
        return -(inverse @ _Balance.apply(root, (grad + grad.T) / 2) @ inverse), None


class _Balance(torch.autograd.Function):
    """X with ``R X + X R = H``, for symmetric R (no eigenvalue below zero) and H."""

    generate_vmap_rule = True

    @staticmethod
    def forward(root: Tensor, given: Tensor) -> Tensor:
        finite, values, vectors = _eigen(root)
        sums = values.unsqueeze(0) + values.unsqueeze(1)
        weights = torch.where(sums > 0, 1 / sums, 0.0)
        solution = vectors @ (weights * (vectors.T @ given @ vectors)) @ vectors.T
        return torch.where(finite, solution, torch.nan)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        root, solution = ctx.saved_tensors
        back = _Balance.apply(root, (grad + grad.T) / 2)
        return -(back @ solution + solution @ back), back
