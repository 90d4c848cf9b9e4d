"""How often the tests reject: level, power, uniformity of p and coverage of the intervals.

    python benchmarks/calibration.py run --out build/calibration --seconds 600
    python benchmarks/calibration.py table --out build/calibration    # brief: combination only
    python benchmarks/calibration.py plot --out build/calibration --figure rates.png

`run` may be stopped at any time and goes on where it was: every run has its own seed and is
one line of a file. `table` prints what has been gathered, with Clopper-Pearson intervals.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ppp import statistics
from ppp.closed import epsilon_for_hits
from ppp.frame import Frame, haar_rotation
from ppp.null import run_nulls
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import tally_of

Make = Callable[[np.random.Generator, int, int], np.ndarray]
TESTED = (*statistics.NAMES, "combined")
#: Rows of one input, for the distribution whose rows depend on each other.
TOGETHER = 5
#: The threshold is the paper's, unless isotropy would then give fewer hits than at n = 24.
HITS = 62


def isotropic(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return rng.standard_normal((rows, n))


def correlated(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    scale = np.linspace(0.2, 2.0, n)
    return (rng.standard_normal((rows, n)) * scale) @ haar_rotation(n, rng)


def laplace(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return rng.laplace(size=(rows, n))


def general_normal(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """Density exp(-|x|^1.5): between Laplace and Gaussian."""
    size = rng.gamma(1 / 1.5, size=(rows, n)) ** (1 / 1.5)
    return size * rng.choice([-1.0, 1.0], size=(rows, n))


def _mixed(rng: np.random.Generator, rows: int, n: int, axis: float, diagonal: float) -> np.ndarray:
    """Gaussian rows of which some point (within about 10 degrees) along axes or diagonals."""
    x = rng.standard_normal((rows, n)) / np.sqrt(n)
    first = rng.integers(0, n, rows)
    second = (first + rng.integers(1, n, rows)) % n
    kind = rng.random(rows)
    beam = np.zeros((rows, n))
    beam[np.arange(rows), first] = rng.choice([-1.0, 1.0], rows)
    across = (kind >= axis) & (kind < axis + diagonal)
    beam[across, second[across]] = rng.choice([-1.0, 1.0], int(across.sum()))
    planted = kind < axis + diagonal
    beam /= np.linalg.norm(beam, axis=1, keepdims=True)
    x[planted] = beam[planted] + 0.17 * x[planted]
    return x


def one_hot(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return _mixed(rng, rows, n, axis=0.02, diagonal=0.0)


def diagonal(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return _mixed(rng, rows, n, axis=0.0, diagonal=0.02)


def superposed(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return _mixed(rng, rows, n, axis=0.01, diagonal=0.01)


def saturated(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return np.tanh(3 * rng.standard_normal((rows, n)))


def clustered(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """Sparse inputs that give five similar rows each."""
    centre = rng.laplace(size=(rows // TOGETHER, n)).repeat(TOGETHER, axis=0)
    return centre + 0.3 * rng.standard_normal((rows, n))


def turned(make: Make) -> Make:
    """The same data, oriented at random: what the rotation null takes for true."""
    return lambda rng, rows, n: make(rng, rows, n) @ haar_rotation(n, rng)


LEVEL: dict[str, Make] = {
    "isotropic": isotropic,
    "correlated Gaussian": correlated,
    "Laplace, turned": turned(laplace),
    "one-hot 2 %, turned": turned(one_hot),
    "clusters, turned": turned(clustered),
}
POWER: dict[str, Make] = {
    "Laplace": laplace,
    "general normal 1.5": general_normal,
    "one-hot 2 %": one_hot,
    "diagonal 2 %": diagonal,
    "axis 1 % + diagonal 1 %": superposed,
    "tanh(3g)": saturated,
}
COVERAGE: dict[str, Make] = {
    "isotropic": isotropic, "Laplace": laplace, "one-hot 2 %": one_hot, "clusters": clustered,
}  # fmt: skip
STUDIES = {"level": LEVEL, "power": POWER, "coverage": COVERAGE}
DIMENSIONS = (12, 24, 64)


def rule_for(rows: int, n: int) -> Rule:
    return Rule(min(0.75, epsilon_for_hits(rows, n, HITS)), bins=4)


def samples(name: str, rows: int) -> np.ndarray | None:
    return np.arange(rows) // TOGETHER if name.startswith("clusters") else None


def one_test(name: str, make: Make, n: int, rows: int, repeats: int, seed: int) -> dict[str, float]:
    """p of every statistic for one data set; 1 where a statistic is undefined."""
    planes = Planes.of(Frame.standard(n), "combination")
    x = make(np.random.default_rng([n, seed]), rows, n)
    nulls = run_nulls(
        x, samples(name, rows), None, planes, rule_for(rows, n), repeats=repeats, seed=seed,
        workers=1, shapes=False,
    )  # fmt: skip
    return {test: 1.0 if (p := nulls.p(test)) is None else p for test in TESTED}


def one_interval(name: str, make: Make, n: int, rows: int, seed: int) -> dict[str, list[float]]:
    """Value, interval and n_eff of every statistic for one data set."""
    planes = Planes.of(Frame.standard(n), "combination")
    x = make(np.random.default_rng([n, seed]), rows, n)
    rule = rule_for(rows, n)
    found = statistics.evaluate(tally_of(x, planes, rule, samples(name, rows)), planes, rule)
    return {
        test: [s.value, *s.interval, s.n_eff]
        for test, s in found.items()
        if s.value is not None and s.interval is not None and s.n_eff is not None
    }


def truths(name: str, make: Make, n: int, rows: int, batches: int) -> dict[str, float]:
    """Ratios of expectations, from many batches of rows that no interval sees."""
    planes = Planes.of(Frame.standard(n), "combination")
    rule = rule_for(rows, n)
    total = None
    for batch in range(batches):
        x = make(np.random.default_rng([n, 10**6 + batch]), 20_000, n)
        tally = tally_of(x, planes, rule, samples(name, 20_000))
        total = tally if total is None else total.merge(tally)
    assert total is not None
    return {
        test: value
        for test, value in statistics.observe(total, planes, rule).items()
        if value is not None
    }


# --- gathering -------------------------------------------------------------------------------


def cells(runs: dict[str, int], dimensions: tuple[int, ...]) -> Iterator[tuple[str, str, int, int]]:
    """Every (study, distribution, n, seed), seeds outermost so that all tables fill evenly."""
    for seed in range(max(runs.values())):
        for study, makes in STUDIES.items():
            if seed < runs[study]:
                for n in dimensions:
                    for name in makes:
                        yield study, name, n, seed


def read(out: Path) -> list[dict]:
    """All finished runs; a line that was cut off is left out."""
    found = []
    for path in sorted(out.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return found


def gather(
    out: Path,
    seconds: float,
    runs: dict[str, int],
    rows: int,
    repeats: int,
    shard: tuple[int, int] = (0, 1),
) -> int:
    """Add one shard's runs until all are done or the time is up; return how many were added."""
    out.mkdir(parents=True, exist_ok=True)
    done = {(r["study"], r["name"], r["n"], r["seed"]) for r in read(out) if r["rows"] == rows}
    start, added = time.monotonic(), 0
    with (out / f"runs-{shard[0]}.jsonl").open("a") as file:
        file.write("\n")  # a line cut off by a kill must not swallow the next one
        for study, name, n, seed in cells(runs, DIMENSIONS):
            if time.monotonic() - start > seconds:
                break
            if seed % shard[1] != shard[0] or (study, name, n, seed) in done:
                continue
            make = STUDIES[study][name]
            if study == "coverage":
                found: dict = one_interval(name, make, n, rows, seed)
            else:
                found = one_test(name, make, n, rows, repeats, seed)
            line = {"study": study, "name": name, "n": n, "seed": seed, "rows": rows}
            file.write(json.dumps(line | {"found": found}) + "\n")
            file.flush()
            added += 1
    return added


