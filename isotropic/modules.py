"""The functional forms as modules, and their lookup by name."""

from __future__ import annotations

import copy
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from isotropic import functional
from isotropic.forms import Activation

PPP = "Emergence of quantised representations"


class Tanh(Activation):
    """Elementwise tanh, see :func:`isotropic.functional.tanh`."""

    name, group = "tanh", "B_n"
    formula, source = "f(x) = gain sum_j tanh(x . b_j) b_j", f"{PPP}, Eqn 3"
    function = staticmethod(functional.tanh)

    def __init__(
        self, frame: torch.Tensor | None = None, gain: float | str = 1.0, dim: int = -1
    ) -> None:
        super().__init__(frame=frame, gain=gain, dim=dim)


class Sigmoid(Activation):
    """Elementwise logistic function, see :func:`isotropic.functional.sigmoid`."""

    name, group = "sigmoid", "S_n"
    formula, source = "f(x) = gain sum_j b_j/(1 + exp(-x . b_j))", "Isotropic draft, Eqn 2"
    function = staticmethod(functional.sigmoid)

    def __init__(
        self, frame: torch.Tensor | None = None, gain: float | str = 1.0, dim: int = -1
    ) -> None:
        super().__init__(frame=frame, gain=gain, dim=dim)


class ReLU(Activation):
    """Elementwise ReLU, see :func:`isotropic.functional.relu`."""

    name, group = "relu", "S_n"
    formula, source = "f(x) = gain sum_j max(x . b_j, 0) b_j", "Isotropic draft, Eqn 2"
    function = staticmethod(functional.relu)

    def __init__(
        self, frame: torch.Tensor | None = None, gain: float | str = 1.0, dim: int = -1
    ) -> None:
        super().__init__(frame=frame, gain=gain, dim=dim)


class LeakyReLU(Activation):
    """Elementwise leaky-ReLU, see :func:`isotropic.functional.leaky_relu`."""

    name, group = "leaky-relu", "S_n"
    formula = "f(x) = gain sum_j max(slope x . b_j, x . b_j) b_j"
    source = f"{PPP}, Eqn 6"
    function = staticmethod(functional.leaky_relu)

    def __init__(
        self,
        slope: float = 0.01,
        frame: torch.Tensor | None = None,
        gain: float | str = 1.0,
        dim: int = -1,
    ) -> None:
        super().__init__(frame=frame, slope=slope, gain=gain, dim=dim)


class HyperoctahedralLeakyReLU(Activation):
    """See :func:`isotropic.functional.hyperoctahedral_leaky_relu`."""

    name, group = "hyperoctahedral-leaky-relu", "B_n"
    formula = "f(x)_i = slope x_i if |x_i| < radius else x_i - (1 - slope) radius sign(x_i)"
    source = f"{PPP}, Eqns 8 and 9"
    function = staticmethod(functional.hyperoctahedral_leaky_relu)

    def __init__(self, slope: float = 0.01, radius: float = 1.0) -> None:
        super().__init__(slope=slope, radius=radius)


class MaxNormLeakyReLU(Activation):
    """See :func:`isotropic.functional.max_norm_leaky_relu`."""

    name, group = "max-norm-leaky-relu", "B_n"
    formula = "f(x) = slope x if max|x_i| < radius else x - (1 - slope) radius x/max|x_i|"
    source = f"{PPP}, Eqn 10"
    function = staticmethod(functional.max_norm_leaky_relu)

    def __init__(self, slope: float = 0.01, radius: float = 1.0, dim: int = -1) -> None:
        super().__init__(slope=slope, radius=radius, dim=dim)


class ParityLeakyReLU(Activation):
    """See :func:`isotropic.functional.parity_leaky_relu`."""

    name, group = "parity-leaky-relu", "D_n"
    formula = "f(x) = x if prod_i sign(x_i) >= 0 else slope x"
    source = f"{PPP}, footnote 11"
    function = staticmethod(functional.parity_leaky_relu)

    def __init__(self, slope: float = 0.01, dim: int = -1) -> None:
        super().__init__(slope=slope, dim=dim)


