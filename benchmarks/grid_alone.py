"""The grid alone: what a saturated row costs without angles, waves, planes and sums over inputs.

The aim of ten passes for rows of the standard basis that hit every plane comes from a prototype
that filled a grid and nothing else. This is that much of the kernel, made of its own parts.
"""

import numba
import numpy as np
from projections import activations
from timing import FAST, one_pass, seconds, table

from ppp.kernels.peaks import Patterns, highest, runner_up
from ppp.kernels.rows import BATCH, moments, read_only
from ppp.kernels.saturated import grid_bin

#: ε² of the rule, and bins of the grid.
SHARE, BINS = 0.75**2, 1024


@numba.njit(nogil=True, fastmath=FAST, error_model="numpy", _nrt=False)
def count(c, patterns, grids, per_unit, bins, norm2, fourth):
    """Fill the grid with the hits of rows whose largest coordinate reaches the threshold."""
    half, unit = np.float32((grids.shape[1] - 2) // 2), np.float32(per_unit)
    for begin in range(0, c.shape[0], BATCH):
        end = min(c.shape[0], begin + BATCH)
        moments(c, c, True, begin, end, norm2, fourth)
        for r in range(begin, end):
            most = highest(patterns, r)
            if most * most < SHARE * norm2[r - begin]:
                continue
            top, _, _ = runner_up(patterns, r)
            for k in range(c.shape[1]):
                bins[k] = grid_bin(c[r, k], unit, half)
            for side in range(2):
                first, last = (top + 1, c.shape[1]) if side == 0 else (0, top)
                near, far = grids[side, bins[top]], grids[side + 2, bins[top]]
                steps = (last - first) // 2
                for k in range(steps):
                    here = np.uint64(first) + np.uint64(k)
                    near[np.uint32(bins[here])] += np.uint32(1)
                    far[np.uint32(bins[here + np.uint64(steps)])] += np.uint32(1)
                if 2 * steps < last - first:
                    near[np.uint32(bins[last - 1])] += np.uint32(1)


def grid_alone(numbers, widths):
    lines = []
    for n in widths:
        x = activations("one-hot", numbers // n, n)
        c, out = read_only(x), np.empty(len(x), np.float32)
        unit, _ = seconds(lambda x=x, out=out: one_pass(x, out))
        grids = np.zeros((4, BINS + 2, BINS + 2), np.uint32)
        room = np.zeros(n, np.int32), np.zeros(BATCH), np.zeros(BATCH)
        arguments = (c, Patterns.of(c), grids, BINS / 8, *room)
        taken, _ = seconds(lambda arguments=arguments: count(*arguments))
        hits = int(grids.sum()) / 6  # warmed up, then five times
        assert hits == len(x) * (n - 1), (hits, len(x) * (n - 1))
        per_hit = 1e9 * (taken - 1.5 * unit) / hits
        lines.append((n, f"{taken / unit:.1f}", f"{per_hit:.1f}"))
    title = "The grid alone, standard basis, every plane of a vector hit"
    return table(title, ["n", "passes", "ns / hit"], lines)