# --- tables ----------------------------------------------------------------------------------


def share(hits: int, total: int) -> str:
    """A share with its 95 % Clopper-Pearson interval."""
    from scipy.stats import binomtest

    low, high = binomtest(hits, total).proportion_ci(0.95)
    return f"{hits / total:.3f} [{low:.3f}, {high:.3f}]"


def rejection_table(found: list[dict], study: str) -> Iterator[str]:
    from scipy.stats import kstest

    last = ["uniform?"] if study == "level" else []
    yield " | ".join(["", "data", "n", "runs", "statistic", "at .05", "at .01", *last, ""]).strip()
    yield "| --- " * (6 + len(last)) + "|"
    for name in STUDIES[study]:
        for n in DIMENSIONS:
            here = [
                r["found"] for r in found if (r["study"], r["name"], r["n"]) == (study, name, n)
            ]
            for test in TESTED if here else ():
                p = np.array([each[test] for each in here])
                at = [share(int((p <= alpha + 1e-9).sum()), len(p)) for alpha in (0.05, 0.01)]
                # p lies on a grid and is at least uniform: only an excess of small p is wrong.
                last = [f"{kstest(p, 'uniform', alternative='greater').pvalue:.2f}"]
                shown = last if study == "level" else []
                yield "| " + " | ".join([name, str(n), str(len(p)), test, *at, *shown]) + " |"


