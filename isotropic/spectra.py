"""Spectra of an activation function's Jacobian, differentiated and in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from isotropic.diagnostics import Form
from isotropic.functional._checks import require_floating, require_positive


def jacobian_spectrum(f: Form, x: Tensor) -> Tensor:
    """Return the singular values of a form's Jacobian at each vector.

    Parameters
    ----------
    f : callable
        Takes ``(B, n)`` tensors to tensors of the same shape.
    x : (B, n) tensor
        Where to differentiate.

    Returns
    -------
    (B, n) tensor
        Largest first.

    Raises
    ------
    ValueError
        Vectors of another shape.

    Notes
    -----
    Adaptive topologies, Eqns 19 and 20.

    Examples
    --------
    >>> jacobian_spectrum(torch.tanh, torch.zeros(1, 3))
    tensor([[1., 1., 1.]])
    """
    return torch.linalg.svdvals(_jacobians(f, x))


def radial_spectrum(sigma: Form, x: Tensor, omega: float = 0.0) -> Tensor:
    """Return the singular values that the closed form gives for an isotropic Jacobian.

    With ``t = sigma(m)/m`` and ``m = sqrt(r^2 + omega)``: the radial one, ``t + (t'/m) r^2``, which
    is ``sigma'(r)`` for omega 0, once; the tangential one, ``t``, n - 1 times.

    Parameters
    ----------
    sigma : callable
        The radial profile, number by number.
    x : (B, n) tensor
        Vectors; where ``m = 0`` both kinds are ``sigma'(0)``.
    omega : float, default 0
        Squared intrinsic length, at least 0.

    Returns
    -------
    (B, n) tensor
        Absolute values, largest first.

    Raises
    ------
    ValueError
        A negative omega, or vectors of another shape.

    Notes
    -----
    Adaptive topologies, Eqn 19.

    Examples
    --------
    >>> radial_spectrum(torch.tanh, torch.tensor([[0.6, 0.8]]))
    tensor([[0.7616, 0.4200]])
    """
    _require_vectors(x)
    require_positive("omega", omega)
    q = x.detach().square().sum(-1)
    with torch.enable_grad():
        m = (q + omega).sqrt().requires_grad_()
        (slope,) = torch.autograd.grad(sigma(m).sum(), m)
    with torch.no_grad():
        zero = m == 0
        safe = torch.where(zero, 1.0, m)
        tangential = torch.where(zero, slope, sigma(m) / safe)
        radial = tangential + (slope - tangential) / safe**2 * q
        parts = [radial.unsqueeze(-1), tangential.unsqueeze(-1).expand(-1, x.shape[-1] - 1)]
        return torch.cat(parts, -1).abs().sort(-1, descending=True).values


def _require_vectors(x: Tensor) -> None:
    require_floating(x)
    if x.ndim != 2:
        raise ValueError(f"x must be (B, n), got {tuple(x.shape)}")


def _jacobians(f: Form, x: Tensor) -> Tensor:
    """Return the Jacobian at each vector, one output component at a time."""
    _require_vectors(x)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = f(leaf)
        rows = [
            torch.autograd.grad(y[:, i].sum(), leaf, retain_graph=True)[0]
            for i in range(y.shape[1])
        ]
    return torch.stack(rows, dim=1)
