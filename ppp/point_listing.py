"""points: every kept sample, listed."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np

from ppp.frame import Frame, as_frame
from ppp.kernels.compiling import said_while_compiling
from ppp.layer_analysis import LayerAnalysis
from ppp.planes import Planes
from ppp.point_cloud import PointCollector, Points
from ppp.prepared import Prepared
from ppp.rule import Rule
from ppp.settings import PAPER_EPSILON, Settings
from ppp.streams import Unlabelled, as_stream, watched
from ppp.value_checks import check_flag


def points(
    x: Any,
    frame: Frame | str | np.ndarray = "standard",
    epsilon: float = PAPER_EPSILON,
    pairs: str = "combination",
    *,
    max_points: int = 10_000_000,
    distance: float | None = None,
    sample: np.ndarray | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Points:
    """List every kept sample: its in-plane coordinates, plane and input.

    Parameters
    ----------
    x, frame, pairs, distance, sample, seed
        As in `project`.
    epsilon : float
        Threshold in (0, 1].
    max_points : int
        Most points that are listed.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    Points
        `.w` (H, 2) float64, `.plane` (H,), `.sample` (H,), `.row` (H,), `.ratio` (H,) and the
        `.angle` (H,) to the plane in degrees.

    Notes
    -----
    The coordinates are those that `project` counts: where rounding moved a product by at most
    2⁻⁴³ ‖x‖ off a multiple of a power of two, between 2⁻²⁰ and 2⁻¹⁹ of ‖x‖, it is put back.

    Raises
    ------
    ValueError
        If there are more than `max_points`: counted beforehand where the rows can be read twice.
        If the frame spans more planes than can be told apart, before anything is read.

    Examples
    --------
    >>> import numpy as np
    >>> found = points(np.array([[3.0, 4.0, 0.1]]))
    >>> found.w.tolist(), found.plane.tolist()
    ([[3.0, 4.0], [4.0, 0.1]], [0, 2])
    """
    if not isinstance(max_points, Real) or not max_points >= 1:
        raise ValueError(f"max_points must be a number, at least 1, got {max_points!r}")
    check_flag(progress=progress)
    rule = Rule(epsilon, distance=distance)
    settings = Settings(frame, epsilon, pairs, null=None, seed=seed, distance=distance)
    stream = Unlabelled(as_stream(x, sample))  # a list has no classes
    rows, width = stream.shape
    collector: PointCollector | None = None

    def collecting(width: int) -> PointCollector:
        planes = Planes.of(as_frame(settings.frame, width, seed), pairs)
        return PointCollector(planes, rule, max_points)

    def passing(what: str) -> Iterator[Any]:
        return watched(stream.blocks(), rows, what, progress)

    with said_while_compiling(progress):
        if rows is not None and width is not None:
            collector = collecting(width)
            hits = LayerAnalysis(settings, rows).count(passing("rows counted")).hits
            if hits > max_points:
                raise ValueError(
                    f"{hits:,} hits are more than max_points = {max_points:,}: raise max_points, "
                    "raise epsilon, or use ppp.project, whose counts need no points"
                )
        for block in passing("rows listed"):
            collector = collector or collecting(int(block.rows.shape[1]))
            collector.append(Prepared.of(block))
    if collector is None:
        raise ValueError("no activations: the input is empty")
    return collector.finish()
