"""Capture 10^6 x 768 rows in three layers: memory over time, and throughput against the forward.

The model is three blocks of GPT-2's size, written out here so that nothing must be installed.
``python benchmarks/capture.py --rows 1000000 --folder /tmp`` prints a table; the forward alone and
the capture take turns in one process, so that both see the same machine.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import hooks

WIDTH, TOKENS, BATCH = 768, 128, 8


class Block(nn.Module):
    """A transformer block of GPT-2's size."""

    def __init__(self):
        super().__init__()
        self.before, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 12, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x):
        h = self.before(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.after(x))


class Data(torch.utils.data.Dataset):
    """Inputs that take no memory: one tensor, over and over."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.x = torch.randn(TOKENS, WIDTH)

    def __len__(self):
        return self.inputs

    def __getitem__(self, i):
        return self.x, i % 10


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def now():
    """Seconds on the wall and of the processor: the second is quieter on a busy machine."""
    return time.perf_counter(), time.process_time()


def since(began):
    return tuple(end - start for start, end in zip(began, now(), strict=True))


def forward(model, loader):
    began = now()
    with torch.no_grad():
        for x, _ in loader:
            model(x)
    return since(began)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--rounds", type=int, default=3, help="pairs of forward and capture")
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--light", action="store_true", help="cheap layers: memory alone")
    options = parser.parse_args()
    torch.manual_seed(0)
    made = [nn.Identity() if options.light else Block() for _ in range(options.blocks)]
    model = nn.Sequential(*made).eval()
    layers = [str(i) for i in range(options.blocks)]
    part = max(BATCH, options.rows // TOKENS // (1 if options.light else options.rounds))
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    print("rows       forward rows/s  capture rows/s  ratio  in CPU time  peak RSS MiB")
    ratios = []
    rounds = 1 if options.light else options.rounds
    forward(model, torch.utils.data.DataLoader(Data(4 * BATCH), BATCH))
    try:
        for number in range(rounds):
            loader = torch.utils.data.DataLoader(Data(part), BATCH)
            plain, plain_cpu = forward(model, loader)
            began = now()
            path = folder / f"{number}.h5"
            memory = []
            with hooks.Recorder(path) as recorder:
                for count, _ in enumerate(recorder.stream(model, loader, layers)):
                    if count % 100 == 0:
                        memory.append(peak())
            taken, taken_cpu = since(began)
            rows = part * TOKENS
            ratios.append((plain / taken, plain_cpu / taken_cpu))
            quarter = memory[len(memory) // 4] if memory else peak()
            print(
                f"{rows:<10} {rows / plain:<15.0f} {rows / taken:<15.0f} {ratios[-1][0]:<6.3f} "
                f"{ratios[-1][1]:<12.3f} {quarter:.0f} at a quarter, {memory[-1]:.0f} at the end"
            )
            path.unlink()
        wall, cpu = (sorted(each)[rounds // 2] for each in zip(*ratios, strict=True))
        print(f"capture to forward, median of {rounds}: {wall:.3f}, in CPU time {cpu:.3f}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
