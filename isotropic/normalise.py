"""Normalisers, each with its symmetry: lengths, batches of lengths, weighted means, covariances.

None has parameters of its own. Rows are vectors, ``x (B, n)``; leading dimensions are flattened
into the batch. Half precision is computed in float32 and rounded once. Those that follow a batch's
statistics refuse an empty batch in training with a ValueError.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isotropic.functional._checks import require_floating, require_positive
from isotropic.functional._norms import unit, working
from isotropic.roots import inverse_root


def _nonzero(divisor: Tensor) -> Tensor:
    """Return what to divide by: 1 instead of 0, so that zero stays zero."""
    return torch.where(divisor == 0, 1.0, divisor)


class _Running(nn.Module):
    """A statistic of the batch in training, and its running mean in evaluation."""

    def __init__(self, momentum: float, eps: float) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1], got {momentum}")
        require_positive("eps", eps)
        self.momentum, self.eps = momentum, eps

    def rows(self, x: Tensor, width: int | None = None) -> Tensor:
        """Return ``x (..., n)`` as a matrix, half precision widened, after checking its sizes."""
        require_floating(x)
        if width is not None and x.shape[-1] != width:
            raise ValueError(f"vectors must have {width} numbers, got {x.shape[-1]}")
        rows = working(x).reshape(-1, x.shape[-1])
        if self.training and not len(rows):
            raise ValueError(
                f"a batch in training must have at least one vector, got shape {tuple(x.shape)}: "
                "its statistics would be NaN; skip it, or evaluate with eval()"
            )
        return rows

    def follow(self, running: Tensor, batch: Tensor) -> Tensor:
        """Return the batch's statistic in training, having moved the running one towards it."""
        if not self.training:
            return running.to(batch)
        with torch.no_grad():
            running.lerp_(batch.detach().to(running), self.momentum)
        return batch

    def extra_repr(self) -> str:
        """Return what the module shows of itself."""
        return f"momentum={self.momentum:g}, eps={self.eps:g}"


