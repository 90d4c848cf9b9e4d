"""Affine layers corrected for the affine divergence.

A step of gradient descent on ``z = W x + b`` moves z by ``-eta (||x||^2 + 1) dL/dz`` instead of
``-eta dL/dz``: large inputs weigh too much. Each layer here removes the factor in its own way.
Lengths of half precision are computed in float32.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as nnf

from isotropic.functional._norms import unit, working


class CorrectedLinear(nn.Linear):
    """The affine correction: ``z = (W x + b)/sqrt(1 + ||x||^2)``.

    One step of gradient descent with rate eta on one sample moves z by ``-eta dL/dz`` exactly. The
    layer is non-linear by itself.

    Parameters
    ----------
    in_features, out_features, bias, device, dtype
        As for ``torch.nn.Linear``.

    Notes
    -----
    Emergence of quantised representations, Eqns 32 to 37. Eqn 39 prints ``||x|| + 1`` for
    ``||x||^2 + 1``.

    Examples
    --------
    >>> import torch
    >>> layer = CorrectedLinear(2, 3)
    >>> layer(torch.zeros(4, 2)).shape
    torch.Size([4, 3])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to ``x (..., n)``."""
        wide = working(x)
        # Divided by the largest component, or 1, before the square is taken, which could overflow.
        peak = wide.detach().abs().amax(-1, keepdim=True).clamp_min(1.0)
        length = (peak**-2 + (wide / peak).square().sum(-1, keepdim=True)).sqrt()
        return (super().forward(x) / peak / length).to(x.dtype)


class DirectionLinear(nn.Linear):
    """The normaliser-like correction: ``z = W x/||x|| + b``; a zero input gives b.

    One step of gradient descent with rate eta on one sample moves z by ``-2 eta dL/dz``. The
    length of the input is lost.

    Parameters
    ----------
    in_features, out_features, bias, device, dtype
        As for ``torch.nn.Linear``.

    Notes
    -----
    Emergence of quantised representations, Eqns 26 to 31.

    Examples
    --------
    >>> import torch
    >>> layer = DirectionLinear(2, 3)
    >>> torch.allclose(layer(torch.ones(1, 2)), layer(7 * torch.ones(1, 2)))
    True
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to ``x (..., n)``."""
        return super().forward(unit(working(x)).to(x.dtype))


class RateCorrectedLinear(nn.Linear):
    """An ordinary affine layer whose parameters learn at ``eta/(||x||^2 + 1)``, sample by sample.

    Values and the gradient with respect to the input are those of ``torch.nn.Linear``; the
    gradients of weight and bias weigh each sample by ``1/(||x||^2 + 1)``. One step of gradient
    descent on one sample moves z by ``-eta dL/dz`` exactly.

    Parameters
    ----------
    in_features, out_features, bias, device, dtype
        As for ``torch.nn.Linear``.

    Notes
    -----
    Emergence of quantised representations, App. C.2.1, the first of the corrections.

    Examples
    --------
    >>> import torch
    >>> layer = RateCorrectedLinear(2, 1, bias=False)
    >>> layer(torch.tensor([[1.0, 1.0]])).sum().backward()
    >>> layer.weight.grad
    tensor([[0.3333, 0.3333]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to ``x (..., n)``."""
        bias = None if self.bias is None else self.bias.detach()
        through = nnf.linear(x, self.weight.detach(), bias)
        fixed = x.detach()
        factor = 1 + working(fixed).square().sum(-1, keepdim=True)
        learning = (super().forward(fixed) / factor).to(through.dtype)
        # The second part adds nothing to the value and carries the weighed gradients.
        return through + (learning - learning.detach())
