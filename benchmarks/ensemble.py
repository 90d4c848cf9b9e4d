"""Steps per second of an ensemble against one plain loop per network, on one thread.

python benchmarks/ensemble.py [features [width [blocks [repeats]]]]

Prints microseconds of processor time per step of one network, and their ratio. Both are timed in
turn in one process and their medians compared; wall time would tell who else uses the machine.
"""

import statistics
import sys
import time

import torch
from torch.nn import functional as nnf

from isotropic.models import Autoencoder
from isotropic.stacked import Stack

FORMS = ("tanh", "isotropic-tanh")
BATCH, STEPS, ROUNDS = 24, 100, 9


def network(seed, form, features, width, blocks):
    return Autoencoder(features, width, blocks, form, generator=torch.Generator().manual_seed(seed))


def plain_loop(inputs, model, optimiser, order):
    """One network, as torch's own tutorial writes it but for the data loader."""
    for index in order.split(BATCH):
        x = inputs.index_select(0, index)
        optimiser.zero_grad()
        nnf.mse_loss(model(x), x).backward()
        optimiser.step()


def main(features=784, width=18, blocks=0, repeats=5):
    torch.set_num_threads(1)
    inputs = torch.randn(5 * BATCH * STEPS, features, dtype=torch.float64)
    rows = [[network(s, f, features, width, blocks) for f in FORMS] for s in range(repeats)]
    stack = Stack(rows, 0.08, 0.9)
    errors = torch.zeros(repeats, len(FORMS), dtype=torch.float64)
    singles = [network(0, form, features, width, blocks) for form in FORMS]
    optimisers = [
        torch.optim.SGD(m.parameters(), lr=0.08, momentum=0.9, fused=True) for m in singles
    ]

    def orders(count):
        return torch.stack([torch.randperm(len(inputs))[: BATCH * STEPS] for _ in range(count)])

    def together():
        for index in orders(repeats).split(BATCH, dim=1):
            stack.step(inputs, index, errors)

    def separate():
        for model, optimiser in zip(singles, optimisers, strict=True):
            plain_loop(inputs, model, optimiser, orders(1)[0])

    def cost(run, networks):
        start = time.process_time()
        run()
        return (time.process_time() - start) / (networks * STEPS) * 1e6

    cost(together, 1), cost(separate, 1)
    pairs = [
        (cost(separate, len(FORMS)), cost(together, repeats * len(FORMS))) for _ in range(ROUNDS)
    ]
    plain, joint = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{features}-{width}-{features}, {blocks} blocks, {repeats} x {FORMS}, batch {BATCH}")
    print(f"plain loop   {plain:8.0f} us per step of a network")
    print(f"ensemble     {joint:8.0f} us per step of a network")
    print(f"ratio        {statistics.median(p / j for p, j in pairs):8.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
