"""The sweep: a probe turned through every privileged plane, counted at every angle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ppp.frame import Frame, as_frame
from ppp.planes import Planes, triangle
from ppp.reservoir import Reservoir
from ppp.scan import run
from ppp.streams import as_stream
from srm.counting import Spotlight, SweepCounter
from srm.curve import SRMResult
from srm.reference import check_compat, reference_sweep
from srm.rotations import rotation_curves

#: Most numbers in a table of planes by angles: 256 MiB.
TABLE_NUMBERS = 2**25


def sweep(
    x: Any,
    frame: Frame | str | np.ndarray = "standard",
    epsilon: float = 0.75,
    angles: int = 360,
    pairs: str = "combination",
    *,
    signed: bool = False,
    per_plane: bool | None = None,
    planes: Sequence[tuple[int, int]] | None = None,
    sample: np.ndarray | None = None,
    label: np.ndarray | None = None,
    compat: str | None = None,
    null_repeats: int = 0,
    seed: int = 0,
    workers: int | None = None,
) -> SRMResult:
    """Sweep a spotlight through every privileged plane and count the samples it sees.

    Parameters
    ----------
    x : (N, n) array or tensor, store layer, or iterable of blocks
        Activations, one sample a row.
    frame : "standard", "haar", (m, n) array or Frame
        The distinguished vectors.
    epsilon : float
        Cosine of the cone's half-angle, in [−1, 1].
    angles : int
        Angles A, from 0 (at b_i) towards b_j, evenly to 2π without the end.
    pairs : {"combination", "permutation"}
        Every pair of vectors once, or in both orders.
    signed : bool
        Subtract what the opposite spotlight sees.
    per_plane : bool, optional
        Whether to keep a curve for every plane; by default when they fit.
    planes : sequence of (i, j), optional
        Keep the curves of these planes only; the pooled curve is over all planes still.
    sample, label : (N,) arrays, optional
        Input and class of each row, for arrays.
    compat : {None, "reference"}
        "reference" reproduces the published code: turning from b_i towards −b_j, both ends of
        [0, 2π] among the angles, the probe as long as b_i, zero rows in the denominator.
    null_repeats : int
        Rotations of the frame, swept pooled on at most 10 000 rows, for `SRMResult.test`.
    seed : int
        Seed of everything random here.
    workers : int, optional
        Worker threads. Counts do not depend on it.

    Returns
    -------
    SRMResult

    Raises
    ------
    ValueError
        If an argument is out of range, or the table asked for does not fit.

    Notes
    -----
    Spotlight resonance method (Bird 2025): S(θ) is the share of samples with x̂ · p(θ) ≥ ε,
    p(θ) = cos θ e1 + sin θ e2, e1 = b_i, e2 = (b_j − g b_i)/√(1 − g²).

    Examples
    --------
    >>> import numpy as np
    >>> curve = sweep(np.eye(3), angles=4)
    >>> curve.pooled.round(3).tolist(), curve.values.shape
    ([0.333, 0.333, 0.0, 0.0], (3, 4))
    """
    _check(epsilon, angles, null_repeats)
    check_compat(compat)
    stream = as_stream(x, sample, label)
    if compat is not None:
        return reference_sweep(stream, frame, epsilon, angles, pairs, signed, seed)
    spotlight = Spotlight(float(epsilon), int(angles))
    made: list[Planes] = []

    def plan(pilot: list[Any]) -> list[Any]:
        if not pilot:
            raise ValueError("a sweep needs at least one row of activations, got none")
        made.append(Planes.of(as_frame(frame, int(pilot[0].rows.shape[1]), seed), pairs))
        lines = _lines(made[0], angles, per_plane, planes)
        return [SweepCounter(made[0], spotlight, signed, lines), Reservoir(seed)]

    counter, kept = run(stream.blocks(), plan, workers)
    null = rotation_curves(kept, made[0], spotlight, signed, null_repeats, seed)
    return SRMResult.of(counter, named=planes, null=null)


def _lines(
    swept: Planes,
    angles: int,
    per_plane: bool | None,
    named: Sequence[tuple[int, int]] | None,
) -> np.ndarray | None:
    """Return the line of each pair in the table of curves; empty for all, None for no table."""
    m = swept.frame.m
    if named is not None:
        lines = np.full(m * (m - 1) // 2, -1, np.int64)
        slots = [_slot(i, j, m) for i, j in named]
        used = sorted(set(slots))
        lines[used] = np.arange(len(used))
        if np.isin(used, triangle(swept.degenerate[:, 0], swept.degenerate[:, 1], m)).any():
            raise ValueError("a plane named in `planes` is degenerate: its vectors are parallel")
        return lines
    numbers = swept.count * angles
    if per_plane is None:
        per_plane = numbers <= TABLE_NUMBERS
    if per_plane and numbers > TABLE_NUMBERS:
        raise ValueError(
            f"a curve for each of {swept.count:,} planes at {angles} angles makes {numbers:,} "
            f"numbers, the limit is {TABLE_NUMBERS:,}: take fewer angles, name some `planes`, or "
            "per_plane=False for the pooled curve"
        )
    return np.empty(0, np.int64) if per_plane else None


def _slot(i: int, j: int, m: int) -> int:
    if not (0 <= i < m and 0 <= j < m and i != j):
        raise ValueError(f"a plane is a pair of different vectors 0 … {m - 1}, got ({i}, {j})")
    return int(triangle(np.array(min(i, j)), np.array(max(i, j)), m))


def _check(epsilon: float, angles: int, null_repeats: int) -> None:
    if not -1 <= epsilon <= 1:
        raise ValueError(f"epsilon must lie in [-1, 1], got {epsilon!r}")
    if angles < 1:
        raise ValueError(f"angles must be at least 1, got {angles!r}")
    if null_repeats < 0:
        raise ValueError(f"null_repeats must not be negative, got {null_repeats!r}")
