"""The base of all activation modules: a function, its settings, its symmetry."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn

from isotropic.functional._checks import require_positive
from isotropic.functional.frames import check_frame, frame_gain

#: Settings that may be zero, and those that may not.
AT_LEAST_ZERO = ("omega", "slope")
ABOVE_ZERO = ("radius", "sharpness")


class Activation(nn.Module):
    """An activation function that knows its name and its symmetry.

    Parameters
    ----------
    frame : (m, n) tensor, optional
        Unit rows along which the form works, copied; without one, the coordinate axes.
    **settings
        Keyword arguments of the function.

    Attributes
    ----------
    name : str
        What :func:`isotropic.activation` calls it.
    group : str
        The largest group it is equivariant under: ``"S_n"`` permutations, ``"D_n"`` permutations
        with an even number of sign flips, ``"B_n"`` signed permutations, ``"O(n)"`` all rotations
        and reflections. Over a frame, the permutations and sign flips are those of the frame, as
        far as rotations can bring them about.
    formula, source : str
        The equation, and where it was taken from.
    function : callable
        The functional form behind the module.

    Raises
    ------
    TypeError
        A setting is a tensor, which the module would not train.
    ValueError
        A setting out of its range, or a frame whose rows are not unit vectors.

    Examples
    --------
    >>> class Arctangent(Activation):
    ...     '''Elementwise arc tangent.'''
    ...
    ...     name, group = "atan", "B_n"
    ...     formula, source = "f(x)_i = atan(x_i)", "an example"
    ...     function = staticmethod(torch.atan)
    >>> Arctangent()(torch.zeros(2))
    tensor([0., 0.])
    >>> print(Arctangent.__doc__)
    Elementwise arc tangent.
    <BLANKLINE>
    ``f(x)_i = atan(x_i)``. Equivariant under B_n. Source: an example.
    <BLANKLINE>
    """

    name: ClassVar[str]
    group: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    function: ClassVar[Callable[..., torch.Tensor]]

    frame: torch.Tensor | None

    def __init_subclass__(cls, **options: Any) -> None:
        """Tell formula, group and source in the docstring of every form, from where they stand."""
        super().__init_subclass__(**options)
        if cls.__doc__ and all(hasattr(cls, key) for key in ("formula", "group", "source")):
            first, _, rest = inspect.cleandoc(cls.__doc__).partition("\n\n")
            told = f"``{cls.formula}``. Equivariant under {cls.group}. Source: {cls.source}."
            cls.__doc__ = f"{first}\n\n{told}\n\n{rest}".rstrip() + "\n"

    def __init__(self, *, frame: torch.Tensor | None = None, **settings: Any) -> None:
        super().__init__()
        for key in sorted(settings.keys() & {*AT_LEAST_ZERO, *ABOVE_ZERO}):
            if isinstance(settings[key], torch.Tensor):
                raise TypeError(
                    f"{key} must be a number, got a tensor: isotropic.RadialActivation trains its "
                    "omega, and the functional forms take tensors"
                )
            require_positive(key, settings[key], zero=key in AT_LEAST_ZERO)
        self.settings = settings
        if frame is not None:
            frame_gain(check_frame(frame), settings.get("gain", 1.0))
        self.register_buffer("frame", None if frame is None else frame.detach().clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the form to ``x``."""
        along = {} if self.frame is None else {"frame": self.frame}
        return type(self).function(x, **self.settings, **along)

    def extra_repr(self) -> str:
        """Return what the module shows of itself."""
        shown = [f"{key}={value!r}" for key, value in self.settings.items()]
        if self.frame is not None:
            shown.append(f"frame={tuple(self.frame.shape)}")
        return ", ".join(shown)
