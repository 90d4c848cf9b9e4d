"""What an activation function does to directions: deflection, limits, updates."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from isotropic.checks import require_whole
from isotropic.functional._checks import require_floating

Form = Callable[[Tensor], Tensor]

#: Lengths at which a limit is looked for, one after the other.
LIMIT_LENGTHS = (1e2, 1e4, 1e6, 1e8)


def deflection(f: Form, directions: Tensor, alphas: Tensor) -> Tensor:
    """Return the angle by which a form turns straight rays.

    ``theta(alpha; x, f)`` is the angle between ``f(alpha x)`` and the unit vector x.

    Parameters
    ----------
    f : callable
        Takes ``(B, n)`` tensors to tensors of the same shape.
    directions : (D, n) tensor
        Any vectors but zero; only their directions matter.
    alphas : (A,) tensor
        Lengths, above 0.

    Returns
    -------
    (A, D) tensor
        Radians in [0, pi]; NaN where ``f(alpha x) = 0``, which has no direction.

    Raises
    ------
    ValueError
        A direction is zero or not finite, or a length is not above 0.

    Notes
    -----
    Isotropic draft, Eqn 5, taken from the arc tangent: the arc cosine loses small angles to
    rounding. Zero for every isotropic form with a positive profile.

    Examples
    --------
    >>> x = torch.tensor([[0.9397, 0.3420]], dtype=torch.float64)
    >>> torch.rad2deg(deflection(torch.tanh, x, torch.tensor([1.0, 10.0])))
    tensor([[ 4.1300],
            [24.9399]], dtype=torch.float64)
    """
    unit, alphas = _unit(directions), torch.as_tensor(alphas)
    wrong = alphas[~((alphas > 0) & alphas.isfinite())]
    if len(wrong):
        raise ValueError(f"alphas must be finite and above 0, got {float(wrong[0])}")
    rays = alphas.to(unit).reshape(-1, 1, 1) * unit
    image = f(rays.reshape(-1, unit.shape[1])).reshape(rays.shape)
    return _angle(image, unit.expand_as(image))


def deflection_map(f: Form, alphas: Tensor, angles: int = 360) -> tuple[Tensor, Tensor]:
    """Return deflections over all directions of the plane.

    Parameters
    ----------
    f : callable
        Takes ``(B, 2)`` float64 tensors to tensors of the same shape.
    alphas : (A,) tensor
        Lengths, above 0; where they are, the directions are made.
    angles : int, default 360
        Directions, evenly over the circle from 0 on.

    Returns
    -------
    (angles,) and (A, angles) tensors
        Angle of each direction, and the deflection, in radians.

    Notes
    -----
    Isotropic draft, Sec. 2.1.

    Examples
    --------
    >>> phi, theta = deflection_map(torch.tanh, torch.tensor([3.0]), 8)
    >>> float(theta.max()) < 1e-7  # axes and diagonals stay where they are
    True
    """
    require_whole("angles", angles, 1)
    alphas = torch.as_tensor(alphas)
    phi = torch.arange(angles, dtype=torch.float64, device=alphas.device)
    phi = phi * (2 * torch.pi / angles)
    return phi, deflection(f, torch.stack([phi.cos(), phi.sin()], dim=1), alphas)


def sign_directions(n: int) -> Tensor:
    """Return the 3^n - 1 directions whose components are all -1, 0 or 1, but not all 0.

    Parameters
    ----------
    n : int
        Dimensions, 1 to 12.

    Returns
    -------
    (3^n - 1, n) float64 tensor

    Raises
    ------
    ValueError
        n is out of range.

    Examples
    --------
    >>> len(sign_directions(3))
    26
    """
    if require_whole("n", n, 1) > 12:
        raise ValueError(f"n must lie in 1 ... 12, got {n}")
    points = [p for p in itertools.product((-1.0, 0.0, 1.0), repeat=n) if any(p)]
    return torch.tensor(points, dtype=torch.float64)


def limit_points(f: Form, directions: Tensor, tolerance: float = 1e-6) -> Tensor:
    """Return where a form sends ever longer vectors of each direction.

    Parameters
    ----------
    f : callable
        Takes ``(B, n)`` tensors to tensors of the same shape.
    directions : (D, n) tensor
        Any vectors but zero.
    tolerance : float, default 1e-6
        The limit counts as reached when a hundredfold length changes no component by more.

    Returns
    -------
    (D, n) tensor
        The limits; NaN for directions without a finite one, such as those of an unbounded form.

    Notes
    -----
    Isotropic draft, Eqn 4. Elementwise tanh has 3^n - 1 limit points in all, those with a zero
    unstable (the draft counts the origin too); an isotropic tanh has the whole unit sphere.

    Examples
    --------
    >>> limit_points(torch.tanh, torch.tensor([[1.0, 0.2], [0.0, -1.0]]))
    tensor([[ 1.,  1.],
            [ 0., -1.]])
    """
    unit = _unit(directions)
    last = f(LIMIT_LENGTHS[0] * unit)
    reached = torch.full_like(last, torch.nan)
    for length in LIMIT_LENGTHS[1:]:
        image = f(length * unit)
        still = ((image - last).abs() <= tolerance).all(-1, keepdim=True)
        reached = torch.where(still & reached.isnan(), image, reached)
        last = image
    return reached


@dataclass(frozen=True)
class UpdateDeflection:
    """Angles between what a layer's output should do and what its pre-activation is told to do.

    Parameters
    ----------
    angle : (B,) tensor
        Between the gradient g with respect to f(z) and J^T g, the one with respect to z, in
        radians; NaN where either is zero.
    orthant : (B,) int64 tensor
        Which orthant z lies in: bit i is set where component i is positive.

    Examples
    --------
    >>> found = UpdateDeflection(torch.tensor([0.1, 0.3]), torch.tensor([2, 2]))
    >>> count, mean, deviation = found.by_orthant()[2]
    >>> count, round(mean, 3)
    (2, 0.2)
    """

    angle: Tensor
    orthant: Tensor

    def by_orthant(self) -> dict[int, tuple[int, float, float]]:
        """Return for each orthant met: how many vectors, mean and standard deviation of angles."""
        table = {}
        for orthant in self.orthant.unique().tolist():
            angles = self.angle[(self.orthant == orthant) & self.angle.isfinite()]
            if len(angles):
                spread = float(angles.std(correction=0))
                table[orthant] = (len(angles), float(angles.mean()), spread)
        return table


def update_deflection(f: Form, z: Tensor, g: Tensor) -> UpdateDeflection:
    """Return the angle by which a form's Jacobian turns gradients, with the orthant of each vector.

    Parameters
    ----------
    f : callable
        Takes ``(B, n)`` tensors to tensors of the same shape; n at most 62.
    z : (B, n) tensor
        Pre-activations.
    g : (B, n) tensor
        Gradients of the loss with respect to ``f(z)``.

    Returns
    -------
    UpdateDeflection

    Raises
    ------
    ValueError
        The shapes differ.

    Notes
    -----
    Emergence of quantised representations, Eqns 17 to 22, where the Jacobian belongs at z: an
    elementwise form's deflections repeat orthant by orthant, an isotropic one's know of none.

    Examples
    --------
    >>> z, g = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 1.0]])
    >>> torch.rad2deg(update_deflection(torch.tanh, z, g).angle)
    tensor([40.9587])
    """
    if z.ndim != 2 or z.shape != g.shape or z.shape[1] > 62:
        raise ValueError(
            f"z and g must both be (B, n) with n at most 62, got {tuple(z.shape)} and "
            f"{tuple(g.shape)}"
        )
    with torch.enable_grad():
        leaf = z.detach().requires_grad_()
        (back,) = torch.autograd.grad(f(leaf), leaf, g)
    bits = torch.arange(z.shape[1], device=z.device)
    return UpdateDeflection(_angle(back, g), ((z > 0).long() << bits).sum(-1))


def _unit(directions: Tensor) -> Tensor:
    require_floating(directions, "directions")
    if directions.ndim != 2:
        raise ValueError(f"directions must be (D, n), got {tuple(directions.shape)}")
    if not bool((directions.isfinite().all(1) & directions.any(1)).all()):
        raise ValueError("directions must be finite vectors other than zero")
    scaled = _to_scale(directions)
    return scaled / torch.linalg.vector_norm(scaled, dim=1, keepdim=True)


def _angle(left: Tensor, right: Tensor) -> Tensor:
    """Return the angle between vectors along the last dimension; NaN where one is zero."""
    left, right = _to_scale(left), _to_scale(right)
    a = torch.linalg.vector_norm(left, dim=-1, keepdim=True)
    b = torch.linalg.vector_norm(right, dim=-1, keepdim=True)
    # Kahan's formula: accurate for small angles and for those near pi.
    u, v = b * left, a * right
    far = torch.linalg.vector_norm(u - v, dim=-1)
    near = torch.linalg.vector_norm(u + v, dim=-1)
    zero = ((a == 0) | (b == 0)).squeeze(-1)
    return torch.where(zero, torch.nan, 2 * torch.atan2(far, near))


def _to_scale(x: Tensor) -> Tensor:
    """Make each vector's largest component 1: squares overflow and vanish, angles do not."""
    peak = x.abs().amax(-1, keepdim=True)
    return x / torch.where(peak == 0, 1.0, peak)
