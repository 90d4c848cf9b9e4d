"""What the tests of ppp-plot share: data, a store, options for little work."""

import numpy as np
import torch

import hooks

FAST = ("--null-repeats", "3", "--quiet")


def laplace(rows=400, n=6, seed=0):
    return np.random.default_rng(seed).laplace(size=(rows, n)).astype(np.float32)


def store_at(path, snapshots=(0, 2, 10), seed=0):
    """Record a small model's layer, once a snapshot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh())
    loader = [torch.randn(100, 5) for _ in range(2)]
    with hooks.Recorder(path) as recorder:
        for epoch in snapshots:
            recorder.record(
                model, loader, ["0", "1"], snapshot=f"e{epoch}", attrs={"epoch": epoch},
                progress=False,
            )  # fmt: skip
    return path
