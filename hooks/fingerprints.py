"""What identifies a capture: weights, layers, row rules, dtype and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
import xxhash
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils.data import RandomSampler, SubsetRandomSampler, WeightedRandomSampler

from hooks.batches import Batch
from hooks.errors import CaptureError, StoreError
from hooks.structure import leaves

_SHUFFLERS = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def weights_digest(model: nn.Module) -> str:
    """Return a digest of a model's parameters and buffers: names, types, shapes and numbers.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    str
        128 bits in hexadecimal.

    Raises
    ------
    CaptureError
        If a lazy module has not been run yet, so that it has no weights.

    Examples
    --------
    >>> layer = nn.Linear(2, 2)
    >>> before = weights_digest(layer)
    >>> with torch.no_grad():
    ...     _ = layer.weight.add_(1)
    >>> before == weights_digest(layer)
    False
    """
    digest = xxhash.xxh3_128()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise CaptureError(
                f"the weights of a stored capture must be known before it begins, but {name!r} of "
                "a lazy module has no shape yet: run the model on one batch first"
            )
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        _add(digest, tensor)
    return str(digest.hexdigest())


def _add(digest: Any, tensor: torch.Tensor) -> None:
    if tensor.layout == torch.strided and not tensor.is_meta and tensor.numel():
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)


def batch_digest(batch: Batch) -> str:
    """Return a digest of what a batch gives the model.

    Parameters
    ----------
    batch : Batch

    Returns
    -------
    str
    """
    digest = xxhash.xxh3_128()
    for _, tensor in leaves(batch.args) + leaves(batch.kwargs):
        digest.update(str(tuple(tensor.shape)).encode())
        _add(digest, tensor)
    return str(digest.hexdigest())


def is_shuffled(loader: Any) -> bool:
    """Return whether a loader's order changes from one pass to the next.

    Parameters
    ----------
    loader : iterable

    Returns
    -------
    bool

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> is_shuffled(DataLoader(range(3), shuffle=True)), is_shuffled([1, 2])
    (True, False)
    """
    return isinstance(getattr(loader, "sampler", None), _SHUFFLERS)


def describe_data(loader: Any, first: str | None) -> dict[str, Any]:
    """Return what identifies the data of a loader.

    Parameters
    ----------
    loader : iterable
    first : str or None
        Digest of the first batch, where the order is fixed.

    Returns
    -------
    dict
    """
    dataset = getattr(loader, "dataset", loader)
    try:
        length = len(dataset)
    except TypeError:
        length = None
    return {"type": type(dataset).__name__, "length": length, "first batch": first}


def compare(stored: Mapping[str, Any], now: Mapping[str, Any], layer: str) -> None:
    """Refuse to go on with a capture that is another one.

    Parameters
    ----------
    stored, now : mapping
        Fingerprints of the layer.
    layer : str

    Raises
    ------
    StoreError
        With what differs.
    """
    different = [key for key in now if stored.get(key) != now[key]]
    if different:
        what = "; ".join(
            f"{k}: {_short(stored.get(k))} then, {_short(now[k])} now" for k in different
        )
        raise StoreError(
            f"layer {layer!r} cannot be resumed, this capture differs from the unfinished one: "
            f"{what}. Make them the same, or begin anew with overwrite=True"
        )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
