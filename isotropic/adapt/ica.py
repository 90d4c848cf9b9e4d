"""Independent components of a hidden layer as its neurons, in three forms, watched live."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from isotropic.adapt.checks import require_dense, require_isotropic, require_layer
from isotropic.adapt.covariance import hidden_rows, running_statistics
from isotropic.adapt.rotations import turn_hidden
from isotropic.adapt.states import Carrier, work_dtype
from isotropic.draws import normal
from isotropic.mlp import MLP

FORMS = ("kept", "full", "diagonal")
# Below this share of unit variance a whitened coordinate is BatchNorm's epsilon, not a signal.
_SIGNAL = 0.5


class FrozenAffine(nn.Module):
    """A fixed map ``h -> (h - mean) M^T``, or ``(h - mean) * M`` when M is a vector.

    Parameters
    ----------
    mean : Tensor (n,)
        Taken away first.
    matrix : Tensor (n, n) or (n,)
        Then multiplied with.

    Examples
    --------
    >>> import torch
    >>> FrozenAffine(torch.ones(2), torch.tensor([2.0, 3.0]))(torch.tensor([[2.0, 2.0]]))
    tensor([[2., 3.]])
    """

    mean: Tensor
    map: Tensor

    def __init__(self, mean: Tensor, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("map", matrix)

    def forward(self, h: Tensor) -> Tensor:
        """Map rows ``(..., n)``."""
        centred = h - self.mean
        return centred * self.map if self.map.dim() == 1 else centred @ self.map.T


def fast_ica(
    rows: Tensor, seed: int = 0, steps: int = 500, tolerance: float = 1e-8
) -> tuple[Tensor, bool]:
    """Find the rotation of whitened rows whose coordinates are least Gaussian.

    Parameters
    ----------
    rows : Tensor (N, n)
        Centred and white.
    seed : int
        Of the rotation to start from.
    steps : int
        At most so many fixed-point steps.
    tolerance : float
        Converged when every direction keeps its cosine to 1 within this.

    Returns
    -------
    turn : Tensor (n, n)
        Orthogonal; components are ``rows @ turn.T``. Order and signs are arbitrary in ICA; here
        each row's largest entry is positive.
    converged : bool
        Whether the tolerance was met.

    Notes
    -----
    FastICA with the log-cosh contrast and symmetric decorrelation (Hyvärinen, 1999). At most one
    source may be Gaussian.

    Examples
    --------
    >>> import torch
    >>> turn, converged = fast_ica(torch.rand(2000, 2, dtype=torch.float64) * 3.46 - 1.73)
    >>> bool(torch.allclose(turn @ turn.T, torch.eye(2, dtype=torch.float64)))
    True
    """
    generator = torch.Generator().manual_seed(seed)
    n = rows.shape[1]
    draw = normal(n, n, generator=generator, dtype=torch.float64, device=generator.device)
    turn, _ = torch.linalg.qr(draw.to(rows))
    converged = False
    for _ in range(steps):
        response = torch.tanh(rows @ turn.T)
        slopes = (1 - response.square()).mean(0)
        step = response.T @ rows / len(rows) - slopes[:, None] * turn
        U, _, Vh = torch.linalg.svd(step)
        new = U @ Vh
        kept = (new * turn).sum(1).abs()
        turn = new
        if bool(((kept - 1).abs() < tolerance).all()):
            converged = True
            break
    largest = turn.gather(1, turn.abs().argmax(1, keepdim=True))
    return torch.where(largest < 0, -turn, turn), converged


@torch.no_grad()
def find_components(net: nn.Module, layer: int, x: Tensor, seed: int = 0) -> tuple[Tensor, bool]:
    """Find the rotation of a layer's whitened activations to independent components.

    Parameters
    ----------
    net : MLP
        Isotropic, with parameterless BatchNorm, turned by :func:`diagonalise_covariance`.
    layer : int
        Any affine layer but the last.
    x : Tensor (rows, n)
        Inputs.
    seed : int
        Where the search starts.

    Returns
    -------
    turn : Tensor (m, m)
        Orthogonal; directions without variance are left alone.
    converged : bool
        Whether the search settled.

    Raises
    ------
    ValueError
        When the activations are not white in this basis.

    Examples
    --------
    >>> import torch
    >>> from isotropic.adapt.covariance import diagonalise_covariance
    >>> net = MLP([3, 2, 2], normaliser=lambda n: nn.BatchNorm1d(n, affine=False))
    >>> x = torch.rand(200, 3)
    >>> _ = diagonalise_covariance(net, 0, x)
    >>> find_components(net, 0, x)[0].shape
    torch.Size([2, 2])
    """
    net = require_isotropic(net)
    layer = require_layer(net, layer)
    mean, scale = _statistics(net, layer)
    rows = hidden_rows(net, layer, x)
    white = (rows.to(mean) - mean) * scale
    covariance = white.T @ white / len(white)
    signal = covariance.diagonal() > _SIGNAL
    cross = covariance - torch.diag(covariance.diagonal())
    if float(cross.abs().max()) > 0.05:
        raise ValueError(
            "the activations are not white in this basis (largest covariance "
            f"{float(cross.abs().max()):.2g}): call adapt.diagonalise_covariance on the same "
            "inputs first"
        )
    turn = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    chosen = torch.nonzero(signal).squeeze(1)
    found, converged = fast_ica(white[:, chosen], seed)
    turn[chosen[:, None], chosen] = found
    return turn, converged


@torch.no_grad()
def represent_components(net: nn.Module, layer: int, turn: Tensor, form: str = "kept") -> MLP:
    """Return the network with a layer's coordinates turned to independent components.

    The components come out of ``norms.<layer>``: watch them with :func:`watch_components`.

    Parameters
    ----------
    net : MLP
        Isotropic, with parameterless BatchNorm; it is left as it is.
    layer : int
        Any affine layer but the last.
    turn : Tensor (m, m)
        What :func:`find_components` gave.
    form : str
        "kept": the rotation stays as a matrix behind BatchNorm, exact. "full": it is absorbed,
        BatchNorm becomes a full whitening, exact. "diagonal": absorbed, BatchNorm stays a vector
        of scales, approximate and as cheap as before.

    Returns
    -------
    MLP
        A new network in evaluation mode, for inference: its statistics are frozen.

    Raises
    ------
    ValueError
        For an unknown form.

    Notes
    -----
    Adaptive-topology paper, App. E: Eqn 50 ("kept"), 51 ("full"), 52 ("diagonal"). BatchNorm's
    epsilon is part of the variances throughout.

    Examples
    --------
    >>> import torch
    >>> net = MLP([3, 2, 2], normaliser=lambda n: nn.BatchNorm1d(n, affine=False))
    >>> represent_components(net, 0, torch.eye(2), "full").norms[0]
    FrozenAffine()
    """
    net = require_isotropic(net)
    layer = require_layer(net, layer)
    require_dense(net, layer, layer + 1)
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    mean, scale = _statistics(net, layer)
    turn = turn.to(mean)
    twin = copy.deepcopy(net).eval()
    like = twin.layers[layer].weight
    if form == "kept":
        norm = FrozenAffine(mean.to(like), (turn * scale).to(like))
        Carrier().rotate(twin.layers[layer + 1], "weight", right=turn.T)
    else:
        if form == "full":
            matrix = (turn * scale) @ turn.T
        else:
            matrix = (turn.square() @ scale.pow(-2)).rsqrt()
        turn_hidden(twin, layer, turn, Carrier())
        norm = FrozenAffine((turn @ mean).to(like), matrix.to(like))
    twin.norms[layer] = norm
    return twin


@contextmanager
def watch_components(net: MLP, layer: int) -> Iterator[Any]:
    """Watch a layer's components while the network runs.

    Parameters
    ----------
    net : MLP
        What :func:`represent_components` returned.
    layer : int
        The same layer.

    Yields
    ------
    hooks.Captured
        Its ``rows`` are the components of every input run so far, ``(rows, m)``.

    Examples
    --------
    >>> import torch
    >>> net = MLP([3, 2, 2], normaliser=lambda n: nn.BatchNorm1d(n, affine=False))
    >>> parts = represent_components(net, 0, torch.eye(2))
    >>> with watch_components(parts, 0) as seen:
    ...     _ = parts(torch.zeros(5, 3))
    >>> seen.rows.shape
    torch.Size([5, 2])
    """
    import hooks

    with hooks.capture(net, f"norms.{layer}") as captured:
        yield captured


def _statistics(net: MLP, layer: int) -> tuple[Tensor, Tensor]:
    """Return the running mean, and the factor ``1 / sqrt(variance + eps)``."""
    mean, variance, eps = running_statistics(net, layer)
    work = work_dtype(mean)
    return mean.to(work), (variance.to(work) + eps).rsqrt()
