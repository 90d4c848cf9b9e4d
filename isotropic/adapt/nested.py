"""All matrix-vector products up front, and the wider class of functions that this suggests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isotropic.adapt.checks import require_isotropic
from isotropic.checks import require_whole
from isotropic.intrinsic import SCALES, RadialActivation


class NestedMLP(nn.Module):
    """An isotropic network by its products: ``z_l = c_0 A_l x + sum_k c_k beta_{l,k}``.

    Every ``A_l`` and ``beta_{l,k}`` is a parameter of its own; the products of an ordinary
    network's matrices are the special case that :func:`precompute` makes. All ``A_l x`` are one
    matrix product; only scalars and vector sums follow in sequence.

    Parameters
    ----------
    widths : sequence of int
        Input, hidden and output widths.
    activation : str
        An isotropic activation, see :class:`isotropic.MLP`.
    omega : str
        "absent", "fixed" or "trainable".
    initial_omega : float
        Where omega starts.
    dtype, device : optional
        As everywhere in torch.

    Attributes
    ----------
    stacked : Parameter (n_1 + ... + n_L, n_0)
        All ``A_l``, one below the other.
    offsets : ParameterList
        ``beta_l`` of shape (l, n_l), row k for the k-th bias.

    Notes
    -----
    Adaptive-topology paper, App. C, Eqns 39-43. The non-linearity enters through L - 1 scalars
    only: with zero offsets the class decided on is that of the linear map ``A_L``. Offsets
    therefore start as small random numbers.

    Examples
    --------
    >>> import torch
    >>> NestedMLP([4, 6, 6, 3])(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: str = "isotropic-tanh",
        *,
        omega: str = "trainable",
        initial_omega: float = 1e-6,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        widths = [require_whole("widths", width, 1) for width in widths]
        if len(widths) < 2:
            raise ValueError(f"widths must be two or more positive numbers, got {widths}")
        made: dict[str, Any] = {"dtype": dtype, "device": device}
        self.sizes = tuple(widths[1:])
        self.offsets = nn.ParameterList()
        self.activations = nn.ModuleList()
        self.stacked = nn.Parameter(torch.empty(sum(self.sizes), widths[0], **made))
        for product in self.products:
            nn.init.orthogonal_(product)
        for number, width in enumerate(self.sizes, start=1):
            offset = torch.randn(number, width, **made)
            self.offsets.append(nn.Parameter(0.1 / math.sqrt(width) * offset))
            if number < len(self.sizes):
                radial = RadialActivation(
                    activation, omega=omega, initial_omega=initial_omega, **made
                )
                self.activations.append(radial)

    @property
    def products(self) -> tuple[Tensor, ...]:
        """The matrices ``A_l`` of shape (n_l, n_0), views of ``stacked``."""
        return self.stacked.split(self.sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output of a batch.

        Parameters
        ----------
        x : Tensor (..., n_0)
            Inputs.

        Returns
        -------
        Tensor (..., n_L)
            Outputs.
        """
        parts = (x @ self.stacked.T).split(self.sizes, dim=-1)
        # factors[..., k] is c_{k+1}; c_0 = c_1, the input is not squashed.
        factors = x.new_ones((*x.shape[:-1], 1))
        z = parts[0] + self.offsets[0][0]
        for number, part in enumerate(parts[1:], start=1):
            scale = self._activation(number - 1).scale(z)
            factors = torch.cat([factors * scale, torch.ones_like(scale)], dim=-1)
            z = factors[..., :1] * part + factors @ self.offsets[number]
        return z

    def forward_by_scalars(self, x: Tensor) -> Tensor:
        """Compute the same with scalars only in sequence; vectors appear in the last layer alone.

        Parameters
        ----------
        x : Tensor (rows, n_0)
            Inputs.

        Returns
        -------
        Tensor (rows, n_L)
            Outputs.
        """
        parts = (x @ self.stacked.T).split(self.sizes, dim=-1)
        squares = [part.square().sum(-1, keepdim=True) for part in parts[:-1]]
        crosses = [
            part @ beta.T for part, beta in zip(parts[:-1], list(self.offsets)[:-1], strict=True)
        ]
        grams = [beta @ beta.T for beta in list(self.offsets)[:-1]]
        factors = x.new_ones((len(x), 1))
        for layer, (square, cross, gram) in enumerate(zip(squares, crosses, grams, strict=True)):
            first = factors[:, :1]
            q = (
                first.square() * square
                + 2 * first * (factors * cross).sum(-1, keepdim=True)
                + ((factors @ gram) * factors).sum(-1, keepdim=True)
            )
            activation = self._activation(layer)
            omega = 0.0 if activation.omega_kind == "absent" else activation.log_omega.exp()
            # Rounding may leave a tiny negative number where the vectors cancel.
            scale = SCALES[activation.name](q.clamp_min(0) + omega)
            factors = torch.cat([factors * scale, torch.ones_like(scale)], dim=-1)
        return factors[:, :1] * parts[-1] + factors @ self.offsets[-1]

    def _activation(self, layer: int) -> RadialActivation:
        activation = self.activations[layer]
        assert isinstance(activation, RadialActivation)
        return activation


@torch.no_grad()
def precompute(net: nn.Module) -> NestedMLP:
    """Multiply an isotropic network out: same function, all matrix products up front.

    Parameters
    ----------
    net : MLP
        Isotropic, without normalisers; layers of any form, psi included.

    Returns
    -------
    NestedMLP
        A new module; its parameters are free, so training it leaves the original class.

    Raises
    ------
    TypeError, ValueError
        For other networks.

    Notes
    -----
    Adaptive-topology paper, Eqn 42; psi enters as ``beta_{l,k} = W_l ... (W_{k+1} b_k + psi_k)``.

    Examples
    --------
    >>> import torch
    >>> from isotropic import MLP
    >>> net = MLP([4, 3, 3, 2], dtype=torch.float64)
    >>> x = torch.ones(1, 4, dtype=torch.float64)
    >>> bool((precompute(net)(x) - net(x)).abs().max() < 1e-12)
    True
    """
    net = require_isotropic(net)
    if net.normaliser is not None:
        raise ValueError("the products of a network with normalisers depend on the data")
    like = net.layers[0].bias
    nested = NestedMLP(
        net.widths, net.activation, omega=net.omega_kind, dtype=like.dtype, device=like.device
    )
    product = torch.eye(net.widths[0], dtype=like.dtype, device=like.device)
    rows = like.new_zeros(0, net.widths[0])
    for index, layer in enumerate(net.layers):
        matrix = layer.matrix()
        product = matrix @ product
        rows = rows @ matrix.T
        if index and layer.has_psi:
            rows[-1] += layer.psi
        rows = torch.cat([rows, layer.bias[None]])
        nested.products[index].copy_(product)
        nested.offsets[index].copy_(rows)
        if index < net.depth - 1 and net.omega_kind != "absent":
            nested._activation(index).log_omega.copy_(net.activations[index].log_omega)
    return nested
