"""Projection: passes over memory, products, ns per hit, against a plain loop, two workers."""

from functools import partial

import numpy as np
from timing import one_pass, seconds, table, wall

import ppp
from ppp.frame import Frame
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import tally_of

#: What is set against the loops: pooled counts, all counters, a whole `ppp.project`.
COUNTED = ("counts", "with grid and planes", "project")


def activations(kind, count, n, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "isotropic":
        return rng.standard_normal((count, n), dtype=np.float32)
    if kind == "laplace":
        return rng.laplace(size=(count, n)).astype(np.float32)
    if kind == "binary":
        return (rng.random((count, n)) < 0.1).astype(np.float32)
    x = (0.05 / np.sqrt(n) * rng.standard_normal((count, n))).astype(np.float32)
    for _ in range(3 if kind == "three-sparse" else 1):
        x[np.arange(count), rng.integers(n, size=count)] += 1
    return x


def frames(n):
    rng = np.random.default_rng(1)
    return {
        "standard": Frame.standard(n),
        "haar": Frame.haar(n, 0),
        "antipodal": Frame.given(np.concatenate([np.eye(n), -np.eye(n)])),
        "random 2×": Frame.given(rng.standard_normal((2 * n, n))),
    }


def loop(x, epsilon):
    """Every plane as the paper writes it: Gram-Schmidt, pseudo-inverse, projection, its length."""
    n = x.shape[1]
    basis = np.eye(n)
    kept = []
    for i in range(n):
        for j in range(i + 1, n):
            second = basis[j] - (basis[j] @ basis[i]) * basis[i]
            plane = np.stack([basis[i], second / np.linalg.norm(second)])
            w = x @ np.linalg.pinv(plane)
            inside = np.linalg.norm(w @ plane, axis=1) >= epsilon * np.linalg.norm(x, axis=1)
            kept.append(w[inside])
    return kept


def short_loop(x, epsilon):
    """The planes of the standard basis without any projection: two columns and their norm."""
    norm = np.linalg.norm(x, axis=1)
    kept = []
    for i in range(x.shape[1]):
        for j in range(i + 1, x.shape[1]):
            inside = np.linalg.norm(x[:, [i, j]], axis=1) >= epsilon * norm
            kept.append(x[inside][:, [i, j]])
    return kept


def projections(numbers, widths, kinds, epsilons):
    lines = []
    for n in widths:
        made = {kind: activations(kind, max(64, numbers // n), n) for kind in kinds}
        for name, frame in frames(n).items():
            planes = Planes.of(frame, "combination")
            for kind, x in made.items():
                lines += _cases(x, planes, epsilons, (n, kind, name))
    return _table("Projection, one worker (CPU time, medians)", lines)


def saturated(numbers, widths):
    """Rows that hit every plane of a vector: an axis, its antipodes, turned ones, any vectors."""
    lines = []
    for n in widths:
        count = max(64, numbers // n)
        for name, frame in frames(n).items():
            axes = frame.is_standard or frame.axial
            kind = "one-hot" if axes else "along the vectors"
            x = activations(kind, count, n) if axes else along(frame, count)
            lines += _cases(x, Planes.of(frame, "combination"), (0.75,), (n, kind, name))
    return _table("Every plane of a vector hit, one worker (CPU time, medians)", lines)


def along(frame, count, seed=0):
    """Rows near one of a frame's vectors each."""
    rng = np.random.default_rng(seed)
    rows = frame.vectors[rng.integers(frame.m, size=count)]
    noise = 0.05 / np.sqrt(frame.n) * rng.standard_normal((count, frame.n))
    return (rows + noise).astype(np.float32)


def _cases(x, planes, epsilons, names):
    """Time one kind of rows and one frame: passes, times the product, ns a hit."""
    out = np.empty(len(x), np.float32)
    unit, _ = seconds(lambda: one_pass(x, out))
    product, frame, lines = np.nan, planes.frame, []
    if not frame.is_standard:
        vectors = np.ascontiguousarray(frame.vectors.T, np.float32)
        rows = _rows(lambda few: x[:few] @ vectors, len(x))
        product = seconds(lambda: x[:rows] @ vectors, 3)[0] / rows
    for epsilon in epsilons:
        found: list[int] = []
        count = partial(_count, x, planes, Rule(epsilon), found)
        rows = _rows(count, len(x))
        taken = seconds(partial(count, rows), 3)[0] / rows
        hits = found[-1] / rows
        # neither the standard basis nor its antipodes are multiplied
        base = 1.5 * unit / len(x) if frame.is_standard or frame.axial else product
        lines.append(
            (
                *names,
                epsilon,
                f"{hits:.2f}",
                f"{taken * len(x) / unit:.1f}",
                "–" if np.isnan(product) else f"{taken / product:.2f}",
                f"{1e9 * (taken - base) / hits:.1f}" if hits > 0.1 else "–",
            )
        )
    return lines


def _count(x, planes, rule, found, rows):
    found.append(tally_of(x[:rows], planes, rule, detailed=True).hits)


def _rows(work, rows):
    """As many of the rows as take about half a second besides what any number takes."""
    few = max(1, rows // 64)
    once, twice = (seconds(partial(work, count), 1)[0] for count in (few, 2 * few))
    each = max((twice - once) / few, 1e-9)
    return min(rows, max(few, int(0.5 / each)))


def _table(title, lines):
    columns = ["n", "data", "frame", "ε", "hits / row", "passes", "× GEMM", "ns / hit"]
    return table(title, columns, lines)


def against_loop(count):
    lines = []
    for n in (18, 64):
        x = activations("isotropic", count, n)
        planes = Planes.of(Frame.standard(n), "combination")
        slow, _ = wall(lambda x=x: loop(x, 0.75), 3)
        short, _ = wall(lambda x=x: short_loop(x, 0.75), 3)
        quick, _ = wall(lambda x=x, p=planes: tally_of(x, p, Rule(0.75)), 15)
        full, _ = wall(lambda x=x, p=planes: tally_of(x, p, Rule(0.75), detailed=True), 15)
        whole, _ = wall(lambda x=x: ppp.project(x, null=None), 15)
        ratios = [f"{a / b:.0f}" for a in (slow, short) for b in (quick, full, whole)]
        lines.append((n, count, *ratios, f"{1e3 * whole:.1f}"))
    columns = ["n", "rows"]
    columns += [f"{loop}: {what}" for loop in ("paper", "short") for what in COUNTED]
    return table("× a NumPy loop over planes (medians)", [*columns, "project, ms"], lines)


def workers(numbers):
    lines = []
    for n in (64, 256):
        x = activations("laplace", numbers // n, n)
        planes = Planes.of(Frame.haar(n, 0), "combination")
        one, _ = wall(lambda x=x, p=planes: tally_of(x, p, Rule(0.75), workers=1), 3)
        two, _ = wall(lambda x=x, p=planes: tally_of(x, p, Rule(0.75), workers=2), 3)
        lines.append((n, f"{one / two:.2f}"))
    return table("Two workers against one (clock)", ["n", "× faster"], lines)