class L2Norm(nn.Module):
    """Divide each vector by its length: ``N(x) = x/||x||``, and zero by nothing.

    Equivariant under O(n). Before or after an isotropic form it removes the only non-linearity that
    the form has: ``f(N(x))`` and ``N(f(x))`` are multiples of ``N(x)``.

    Notes
    -----
    Adaptive topologies, Eqns 33 and 34.

    Examples
    --------
    >>> L2Norm()(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """

    group = "O(n)"

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x (..., n)``."""
        require_floating(x)
        return unit(working(x)).to(x.dtype)


class RMSNorm(L2Norm):
    """Divide each vector by the root mean square of its components: ``sqrt(n) x/||x||``.

    Equivariant under O(n). Zero stays zero.

    Notes
    -----
    Adaptive topologies, Eqns 33 and 34, with the constant sqrt n.

    Examples
    --------
    >>> RMSNorm()(torch.tensor([[2.0, 2.0]]))
    tensor([[1.0000, 1.0000]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x (..., n)``."""
        require_floating(x)
        return (x.shape[-1] ** 0.5 * unit(working(x))).to(x.dtype)


class MeanNorm(_Running):
    """Divide a batch by the mean length of its vectors ("Chi-normalisation").

    ``N(x_i) = x_i/((1/B) sum_j ||x_j|| + eps)``. Equivariant under a rotation of the whole batch,
    O(n); the running mean that evaluation uses is a scalar and needs no transformation.

    Parameters
    ----------
    momentum : float, default 0.01
        Of the running mean, in (0, 1].
    eps : float, default 1e-5
        Added to the mean length.

    Raises
    ------
    ValueError
        Momentum or eps out of range; when called, an empty batch in training.

    Notes
    -----
    Adaptive topologies, Eqn 35. With a trainable intrinsic length, clip that: the two drift apart.

    Examples
    --------
    >>> MeanNorm(eps=0.0)(torch.tensor([[3.0, 4.0], [0.0, 15.0]]))
    tensor([[0.3000, 0.4000],
            [0.0000, 1.5000]])
    """

    group = "O(n)"
    running: Tensor

    def __init__(self, momentum: float = 0.01, eps: float = 1e-5) -> None:
        super().__init__(momentum, eps)
        self.register_buffer("running", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x (..., n)``."""
        rows = self.rows(x)
        mean = self.follow(self.running, torch.linalg.vector_norm(rows, dim=-1).mean())
        return (rows / _nonzero(mean + self.eps)).reshape(x.shape).to(x.dtype)


class FrobNorm(_Running):
    """Divide a batch by the Frobenius norm of its matrix: ``sqrt(B n) X/||X||_F``.

    Equivariant under a rotation of the whole batch, O(n); the running statistic, the root mean
    square of all components, is a scalar.

    Parameters
    ----------
    momentum : float, default 0.01
        Of the running mean of squares, in (0, 1].
    eps : float, default 1e-5
        Added to the mean square.

    Raises
    ------
    ValueError
        Momentum or eps out of range; when called, an empty batch in training.

    Notes
    -----
    Adaptive topologies, Eqn 36.

    Examples
    --------
    >>> FrobNorm(eps=0.0)(torch.tensor([[2.0, 2.0], [2.0, 2.0]]))
    tensor([[1., 1.],
            [1., 1.]])
    """

    group = "O(n)"
    running: Tensor

    def __init__(self, momentum: float = 0.01, eps: float = 1e-5) -> None:
        super().__init__(momentum, eps)
        self.register_buffer("running", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x (..., n)``."""
        rows = self.rows(x)
        square = self.follow(self.running, rows.square().mean())
        return (rows / _nonzero(square + self.eps).sqrt()).reshape(x.shape).to(x.dtype)


class WeightedLayerNorm(nn.Module):
    """Remove each vector's part along a direction, and scale what is left to length sqrt n.

    ``LN_w(x) = sqrt(n) (x - (w.x) w)/||x - (w.x) w||`` with ``w`` a unit vector; ``w = 1/sqrt n``
    in every component gives LayerNorm without affine part. Equivariant if the direction turns
    along: ``LN_{Rw}(R x) = R LN_w(x)`` for all R in O(n).

    Parameters
    ----------
    direction : (n,) tensor
        Any vector but zero; its length does not matter.
    eps : float, default 0
        Added to the mean square of what is left. A vector along the direction gives zero.

    Raises
    ------
    ValueError
        The direction is zero, not finite, or no vector, or eps is negative.

    Notes
    -----
    Adaptive topologies, Eqns 37 and 38.

    Examples
    --------
    >>> WeightedLayerNorm(torch.ones(2))(torch.tensor([[3.0, 1.0]]))
    tensor([[ 1.0000, -1.0000]])
    """

    group = "O(n)"
    direction: Tensor

    def __init__(self, direction: Tensor, eps: float = 0.0) -> None:
        super().__init__()
        require_floating(direction, "direction")
        require_positive("eps", eps)
        length = torch.linalg.vector_norm(direction)
        if direction.ndim != 1 or not 0 < length < torch.inf:
            raise ValueError(
                f"direction must be a finite vector other than zero, got shape "
                f"{tuple(direction.shape)} of length {float(length):g}"
            )
        self.eps = eps
        self.register_buffer("direction", direction / length)

    @torch.no_grad()
    def rotate(self, rotation: Tensor) -> None:
        """Turn the direction by ``rotation (n, n)``, in place."""
        self.direction.copy_(rotation.to(self.direction) @ self.direction)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x (..., n)``."""
        require_floating(x)
        wide = working(x)
        w = self.direction.to(wide)
        left = wide - (wide @ w).unsqueeze(-1) * w
        # Again: the sum over a wide vector errs by many roundings, and so did what it took away.
        left = left - (left @ w).unsqueeze(-1) * w
        mean = left.square().mean(-1, keepdim=True)
        # What rounding leaves of a vector along the direction is no direction of its own.
        rounding = (4 * torch.finfo(wide.dtype).eps) ** 2 * wide.square().mean(-1, keepdim=True)
        nothing = mean <= rounding
        scale = torch.where(nothing, 1.0, mean + self.eps).rsqrt()
        return (torch.where(nothing, 0.0, left) * scale).to(x.dtype)


class Whitening(_Running):
    """Remove mean and covariance: ``(C + eps I)^(-1/2) (x - mean)`` with the symmetric root.

    Equivariant under O(n): the mean turns as ``R mean``, the covariance as ``R C R^T``.

    Parameters
    ----------
    width : int
        n.
    momentum : float, default 0.1
        Of the running statistics, in (0, 1].
    eps : float, default 1e-5
        Added to the eigenvalues: C is singular where the batch is smaller than n + 1. Below the
        rounding of the largest eigenvalue, 1e-7 of it in float32, it cannot hold noise down. With
        0, directions without variance are removed.

    Raises
    ------
    ValueError
        Momentum or eps out of range; when called, another width, or an empty batch in training.

    Notes
    -----
    Adaptive topologies, Sec. on BatchNorm: of this, BatchNorm is the diagonal approximation.
    Covariances divide by B.

    Examples
    --------
    >>> whitening = Whitening(2)
    >>> z = whitening(torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * 9)
    >>> torch.allclose(z.T @ z / 500, torch.eye(2), atol=1e-3)
    True
    """

    group = "O(n)"
    mean: Tensor
    covariance: Tensor

    def __init__(self, width: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__(momentum, eps)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("covariance", torch.eye(width))

    @torch.no_grad()
    def rotate(self, rotation: Tensor) -> None:
        """Turn the running statistics by ``rotation (n, n)``, exactly, in place."""
        r = rotation.to(self.mean)
        self.mean.copy_(r @ self.mean)
        self.covariance.copy_(r @ self.covariance @ r.T)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x (..., n)``."""
        rows = self.rows(x, len(self.mean))
        mean = rows.mean(0)
        centred = rows - mean
        covariance = self.follow(self.covariance, centred.T @ centred / len(rows))
        mean = self.follow(self.mean, mean)
        root = inverse_root(covariance, self.eps)
        return ((rows - mean) @ root).reshape(x.shape).to(x.dtype)


class DiagonalBatchNorm(_Running):
    """Remove each component's mean and deviation: BatchNorm without affine part.

    Equivariant under signed permutations, B_n. Under another rotation R the mean turns exactly,
    ``R mean``, but the variances only as if components were uncorrelated, ``(R o R) v``.

    Parameters
    ----------
    width : int
        n.
    momentum : float, default 0.1
        Of the running statistics, in (0, 1].
    eps : float, default 1e-5
        Added to the variances, which divide by B.

    Raises
    ------
    ValueError
        Momentum or eps out of range; when called, another width, or an empty batch in training.

    Notes
    -----
    Adaptive topologies, Sec. on BatchNorm.

    Examples
    --------
    >>> DiagonalBatchNorm(2, eps=0.0)(torch.tensor([[1.0, 5.0], [3.0, 9.0]]))
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """

    group = "B_n"
    mean: Tensor
    variance: Tensor

    def __init__(self, width: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__(momentum, eps)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    @torch.no_grad()
    def rotate(self, rotation: Tensor) -> None:
        """Turn the running statistics by ``rotation (n, n)`` in place; see the class for how."""
        r = rotation.to(self.mean)
        self.mean.copy_(r @ self.mean)
        self.variance.copy_(r.square() @ self.variance)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x (..., n)``."""
        rows = self.rows(x, len(self.mean))
        mean = rows.mean(0)
        variance = self.follow(self.variance, (rows - mean).square().mean(0))
        mean = self.follow(self.mean, mean)
        z = (rows - mean) / _nonzero(variance + self.eps).sqrt()
        return z.reshape(x.shape).to(x.dtype)
