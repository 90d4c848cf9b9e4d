"""The torch engine's kernels: whole tensors, the same hits on any device.

Float32 products only turn rows away; every hit, bin and angle is decided in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from ppp.kernels.rows import MARGIN, ORTHOGONAL, Bound, jit
from ppp.kernels.snapping import snap, steps_of
from ppp.kernels.turning import SLACK, turn
from ppp.planes import DEGENERATE, LEADERS, NEARLY_PARALLEL

#: An angle closer than this to a bin's edge, in bins, is left to the host's atan2.
EDGE = 1e-9
#: Leaders compared at a time, at least.
LEAST_LEADERS = 16
#: Least c² of a leader whose c⁴ float32 holds without loss.
FAINT_LEADER = 1e-17
#: Pairs with 1 − g² below this are looked at one by one: their cosines cancel.
CLOSE = 1e-5


class Geometry(NamedTuple):
    """A frame on a device.

    `vectors` (m, n) float64, or None for the standard basis; `gram` (m, m) float64, or None where
    the frame is orthonormal or has too many vectors; `bounds` (m,): a hit's leader has
    c² ≥ bound·threshold; `exact` where coordinates are the rows' own numbers.
    """

    vectors: torch.Tensor | None
    gram: torch.Tensor | None
    orthonormal: bool
    bounds: torch.Tensor
    lowest: float
    exact: bool


class Hits(NamedTuple):
    """Hits (row, plane), rows ascending: pairs low < high, coordinates w, cosine g (or None)."""

    row: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    w1: torch.Tensor
    w2: torch.Tensor
    g: torch.Tensor | None

    def where(self, mask: torch.Tensor) -> Hits:
        """Return the hits that a mask picks."""
        return Hits(*(None if each is None else each[mask] for each in self))


@contextmanager
def plain_products(device: torch.device) -> Iterator[None]:
    """Multiply float32 matrices in float32, whatever autocast or TF32 the caller has allowed.

    What it changes it sets back; nothing but the products themselves belongs inside.
    """
    asked = torch.get_float32_matmul_precision()
    newer = [
        backend
        for backend in (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
        if hasattr(backend, "fp32_precision")
    ]
    before = [backend.fp32_precision for backend in newer]
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(asked)
        for backend, precision in zip(newer, before, strict=True):
            if backend.fp32_precision != precision:
                backend.fp32_precision = precision


def threshold(bound: Bound, norm2: torch.Tensor, scale: torch.Tensor | float) -> torch.Tensor:
    """Return the least w·w that keeps each row (its scaled norm² given)."""
    least = bound.share * norm2
    if bound.distance < 0:
        return least
    # a zero stays one: divided by a number with an infinite inverse it might be none
    aside = bound.distance / scale if bound.distance > 0 else 0.0
    return torch.maximum(least, bound.loose * norm2 - aside * aside)


def may_hit(
    largest: torch.Tensor,
    fourth: torch.Tensor,
    norm2: torch.Tensor,
    norm4: torch.Tensor,
    bound: Bound,
    lowest: float,
    m: int,
    gamma: float,
    loss: float,
) -> torch.Tensor:
    """Return which rows cannot be ruled out: max c² and Σ c⁴ must both be large enough.

    Parameters
    ----------
    largest, fourth, norm2, norm4 : (R,) tensors
        max c², Σ c⁴, ‖x‖² and its square.
    bound, lowest
        The rule's threshold, and the smallest bound of a leader.
    m : int
        Number of vectors.
    gamma : float
        Each c is within gamma·‖x‖ of the truth.
    loss : float
        Relative error of the sums.

    Returns
    -------
    (R,) bool tensor

    Notes
    -----
    A hit has c_i² + c_j² ≥ 2aT, so Σ c⁴ ≥ (2aT)²/2 and max c² ≥ aT. In float32 no row is ruled out
    whose (aT)² comes near the least numbers there are: nearly parallel vectors have a tiny a. Per
    row that is a handful of operations, as each costs a device more to start than to run; without
    a distance all else are plain numbers.
    """
    share: Any = bound.share
    if bound.distance >= 0:
        share = threshold(bound, norm2, 1.0) / norm2
    leader = lowest * _positive(share - loss)
    some = 1.0 + loss + 1e-9
    least = _positive(leader**0.5 - gamma) / some
    reach = _positive((2.0 * leader * leader) ** 0.25 - gamma * m**0.25) / some
    passing = (largest >= least**2 * norm2) & (fourth >= reach**4 * norm4)
    if largest.dtype == torch.float32:
        passing |= leader * norm2 < FAINT_LEADER
    return passing


def _positive(value: Any) -> Any:
    """Return a number or tensor where it is above zero, else zero."""
    return 0.5 * (value + abs(value))


def find_hits(
    x: torch.Tensor, c: torch.Tensor, kept: torch.Tensor, frame: Geometry, numbers: int
) -> Iterator[Hits]:
    """Yield the hits of rows, some leaders at a time.

    Parameters
    ----------
    x, c : (R, n) and (R, m) float64 tensors
        Rows and coordinates.
    kept : (R,) float64 tensor
        The least w·w that keeps each row.
    frame : Geometry
        The frame.
    numbers : int
        Most coordinates that are compared at a time.

    Yields
    ------
    Hits
        Each pair once, from its larger |c|.
    """
    m = c.shape[1]
    q = c.square()
    least = kept[:, None] * frame.bounds - MARGIN * kept.abs()[:, None]
    row, lead = torch.nonzero(q >= least, as_tuple=True)
    del least
    order = torch.arange(m, device=c.device)
    step = max(LEAST_LEADERS, numbers // m)
    for start in range(0, len(row), step):
        some = slice(start, start + step)
        at, i = row[some], lead[some]
        own, theirs, bar = q[at, i][:, None], q[at], kept[at][:, None]
        after = order > i[:, None]
        first = (theirs < own) | ((theirs == own) & after)
        if frame.orthonormal:
            k, j = torch.nonzero(first & (own + theirs >= bar), as_tuple=True)
            yield _pairs(c, at[k], i[k], j, None)
            continue
        if frame.gram is None:
            k, j = torch.nonzero(first & (theirs >= _floor(own, bar, frame, i)), as_tuple=True)
            g = _cosines(frame.vectors, i[k], j)
            spans = 1.0 - g * g >= DEGENERATE
            k, j, g = k[spans], j[spans], g[spans]
        else:
            g = frame.gram[i]
            rest, total = 1.0 - g * g, own + theirs
            # w·w (1 − g²), up to rounding
            inside = total - 2.0 * g * c[at, i][:, None] * c[at] + 1e-12 * total
            hit = first & (rest >= DEGENERATE) & ((inside >= bar * rest) | (rest < CLOSE))
            k, j = torch.nonzero(hit, as_tuple=True)
            g = g[k, j]
        found = _oblique(x, _pairs(c, at[k], i[k], j, g), frame)
        yield found.where(found.w1.square() + found.w2.square() >= kept[found.row])


def _pairs(
    c: torch.Tensor, row: torch.Tensor, i: torch.Tensor, j: torch.Tensor, g: torch.Tensor | None
) -> Hits:
    """Return pairs with the smaller index first, w their bare coordinates."""
    low, high = torch.minimum(i, j), torch.maximum(i, j)
    return Hits(row, low, high, c[row, low], c[row, high], g)


def _floor(own: torch.Tensor, bar: torch.Tensor, frame: Geometry, i: torch.Tensor) -> torch.Tensor:
    """Return the least c_j² of a hit with a leader, (L, 1), whatever their cosine.

    With |g| ≤ h the in-plane norm² is at most (c_i² + c_j² + 2h|c_i c_j|)/(1 − h²).
    """
    h = (1.0 - 2.0 * frame.bounds[i] / LEADERS)[:, None]
    floor = ((1.0 - h * h) * (bar - own).clamp(min=0.0)).sqrt() - h * own.sqrt()
    return floor.clamp(min=0.0).square() * (1.0 - 1e-9) - 1e-12 * own


def _cosines(vectors: torch.Tensor, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
    """Return the cosines of pairs of vectors."""
    step = max(1, 2**22 // vectors.shape[1])
    parts = zip(i.split(step), j.split(step), strict=True)
    return torch.cat([(vectors[a] * vectors[b]).sum(dim=1) for a, b in parts])


def _oblique(x: torch.Tensor, pairs: Hits, frame: Geometry) -> Hits:
    """Turn the second coordinates into those along e2."""
    g, vectors = pairs.g, frame.vectors
    rest = 1.0 - g * g
    w2 = (pairs.w2 - g * pairs.w1) / rest.sqrt()
    near = torch.nonzero(rest < NEARLY_PARALLEL)[:, 0]
    for part in near.split(max(1, 2**22 // x.shape[1])):
        # c_j − g c_i cancels when b_j ≈ ±b_i: use the difference vector instead
        s = torch.where(g[part] > 0, 1.0, -1.0).to(g)
        d = vectors[pairs.high[part]] - s[:, None] * vectors[pairs.low[part]]
        omega = d.square().sum(dim=1) / 2
        along = (x[pairs.row[part]] * d).sum(dim=1)
        w2[part] = (along + s * omega * pairs.w1[part]) / (omega * (2 - omega)).sqrt()
    return pairs._replace(w2=w2)


def turned_round(x: torch.Tensor, c: torch.Tensor, hits: Hits, frame: Geometry) -> Hits:
    """Return hits of an oblique frame with their coordinates in the planes (j, i)."""
    first, other = c[hits.row, hits.high], c[hits.row, hits.low]
    back = hits._replace(low=hits.high, high=hits.low, w1=first, w2=other)
    return _oblique(x, back, frame)


def waves(w1: torch.Tensor, w2: torch.Tensor, g: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """Return cos 4φ and cos 8φ; oblique pairs rescaled so that both vectors give +1."""
    a, b = w1.square(), w2.square()
    total = a + b
    cos4 = 1.0 - 8.0 * (a / total) * (b / total)
    if g is not None:
        phi = torch.remainder(torch.atan2(w2, w1), math.pi)
        between = torch.acos(g.clamp(-1.0, 1.0))
        share = torch.where(phi < between, phi / between, (phi - between) / (math.pi - between))
        cos4 = torch.where(g.abs() <= ORTHOGONAL, cos4, torch.cos(2.0 * math.pi * share))
    cos4 = torch.where(total == 0.0, 1.0, cos4)
    return cos4, 2.0 * cos4 * cos4 - 1.0


def snapped(hits: Hits, norm2: torch.Tensor, frame: Geometry) -> Hits:
    """Return hits of rows with these Σ x², their coordinates snapped unless they are exact."""
    if frame.exact:
        return hits
    step = steps_of(norm2)[hits.row]
    return hits._replace(w1=snap(hits.w1, step), w2=snap(hits.w2, step))


def cells(
    first: torch.Tensor, second: torch.Tensor, per_unit: float, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the grid's cell of each point, and which points lie inside it."""
    half = size // 2
    inside = torch.ones_like(first, dtype=torch.bool)
    at = []
    for w in (first, second):
        position = torch.floor(w * per_unit)
        # a product that underflows still lies below zero
        position = torch.where((position == 0.0) & (w < 0.0), -1.0, position)
        inside &= (position >= -half) & (position < half)
        at.append(position.clamp(-half, half - 1).to(torch.int64) + half)
    return at[0] * size + at[1], inside


