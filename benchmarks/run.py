"""Run the benchmarks and write RESULTS.md: `python benchmarks/run.py [--quick]`."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import platform
from pathlib import Path

from grid_alone import grid_alone
from projections import against_loop, projections, saturated, workers
from sweeps import densities, imports, stores, sweeps

HERE = Path(__file__).parent


def machine():
    """What was measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    load = f", load {os.getloadavg()[0]:.1f} while measuring" if hasattr(os, "getloadavg") else ""
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}{load}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few minutes: fewer widths, kinds of data and thresholds",
    )
    quick = parser.parse_args().quick
    numbers = 2**24  # 64 MiB in float32: beyond the caches
    widths = (18, 64, 256) if quick else (18, 64, 256, 768, 4096)
    kinds = ("isotropic", "one-hot")
    if not quick:
        kinds = ("isotropic", "laplace", "one-hot", "three-sparse", "binary")
    epsilons = (0.75,) if quick else (0.5, 0.75, 0.95)
    angles = (51, 360) if quick else (51, 360, 721, 3601)
    parts = [
        "# Benchmarks",
        "",
        f"{machine()}. A *pass* is one SIMD sum of squares over the float32 array; all ratios are "
        "taken within one process.",
        "",
    ]
    for make in (
        lambda: against_loop(10_000),
        lambda: projections(numbers, widths, kinds, epsilons),
        lambda: saturated(numbers, (64, 256, 768)),
        lambda: grid_alone(numbers, (64, 256, 768)),
        lambda: workers(numbers),
        lambda: sweeps(10_000, angles),
        lambda: densities(1_000_000),
        lambda: stores(numbers),
        imports,
    ):
        part = make()
        print(part, flush=True)
        parts += [part, ""]
    (HERE / "RESULTS.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
