"""How a module's output becomes rows: one vector each, with the input it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from hooks.errors import OutputError

_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.RNNBase, nn.MultiheadAttention, nn.Bilinear)
_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.GroupNorm,
)
_COLUMNS = {1: ("token",), 2: ("y", "x"), 3: ("z", "y", "x")}


@dataclass(frozen=True)
class RowRule:
    """How one layer's tensor is read as rows.

    Parameters
    ----------
    rows : {"each", "flatten", "mean", "max", "first", "last"} or callable
        One row per position (token, pixel); one row per input, everything in it; or one row per
        input, pooled over its kept positions. A callable takes the tensor and the number of inputs
        and gives ``(rows (R, n), input (R,))``, the input's index in the batch for each row.
    feature_axis : int or None
        The axis that a row runs along. None: the last one for (B, T, n) and after linear,
        normalisation, embedding and recurrent layers; axis 1 after convolutions and pooling and
        for (B, C, H, W).
    batch_axis : int or None
        The axis of the inputs. None: 0, or 1 after recurrent and attention layers that are not
        ``batch_first``, and for the states of recurrent layers, as in ``"lstm[1][0]"``. A model
        that has such layers must say it for its others where both axes are as long as the batch.
    mask : "auto", None, str or callable
        Which positions count. "auto" takes the batch's ``attention_mask`` where its shape is that
        of the tokens; a string names another entry of the batch; a callable takes the batch and
        gives a (B, T) mask; None keeps padding too.
    drop_tokens : tuple of int
        Token ids (``input_ids``) whose rows are left out: special tokens, for instance.
    subsample : int or None
        Keep at most that many rows of an input, drawn uniformly without replacement.
    seed : int
        Of that draw, which depends on the seed and the input's id alone.
    calls : None, "each" or int
        A module that runs several times in one forward: None refuses, "each" keeps every call
        (the first column of the position is the call), a number keeps that call.

    Raises
    ------
    OutputError
        If an option is not one of these.

    Examples
    --------
    >>> RowRule(rows="mean").rows
    'mean'
    >>> RowRule(rows="median")
    Traceback (most recent call last):
    hooks.errors.OutputError: rows must be 'each', 'flatten', ... or a callable, got 'median'
    """

    rows: str | Callable[[torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]] = "each"
    feature_axis: int | None = None
    batch_axis: int | None = None
    mask: str | Callable[[Any], Any] | None = "auto"
    drop_tokens: tuple[int, ...] = ()
    subsample: int | None = None
    seed: int = 0
    calls: str | int | None = None

    def __post_init__(self) -> None:
        if not (callable(self.rows) or self.rows in _WAYS):
            ways = ", ".join(map(repr, _WAYS))
            raise OutputError(f"rows must be {ways} or a callable, got {self.rows!r}")
        if self.subsample is not None and self.subsample < 1:
            raise OutputError(f"subsample must be at least 1, got {self.subsample}")
        if not (self.calls is None or self.calls == "each" or isinstance(self.calls, int)):
            raise OutputError(f"calls must be None, 'each' or a number, got {self.calls!r}")

    def describe(self) -> dict[str, Any]:
        """Return the rule as plain values, for provenance and fingerprints.

        Returns
        -------
        dict
            Callables by their qualified name.
        """
        plain = asdict(self) | {"drop_tokens": list(self.drop_tokens)}
        return {
            key: getattr(value, "__qualname__", repr(value)) if callable(value) else value
            for key, value in plain.items()
        }


class Rows(NamedTuple):
    """One layer's rows of one batch, by input.

    Parameters
    ----------
    rows : (R, n) tensor
    counts : (B,) int64 array
        Rows of each input of the batch, in order.
    position : (R, k) int32 array or None
    columns : tuple of str
        What the position's columns are called.
    """

    rows: torch.Tensor
    counts: np.ndarray
    position: np.ndarray | None
    columns: tuple[str, ...]


class Inputs(NamedTuple):
    """What the row rules need to know of a batch.

    Parameters
    ----------
    size : int or None
        Number of inputs; None where the layer's own batch axis says it.
    ids : (B,) int64 array or None
        Their ids, for the seeded subsample.
    keep : dict of str to (B, T) tensor or None
        The mask, by layer.
    tokens : (B, T) integer tensor or None
        Token ids.
    """

    size: int | None = None
    ids: np.ndarray | None = None
    keep: Mapping[str, torch.Tensor | None] = MappingProxyType({})
    tokens: torch.Tensor | None = None


def to_rows(
    tensor: torch.Tensor, module: nn.Module, rule: RowRule, inputs: Inputs, layer: str
) -> Rows:
    """Read one tensor of a layer as rows.

    Parameters
    ----------
    tensor : (B, ...) tensor
        What the module gave.
    module : torch.nn.Module
        Its type settles which axis is the feature axis where the rule does not.
    rule : RowRule
    inputs : Inputs
    layer : str
        For messages.

    Returns
    -------
    Rows
        Rows of one input are contiguous and in the order of the batch. The rows may share memory
        with the tensor.

    Raises
    ------
    OutputError
        If the tensor does not have the rule's axes, as many inputs as the batch, or any feature.
    """
    if tensor.layout != torch.strided:
        raise OutputError(f"layer {layer!r} gave a {tensor.layout} tensor: rows must be dense")
    if callable(rule.rows):
        return _by_callable(tensor, rule, inputs, layer)
    if tensor.ndim == 0:
        raise OutputError(f"layer {layer!r} gave a scalar: rows need at least the batch axis")
    if tensor.ndim == 1:
        tensor = tensor[:, None]
    tensor = tensor.movedim(_batch_axis(tensor, module, rule, layer), 0)
    if rule.rows != "flatten" and tensor.ndim > 2:
        tensor = tensor.movedim(_feature_axis(tensor, module, rule, layer), -1)
    if 0 in (tensor.shape[1:] if rule.rows == "flatten" else tensor.shape[-1:]):
        raise OutputError(
            f"layer {layer!r} gave rows of width 0 (shape {tuple(tensor.shape)} with the batch "
            "axis first): capture a layer that has features"
        )
    tensor = _match_inputs(tensor, inputs, layer)
    if rule.rows == "flatten":
        tensor = tensor.flatten(1)
    if tensor.ndim == 2:
        return Rows(tensor, np.ones(len(tensor), np.int64), None, ())
    return _positions(tensor, rule, inputs, layer)


def is_batch_axis_told(tensor: torch.Tensor, module: nn.Module, rule: RowRule) -> bool:
    """Return whether it is known, not assumed, which axis of a tensor is the inputs'.

    Parameters
    ----------
    tensor : tensor
        What the module gave.
    module : torch.nn.Module
    rule : RowRule

    Returns
    -------
    bool
        False for (B, T, n) that may as well be (T, B, n): three axes, the last one the features',
        from a module that has no ``batch_first`` of its own.
    """
    said = rule.batch_axis is not None or callable(rule.rows)
    by_type = isinstance(getattr(module, "batch_first", None), bool)
    if said or by_type or tensor.ndim != 3:
        return True
    if rule.feature_axis is None:
        return isinstance(module, _FIRST)
    return rule.feature_axis % 3 != 2


def _batch_axis(tensor: torch.Tensor, module: nn.Module, rule: RowRule, layer: str) -> int:
    axis = rule.batch_axis
    if axis is None:
        time_major = getattr(module, "batch_first", True) is False and tensor.ndim == 3
        axis = 1 if time_major else 0
    return _check_axis(axis, tensor, "batch_axis", layer)


def _feature_axis(tensor: torch.Tensor, module: nn.Module, rule: RowRule, layer: str) -> int:
    if rule.feature_axis is not None:
        axis = _check_axis(rule.feature_axis, tensor, "feature_axis", layer)
        if axis == 0:
            raise OutputError(f"layer {layer!r}: feature_axis must not be the batch axis")
        return axis
    if isinstance(module, _LAST):
        return tensor.ndim - 1
    return 1 if isinstance(module, _FIRST) or tensor.ndim > 3 else tensor.ndim - 1


def _check_axis(axis: int, tensor: torch.Tensor, name: str, layer: str) -> int:
    if not -tensor.ndim <= axis < tensor.ndim:
        raise OutputError(
            f"layer {layer!r}: {name} must lie within the output's {tensor.ndim} axes "
            f"{tuple(tensor.shape)}, got {axis}"
        )
    return axis % tensor.ndim


def _match_inputs(tensor: torch.Tensor, inputs: Inputs, layer: str) -> torch.Tensor:
    if inputs.size is None or len(tensor) == inputs.size:
        return tensor
    if inputs.size == 1:
        # whatever a module makes of a single input belongs to that input
        return tensor.reshape(1, -1, tensor.shape[-1])
    raise OutputError(
        f"layer {layer!r} gave {len(tensor)} along its batch axis for {inputs.size} inputs "
        f"(shape {tuple(tensor.shape)} with the batch axis first): set batch_axis, give a "
        "callable as rows, or load one input a batch. A loader's inputs lie along the first axis "
        "of a batch: if the model takes (T, B, n), load (B, T, n) and transpose it in a forward "
        "pre-hook of the model"
    )


def _by_callable(tensor: torch.Tensor, rule: RowRule, inputs: Inputs, layer: str) -> Rows:
    count = inputs.size if inputs.size is not None else len(tensor)
    rows, owner = rule.rows(tensor, count)  # type: ignore[operator]
    index = torch.as_tensor(owner).cpu().numpy().astype(np.int64)
    if rows.ndim != 2 or index.shape != (len(rows),):
        raise OutputError(
            f"layer {layer!r}: the callable must give rows (R, n) and the input of each row (R,), "
            f"got shapes {tuple(rows.shape)} and {index.shape}"
        )
    if index.size and (index.min() < 0 or index.max() >= count):
        raise OutputError(
            f"layer {layer!r}: the callable must give inputs between 0 and {count - 1}, "
            f"got {index.min()} to {index.max()}"
        )
    order = np.argsort(index, kind="stable")
    if (order != np.arange(len(order))).any():
        rows = rows[torch.as_tensor(order, device=rows.device)]
    return Rows(rows, np.bincount(index, minlength=count).astype(np.int64), None, ())


def _positions(tensor: torch.Tensor, rule: RowRule, inputs: Inputs, layer: str) -> Rows:
    count, *places, width = tensor.shape
    keep = _kept(inputs, rule, count, tuple(places), layer)
    if rule.rows != "each":
        pooled = _pool(tensor.reshape(count, -1, width), keep, str(rule.rows))
        some = np.ones(count, bool) if keep is None else keep.reshape(count, -1).any(1)
        counts = np.asarray(some, np.int64)
        kept = pooled if some.all() else pooled[torch.as_tensor(some).to(pooled.device)]
        return Rows(kept, counts, None, ())
    columns = _COLUMNS.get(len(places), tuple(f"axis{i}" for i in range(len(places))))
    total = int(np.prod(places))
    keep = _thin(keep, rule, inputs, count, total)
    rows = tensor.reshape(count * total, width)
    position = np.stack(np.unravel_index(np.arange(total), places), 1).astype(np.int32)
    if keep is None:
        whole = np.full(count, total).astype(np.int64)
        return Rows(rows, whole, np.tile(position, (count, 1)), columns)
    chosen = np.flatnonzero(keep)
    rows = rows[torch.as_tensor(chosen, device=rows.device)]
    return Rows(
        rows, np.bincount(chosen // total, minlength=count), position[chosen % total], columns
    )


def _kept(
    inputs: Inputs, rule: RowRule, count: int, places: tuple[int, ...], layer: str
) -> np.ndarray | None:
    """Return which positions count, (B, P), or None for all."""
    keep = inputs.keep.get(layer)
    if keep is not None and tuple(keep.shape) != (count, *places):
        if rule.mask != "auto" or len(places) == 1:
            raise OutputError(
                f"layer {layer!r}: the mask is {tuple(keep.shape)} but the layer has "
                f"{(count, *places)} positions: give the mask that fits, or mask=None to keep all"
            )
        keep = None
    kept = None if keep is None else keep.bool().cpu().numpy()
    if rule.drop_tokens:
        tokens = inputs.tokens
        if tokens is None or tuple(tokens.shape) != (count, *places):
            raise OutputError(
                f"layer {layer!r}: drop_tokens needs input_ids of shape {(count, *places)}, got "
                f"{None if tokens is None else tuple(tokens.shape)}"
            )
        wanted = ~np.isin(tokens.cpu().numpy(), rule.drop_tokens)
        kept = wanted if kept is None else kept & wanted
    return kept


def _thin(
    keep: np.ndarray | None, rule: RowRule, inputs: Inputs, count: int, total: int
) -> np.ndarray | None:
    if rule.subsample is None or (keep is None and total <= rule.subsample):
        return keep
    thinned = np.ones((count, total), bool) if keep is None else keep.copy()
    ids = np.arange(count) if inputs.ids is None else inputs.ids
    for row, sample in zip(thinned, ids, strict=True):
        there = np.flatnonzero(row)
        if len(there) > rule.subsample:
            # a stream of its own per input: batches, workers and resuming cannot change it
            draw = np.random.default_rng([rule.seed, int(sample) & 0xFFFFFFFFFFFFFFFF])
            row[:] = False
            row[draw.choice(there, rule.subsample, replace=False)] = True
    return thinned


def _pool(tensor: torch.Tensor, keep: np.ndarray | None, way: str) -> torch.Tensor:
    count, total, _ = tensor.shape
    kept = (
        torch.ones(count, total, dtype=torch.bool)
        if keep is None
        else torch.as_tensor(keep.reshape(count, total))
    ).to(tensor.device)
    return _POOLS[way](tensor, kept)


def _mean(tensor: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    # half precision sums in single: a mean over many positions must not lose digits
    wide = tensor if tensor.dtype == torch.float64 else tensor.float()
    weight = kept[:, :, None].to(wide.dtype)
    total_kept = weight.sum(1).clamp(min=1)
    # where, not times zero: padding may hold NaN
    return (wide.where(kept[:, :, None], 0).sum(1) / total_kept).to(tensor.dtype)


def _max(tensor: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    return tensor.masked_fill(~kept[:, :, None], -torch.inf).amax(1)


def _first(tensor: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    # of equal values, argmax takes the first
    return tensor[torch.arange(len(tensor), device=tensor.device), kept.int().argmax(1)]


def _last(tensor: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    return _first(tensor.flip(1), kept.flip(1))


_POOLS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mean": _mean,
    "max": _max,
    "first": _first,
    "last": _last,
}
_WAYS = ("each", "flatten", *_POOLS)
