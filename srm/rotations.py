"""Pooled curves under random rotations of the frame: the exact null of a sweep."""

from __future__ import annotations

import numpy as np

from ppp.frame import haar_rotation
from ppp.planes import Planes
from ppp.reservoir import Sampled
from ppp.scan import run
from ppp.streams import ArrayBlocks
from srm.counting import Spotlight, SweepCounter


def rotation_curves(
    kept: Sampled, planes: Planes, spotlight: Spotlight, signed: bool, repeats: int, seed: int
) -> np.ndarray | None:
    """Sweep rows with the frame as it is and turned at random.

    Parameters
    ----------
    kept : Sampled
        The tested rows.
    planes : Planes
        Planes of the frame as it is.
    spotlight, signed
        As the sweep had them.
    repeats : int
        Rotations K.
    seed : int
        Rotation b uses ``default_rng([seed, b])``.

    Returns
    -------
    (K + 1, A) float64 array or None
        Pooled curves, the observed one first; None without repeats.
    """
    if not repeats:
        return None
    curves = [_pooled(kept, planes, spotlight, signed)]
    for repeat in range(repeats):
        q = haar_rotation(planes.frame.n, np.random.default_rng([seed, repeat]))
        turned = Planes(planes.frame.rotated(q), planes.ordered)
        curves.append(_pooled(kept, turned, spotlight, signed))
    return np.stack(curves)


def _pooled(kept: Sampled, planes: Planes, spotlight: Spotlight, signed: bool) -> np.ndarray:
    blocks = ArrayBlocks(kept.rows).blocks()
    counter = run(blocks, lambda _: [SweepCounter(planes, spotlight, signed, None)])[0]
    counts: np.ndarray = counter.seen(None)[1]
    return counts / (len(kept) * planes.count)
