"""Timing for benchmarks: ratios within one process, medians and minima."""

import statistics
import time

import numba
import numpy as np

FAST = {"reassoc", "contract", "nsz", "arcp"}


@numba.njit(nogil=True, fastmath=FAST)
def one_pass(x, out):
    """The unit: one SIMD sum of squares over a float32 array."""
    for r in range(x.shape[0]):
        total = np.float32(0)
        for k in range(x.shape[1]):
            total += x[r, k] * x[r, k]
        out[r] = total


def seconds(work, repeats=5):
    """Median and least seconds of the process' own CPU time, after a warm-up."""
    work()
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return statistics.median(taken), min(taken)


def wall(work, repeats=5):
    """Median and least seconds on the clock."""
    work()
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken), min(taken)


def table(title, columns, lines):
    """A Markdown table."""
    head = [f"### {title}", "", "| " + " | ".join(columns) + " |"]
    rule = "|" + "|".join(" --- " for _ in columns) + "|"
    return "\n".join([*head, rule, *("| " + " | ".join(map(str, line)) + " |" for line in lines)])
