"""Measured symmetry: how far a map is from commuting with the elements of each group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isotropic.checks import require_whole
from isotropic.draws import normal
from isotropic.functional._checks import device_of
from isotropic.functional.frames import check_frame

#: From small to large; each contains those before it, but for SO(n), which lacks reflections.
GROUPS = ("S_n", "D_n", "B_n", "SO(n)", "O(n)")


def group_elements(group: str, n: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw elements of a group as matrices.

    Parameters
    ----------
    group : {"S_n", "D_n", "B_n", "SO(n)", "O(n)"}
        Permutations; with an even number of sign flips; with any; rotations; and reflections too.
    n : int
        Dimensions, at least 1.
    count : int
        How many.
    generator : torch.Generator
        Where they are drawn from.

    Returns
    -------
    (count, n, n) float64 tensor
        Uniform over the group (Haar); for B_n, D_n and S_n every element is equally likely.

    Raises
    ------
    ValueError
        No group has that name.

    Examples
    --------
    >>> g = group_elements("O(n)", 3, 2, torch.Generator().manual_seed(0))
    >>> torch.allclose(g @ g.mT, torch.eye(3, dtype=torch.float64).expand(2, 3, 3))
    True
    """
    if group not in GROUPS:
        raise ValueError(f"group must be one of {', '.join(GROUPS)}, got {group!r}")
    require_whole("n", n, 1)
    made: Any = {"dtype": torch.float64, "device": generator.device}
    if group in ("SO(n)", "O(n)"):
        draws = torch.randn(count, n, n, generator=generator, **made)
        q, r = torch.linalg.qr(draws)
        q = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
        if group == "SO(n)":
            q[:, :, 0] *= torch.linalg.det(q).sign().unsqueeze(-1)
        return q
    order = torch.rand(count, n, generator=generator, device=generator.device).argsort(-1)
    tossed = torch.randint(0, 2, (count, n), generator=generator, device=generator.device)
    signs = 1.0 - 2.0 * tossed.double()
    if group == "S_n":
        signs.fill_(1.0)
    elif group == "D_n":
        signs[:, 0] *= signs.prod(-1)
    return torch.eye(n, **made)[order] * signs.unsqueeze(-2)


@dataclass(frozen=True)
class SymmetryReport:
    """Equivariance errors of a map under each group.

    Parameters
    ----------
    errors : dict
        Group name to the largest relative error ``||f(gx) - g f(x)||/||f(x)||``, with the root mean
        square of ``||f(x)||`` over the samples below the line.
    tolerance : float
        Errors up to it count as rounding.

    Examples
    --------
    >>> print(symmetry_report(torch.relu).group)
    S_n
    """

    errors: dict[str, float]
    tolerance: float

    @property
    def group(self) -> str | None:
        """The largest group whose error is within the tolerance; None if there is none."""
        return next((g for g in reversed(GROUPS) if self.errors[g] <= self.tolerance), None)

    def __str__(self) -> str:
        """Return one line a group."""
        rows = [f"{name:<6} {error:9.2e}" for name, error in self.errors.items()]
        return "\n".join([*rows, f"largest group within {self.tolerance:g}: {self.group}"])


def symmetry_report(
    f: Callable[[Tensor], Tensor],
    n: int = 6,
    *,
    frame: Tensor | None = None,
    samples: int = 256,
    elements: int = 32,
    scale: float = 2.0,
    tolerance: float = 1e-9,
    seed: int = 0,
) -> SymmetryReport:
    """Measure how far a map is from commuting with permutations, sign flips and rotations.

    Parameters
    ----------
    f : callable
        Takes ``(B, n)`` float64 tensors of vectors to tensors of the same shape; a module gets them
        on its own device.
    n : int, default 6
        Dimensions to measure in, at least 2.
    frame : (n, n) tensor, optional
        Orthonormal rows: permutations and sign flips are then those of the frame.
    samples, elements : int, default 256 and 32
        Normal vectors, and elements drawn from each group.
    scale : float, default 2
        Standard deviation of the vectors' components.
    tolerance : float, default 1e-9
        Errors up to it count as rounding.
    seed : int, default 0
        Of vectors and elements.

    Returns
    -------
    SymmetryReport

    Raises
    ------
    ValueError
        Fewer than two dimensions, no sample or element, a frame that is not orthonormal, or a map
        that does not keep the shape.

    Notes
    -----
    Adaptive topologies, Eqns 1 and 4. A large error disproves a symmetry; a small one says that no
    element drawn broke it. With SO(n) alone a map of the plane may also twist; O(n) forbids it.

    Examples
    --------
    >>> symmetry_report(torch.tanh).group
    'B_n'
    """
    require_whole("n", n, 2)  # the groups of a line do not differ
    require_whole("samples", samples, 1)
    require_whole("elements", elements, 1)
    generator = torch.Generator().manual_seed(seed)
    device, basis = device_of(f), _orthonormal(frame, n)
    x = scale * normal(samples, n, generator=generator, dtype=torch.float64, device=device)
    y = f(x).detach()
    if y.shape != x.shape:
        raise ValueError(f"f must keep the shape {tuple(x.shape)}, got {tuple(y.shape)}")
    unit = y.square().sum(-1).mean().sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    errors = {}
    for group in GROUPS:
        # A permutation of the frame's vectors, as a matrix acting on the coordinates.
        acting = (basis.T @ group_elements(group, n, elements, generator) @ basis).to(device)
        gaps = [(f(x @ g.T).detach() - y @ g.T).norm(dim=-1).max() for g in acting]
        errors[group] = float(torch.stack(gaps).max() / unit)
    return SymmetryReport(errors, tolerance)


def _orthonormal(frame: Tensor | None, n: int) -> Tensor:
    eye = torch.eye(n, dtype=torch.float64, device="cpu")
    if frame is None:
        return eye
    frame = check_frame(frame).detach().cpu().double()
    gram = frame @ frame.T
    if frame.shape != (n, n) or not torch.allclose(gram, eye, atol=1e-6):
        raise ValueError(
            f"frame must be {n} orthonormal rows of width {n}, got shape {tuple(frame.shape)}: "
            "only their permutations and sign flips preserve lengths"
        )
    return frame
