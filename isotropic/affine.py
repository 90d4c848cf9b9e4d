"""Affine layers in four forms: dense, left-partial, diagonal and triangular."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

PSI_KINDS = ("absent", "constant", "trainable", "decay", "expectation")


class Affine(nn.Module, ABC):
    """An affine map ``h -> W h + b + psi t`` whose matrix is stored in some form.

    Subclasses hold the matrix; this class holds what all share.

    Parameters
    ----------
    in_features, out_features : int
        Width before and after.
    psi : str
        "absent" or "expectation" (no such parameter), "constant" (a buffer), "trainable" or
        "decay" (a parameter).
    dtype, device : optional
        As everywhere in torch.

    Notes
    -----
    ``psi`` multiplies the scalar factor ``t`` of the activation before this layer; it absorbs what
    pruned neurons of the layer before used to add (adaptive-topology paper, Sec. 2.3.3).
    """

    form = "affine"
    psi: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        psi: str = "absent",
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.psi_kind = psi
        self.bias = nn.Parameter(torch.zeros(out_features, dtype=dtype, device=device))
        if psi in ("trainable", "decay"):
            self.psi = nn.Parameter(torch.zeros(out_features, dtype=dtype, device=device))
        elif psi == "constant":
            # A buffer, not a parameter that merely asks for no gradient: nothing can train it.
            self.register_buffer("psi", torch.zeros(out_features, dtype=dtype, device=device))

    @property
    def has_psi(self) -> bool:
        """Whether this layer carries a psi vector."""
        return self.psi_kind in ("constant", "trainable", "decay")

    @abstractmethod
    def matrix(self) -> Tensor:
        """Write the matrix of this layer out.

        Returns
        -------
        Tensor (out_features, in_features)
            Dense, differentiable in this layer's parameters.
        """

    def linear(self, h: Tensor) -> Tensor:
        """Apply the linear part only.

        Parameters
        ----------
        h : Tensor (..., in_features)
            Rows.

        Returns
        -------
        Tensor (..., out_features)
            Rows times the transposed matrix.
        """
        return functional.linear(h, self.matrix())

    def forward(self, h: Tensor, scale: Tensor | None = None) -> Tensor:
        """Map rows.

        Parameters
        ----------
        h : Tensor (..., in_features)
            Rows.
        scale : Tensor (..., 1), optional
            Scalar factors of the activation before; None for a first layer.

        Returns
        -------
        Tensor (..., out_features)
            Pre-activations.
        """
        z = self.linear(h) + self.bias
        return z + scale * self.psi if self.has_psi and scale is not None else z

    def extra_repr(self) -> str:
        """Shape, form and psi."""
        return f"{self.in_features} -> {self.out_features}, {self.form}, psi={self.psi_kind!r}"


class Dense(Affine):
    """The ordinary form: a full matrix ``weight (m, n)``.

    Examples
    --------
    >>> import torch
    >>> Dense(3, 2)(torch.ones(1, 3)).shape
    torch.Size([1, 2])
    """

    form = "dense"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        psi: str = "absent",
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(in_features, out_features, psi, dtype, device)
        self.weight = nn.Parameter(
            torch.zeros(out_features, in_features, dtype=dtype, device=device)
        )

    def matrix(self) -> Tensor:
        """Return the matrix itself."""
        return self.weight

    def forward(self, h: Tensor, scale: Tensor | None = None) -> Tensor:
        """Map rows, with the bias fused into the product."""
        z = functional.linear(h, self.weight, self.bias)
        return z + scale * self.psi if self.has_psi and scale is not None else z


class Diagonal(Affine):
    """Fully diagonal: ``singular (k,)``, k = min(m, n); a Hadamard product instead of a matmul.

    Examples
    --------
    >>> import torch
    >>> layer = Diagonal(3, 2)
    >>> with torch.no_grad():
    ...     _ = layer.singular.copy_(torch.tensor([2.0, 5.0]))
    >>> layer(torch.ones(1, 3)).detach()
    tensor([[2., 5.]])
    """

    form = "diagonal"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        psi: str = "absent",
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(in_features, out_features, psi, dtype, device)
        k = min(in_features, out_features)
        self.singular = nn.Parameter(torch.zeros(k, dtype=dtype, device=device))

    def matrix(self) -> Tensor:
        """Write the rectangular diagonal matrix out."""
        padding = (0, self.in_features - len(self.singular))
        wide = functional.pad(torch.diag(self.singular), padding)
        return functional.pad(wide, (0, 0, 0, self.out_features - len(self.singular)))

    def linear(self, h: Tensor) -> Tensor:
        """Multiply the first k entries; drop or zero the rest."""
        k = len(self.singular)
        return functional.pad(h[..., :k] * self.singular, (0, self.out_features - k))

    def forward(self, h: Tensor, scale: Tensor | None = None) -> Tensor:
        """Map rows with one fused multiply-add where the shape allows."""
        if len(self.singular) == self.out_features:
            z = torch.addcmul(self.bias, h[..., : self.out_features], self.singular)
        else:
            z = self.linear(h) + self.bias
        return z + scale * self.psi if self.has_psi and scale is not None else z


class LeftPartial(Affine):
    """Left-partial: ``singular (k,)`` times ``right (k, n)``, kept apart.

    The two factors take other gradient steps than their product (paper, App. A.2); freezing
    ``singular`` (``requires_grad_(False)``) protects old functions from decay (Sec. 3).

    Examples
    --------
    >>> LeftPartial(4, 3).right.shape
    torch.Size([3, 4])
    """

    form = "left"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        psi: str = "absent",
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(in_features, out_features, psi, dtype, device)
        k = min(in_features, out_features)
        self.singular = nn.Parameter(torch.zeros(k, dtype=dtype, device=device))
        self.right = nn.Parameter(torch.zeros(k, in_features, dtype=dtype, device=device))

    def matrix(self) -> Tensor:
        """``S V^T``, padded with zero rows when the layer expands."""
        product = self.singular[:, None] * self.right
        return functional.pad(product, (0, 0, 0, self.out_features - len(self.singular)))


class Triangular(Affine):
    """Upper trapezoidal: only the entries on and above the diagonal are stored, in ``packed``.

    Examples
    --------
    >>> Triangular(4, 3).packed.shape
    torch.Size([9])
    """

    form = "triangular"
    places: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        psi: str = "absent",
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(in_features, out_features, psi, dtype, device)
        places = torch.triu_indices(out_features, in_features, device=device)
        self.register_buffer("places", places, persistent=False)
        self.packed = nn.Parameter(torch.zeros(places.shape[1], dtype=dtype, device=device))

    def matrix(self) -> Tensor:
        """Write the matrix out with its zeros."""
        full = self.packed.new_zeros(self.out_features, self.in_features)
        return full.index_put((self.places[0], self.places[1]), self.packed)


FORMS: dict[str, type[Affine]] = {
    cls.form: cls for cls in (Dense, Diagonal, LeftPartial, Triangular)
}


def shape_in_state(entries: Mapping[str, Tensor]) -> tuple[str, int, int | None]:
    """Form and widths of the affine layer that a state dict describes.

    Parameters
    ----------
    entries : mapping
        The tensors of one layer, by their own names ("weight", "bias", ...).

    Returns
    -------
    form, out_features, in_features
        ``in_features`` is None for a diagonal, which does not record it.

    Raises
    ------
    ValueError
        When no form has these names.

    Examples
    --------
    >>> import torch
    >>> shape_in_state({"weight": torch.zeros(2, 3), "bias": torch.zeros(2)})
    ('dense', 2, 3)
    """
    if "bias" in entries:
        out = entries["bias"].shape[0]
        if "weight" in entries:
            return "dense", out, entries["weight"].shape[1]
        if "right" in entries:
            return "left", out, entries["right"].shape[1]
        if "singular" in entries:
            return "diagonal", out, None
        if "packed" in entries:
            return "triangular", out, _trapezoid_width(out, entries["packed"].numel())
    raise ValueError(f"no affine layer is stored as {sorted(entries)}")


def _trapezoid_width(rows: int, count: int) -> int:
    """Columns of a matrix with this many entries on and above its diagonal."""
    if count >= rows * (rows + 1) // 2:
        return (count + rows * (rows - 1) // 2) // rows
    return (math.isqrt(8 * count + 1) - 1) // 2
