"""The published conventions of the spotlight resonance method, for comparison."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ppp.frame import Frame, as_frame
from ppp.planes import Planes
from ppp.prepared import as_array
from ppp.value_checks import as_doubles
from srm.checks import check_table
from srm.curve import SRMResult

#: Numbers of rows by angles that are held at a time: 16 MiB.
ROOM = 2**21


def check_compat(compat: str | None, **beyond: bool) -> None:
    """Refuse an unknown convention, and what the published code does not do.

    Parameters
    ----------
    compat : str or None
        None or "reference".
    **beyond : bool
        By its name, whether an option was given that only our own convention has.

    Raises
    ------
    ValueError
        Otherwise.
    """
    if compat not in (None, "reference"):
        raise ValueError(f'compat must be None or "reference", got {compat!r}')
    given = [name for name, there in beyond.items() if there]
    if compat and given:
        raise ValueError(
            'compat="reference" sweeps all planes of all rows once, as the published code does: '
            f"leave out {', '.join(given)}, or compat"
        )


def reference_sweep(
    blocks: Iterable[Any],
    frame: Frame | str | np.ndarray,
    epsilon: float,
    angles: int,
    pairs: str,
    signed: bool,
    seed: int,
) -> SRMResult:
    """Sweep as the published code does: from b_i towards −b_j, both ends among the angles.

    Parameters
    ----------
    blocks : iterable of blocks
        Activations.
    frame : "standard", "haar", (m, n) array or Frame
        The distinguished vectors. Those of an array keep their length in the probe.
    epsilon, angles, pairs, signed, seed
        As in `srm.sweep`.

    Returns
    -------
    SRMResult
        All rows are in its denominators, zero ones and ones that are not finite too.
    """
    turn = np.linspace(0, 2 * np.pi, angles)
    wave = np.stack([np.cos(turn), -np.sin(turn)])
    step = max(1, ROOM // angles)
    planes: Planes | None = None
    for block in blocks:
        x = as_array(block.rows).astype(np.float64)
        if planes is None:
            planes = Planes.of(as_frame(frame, x.shape[1], seed), pairs)
            check_table(planes.count, angles, "leave out compat: curves may then be pooled")
            lengths = _lengths(frame, planes.frame.m)
            seen = np.zeros((1, planes.count, angles), np.int64)
            rows = zero = nonfinite = 0
        finite = np.asarray(np.isfinite(x).all(axis=1))
        rows += len(x)
        nonfinite += int((~finite).sum())
        unit = x[finite]
        largest = np.abs(unit).max(axis=1, keepdims=True, initial=0)
        zero += int((largest == 0).sum())
        unit /= np.where(largest == 0, 1, largest)  # first: huge and tiny rows have norms too
        norm = np.linalg.norm(unit, axis=1, keepdims=True)
        unit /= np.where(norm == 0, 1, norm)
        c = unit @ planes.frame.vectors.T
        g = planes.cosine
        for plane, (i, j) in enumerate(zip(planes.first, planes.second, strict=True)):
            w2 = (c[:, j] - g[plane] * c[:, i]) / np.sqrt(1 - g[plane] ** 2)
            w = np.stack([c[:, i], w2], axis=1)
            for at in range(0, len(w), step):
                along = lengths[i] * (w[at : at + step] @ wave)
                seen[0, plane] += (along >= epsilon).sum(axis=0)
                if signed:
                    seen[0, plane] -= (along <= -epsilon).sum(axis=0)
    if planes is None:
        raise ValueError("a sweep needs at least one row of activations, got none")
    return SRMResult(
        planes,
        turn,
        float(epsilon),
        bool(signed),
        (None,),
        np.array([rows]),
        seen,
        seen.sum(axis=1),
        planes.first,
        planes.second,
        zero,
        nonfinite,
        compat="reference",
        unit=bool(np.allclose(lengths, 1.0)),
    )


def _lengths(frame: Frame | str | np.ndarray, m: int) -> np.ndarray:
    if isinstance(frame, str | Frame):
        return np.ones(m)
    return np.linalg.norm(as_doubles(frame, "the vectors of a frame"), axis=1)
