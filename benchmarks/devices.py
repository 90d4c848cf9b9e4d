"""The torch engine on an accelerator: `python benchmarks/devices.py [DEVICE]` writes DEVICES.md.

Needs a CUDA device. Times are wall clock between synchronisations, medians.
"""

import argparse
import platform
import statistics
import time
from functools import partial
from pathlib import Path

import torch
from projections import activations, along, frames
from timing import table, wall
from torch import nn

import ppp
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import tally_of
from ppp.threads import available_cores

HERE = Path(__file__).parent
#: Numbers of an array: 1 GiB in float32, far beyond any cache.
NUMBERS = 2**28
#: Worker threads of the numba engine.
WORKERS = tuple(2**k for k in range(5) if 2**k <= available_cores())


def clocked(work, device, repeats=5):
    """Median seconds until the device is done, after a warm-up."""
    work()
    taken = []
    for _ in range(repeats):
        torch.cuda.synchronize(device)
        begin = time.perf_counter()
        work()
        torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def rows_of(kind, frame, count, device):
    """Rows as the other benchmarks make them, repeated until there are enough."""
    few = min(count, 2**24 // frame.n)
    made = along(frame, few) if kind == "along" else activations(kind, few, frame.n)
    part = torch.from_numpy(made).to(device)
    return part.repeat(-(-count // few), 1)[:count].contiguous()


def cases(n):
    made = frames(n)
    for name, kind in (
        ("standard", "isotropic"),
        ("standard", "one-hot"),
        ("standard", "three-sparse"),
        ("haar", "isotropic"),
        ("haar", "along"),
        ("antipodal", "isotropic"),
        ("random 2×", "isotropic"),
        ("random 2×", "along"),
    ):
        yield name, made[name], kind


def on_device(device, widths, numbers):
    """Passes over the device's memory, times the product, ns a hit, against numba on all cores."""
    lines = []
    for n in widths:
        for name, frame, kind in cases(n):
            x = rows_of(kind, frame, max(64, numbers // n), device)
            if name != "standard" and kind == "along":
                x = x[: max(64, len(x) // 8)]
            planes = Planes.of(frame, "combination")
            unit = clocked(lambda x=x: x.sum(), device)
            count = partial(tally_of, planes=planes, rule=Rule(0.75), detailed=True)
            product = float("nan")
            if name != "standard":
                across = torch.tensor(frame.vectors.T, dtype=torch.float32, device=device)
                product = clocked(lambda x=x, b=across: [p @ b for p in x.split(2**16)], device)
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            taken = clocked(lambda x=x, c=count: c(x, engine=f"torch:{device}"), device, 3)
            peak = (torch.cuda.max_memory_allocated(device) - before) / 2**20
            hits = count(x, engine=f"torch:{device}").hits
            some = x[: max(2048, len(x) // 16)].cpu().numpy()
            host = clocked(lambda c=count, x=some: c(x, workers=available_cores()), device, 3)
            faster = host / len(some) / (taken / len(x))
            lines.append(
                (
                    n,
                    kind,
                    name,
                    f"{hits / len(x):.2f}",
                    f"{1e3 * taken:.1f}",
                    f"{taken / unit:.1f}",
                    "–" if product != product else f"{taken / product:.2f}",
                    f"{1e9 * taken / hits:.2f}" if hits > len(x) / 10 else "–",
                    # there the tables of planes, not the rows, are what takes numba's time
                    "–" if n > 1024 else f"{faster:.1f}",
                    f"{peak:.0f}",
                )
            )
            print(lines[-1], flush=True)
    columns = ["n", "data", "frame", "hits / row", "ms", "passes", "× GEMM", "ns / hit"]
    columns += ["× numba", "peak MiB"]
    return table("Counting on the device", columns, lines)


def whole(device, numbers):
    """A whole `ppp.project`, its rows on the device, against rows in the host's memory."""
    lines = []
    for n in (64, 768):
        x = torch.randn(numbers // n, n, device=device)
        near = x.cpu()
        there = clocked(lambda x=x: ppp.project(x, null=None), device, 3)
        moved = clocked(lambda x=near: ppp.project(x, null=None, engine="torch"), device, 3)
        here = clocked(lambda x=near: ppp.project(x, null=None), device, 3)
        times = [f"{1e3 * each:.0f}" for each in (there, moved, here)]
        lines.append((n, len(x), *times))
        print(lines[-1], flush=True)
    columns = ["n", "rows", "rows on the device", "rows moved there", "numba, all cores"]
    return table("ppp.project without a test (ms)", columns, lines)


def live(device):
    """A model's forward alone, and the forward with its layer analysed on the way."""
    lines = []
    for batch in (256, 2048):
        layers = [nn.Linear(768, 768) for _ in range(8)]
        model = nn.Sequential(*(part for layer in layers for part in (layer, nn.GELU())))
        model.to(device)
        loader = [torch.randn(batch, 768, device=device) for _ in range(2**17 // batch)]

        def forward(model=model, loader=loader):
            with torch.no_grad():
                for rows in loader:
                    model(rows)

        def analysed(model=model, loader=loader, engine="auto"):
            ppp.analyze(model, loader, "15", engine=engine, null=None, progress=False)

        alone, there = clocked(forward, device, 3), clocked(analysed, device, 3)
        here = clocked(partial(analysed, engine="cpu"), device, 3)
        lines.append((batch, 2**17, *(f"{1e3 * each:.0f}" for each in (alone, there, here))))
        print(lines[-1], flush=True)
    columns = ["batch", "rows", "forward alone", "analysed there", "analysed by numba"]
    return table("A live capture at width 768 (ms)", columns, lines)


def cores(numbers):
    """The numba engine over its number of workers."""
    lines = []
    for n in (64, 768):
        x = activations("laplace", numbers // n, n)
        for name in ("standard", "haar"):
            planes = Planes.of(frames(n)[name], "combination")
            times = [
                wall(lambda x=x, p=planes, w=w: tally_of(x, p, Rule(0.75), workers=w), 3)[0]
                for w in WORKERS
            ]
            lines.append(
                (n, name, f"{1e3 * times[0]:.0f}", *(f"{times[0] / t:.1f}" for t in times))
            )
            print(lines[-1], flush=True)
    columns = ["n", "frame", "one worker, ms", *(f"× with {w}" for w in WORKERS)]
    return table("numba over worker threads", columns, lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("device", nargs="?", default="cuda:0")
    parser.add_argument("--small", action="store_true", help="64 MiB, not written")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    numbers = NUMBERS // 16 if asked.small else NUMBERS
    name = torch.cuda.get_device_name(device)
    parts = [
        "# Benchmarks on an accelerator",
        "",
        f"{name}, torch {torch.__version__}, Python {platform.python_version()}. A *pass* is one "
        f"sum over the float32 array ({numbers * 4 // 2**20} MiB, for rows along the vectors an "
        f"eighth of it); *numba* counts a sixteenth of the rows on all {available_cores()} cores.",
        "",
    ]
    tables = (
        partial(on_device, device, (64, 768, 4096), numbers),
        partial(whole, device, numbers),
        partial(live, device),
        partial(cores, numbers),
    )
    for make in tables:
        part = make()
        print(part, flush=True)
        parts += [part, ""]
    if not asked.small:
        (HERE / "DEVICES.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
