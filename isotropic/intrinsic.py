"""Radial activations with a squared intrinsic length: the non-linearity of adaptive networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from isotropic.functional import scales
from isotropic.functional._norms import shrunk, squared_length, working

OMEGA_KINDS = ("absent", "fixed", "trainable")


SCALES: dict[str, Callable[[Tensor], Tensor]] = {
    "isotropic-tanh": scales.tanh_scale,
    "isotropic-leaky-relu": scales.leaky_relu_scale,
    "isotropic-relu": partial(scales.leaky_relu_scale, slope=0.0),
    "isotropic-log1p": scales.log1p_scale,
    "isotropic-gelu": scales.gelu_scale,
    "isotropic-silu": scales.silu_scale,
    "isotropic-softplus": scales.softplus_scale,
    "isotropic-hyperbola": scales.hyperbola_scale,
    "isotropic-soft-relu": scales.soft_relu_scale,
}

#: Those that matter at every length: of vectors shrunk by c, as functional.lengths.squashed wants.
SQUASHED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "isotropic-tanh": lambda q, c: scales.tanh_scale(q),
    "isotropic-log1p": scales.log1p_scale,
}


class RadialActivation(nn.Module):
    """An isotropic activation ``f(z; omega) = s(sqrt(|z|^2 + omega)) z``.

    Parameters
    ----------
    name : str
        The radial profile: "isotropic-tanh" or one of the other names in
        ``isotropic.intrinsic.SCALES``.
    omega : str
        "absent" (0 for ever), "fixed" (a buffer) or "trainable". Stored as its logarithm, so it
        stays positive.
    initial_omega : float
        The squared intrinsic length to start from, positive and finite.
    axis : int
        The axis that holds the vector: -1 for rows, 1 for the channels of an image.
    track_scale : bool
        Whether to keep the mean scalar factor over the training forwards.

    Attributes
    ----------
    scale_sum, scale_count : Tensor ()
        Sum and number of the scalar factors seen in training since they were last reset.

    Raises
    ------
    ValueError
        An unknown name or kind, or an initial omega that is not positive and finite.

    Notes
    -----
    Adaptive-topology paper, Eqns 5 and 16. ``omega`` is a *squared* length: pruning a neuron with
    bias ``b`` turns it into ``omega + b^2``, growing one into ``omega - b^2``.

    Examples
    --------
    >>> import torch
    >>> activation = RadialActivation("isotropic-tanh", omega="fixed", initial_omega=4.0)
    >>> activation(torch.zeros(1, 3))
    tensor([[0., 0., 0.]])
    >>> round(activation.length, 6)
    2.0
    """

    log_omega: Tensor
    scale_sum: Tensor
    scale_count: Tensor

    def __init__(
        self,
        name: str = "isotropic-tanh",
        *,
        omega: str = "absent",
        initial_omega: float = 1e-6,
        axis: int = -1,
        track_scale: bool = False,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if name not in SCALES:
            raise ValueError(f"activation must be one of {', '.join(SCALES)}, got {name!r}")
        if omega not in OMEGA_KINDS:
            raise ValueError(f"omega must be one of {', '.join(OMEGA_KINDS)}, got {omega!r}")
        if omega != "absent" and not 0 < initial_omega < math.inf:
            raise ValueError(
                f"initial_omega must be positive and finite, got {initial_omega}; omega='absent' "
                "is exactly 0"
            )
        self.name = name
        self.omega_kind = omega
        self.axis = axis
        self.track_scale = track_scale
        if omega != "absent":
            value = torch.tensor(math.log(initial_omega), dtype=dtype, device=device)
            if omega == "trainable":
                self.log_omega = nn.Parameter(value)
            else:
                self.register_buffer("log_omega", value)
        if track_scale:
            for key in ("scale_sum", "scale_count"):
                self.register_buffer(key, torch.zeros((), dtype=torch.float64, device=device))

    @property
    def omega(self) -> float:
        """The squared intrinsic length (0 when absent)."""
        return 0.0 if self.omega_kind == "absent" else math.exp(float(self.log_omega.detach()))

    @property
    def length(self) -> float:
        """The intrinsic length, the square root of ``omega``."""
        return math.sqrt(self.omega)

    @property
    def mean_scale(self) -> float | None:
        """The mean scalar factor over the training rows seen, or None before there were any."""
        if not self.track_scale or float(self.scale_count) == 0:
            return None
        return float(self.scale_sum / self.scale_count)

    def reset_scale(self) -> None:
        """Forget the scalar factors seen so far."""
        if self.track_scale:
            self.scale_sum.zero_()
            self.scale_count.zero_()

    def add_scale(self, scale: Tensor) -> None:
        """Count the scalar factors of one batch, each row once.

        Parameters
        ----------
        scale : Tensor
            Scalar factors, of any shape.
        """
        self.scale_sum += scale.detach().sum(dtype=torch.float64)
        self.scale_count += scale.numel()

    def set_omega(self, value: float) -> None:
        """Set the squared intrinsic length.

        Parameters
        ----------
        value : float
            The new value, positive and finite.

        Raises
        ------
        ValueError
            When this activation has none, or the value is not positive and finite.
        """
        if self.omega_kind == "absent":
            raise ValueError("this activation has no intrinsic length: make it with omega='fixed'")
        if not 0 < value < math.inf:
            raise ValueError(f"omega must stay positive and finite, got {value}")
        with torch.no_grad():
            self.log_omega.fill_(math.log(value))

    def scale(self, z: Tensor) -> Tensor:
        """Compute the scalar factor of every vector, ``s(sqrt(|z|^2 + omega))``.

        Parameters
        ----------
        z : Tensor (..., n)
            Pre-activations.

        Returns
        -------
        Tensor (..., 1)
            One factor per vector, with the vector's axis kept at length one.
        """
        omega = 0.0 if self.omega_kind == "absent" else self.log_omega.exp()
        if self.name in SQUASHED:
            _, q, c = shrunk(working(z), omega, self.axis)
            scale = (c * SQUASHED[self.name](q, c)).to(z.dtype)
        else:
            scale = SCALES[self.name](squared_length(working(z), omega, self.axis)).to(z.dtype)
        if self.track_scale and self.training:
            self.add_scale(scale)
        return scale

    def forward(self, z: Tensor, scale: Tensor | None = None) -> Tensor:
        """Activate ``z``, with its scalar factor if it is already known.

        Parameters
        ----------
        z : Tensor (..., n)
            Pre-activations.
        scale : Tensor (..., 1), optional
            What :meth:`scale` gave for ``z``.

        Returns
        -------
        Tensor (..., n)
            Activations.
        """
        return (self.scale(z) if scale is None else scale) * z

    def extra_repr(self) -> str:
        """Name, kind and present value of the intrinsic length."""
        return f"{self.name!r}, omega={self.omega_kind!r} ({self.omega:.3g})"
