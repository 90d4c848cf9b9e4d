"""Models that draw random numbers in their forward."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from interrupted import Breaks
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import hooks

X = torch.zeros(4000, 1)


class Drawing(nn.Module):
    """Gives eight numbers an input: six of torch, one of NumPy, one of Python."""

    def forward(self, x):
        drawn = torch.randn(len(x), 8, dtype=torch.float64)
        drawn[:, 6] = torch.as_tensor(np.random.rand(len(x)))  # noqa: NPY002
        drawn[:, 7] = torch.tensor([random.random() for _ in x], dtype=torch.float64)
        return drawn


def batches(**options):
    return DataLoader(TensorDataset(X), 20, **options)


def rows(loader):
    return torch.cat([block.rows for _, block in hooks.stream(Drawing(), loader, "")])


def seed(number=0):
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002
    random.seed(number)


def test_no_two_batches_draw_the_same_numbers():
    drawn = rows(batches())
    assert [len(torch.unique(column)) for column in drawn.T] == [len(X)] * 8


def test_a_pass_repeats_itself_from_the_same_state_alone():
    seed()
    first = rows(batches())
    seed()
    assert torch.equal(rows(batches()), first)
    seed(1)
    assert not (rows(batches()) == first).any()


def test_the_first_batch_draws_what_a_forward_by_itself_does():
    seed()
    wanted = Drawing()(X[:20])
    seed()
    assert torch.equal(rows([X[:20], X[20:40]])[:20], wanted)


def test_processes_seeded_alike_draw_different_numbers():
    drawn = []
    for rank in range(2):
        seed()
        data = TensorDataset(X)
        sampler = DistributedSampler(data, num_replicas=2, rank=rank, shuffle=False)
        drawn.append(rows(DataLoader(data, 20, sampler=sampler)))
    assert len(torch.unique(torch.cat(drawn)[:, 0])) == len(X)


def test_a_resumed_capture_draws_what_the_whole_one_did(tmp_path):
    def record(name, loader, **options):
        seed()
        return hooks.record(Drawing(), loader, "", tmp_path / name, progress=False, **options)

    whole = record("whole.h5", batches())
    with pytest.raises(KeyboardInterrupt):
        record("a.h5", Breaks(batches(), 150))
    store = record("a.h5", batches(), resume=True)
    assert np.array_equal(store[""].rows(), whole[""].rows())


def test_what_numpy_keeps_of_a_pair_of_normals_is_left_as_found():
    seed()
    np.random.randn()  # noqa: NPY002
    wanted = np.random.get_state()[3:]  # noqa: NPY002
    rows(batches())
    assert np.random.get_state()[3:] == wanted  # noqa: NPY002
    assert wanted[0] == 1
