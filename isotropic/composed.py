"""Activations made of others: any odd radial profile, and mixtures of two forms."""

from __future__ import annotations

import torch
from torch import nn

from isotropic.functional._checks import require_positive
from isotropic.functional.profiles import Profile, along_profile, require_profile
from isotropic.modules import activation
from isotropic.symmetry import GROUPS


class Radial(nn.Module):
    """An isotropic form from an odd profile, see :func:`isotropic.functional.radial`.

    Parameters
    ----------
    profile : callable
        An odd function of one variable, number by number. If it is a module, its parameters are
        the form's.
    omega : float, default 0
        Squared intrinsic length, at least 0.
    dim : int, default -1
        The dimension that holds the vector.

    Raises
    ------
    ValueError
        The profile is not odd, or a straight line on lengths.

    Examples
    --------
    >>> Radial(torch.atan)(torch.tensor([[0.0, 1.0]]))
    tensor([[0.0000, 0.7854]])
    """

    group = "O(n)"

    def __init__(self, profile: Profile, omega: float = 0.0, dim: int = -1) -> None:
        super().__init__()
        require_positive("omega", omega)
        require_profile(profile)
        self.profile, self.omega, self.dim = profile, omega, dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the form to ``x``."""
        return along_profile(self.profile, x, self.omega, self.dim)

    def extra_repr(self) -> str:
        """Return what the module shows of itself."""
        name = getattr(self.profile, "__name__", type(self.profile).__name__)
        return f"{name}, omega={self.omega!r}, dim={self.dim}"


class Mixture(nn.Module):
    """A weighted sum of two forms, ``f(x) = (1 - weight) first(x) + weight second(x)``.

    Parameters
    ----------
    first, second : str or Module
        What :func:`isotropic.activation` takes: elementwise first, isotropic second, say.
    weight : float
        In [0, 1]: 0 gives the first form, 1 the second.

    Raises
    ------
    ValueError
        The weight lies outside [0, 1].

    Notes
    -----
    Training over a range of weights gives structure in the representations as a dose-response
    curve. Emergence of quantised representations, footnote 4, names weighted combinations.

    Examples
    --------
    >>> Mixture("tanh", "isotropic-tanh", 0.5)(torch.zeros(1, 2))
    tensor([[0., 0.]])
    """

    def __init__(self, first: str | nn.Module, second: str | nn.Module, weight: float) -> None:
        super().__init__()
        if not 0 <= weight <= 1:
            raise ValueError(f"weight must lie in [0, 1], got {weight}")
        self.first, self.second, self.weight = activation(first), activation(second), weight

    @property
    def group(self) -> str:
        """The smaller of both forms' groups, which are nested; along one frame, or none."""
        forms = {"first": self.first, "second": self.second}
        for name, form in forms.items():
            if not hasattr(form, "group"):
                raise TypeError(  # an AttributeError would come out as one of the mixture's own
                    f"group needs two forms that declare theirs, but the {name} form declares no "
                    f"group, got {form}: measure it with isotropic.symmetry_report"
                )
        return min((str(form.group) for form in forms.values()), key=GROUPS.index)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply both forms and add them up."""
        return (1 - self.weight) * self.first(x) + self.weight * self.second(x)

    def extra_repr(self) -> str:
        """Return what the module shows of itself."""
        return f"weight={self.weight:g}"
