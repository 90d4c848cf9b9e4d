"""The sweep: a probe turned through every privileged plane, counted at every angle."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ppp.frame import Frame, as_frame
from ppp.kernels.compiling import said_while_compiling
from ppp.planes import Planes
from ppp.scan import check_workers, run
from ppp.streams import Unlabelled, as_stream, watched
from ppp.value_checks import check_flag
from srm.companion import Sweeping
from srm.curve import SRMResult
from srm.reference import check_compat, reference_sweep

#: Widest standard basis whose planes are kept from one sweep to the next: half a MiB.
WIDE = 256


@lru_cache(maxsize=4)
def _usual(n: int, pairs: str) -> Planes:
    """Return the planes of the standard basis: making them takes longer than a small sweep."""
    return Planes.of(Frame.standard(n), pairs)


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
    labels: bool = True,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
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
        [0, 2π] among the angles, the probe as long as b_i, zero rows in the denominator; all
        planes, no classes, no rotations.
    null_repeats : int
        Rotations of the frame, swept pooled on at most 10 000 rows, for `SRMResult.test`.
    labels : bool
        Whether labels are classes, each with curves of its own; False for those that are not, as
        targets of a regression.
    seed : int
        Seed of everything random here.
    workers : int, optional
        Worker threads. Counts do not depend on it.
    progress : bool
        Whether to show a progress bar.

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
    check_workers(workers)
    check_flag(labels=labels, progress=progress)
    made = Sweeping(epsilon, angles, None, signed, per_plane, planes, null_repeats, seed)
    check_compat(
        compat,
        label=label is not None,
        planes=planes is not None,
        per_plane=per_plane is False,
        null_repeats=null_repeats > 0,
    )
    stream = as_stream(x, sample, label)
    stream = stream if labels else Unlabelled(stream)
    blocks = watched(stream.blocks(), stream.shape[0], "rows", progress)
    if compat is not None:
        return reference_sweep(blocks, frame, epsilon, angles, pairs, signed, seed)

    def plan(pilot: list[Any]) -> list[Any]:
        if not pilot:
            raise ValueError("a sweep needs at least one row of activations, got none")
        n = int(pilot[0].rows.shape[1])
        usual = isinstance(frame, str) and frame == "standard" and n <= WIDE
        swept = _usual(n, pairs) if usual else Planes.of(as_frame(frame, n, seed), pairs)
        return made.plan(swept, None)

    with said_while_compiling(progress):
        return made.result(run(blocks, plan, workers))
