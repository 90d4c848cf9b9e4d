"""A small capture that can be ended in the middle, for the tests of what comes after that."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hooks

X = torch.randn(9000, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(9000) % 7


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


class Breaks:
    """A loader that is interrupted, as by Ctrl-C, before batch `stop`."""

    def __init__(self, batches, stop):
        self.batches, self.stop = batches, stop
        self.dataset, self.sampler, self.batch_size = batches.dataset, batches.sampler, 500

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for number, batch in enumerate(self.batches):
            if number == self.stop:
                raise KeyboardInterrupt
            yield batch


def loader(stop=None, shuffle=False, wrap=lambda d: d):
    batches = DataLoader(wrap(TensorDataset(X, Y)), 500, shuffle=shuffle)
    return batches if stop is None else Breaks(batches, stop)


def record(*args, **options):
    return hooks.record(*args, progress=False, **options)


def interrupt(model, path, stop=11, layers="*", **options):
    with pytest.raises(KeyboardInterrupt):
        record(model, loader(stop), layers, path, **options)
    assert not path.exists()


def same(store, other):
    """Whether two stores hold the same rows, of the same inputs, cut at the same places."""
    assert store.keys == other.keys
    for snapshot, name in store.keys:
        a, b = store[name, snapshot], other[name, snapshot]
        assert torch.equal(a.rows(), b.rows())
        assert (a.sample == b.sample).all()
        assert (a.block_offsets == b.block_offsets).all()
    assert (store.samples == other.samples).all()
    assert (store.labels == other.labels).all()