def brief_table(found: list[dict], study: str) -> Iterator[str]:
    """Rejection rates of the combination at .05 and .01, one row a distribution."""
    heads = [f"n = {n}, at {alpha}" for n in DIMENSIONS for alpha in (".05", ".01")]
    yield "| " + " | ".join(["data", *heads]) + " |"
    yield "| --- " * (1 + len(heads)) + "|"
    for name in STUDIES[study]:
        row = [name]
        for n in DIMENSIONS:
            here = [
                r["found"] for r in found if (r["study"], r["name"], r["n"]) == (study, name, n)
            ]  # fmt: skip
            p = np.array([each["combined"] for each in here])
            for alpha in (0.05, 0.01):
                row.append(share(int((p <= alpha + 1e-9).sum()), len(p)) if len(p) else "")
        yield "| " + " | ".join(row) + " |"
    counts = [
        sum((r["study"], r["name"], r["n"]) == (study, name, n) for r in found)
        for name in STUDIES[study] for n in DIMENSIONS
    ]  # fmt: skip
    yield f"\n{min(counts)} to {max(counts)} runs a cell, 95 % Clopper-Pearson intervals."


def coverage_table(found: list[dict], batches: int, rows: int) -> Iterator[str]:
    yield "| data | n | runs | statistic | covered | median n_eff |"
    yield "| --- " * 6 + "|"
    for name, make in COVERAGE.items():
        for n in DIMENSIONS:
            here = [
                r["found"] for r in found
                if (r["study"], r["name"], r["n"]) == ("coverage", name, n)
            ]  # fmt: skip
            true = truths(name, make, n, rows, batches) if here else {}
            for test in statistics.NAMES:
                seen = [each[test] for each in here if test in each]
                if seen and test in true:
                    inside = sum(low <= true[test] <= high for _, low, high, _ in seen)
                    n_eff = float(np.median([each[3] for each in seen]))
                    row = [name, n, len(seen), test, share(inside, len(seen)), f"{n_eff:.0f}"]
                    yield "| " + " | ".join(map(str, row)) + " |"


def rates_figure(found: list[dict], path: Path) -> None:
    """Draw how often each statistic rejects where the frame is oriented at random."""
    import matplotlib.pyplot as plt
    from scipy.stats import binomtest

    colours = ("#e07b1a", "#2b6cb0", "#b83232", "#2f855a", "#6b46a5")
    figure, axes = plt.subplots(2, 3, figsize=(12, 6), layout="constrained", sharey="row")
    for line, alpha in zip(axes, (0.05, 0.01), strict=True):
        for ax, n in zip(line, DIMENSIONS, strict=True):
            ax.axhline(alpha, color="#6b6b76", lw=0.8, ls=":")
            for at, name in enumerate(LEVEL):
                key = ("level", name, n)
                here = [r["found"] for r in found if (r["study"], r["name"], r["n"]) == key]
                for place, test in enumerate(TESTED if here else ()):
                    hits = sum(each[test] <= alpha + 1e-9 for each in here)
                    low, high = binomtest(hits, len(here)).proportion_ci(0.95)
                    x, rate = place + (at - 2) * 0.14, hits / len(here)
                    ax.vlines(x, low, high, color=colours[at], lw=1)
                    label = name if not place else None
                    ax.plot(x, rate, "o", color=colours[at], ms=3.5, label=label)
            ax.set_xticks(range(len(TESTED)), TESTED, fontsize=8)
            ax.set_title(f"n = {n}, nominal {alpha:g}", fontsize=10)
    for ax in axes[:, 0]:
        ax.set_ylim(bottom=0)
        ax.set_ylabel("rejection rate")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, fontsize=9, frameon=False)
    runs = [sum((r["study"], r["n"]) == ("level", n) for r in found) for n in DIMENSIONS]
    figure.supxlabel(
        f"{min(runs) // len(LEVEL)} runs a cell; bars: 95 % Clopper-Pearson intervals", fontsize=9
    )
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("run", "table", "brief", "plot"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished runs")
    parser.add_argument("--seconds", type=float, default=600, help="stop after this long")
    parser.add_argument("--runs", type=int, default=400, help="level runs per cell")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=199, help="draws of the null per run")
    parser.add_argument("--batches", type=int, default=20, help="batches behind a true value")
    parser.add_argument("--figure", type=Path, default=Path("calibration.png"), help="of `plot`")
    parser.add_argument("--shard", default="0/1", help="k/m: every m-th seed, for m processes")
    asked = parser.parse_args()
    if asked.action == "run":
        runs = {"level": asked.runs, "power": max(1, asked.runs // 4), "coverage": asked.runs}
        k, m = map(int, asked.shard.split("/"))
        added = gather(asked.out, asked.seconds, runs, asked.rows, asked.repeats, (k, m))
        print(f"{added} runs added, {len(read(asked.out))} in all")
        return
    found = [r for r in read(asked.out) if r["rows"] == asked.rows]
    if asked.action == "plot":
        rates_figure(found, asked.figure)
        return
    for study in ("level", "power"):
        print(f"\n## {study}\n")
        rows = brief_table if asked.action == "brief" else rejection_table
        print("\n".join(rows(found, study)))
    if asked.action == "brief":
        return
    print("\n## coverage of nominal 95 % intervals\n")
    print("\n".join(coverage_table(found, asked.batches, asked.rows)))


if __name__ == "__main__":
    main()
