"""Sums over inputs: what the rows of a batch add to the class of the input they belong to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppp.kernels.rows import EXTREME, VALID, fast_part, inlined

#: Sums kept of an input: as many as `ppp.tally.MOMENTS` has names.
COLUMNS = 8


class Ledger(NamedTuple):
    """Sums over inputs by class, and the sums of the input at hand (columns as in MOMENTS).

    Of `products`, (classes, K, K), only columns a ≤ b are filled. `counts` holds the rows that are
    zero and those that are not finite.
    """

    inputs: np.ndarray
    moments: np.ndarray
    products: np.ndarray
    current: np.ndarray
    counts: np.ndarray


@inlined
def add_quiet(inputs, moments, products, at, many, rows, quartic, rows2, cross, quartic2):
    """Add to a class the sums of inputs without a hit: nothing but rows and the quartic."""
    inputs[at] += many
    moments[at, 0] += rows
    moments[at, 7] += quartic
    products[at, 0, 0] += rows2
    products[at, 0, 7] += cross
    products[at, 7, 7] += quartic2


@inlined
def add_input(inputs, moments, products, current, at):
    """Add the sums of an input to its class, and empty them."""
    # a tuple cannot overlap the arrays, so that the products below become vector instructions
    row = (
        current[0], current[1], current[2], current[3],
        current[4], current[5], current[6], current[7],
    )  # fmt: skip
    inputs[at] += 1
    for a in range(COLUMNS):
        moments[at, a] += row[a]
        current[a] = 0.0
    for a in range(COLUMNS):
        for b in range(a, COLUMNS):
            products[at, a, b] += row[a] * row[b]


@fast_part
def _apart(begin, end, sample, current):
    """Return whether each of the rows is an input by itself."""
    together = current[0] > 0.0
    for at in range(begin, min(end, sample.shape[0] - 1)):
        together |= sample[at] == sample[at + 1]
    return not together


@fast_part
def _close_quietly(rows, share, ledger):
    """Add rows without a hit, each an input by itself, to the one class there is."""
    quartic, quartic2 = 0.0, 0.0
    for r in range(rows):
        quartic += share[r]
        quartic2 += share[r] * share[r]
    add_quiet(
        ledger.inputs, ledger.moments, ledger.products, 0, rows, float(rows), quartic,
        float(rows), quartic, quartic2,
    )  # fmt: skip


@fast_part
def _close_each(begin, end, start, sample, code, state, share, sums, ledger):
    """Add the rows begin … end − 1 to their inputs, and the inputs that end to their classes."""
    inputs, moments, products, current = (
        ledger.inputs, ledger.moments, ledger.products, ledger.current,
    )  # fmt: skip
    # The input at hand, and the inputs of one class that had no hit, in registers: most have none.
    rows, quartic, loud = current[0], current[7], current[1] > 0.0
    held, many, all_rows, all_quartic, rows2, cross, quartic2 = 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for at in range(start + begin, start + end):
        r = at - start - begin
        kept = state[at] == VALID or state[at] == EXTREME
        rows += kept
        quartic += share[r]
        if sums[r, 1] > 0.0:
            loud = True
            for a in range(1, COLUMNS - 1):
                current[a] += sums[r, a]
                sums[r, a] = 0.0
        if at + 1 < sample.shape[0] and sample[at + 1] == sample[at]:
            continue
        kind = code[at] if code.shape[0] else 0
        if loud:
            current[0], current[7] = rows, quartic
            add_input(inputs, moments, products, current, kind)
            loud = False
        elif rows > 0.0:
            if kind != held:
                add_quiet(
                    inputs, moments, products, held, many, all_rows, all_quartic, rows2, cross,
                    quartic2,
                )  # fmt: skip
                held, many = kind, 0
                all_rows, all_quartic, rows2, cross, quartic2 = 0.0, 0.0, 0.0, 0.0, 0.0
            many += 1
            all_rows += rows
            all_quartic += quartic
            rows2 += rows * rows
            cross += rows * quartic
            quartic2 += quartic * quartic
        rows, quartic = 0.0, 0.0
    add_quiet(inputs, moments, products, held, many, all_rows, all_quartic, rows2, cross, quartic2)
    # an input that these rows cut goes on with the next ones
    current[0], current[7] = rows, quartic


@fast_part
def close(begin, end, start, quiet, sample, code, state, share, sums, ledger):
    """Add the rows begin … end − 1 to their inputs, and the inputs that end to their classes.

    Parameters
    ----------
    begin, end, start : int
        The rows, counted from `start`, the place in the block of the first of them.
    quiet : bool
        Whether all of them are of usual size and without a hit.
    sample, code, state : (B,) arrays
        Input, class (or empty) and state of each row of the block.
    share : (R,) float64 array
        Σ c⁴/‖x‖⁴ of each.
    sums : (R, COLUMNS) float64 array
        What each row's hits sum up to; emptied.
    ledger : Ledger
        What is added to.
    """
    if quiet and not code.shape[0] and _apart(begin + start, end + start, sample, ledger.current):
        _close_quietly(end - begin, share, ledger)
    else:
        _close_each(begin, end, start, sample, code, state, share, sums, ledger)
