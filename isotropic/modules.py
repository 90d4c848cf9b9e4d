"""The functional forms as modules, and their lookup by name."""

from __future__ import annotations

import copy
from difflib import get_close_matches
from typing import Any, ClassVar

import torch
from torch import nn

from isotropic import functional
from isotropic.functional._checks import require_positive


class Activation(nn.Module):
    """An activation function that knows its name and its symmetry.

    Attributes
    ----------
    name : str
        What :func:`isotropic.activation` calls it.
    group : str
        The largest group it is equivariant under: ``"S_n"`` permutations, ``"D_n"`` permutations
        with an even number of sign flips, ``"B_n"`` signed permutations, ``"O(n)"`` all rotations
        and reflections.
    formula, source : str
        The equation, and where it was taken from.
    """

    name: ClassVar[str]
    group: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]


class Tanh(Activation):
    """Elementwise tanh, see :func:`isotropic.functional.tanh`.

    Examples
    --------
    >>> Tanh().group
    'B_n'
    """

    name = "tanh"
    group = "B_n"
    formula = "f(x) = sum_i tanh(x . e_i) e_i"
    source = "Emergence of quantised representations, Eqn 3"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the form to ``x (..., n)``."""
        return functional.tanh(x)


class IsotropicTanh(Activation):
    """Tanh of each vector's length, see :func:`isotropic.functional.isotropic_tanh`.

    Parameters
    ----------
    omega : float, default 0
        Squared intrinsic length, at least 0.
    dim : int, default -1
        The dimension that holds the vector.

    Examples
    --------
    >>> IsotropicTanh()(torch.zeros(1, 3))
    tensor([[0., 0., 0.]])
    """

    name = "isotropic-tanh"
    group = "O(n)"
    formula = "f(x) = tanh(m)/m x, m = sqrt(||x||^2 + omega)"
    source = "Emergence of quantised representations, Eqn 4; adaptive topologies, Eqn 16"

    def __init__(self, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__()
        require_positive("omega", omega)
        self.omega = omega
        self.dim = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the form to ``x``."""
        return functional.isotropic_tanh(x, self.omega, self.dim)

    def extra_repr(self) -> str:
        """Return what the module shows of itself."""
        return f"omega={self.omega:g}, dim={self.dim}"


#: Every activation by its name.
FORMS: dict[str, type[Activation]] = {form.name: form for form in (Tanh, IsotropicTanh)}


def activation(name: str | nn.Module, **parameters: Any) -> nn.Module:
    """Make an activation module from its name.

    Parameters
    ----------
    name : str or Module
        One of the names in ``isotropic.modules.FORMS``; a module is copied, so that every place
        in a network holds its own.
    **parameters
        Handed to the module's constructor.

    Returns
    -------
    Module
        A new module.

    Raises
    ------
    ValueError
        No activation has that name; the message lists the nearest ones.

    Examples
    --------
    >>> activation("isotropic-tanh", omega=0.5)
    IsotropicTanh(omega=0.5, dim=-1)
    """
    if isinstance(name, nn.Module):
        return copy.deepcopy(name)
    if name not in FORMS:
        near = get_close_matches(str(name), FORMS, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "choose one of them"
        raise ValueError(f"activation must be one of {', '.join(FORMS)}, got {name!r}: {hint}")
    return FORMS[name](**parameters)