class IsotropicTanh(Activation):
    """Tanh of each vector's length, see :func:`isotropic.functional.isotropic_tanh`.

    Examples
    --------
    >>> IsotropicTanh()(torch.zeros(1, 3))
    tensor([[0., 0., 0.]])
    """

    name, group = "isotropic-tanh", "O(n)"
    formula = "f(x) = tanh(m)/m x, m = sqrt(||x||^2 + omega)"
    source = f"{PPP}, Eqn 4; adaptive topologies, Eqn 16"
    function = staticmethod(functional.isotropic_tanh)

    def __init__(self, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__(omega=omega, dim=dim)


class IsotropicLeakyReLU(Activation):
    """See :func:`isotropic.functional.isotropic_leaky_relu`."""

    name, group = "isotropic-leaky-relu", "O(n)"
    formula = "f(x) = slope x if m < radius else x - (1 - slope) radius x/m"
    source = f"{PPP}, Eqn 7"
    function = staticmethod(functional.isotropic_leaky_relu)

    def __init__(
        self, slope: float = 0.01, radius: float = 1.0, omega: float = 0.0, dim: int = -1
    ) -> None:
        super().__init__(slope=slope, radius=radius, omega=omega, dim=dim)


class IsotropicReLU(Activation):
    """See :func:`isotropic.functional.isotropic_relu`."""

    name, group = "isotropic-relu", "O(n)"
    formula, source = "f(x) = max(m - radius, 0) x/m", "isotropic leaky-ReLU with slope 0"
    function = staticmethod(functional.isotropic_relu)

    def __init__(self, radius: float = 1.0, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__(radius=radius, omega=omega, dim=dim)


class IsotropicLog1p(Activation):
    """See :func:`isotropic.functional.isotropic_log1p`."""

    name, group = "isotropic-log1p", "O(n)"
    formula, source = "f(x) = log(1 + m)/m x", "the author's convolution sketches"
    function = staticmethod(functional.isotropic_log1p)

    def __init__(self, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__(omega=omega, dim=dim)


class IsotropicGELU(Activation):
    """See :func:`isotropic.functional.isotropic_gelu`."""

    name, group = "isotropic-gelu", "O(n)"
    formula, source = "f(x) = Phi(m) x", "third parties"
    function = staticmethod(functional.isotropic_gelu)

    def __init__(self, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__(omega=omega, dim=dim)


class IsotropicSiLU(Activation):
    """See :func:`isotropic.functional.isotropic_silu`."""

    name, group = "isotropic-silu", "O(n)"
    formula, source = "f(x) = x/(1 + exp(-m))", "third parties"
    function = staticmethod(functional.isotropic_silu)

    def __init__(self, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__(omega=omega, dim=dim)


class IsotropicSoftplus(Activation):
    """See :func:`isotropic.functional.isotropic_softplus`."""

    name, group = "isotropic-softplus", "O(n)"
    formula, source = "f(x) = softplus(m)/m x", "third parties"
    function = staticmethod(functional.isotropic_softplus)

    def __init__(self, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__(omega=omega, dim=dim)


class IsotropicHyperbola(Activation):
    """See :func:`isotropic.functional.isotropic_hyperbola`."""

    name, group = "isotropic-hyperbola", "O(n)"
    formula, source = "f(x) = (sqrt(m^2 + radius^2) - radius) x/m", "this package"
    function = staticmethod(functional.isotropic_hyperbola)

    def __init__(self, radius: float = 1.0, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__(radius=radius, omega=omega, dim=dim)


class IsotropicSoftReLU(Activation):
    """See :func:`isotropic.functional.isotropic_soft_relu`."""

    name, group = "isotropic-soft-relu", "O(n)"
    formula = "f(x) = (softplus(k (m - R)) - softplus(-k R))/k x/m"
    source = "this package"
    function = staticmethod(functional.isotropic_soft_relu)

    def __init__(
        self, radius: float = 1.0, sharpness: float = 4.0, omega: float = 0.0, dim: int = -1
    ) -> None:
        super().__init__(radius=radius, sharpness=sharpness, omega=omega, dim=dim)


#: Every activation by its name.
FORMS: dict[str, type[Activation]] = {
    form.name: form
    for form in (
        Tanh,
        Sigmoid,
        ReLU,
        LeakyReLU,
        ParityLeakyReLU,
        HyperoctahedralLeakyReLU,
        MaxNormLeakyReLU,
        IsotropicTanh,
        IsotropicLeakyReLU,
        IsotropicReLU,
        IsotropicLog1p,
        IsotropicGELU,
        IsotropicSiLU,
        IsotropicSoftplus,
        IsotropicHyperbola,
        IsotropicSoftReLU,
    )
}


def activation(name: str | nn.Module, **settings: Any) -> nn.Module:
    """Make an activation module from its name.

    Parameters
    ----------
    name : str or Module
        One of the names in ``isotropic.modules.FORMS``; a module is copied, so that every place
        in a network holds its own.
    **settings
        Handed to the module's constructor.

    Returns
    -------
    Module
        A new module.

    Raises
    ------
    ValueError
        No activation has that name; the message lists the nearest ones. Or settings were given
        with a module, which has its own.

    Examples
    --------
    >>> activation("isotropic-tanh", omega=0.5)
    IsotropicTanh(omega=0.5, dim=-1)
    """
    if isinstance(name, nn.Module):
        if settings:
            raise ValueError(
                f"settings need a name, got {', '.join(settings)} and the module {name}: give "
                "them where the module is made"
            )
        return copy.deepcopy(name)
    if name not in FORMS:
        near = get_close_matches(str(name), FORMS, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "choose one of them"
        raise ValueError(f"activation must be one of {', '.join(FORMS)}, got {name!r}: {hint}")
    return FORMS[name](**settings)
