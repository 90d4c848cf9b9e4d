"""Sweeps and densities: against the direct form, over angles; error against cost."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from projections import activations
from timing import one_pass, seconds, table, wall

import srm
from ppp.density import Window, density
from ppp.density_exact import exact_density

#: Half-widths of the density's grid and image.
HALF, EXTENT = 8.0, 4.0


def direct(x, vectors, epsilon, angles):
    """The sweep in its direct form: one rotation matrix a plane and an angle."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    n = vectors.shape[1]
    values = []
    for i in range(len(vectors)):
        for j in range(i + 1, len(vectors)):
            a, b = vectors[i], vectors[j]
            plane = np.outer(a, a) + np.outer(b, b)
            turn = np.outer(b, a) - np.outer(a, b)
            for theta in 2 * np.pi * np.arange(angles) / angles:
                q = np.eye(n) + np.sin(theta) * turn + (np.cos(theta) - 1) * plane
                values.append(((unit @ q.T) @ a >= epsilon).mean())
    return np.array(values)


def sweeps(count, choices):
    lines = []
    x = activations("isotropic", count, 18)
    for angles in choices:
        # the direct form is timed on two vectors' one plane and scaled to all planes; CPU time, of
        # which other work on the machine takes less than of the clock's
        slow, _ = seconds(lambda a=angles: direct(x, np.eye(18)[:2], 0.75, a), 3)
        slow *= 18 * 17 / 2
        quick, least = seconds(lambda a=angles: srm.sweep(x, epsilon=0.75, angles=a), 50)
        ratio = f"{slow / quick:,.0f}"
        lines.append((18, count, angles, ratio, f"{1e3 * quick:.1f}", f"{1e3 * least:.1f}"))
    columns = ["n", "rows", "angles", "× direct form", "ms", "best"]
    title = "Sweep (CPU time; direct form timed on one plane, scaled to 153)"
    return table(title, columns, lines)


def densities(count):
    """Images of `count` points against the exact sum of all of them, in units of its maximum.

    "likely" is the error stated for hits spread evenly within their bins, "at most" the one that
    holds for any: a thin beam beside the middle of its bins shows the difference.
    """
    rng = np.random.default_rng(0)
    beam = 0.25 * 2 * HALF / 1024
    kinds = {
        "smooth": rng.standard_normal((count, 2)),
        "beam": np.stack([rng.laplace(size=count), 0.01 * rng.standard_normal(count)], axis=1),
        "thin beam": np.stack([rng.laplace(size=count), np.full(count, beam)], axis=1),
    }
    lines = []
    for kind, w in kinds.items():
        shown = density(np.zeros((1024, 1024), np.int64), HALF, extent=EXTENT)
        begin = time.perf_counter()
        exact = exact_density(w, Window(EXTENT, shown.sigma)).image
        summed = time.perf_counter() - begin
        for bins in (1024, 4096):
            lines.append((kind, bins, *_against_the_sum(w, bins, shown.sigma, exact, summed)))
    columns = ["points", "bins", "ms", "× binning", "× faster than the sum",
               "error", "likely", "at most"]  # fmt: skip
    title = f"Density of {count:,} points, 512 × 512, σ = extent / 100"
    return table(title, columns, lines)


def _against_the_sum(w, bins, sigma, exact, summed):
    edges = np.linspace(-HALF, HALF, bins + 1)

    def binned():
        return np.histogram2d(w[:, 0], w[:, 1], bins=[edges, edges])[0].astype(np.int64)

    grid = binned()
    binning, _ = wall(binned, 3)
    drawn, _ = wall(lambda: density(grid, HALF, extent=EXTENT, sigma=sigma), 5)
    made = density(grid, HALF, extent=EXTENT, sigma=sigma)
    error = np.abs(made.image - exact).max() / made.image.max()
    if error > made.bound:
        raise AssertionError(f"a density is {error:.1e} off, its bound is {made.bound:.1e}")
    times = (f"{1e3 * drawn:.0f}", f"{drawn / binning:.2f}", f"{summed / drawn:,.0f}")
    return (*times, f"{error:.1e}", f"{made.likely:.1e}", f"{made.bound:.1e}")


def stores(numbers, n=256):
    """Reading a page-cached array back, in passes: contiguous, chunked, compressed, half."""
    import h5py

    x = activations("isotropic", numbers // n, n)
    out = np.empty(len(x), np.float32)
    unit, _ = wall(lambda: one_pass(x, out), 5)
    kinds = {
        "contiguous": {},
        "chunks of 2 048 rows": {"chunks": (2048, n)},
        "gzip 1 + shuffle": {"chunks": (2048, n), "compression": 1, "shuffle": True},
        "lzf + shuffle": {"chunks": (2048, n), "compression": "lzf", "shuffle": True},
    }
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, options in kinds.items():
            path = Path(folder) / "rows.h5"
            with h5py.File(path, "w") as file:
                file.create_dataset("x", data=x, **options)
            with h5py.File(path) as file:

                def read(rows=file["x"]):
                    for start in range(0, len(rows), 2048):
                        rows[start : start + 2048]

                taken, _ = wall(read, 3)
            size = path.stat().st_size / x.nbytes
            lines.append((name, f"{taken / unit:.1f}", f"{size:.2f}"))
            path.unlink()
    for kind in (torch.float16, torch.bfloat16):
        half = torch.from_numpy(x).to(kind)
        taken, _ = wall(lambda half=half: half.float(), 5)
        lines.append((f"{str(kind)[6:]} → float32, by torch", f"{taken / unit:.1f}", "0.50"))
    return table("Reading rows, page-cached", ["stored as", "passes", "size"], lines)


#: What a fresh process does one after the other, each timed on its own.
STEPS = (
    "import torch",
    "import ppp",
    "ppp.project",
    "import srm; srm.sweep",
    "ppp.project(x, null=None)",
    "srm.sweep(x)",
)
TIMED = """
import time, numpy
x = numpy.random.default_rng(0).standard_normal((1000, 18))
for step in {steps!r}:
    begin = time.perf_counter()
    exec(step)
    print(time.perf_counter() - begin)
"""


def imports(repeats=7):
    """Fresh processes: public names load on first use, so that is what is timed."""
    command = [sys.executable, "-c", TIMED.format(steps=STEPS)]
    runs = [
        [float(t) for t in subprocess.run(command, check=True, capture_output=True).stdout.split()]
        for _ in range(repeats)
    ]
    lines = [
        (f"`{step}`", f"{runs[0][k]:.3f}", f"{statistics.median(run[k] for run in runs):.3f}",
         f"{min(run[k] for run in runs):.3f}")
        for k, step in enumerate(STEPS)
    ]  # fmt: skip
    title = f"Import and first use in a fresh process, seconds ({repeats} processes)"
    return table(title, ["step", "first process", "median", "best"], lines)
