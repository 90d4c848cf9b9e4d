"""Statistics of every single plane of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ppp.planes import Planes
from ppp.point_cloud import PointCollector
from ppp.prepared import Prepared
from ppp.statistics import Geometry
from ppp.streams import ArrayBlocks
from ppp.table import Table, plain
from ppp.value_checks import check_result

if TYPE_CHECKING:
    from ppp.draws import Nulls
    from ppp.result import PPPResult

Array = NDArray[np.float64]


def plane_statistics(result: PPPResult, max_points: int = 10_000_000) -> Table:
    """Tabulate log Q, A4 and a family-wise p for every plane, on the tested rows.

    Parameters
    ----------
    result : PPPResult
        A result that still holds the rows its tests ran on.
    max_points : int
        Most hits that are listed on the way.

    Returns
    -------
    Table
        Columns: first, second, cosine, kept, expected, log_q, a4, p, note; planes once each.

    Raises
    ------
    ValueError
        When the result holds no rows (it was loaded from a file).

    Notes
    -----
    p is two-sided and family-wise: the plane's hits against the fullest and the emptiest plane
    of every rotated frame (Westfall and Young's max-T), so the chance that any plane at all gets
    p <= alpha is at most alpha. It needs no adjustment over planes.

    Examples
    --------
    >>> import ppp
    >>> x = np.random.default_rng(0).standard_normal((500, 12))
    >>> x[:60, :2] *= 20
    >>> table = plane_statistics(ppp.project(x))
    >>> table["p"][0]
    0.02
    """
    check_result("result", result)
    tested = result.tested_rows
    if result.sampled is None or tested is None:
        raise ValueError(
            "the result holds no rows to look at plane by plane: analyse the activations again"
        )
    frame = result.planes.frame
    planes = Planes(frame, ordered=False)
    collector = PointCollector(planes, result.rule, max_points)
    for block in ArrayBlocks(tested, result.sampled.sample).blocks():
        collector.append(Prepared.of(block))
    points = collector.finish()
    kept = np.bincount(points.plane, minlength=planes.count)
    wave = cos4(points.w, planes.cosine[points.plane])
    total = np.bincount(points.plane, weights=wave, minlength=planes.count)
    expected = len(result.sampled) * Geometry.of(planes, result.rule).expected / planes.count
    p, why = _family_wise(kept, result.nulls)
    rows = []
    for at, (i, j) in enumerate(zip(planes.first, planes.second, strict=True)):
        hits = int(kept[at])
        notes = []
        if not hits:
            among = "" if np.isnan(expected) else f"; {plain(expected, 3)} expected"
            notes.append(f"undefined, because no sample passes{among}")
        elif np.isnan(expected):
            notes.append("log Q is undefined, because no closed form is known for this rule")
        elif expected == 0:
            notes.append("log Q is undefined, because isotropy expects no hit")
        note = "; ".join([*notes, why] if why else notes)
        log_q = float(np.log(hits / expected)) if hits and expected > 0 else None
        rows.append((
            frame.labels[i], frame.labels[j], float(planes.cosine[at]), hits, expected,
            log_q, float(total[at] / hits) if hits else None, p[at], note,
        ))  # fmt: skip
    columns = ("first", "second", "cosine", "kept", "expected", "log_q", "a4", "p", "note")
    return Table(columns, tuple(rows))


def cos4(w: Array, cosine: Array) -> Array:
    """Return cos 4 phi of in-plane points; phi is rescaled so that both vectors count as axes.

    Parameters
    ----------
    w : (H, 2) float64 array
        In-plane coordinates.
    cosine : (H,) float64 array
        Cosine between the two vectors of each point's plane.

    Returns
    -------
    (H,) float64 array
        1 along either vector, -1 half-way between them.

    Examples
    --------
    >>> cos4(np.array([[1.0, 0.0], [1.0, 1.0]]), np.zeros(2)).round(12).tolist()
    [1.0, -1.0]
    """
    phi = np.arctan2(w[:, 1], w[:, 0]) % np.pi
    between = np.arccos(np.clip(cosine, -1.0, 1.0))
    share = np.where(phi < between, phi / between, (phi - between) / (np.pi - between))
    return np.asarray(np.cos(2 * np.pi * share))


def _family_wise(kept: NDArray[np.int64], nulls: Nulls | None) -> tuple[list[float | None], str]:
    """Two-sided p of each plane against the extremes over the planes of every draw, or why not."""
    none: list[float | None] = [None] * len(kept)
    if nulls is None or nulls.kind != "rotation":
        return none, "no p, because it is taken from the rotation null"
    values = nulls.values
    extremes = np.stack([values["fullest"], values["emptiest"]])
    if not nulls.observed_sectors.size or np.isnan(extremes[:, ~np.isnan(values["kl"])]).any():
        return none, "no p, because there are too many planes for a table of them in every draw"
    fullest, emptiest = np.nan_to_num(extremes)  # a draw without hits has none in any plane
    members = len(fullest) + 1
    upper = (1 + (fullest[:, None] >= kept).sum(axis=0)) / members
    lower = (1 + (emptiest[:, None] <= kept).sum(axis=0)) / members
    return [float(p) for p in np.minimum(1.0, 2 * np.minimum(upper, lower))], ""
