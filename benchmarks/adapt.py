"""Ratios of times for adaptive networks: sparse forwards, products up front, one decomposition.

Run ``python benchmarks/adapt.py``; every line compares two things within this process.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch

import isotropic
from isotropic import adapt


def best(action: Callable[[], object], repeats: int = 7) -> float:
    """Best processor time of a few calls, after one that does not count."""
    action()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def forwards(width: int, depth: int, rows: int) -> dict[str, float]:
    """Sparse over dense forward, and products up front over layer by layer."""
    torch.manual_seed(0)
    net = isotropic.MLP([width] * (depth + 1))
    sparse = adapt.sparsify(net)
    nested = adapt.precompute(net)
    x = torch.randn(rows, width)
    with torch.no_grad():
        dense = best(lambda: net(x))
        return {
            "sparsified": best(lambda: sparse(x)) / dense,
            "kept parameters": adapt.count_parameters(sparse) / adapt.count_parameters(net),
            "products up front": best(lambda: nested(x)) / dense,
            "scalars only": best(lambda: nested.forward_by_scalars(x)) / dense,
        }


def events(width: int, change: int) -> dict[str, float]:
    """A resize by many neurons at once over the same, one neuron at a time; and over a step."""
    torch.manual_seed(0)
    net = isotropic.MLP([784, width, width, 10])
    opt = torch.optim.AdamW(net.parameters())
    x, y = torch.randn(48, 784), torch.randint(0, 10, (48,))

    def step() -> None:
        opt.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        opt.step()

    one_step = best(step)

    def at_once() -> None:
        twin, twin_opt = copy.deepcopy((net, opt))
        adapt.resize(twin, 1, width - change, twin_opt)

    def singly() -> None:
        twin, twin_opt = copy.deepcopy((net, opt))
        for lost in range(1, change + 1):
            adapt.resize(twin, 1, width - lost, twin_opt)

    copying = best(lambda: copy.deepcopy((net, opt)))
    together = best(at_once) - copying
    return {
        "one by one / at once": (best(singly, 3) - copying) / together,
        "at once / training step": together / one_step,
    }


def main() -> None:
    torch.set_num_threads(1)
    print("forward, time over that of the dense network")
    for width, depth, rows in ((100, 5, 64), (500, 5, 64), (1000, 7, 64), (1000, 7, 1)):
        numbers = forwards(width, depth, rows)
        cells = ", ".join(f"{name} {value:.2f}" for name, value in numbers.items())
        print(f"  width {width}, {depth} layers, {rows} rows: {cells}")
    print("pruning a quarter of a layer")
    for width in (100, 400):
        cells = ", ".join(f"{name} {v:.1f}" for name, v in events(width, width // 4).items())
        print(f"  width {width}: {cells}")


if __name__ == "__main__":
    main()
