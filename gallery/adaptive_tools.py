"""What the scripts on adaptive topologies share: data as tensors, one training loop, presets."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import isotropic
from isotropic import data as datasets


@dataclass(frozen=True)
class Split:
    """Standardised training and test images with their labels."""

    name: str
    inputs: Tensor
    targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor

    @property
    def classes(self) -> int:
        return int(self.targets.max()) + 1


def choose(presets: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the preset named by ``--preset NAME`` or the variable PRESET; "quick" otherwise."""
    name = os.environ.get("PRESET", "quick")
    if "--preset" in sys.argv[:-1]:
        name = sys.argv[sys.argv.index("--preset") + 1]
    if name not in presets:
        raise SystemExit(f"preset must be one of {', '.join(presets)}, got {name!r}")
    return name, presets[name]


def keep(script: str, preset: str, numbers: Any) -> None:
    """Write a script's numbers to the folder named by the variable NUMBERS, if there is one."""
    folder = os.environ.get("NUMBERS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{script}-{preset}.json").write_text(json.dumps(numbers, indent=1))


def load(name: str, limit: int | None = None) -> Split:
    """Load a data set, standardise every pixel with training statistics, keep ``limit`` images."""
    train_set, test_set = datasets.load(name, "train"), datasets.load(name, "test")
    x, y = train_set.images[:limit], train_set.labels[:limit]
    standard = datasets.Standardiser.fit(x)
    tensors = [torch.from_numpy(standard(part).astype(np.float32)) for part in (x, test_set.images)]
    labels = [torch.from_numpy(part) for part in (y, test_set.labels)]
    return Split(name, tensors[0], labels[0], tensors[1], labels[1])


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield a shuffled epoch's indices."""
    return iter(torch.randperm(count, generator=generator).split(size))


def optimiser(net: nn.Module, lr: float = 1e-3, weight_decay: float = 1e-3) -> torch.optim.AdamW:
    """AdamW with the paper's constants; decay on matrices only where the network says which."""
    groups = (
        net.parameter_groups(weight_decay) if isinstance(net, isotropic.MLP) else net.parameters()
    )
    return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay, fused=True)


def train(
    net: Any,
    split: Split,
    epochs: int,
    *,
    lr: float = 1e-3,
    batch: int = 48,
    seed: int = 0,
    opt: torch.optim.Optimizer | None = None,
    on_epoch: Callable[[int], None] | None = None,
) -> torch.optim.Optimizer:
    """Train a classifier; ``on_epoch`` is called after every epoch, and before the first with 0."""
    opt = opt or optimiser(net, lr)
    generator = torch.Generator().manual_seed(seed)
    loss = nn.CrossEntropyLoss()
    if on_epoch:
        on_epoch(0)
    for epoch in range(1, epochs + 1):
        net.train()
        for index in batches(len(split.inputs), batch, generator):
            opt.zero_grad()
            (loss(net(split.inputs[index]), split.targets[index]) + net.penalty()).backward()
            opt.step()
        net.eval()
        if on_epoch:
            on_epoch(epoch)
    net.eval()
    return opt


@torch.no_grad()
def accuracy(net: Any, split: Split) -> float:
    """Share of test images put into the right class."""
    return float((net(split.test_inputs).argmax(1) == split.test_targets).double().mean())


def mean_std(values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation over repeats."""
    array = np.asarray(values, float)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else float("nan")


class Clock:
    """Wall time since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    def __str__(self) -> str:
        return f"{time.perf_counter() - self.start:.0f} s"


torch.set_num_threads(1)  # small matrices: more threads are slower
