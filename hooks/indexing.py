"""Data sets that carry each item's index through a loader, as the input's id."""

from __future__ import annotations

from collections.abc import Callable, Sized
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset, IterableDataset

from hooks.errors import CaptureError


class IndexedItem(NamedTuple):
    """An item, or a collated batch of items, beside the index it has in the data set.

    Parameters
    ----------
    index : int or (B,) tensor
    item : Any
        What the data set, or the collate function, gave.
    """

    index: Any
    item: Any


class IndexedDataset(Dataset[IndexedItem]):
    """A data set whose items know their index; made by `indexed`.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        With ``__len__`` and ``__getitem__``.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> IndexedItem:
        return IndexedItem(int(index), self.dataset[index])

    @staticmethod
    def collate(collate_fn: Callable[[list[Any]], Any]) -> Callable[[list[IndexedItem]], Any]:
        """Return a collate function for a loader that has one of its own.

        Parameters
        ----------
        collate_fn : callable
            Takes the list of items, without their indices.

        Returns
        -------
        callable
            For ``DataLoader(collate_fn=...)``.
        """
        return partial(_collate, collate_fn)


def _collate(collate_fn: Callable[[list[Any]], Any], items: list[IndexedItem]) -> IndexedItem:
    index = torch.tensor([item.index for item in items], dtype=torch.int64)
    return IndexedItem(index, collate_fn([item.item for item in items]))


def indexed(dataset: Any) -> IndexedDataset:
    """Wrap a data set so that captured rows carry its indices as sample ids.

    A shuffling loader hides them; without this, ids count the inputs in order of arrival.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        Any data set with a length, given to the loader in the wrapped form.

    Returns
    -------
    IndexedDataset
        Its items are unchanged for the model. A loader with a ``collate_fn`` of its own takes
        ``indexed_dataset.collate(collate_fn)`` instead.

    Raises
    ------
    CaptureError
        If the data set is only iterable and has no indices.

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> loader = DataLoader(indexed([torch.zeros(3), torch.ones(3)]), batch_size=2)
    >>> next(iter(loader)).index
    tensor([0, 1])
    """
    known = hasattr(dataset, "__getitem__") and isinstance(dataset, Sized)
    if isinstance(dataset, IterableDataset) or not known:
        raise CaptureError(
            "indexed needs a data set with __len__ and __getitem__, got "
            f"{type(dataset).__name__}: without indices, ids count inputs in order of arrival"
        )
    return IndexedDataset(dataset)