def directions(count: int, device: torch.device) -> torch.Tensor:
    """Return the angular bins of axes and diagonals, by the signs of both coordinates."""
    signs = (-1.0, 0.0, 1.0)
    return torch.tensor([turn(a, b, count) for a in signs for b in signs], device=device)


def turned(w1: torch.Tensor, w2: torch.Tensor, count: int, known: torch.Tensor) -> torch.Tensor:
    """Return the bin of φ = atan2(w2, w1) among `count` bins of [0, 2π).

    Libraries differ in the last bit of atan2: axes and diagonals are looked up in `known`, and
    what comes close to a bin's edge goes to the one function that all engines share.
    """
    phi = torch.atan2(w2, w1)
    phi = torch.where(phi < 0, phi + 2 * math.pi, phi)
    position = phi * count / (2 * math.pi)
    bins = position.to(torch.int64).clamp(max=count - 1)
    edge = EDGE + SLACK * count
    near = torch.nonzero((position - position.round()).abs() < edge)[:, 0]
    if len(near):
        bins[near] = _settled(w1[near], w2[near], count, known)
    return bins


def _settled(w1: torch.Tensor, w2: torch.Tensor, count: int, known: torch.Tensor) -> torch.Tensor:
    """Return the bins of angles close to an edge."""
    direction = (3 * (torch.sign(w1) + 1) + torch.sign(w2) + 1).to(torch.int64)
    bins = known[direction]
    # at the origin the signs of the zeros decide, as in any atan2
    plain = ((w1 == 0) | (w2 == 0) | (w1.abs() == w2.abs())) & ((w1 != 0) | (w2 != 0))
    doubtful = torch.nonzero(~plain)[:, 0]
    if len(doubtful):
        first, second = (w[doubtful].cpu().numpy() for w in (w1, w2))
        settled = np.empty(len(first), np.int64)
        _turn_each(first, second, count, settled)
        bins[doubtful] = torch.from_numpy(settled).to(bins.device)
    return bins


@jit
def _turn_each(w1, w2, count, bins):
    for k in range(bins.shape[0]):
        bins[k] = turn(w1[k], w2[k], count)


def lengths_of(row: torch.Tensor, rows: int) -> torch.Tensor:
    """Return how often each of so many rows occurs in a list in ascending order."""
    edges = torch.searchsorted(row, torch.arange(rows + 1, device=row.device))
    return edges.diff()


def sums_by_row(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Sum values row by row, in order, so that the result can be repeated."""
    return torch.segment_reduce(values, "sum", lengths=lengths, initial=0.0)
