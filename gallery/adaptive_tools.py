"""What the scripts on adaptive topologies share: data as tensors, one training loop, kept runs.

Presets: ``quick`` takes seconds on scikit-learn's digits; ``fashion`` is Fashion-MNIST at a size
that an evening on two cores allows; ``paper`` has the paper's settings.

Runs are kept in the folder named by the variable RUNS (default ``gallery/runs``) as they end: an
interrupted script goes on where it stopped. With the variable MINUTES it stops by itself before the
first run that begins later than that.
"""

from __future__ import annotations

import json
import os
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


class Runs:
    """Numbers of a script's runs, kept in a file as they end.

    Parameters
    ----------
    script, preset : str
        Name the file; ``settings`` must agree with it, or the file starts afresh.
    settings : dict
        What the numbers depend on.
    """

    def __init__(self, script: str, preset: str, settings: Mapping[str, Any]) -> None:
        folder = Path(os.environ.get("RUNS", Path(__file__).parent / "runs"))
        data = settings.get("data")
        parts = ["adaptive", script, preset, *([data] if isinstance(data, str) else [])]
        self.path = folder / ("-".join(parts) + ".json")
        # Repeats may be added later; everything else makes other numbers.
        kept = {key: value for key, value in settings.items() if key != "repeats"}
        self.settings = json.loads(json.dumps(kept))
        self.done: dict[str, Any] = {}
        if self.path.exists():
            stored = json.loads(self.path.read_text())
            if stored["settings"] == self.settings:
                self.done = stored["runs"]
        self.start = time.perf_counter()

    def __call__(self, action: Callable[..., Any], *about: Any) -> Any:
        """Return the numbers of a run about these things, from the file if it was done before."""
        key = ", ".join(map(str, about))
        if key not in self.done:
            minutes = (time.perf_counter() - self.start) / 60
            if minutes > float(os.environ.get("MINUTES", "inf")):
                raise SystemExit(
                    f"stopped after {minutes:.0f} minutes with {len(self.done)} runs in "
                    f"{self.path}: start the script again to go on"
                )
            started = time.process_time()
            self.done[key] = {"numbers": action(*about), "seconds": time.process_time() - started}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_suffix(".new")
            fresh.write_text(json.dumps({"settings": self.settings, "runs": self.done}))
            fresh.replace(self.path)
        return self.done[key]["numbers"]

    def __str__(self) -> str:
        seconds = sum(run["seconds"] for run in self.done.values())
        return f"{len(self.done)} runs, {seconds:.0f} s of processor time"


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


def spread(values: list[float], form: str = ".4g") -> str:
    """Write a mean and, where there are several values, their standard deviation."""
    mean, std = mean_std(values)
    return f"{mean:{form}} ± {std:.1g}" if len(values) > 1 else f"{mean:{form}}"


def mean_std(values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation over repeats."""
    array = np.asarray(values, float)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else float("nan")


torch.set_num_threads(1)  # small matrices: more threads are slower
