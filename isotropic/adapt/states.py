"""Change a network's parameters and carry its optimiser's state along."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from isotropic.optim import EquivariantAdam

# State tensors that transform like the parameter itself, and those that transform like its square.
_RANK_ONE = {"momentum_buffer", "exp_avg"}
_RANK_TWO = {"exp_avg_sq", "max_exp_avg_sq"}
_UNCHANGED = {"step"}
_KNOWN: tuple[type[torch.optim.Optimizer], ...] = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    EquivariantAdam,
)


def require_known(optimizer: torch.optim.Optimizer | None) -> None:
    """Refuse an optimiser whose states cannot be carried along.

    Parameters
    ----------
    optimizer : Optimizer or None
        None is fine: then there is nothing to carry.

    Raises
    ------
    TypeError
        For anything but torch's own SGD, Adam and AdamW, and ours.

    Examples
    --------
    >>> require_known(None)
    """
    if optimizer is None or type(optimizer) in _KNOWN:
        return
    names = ", ".join(kind.__name__ for kind in _KNOWN)
    raise TypeError(
        f"the optimiser must be one of {names}, whose states are known to transform; got "
        f"{type(optimizer).__name__}: change the width without it and make a new optimiser"
    )


class Carrier:
    """Replaces tensors of modules; an optimiser that holds them gets the new ones and their state.

    Parameters
    ----------
    optimizer : Optimizer, optional
        SGD (with or without momentum), Adam or AdamW (with or without amsgrad), EquivariantAdam.

    Notes
    -----
    First moments follow the parameter; second moments are the diagonal of a rank-two tensor, so
    ``W' = A W C`` takes ``v`` to ``A^{o2} v C^{o2}`` (adaptive-topology paper, Eqns 24-27): exact
    for signed permutations, approximate otherwise. A new entry starts with a share of the mean
    second moment of its parameter: at zero beside a large step count, Adam's first update of it
    would be 3.16 learning rates, whatever its gradient; at the whole mean, an entry whose gradients
    are a hundred times smaller than the others' would hardly ever move.

    Gradients that were not yet used are dropped: they belong to the old coordinates.
    """

    def __init__(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        require_known(optimizer)
        self.optimizer = optimizer

    def rotate(
        self, module: nn.Module, name: str, left: Tensor | None = None, right: Tensor | None = None
    ) -> None:
        """Turn a tensor into ``left @ tensor @ right``, with orthogonal factors.

        Parameters
        ----------
        module, name
            Where the tensor is.
        left : Tensor (m', m), optional
            Acts on the first axis.
        right : Tensor (n, n'), optional
            Acts on the second axis, of length n or, in blocks, a multiple of it.
        """
        self._change(
            module,
            name,
            lambda t: _product(t, left, right),
            lambda v: _product(v, _squared(left), _squared(right)).clamp_min(0),
        )

    def keep(self, module: nn.Module, name: str, dim: int, index: Tensor) -> None:
        """Keep the given rows or columns.

        Parameters
        ----------
        module, name
            Where the tensor is.
        dim : int
            0 for entries or rows, 1 for columns.
        index : Tensor of int64
            What to keep, in order.
        """
        self._change(
            module, name, lambda t: t.index_select(dim, index), lambda v: v.index_select(dim, index)
        )

    def append(
        self, module: nn.Module, name: str, dim: int, block: Tensor, share: float = 1.0
    ) -> None:
        """Append entries, rows or columns.

        Parameters
        ----------
        module, name
            Where the tensor is.
        dim : int
            0 for entries or rows, 1 for columns.
        block : Tensor
            The new values.
        share : float
            Expected squared gradient of a new entry, relative to those that are there.
        """

        def pad(value: float | Tensor) -> Callable[[Tensor], Tensor]:
            return lambda t: torch.cat([t, torch.zeros_like(block, dtype=t.dtype) + value], dim)

        self._change(
            module,
            name,
            lambda t: torch.cat([t, block.to(t)], dim),
            lambda v: pad(share * v.mean())(v),
            first_moment=pad(0.0),
        )

    def assign(self, module: nn.Module, name: str, value: Tensor) -> None:
        """Give a tensor new values of the same shape; its state stays as it is.

        Parameters
        ----------
        module, name
            Where the tensor is.
        value : Tensor
            The new values.
        """
        with torch.no_grad():
            getattr(module, name).copy_(value)

    def _change(
        self,
        module: nn.Module,
        name: str,
        value: Callable[[Tensor], Tensor],
        second_moment: Callable[[Tensor], Tensor],
        first_moment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        old = getattr(module, name)
        with torch.no_grad():
            new = value(old.detach().to(work_dtype(old))).to(old).contiguous()
        if not isinstance(old, nn.Parameter):
            setattr(module, name, new)
            return
        # A new Parameter, not new .data: a graph that is still alive would remember the old shape.
        fresh = nn.Parameter(new, requires_grad=old.requires_grad)
        setattr(module, name, fresh)
        if self.optimizer is not None and self._hand_over(old, fresh):
            state = self.optimizer.state.pop(old, {})
            if state:
                self.optimizer.state[fresh] = {
                    key: _carried(key, entry, first_moment or value, second_moment)
                    for key, entry in state.items()
                }

    def _hand_over(self, old: nn.Parameter, fresh: nn.Parameter) -> bool:
        assert self.optimizer is not None
        for group in self.optimizer.param_groups:
            for place, parameter in enumerate(group["params"]):
                if parameter is old:
                    group["params"][place] = fresh
                    return True
        return False


def work_dtype(tensor: Tensor) -> torch.dtype:
    """Choose the precision to transform in: float64 wherever the device has it.

    Parameters
    ----------
    tensor : Tensor
        What is to be transformed.

    Returns
    -------
    dtype
        float64, or float32 on Apple's devices.

    Examples
    --------
    >>> import torch
    >>> work_dtype(torch.zeros(1))
    torch.float64
    """
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def require_owned(optimizer: torch.optim.Optimizer | None, parameters: Iterable[Tensor]) -> None:
    """Refuse an optimiser that holds none of a network's parameters.

    Parameters
    ----------
    optimizer : Optimizer or None
        None is fine.
    parameters : iterable of Tensor
        The network's parameters.

    Raises
    ------
    ValueError
        When the two do not belong together.

    Examples
    --------
    >>> require_owned(None, [])
    """
    if optimizer is None:
        return
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in parameters):
        raise ValueError(
            "the optimiser holds none of this network's parameters: make it from "
            "net.parameters() (again, after a state dict of other widths was loaded)"
        )


def _squared(matrix: Tensor | None) -> Tensor | None:
    return None if matrix is None else matrix.square()


def _product(t: Tensor, left: Tensor | None, right: Tensor | None) -> Tensor:
    """Contract the first axis with ``left`` and the second with ``right``, whatever follows.

    Columns that come in equal blocks (the flattened positions of each channel) turn by blocks.
    """
    if left is not None:
        t = torch.tensordot(left.to(t), t, dims=1)
    if right is not None:
        blocks = t.reshape(t.shape[0], len(right), -1)
        turned = torch.tensordot(blocks, right.to(t), dims=([1], [0])).movedim(-1, 1)
        t = turned.reshape(t.shape[0], -1, *t.shape[2:])
    return t


def _carried(
    key: str,
    entry: Any,
    first: Callable[[Tensor], Tensor],
    second: Callable[[Tensor], Tensor],
) -> Any:
    # One second moment for a whole tensor, as EquivariantAdam keeps it, is the same in any basis.
    if key in _UNCHANGED or entry is None or (key in _RANK_TWO and entry.dim() == 0):
        return entry
    if key in _RANK_ONE:
        rule = first
    elif key in _RANK_TWO:
        rule = second
    else:
        raise TypeError(f"the optimiser keeps a state {key!r} whose transformation is not known")
    with torch.no_grad():
        return rule(entry.to(work_dtype(entry))).to(entry).contiguous()
