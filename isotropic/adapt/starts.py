"""How new neurons start: their outgoing columns and their biases."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isotropic.draws import drawn_on, normal
from isotropic.functional._norms import working

COLUMNS = ("normal", "existing", "semi-orthogonal", "zero")
BIASES = ("zero", "length")


def new_columns(
    kind: str,
    outgoing: Tensor,
    count: int,
    size: float = 0.01,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Make the outgoing columns of new neurons.

    Parameters
    ----------
    kind : str
        "normal": independent normal entries of standard deviation ``size``. "existing": random
        combinations of the columns that are there. "semi-orthogonal": columns orthogonal to those
        that are there and to each other. "zero": a fixed point of training unless the bias moves.
    outgoing : Tensor (o, m)
        The next layer's matrix.
    count : int
        How many columns.
    size : float
        Standard deviation of an entry; for the other kinds, columns get the same expected length.
    generator : torch.Generator, optional
        Where randomness comes from.

    Returns
    -------
    Tensor (o, count)
        The new columns.

    Raises
    ------
    ValueError
        For an unknown kind, or when no direction is left that is orthogonal to all columns.

    Notes
    -----
    Adaptive-topology paper, App. A.3; "normal" at .01 is its choice.

    Examples
    --------
    >>> import torch
    >>> new_columns("zero", torch.ones(2, 3), 1).tolist()
    [[0.0], [0.0]]
    """
    if kind not in COLUMNS:
        raise ValueError(f"columns must be one of {', '.join(COLUMNS)}, got {kind!r}")
    rows, present = outgoing.shape
    draw = normal(
        max(rows, present),
        count,
        generator=generator,
        dtype=outgoing.dtype,
        device=outgoing.device,
    )
    if kind == "normal":
        return size * draw[:rows]
    if kind == "zero":
        return torch.zeros_like(draw[:rows])
    if kind == "existing":
        mixed = outgoing @ draw[:present]
        return mixed * (size * math.sqrt(rows) / mixed.norm(dim=0).clamp_min(1e-30))
    basis, values, _ = torch.linalg.svd(working(outgoing))
    rank = int((values > 1e-10 * values.max()).sum()) if len(values) else 0
    if rows - rank < count:
        raise ValueError(
            f"columns='semi-orthogonal' needs {count} directions orthogonal to the {present} "
            f"outgoing columns, but in {rows} dimensions only {rows - rank} are left: use "
            "'normal' or 'existing'"
        )
    free = basis[:, rank:]
    frame, _ = torch.linalg.qr(free @ draw[: rows - rank].to(free))
    return (frame * (size * math.sqrt(rows))).to(outgoing)


def new_biases(
    kind: str,
    omega: float,
    count: int,
    like: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Make the biases of new neurons.

    Parameters
    ----------
    kind : str
        "zero", or "length": signed, together taking .81 of the squared intrinsic length.
    omega : float
        The squared intrinsic length they come from.
    count : int
        How many.
    like : Tensor
        Gives dtype and device.
    generator : torch.Generator, optional
        Where the signs come from.

    Returns
    -------
    Tensor (count,)
        The new biases; the sum of their squares stays below ``omega``.

    Raises
    ------
    ValueError
        For an unknown kind, or "length" without an intrinsic length.

    Notes
    -----
    Adaptive-topology paper, App. A.3, "equal to the current intrinsic length"; equality would
    leave none, so .9 of the length is used, shared among the new neurons.

    Examples
    --------
    >>> import torch
    >>> round(float(new_biases("length", 4.0, 1, torch.zeros(1)).abs()), 6)
    1.8
    """
    if kind not in BIASES:
        raise ValueError(f"biases must be one of {', '.join(BIASES)}, got {kind!r}")
    if kind == "zero":
        return torch.zeros(count, dtype=like.dtype, device=like.device)
    if omega <= 0:
        raise ValueError("biases='length' needs an intrinsic length: build the network with one")
    place = drawn_on(generator, like.device)
    signs = torch.randint(0, 2, (count,), generator=generator, device=place) * 2 - 1
    return signs.to(like) * (0.9 * math.sqrt(omega / count))


def gradient_share(columns: Tensor, outgoing: Tensor) -> float:
    """Estimate squared gradients of new neurons, relative to those of the neurons that are there.

    A neuron's incoming gradients go with the length of its outgoing column, and its column's with
    its own size, which has to grow from zero through that.

    Parameters
    ----------
    columns : Tensor (o, p)
        Outgoing columns of the new neurons.
    outgoing : Tensor (o, m)
        Those of the others.

    Returns
    -------
    float
        Ratio of mean squared entries, kept within 1e-4 and 1.

    Examples
    --------
    >>> import torch
    >>> round(gradient_share(torch.full((2, 1), 0.1), torch.ones(2, 3)), 6)
    0.01
    """
    present = float(outgoing.square().mean())
    ratio = float(columns.square().mean()) / present if present > 0 else 1.0
    return min(max(ratio, 1e-4), 1.0)
