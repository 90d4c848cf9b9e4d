"""A leader with many partners in an oblique frame: all its pairs at once, in straight loops.

Each loop is a few vector instructions a pair, in the precision of the coordinates. What rounding,
or float32 products, leave in doubt is marked, and decided pair by pair in float64 afterwards
(`ppp.kernels.oblique`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ppp.kernels.rows import FAINT, fast_part, inlined, inlined_part
from ppp.kernels.saturated import guarded
from ppp.kernels.snapping import NEAR
from ppp.kernels.waves import arc, single, upright, wave_between
from ppp.planes import DEGENERATE, NEARLY_PARALLEL

#: No hit, a hit, and from there on a pair to be decided by itself.
NONE, SURE, DOUBTFUL = 0, 1, 64
#: Times so much: a hit whose grid bins are in doubt (twice that, if the plane is turned round as
#: well), and one whose angular bin is.
UNPLACED, UNTURNED = 2, 4
#: Pairs looked at together, and the places each field of theirs takes.
CHUNK, _STEP = 512, 528
#: Coordinates made again in one loop.
TOGETHER = 8
#: Of pairs: w2 of the plane with the smaller index first; how far rounding may have moved w; the
#: angle of (|w1|, |w2|), and the inverse of the larger one; the verdict; the grid bins of w1 and w2
#: and the angular bin; one for a sure hit; its cos 4φ; its ‖w‖²/‖x‖². Then the grid bins in the
#: plane turned round.
SECOND, OFF, ANGLE, SHRINK, VERDICT, ROW, COLUMN, TURN, HIT, WAVE, SHARE = (
    np.uint64(k * _STEP) for k in range(11)
)
TURNED_ROW, TURNED_COLUMN = np.uint64(11 * _STEP), np.uint64(12 * _STEP)
FIELDS = 13
#: What is known of a leader's planes: 1/√(1 − g²) and g/√(1 − g²), for vectors that are parallel
#: zero both, for nearly parallel ones zero and one; the angle between the vectors.
INVERSE, TILT, BETWEEN = 0, 1, 2
#: Below this 1 − g² float32 tells counts, but not where between two vectors a row is (cos 4φ).
CLOSE = 1e-2
#: That as 1/√(1 − g²).
_FAR = 1.0 / math.sqrt(CLOSE)
#: Bytes of such tables a worker keeps, at most, and leaders they always have room for.
TABLES, FEWEST = 2**26, 4


class Span(NamedTuple):
    """What is known of a leader's planes and of a chunk of its pairs.

    `pairs` holds the fields above one after the other, in the precision of the coordinates; `bits`
    (1, …) is the same memory read as integers. `outer`, `inner` and `turns` (CHUNK,) say where a
    pair is counted; the first two also for the plane turned round. `doubts` and `others` list pairs
    of the chunk, `values` and `cosines` are what is known better of those. `tables` (S, 3, m) keeps
    what is known of the planes of S leaders, `owner` says of which.
    """

    pairs: np.ndarray
    bits: np.ndarray
    outer: np.ndarray
    inner: np.ndarray
    turns: np.ndarray
    turned_outer: np.ndarray
    turned_inner: np.ndarray
    doubts: np.ndarray
    others: np.ndarray
    values: np.ndarray
    cosines: np.ndarray
    tables: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, m: int, kind: np.dtype) -> Span:
        """Return room for a frame of m vectors; coordinates are float32 or float64."""
        pairs = np.zeros(FIELDS * _STEP, kind)
        places = [np.zeros(CHUNK, np.int32) for _ in range(5)]
        doubts = [np.zeros(CHUNK + TOGETHER, np.int32) for _ in range(2)]
        exact = [np.zeros(CHUNK + TOGETHER) for _ in range(2)]
        slots = min(m, max(FEWEST, TABLES // (3 * m * pairs.itemsize)))
        # not filled: only what is used of it takes memory
        tables = np.empty((slots, 3, m), kind)
        bits = pairs.view(np.int32 if pairs.itemsize == 4 else np.int64)[None]
        return cls(pairs, bits, *places, *doubts, *exact, tables, np.full(slots, -1))


@inlined_part
def _rest(g):
    """Return 1 − g², rounded as where a single pair is looked at: a fused sum differs."""
    return 1.0 - g * g


# A loop that writes one array and reads a few others is one that the compiler turns into vector
# instructions: it must prove at run time that no two of them overlap. So all fields are one array,
# and their places unsigned, which can be no index from the end.


@inlined
def _inverse(rest):
    """Return 1/√(1 − g²), of vectors that are (nearly) parallel one."""
    return 1.0 / math.sqrt(rest if rest >= NEARLY_PARALLEL else 1.0)


@fast_part
def _fill_table(i, gram, table):
    """Fill the table of leader i."""
    kind = table.dtype.type
    for j in range(table.shape[1]):
        k = np.uint64(j)
        rest = _rest(gram[i, k])
        table[INVERSE, k] = kind(_inverse(rest) if rest >= NEARLY_PARALLEL else 0.0)
    for j in range(table.shape[1]):
        k = np.uint64(j)
        rest = _rest(gram[i, k])
        tilt = gram[i, k] * _inverse(rest)
        nearly = 1.0 if rest >= DEGENERATE else 0.0
        table[TILT, k] = kind(tilt if rest >= NEARLY_PARALLEL else nearly)
    for j in range(table.shape[1]):
        k = np.uint64(j)
        size = abs(gram[i, k])
        size = size if size < 1.0 else 1.0
        angle = upright(size, math.sqrt(1.0 - size * size), np.float64)
        table[BETWEEN, k] = kind(math.pi - angle if gram[i, k] < 0.0 else angle)


@inlined
def table_of(i, gram, span):
    """Return which of the tables is that of leader i, filled."""
    at = i % span.owner.shape[0]
    if span.owner[at] != i:
        _fill_table(i, gram, span.tables[at])
        span.owner[at] = i
    return at


@inlined
def before(j, ahead):
    """Return whether pair j is one of those `ahead` of the leader's own index."""
    return np.int32(j) < np.int32(ahead)


@inlined
def _first(near, own, j, ahead):
    """Return w1 of a pair: the coordinate of the smaller index."""
    return near if before(j, ahead) else own


@inlined
def astray(error, norm2, kind):
    """Return how far rounding may move coordinates, each within `error` of the truth.

    The leader's, or its partner's; and what arithmetic adds for vectors that are not orthogonal.
    """
    added = 8.0 * np.finfo(kind).eps * math.sqrt(norm2)
    # where the leader was made again in float64, it is rounded as well
    return kind(0.0 if error == 0.0 else error + added), kind(added)


@inlined
def pair_up(c, rc, i, lead, threshold, error, norm2, begin, end, table, span):
    """Fill w2, its doubt and the verdict of leader i with vectors begin … end − 1.

    Coordinates are within `error` of the truth, `lead`, that of i, is exact. Each pair is taken
    once, from its larger |c| (on a tie, from the smaller index).
    """
    pairs, kind = span.pairs, c.dtype.type
    eps, size, known = np.finfo(kind).eps, math.sqrt(norm2), error == 0.0
    own, zero, wider = kind(lead), kind(0.0), kind(1.01)
    off_one, added = astray(error, norm2, kind)
    far, endless = kind(_FAR if single(kind) else np.inf), kind(np.inf)
    low = abs(own) if known else kind((abs(lead) - error) * (1.0 - 2.0 * eps))
    # where all are known, none is unclear, but ties are told
    high = kind(-1.0 if known else (abs(lead) + error) * (1.0 + 2.0 * eps))
    tie = abs(own) if known else kind(-1.0)
    # alone above the threshold, the leader reaches it with every vector
    alone = lead * lead >= threshold * (1.0 + 1e-12)
    # where squares leave the range, as those of scaled rows do, no verdict but doubt is left
    level = kind(-np.inf if alone or norm2 > np.finfo(kind).max else threshold)
    twice, rounding = kind(2.0 * size), kind(8.0 * eps * norm2)
    none, sure, doubtful = kind(NONE), kind(SURE), kind(DOUBTFUL)
    for j in range(end - begin):
        q = np.uint64(j)
        k = np.uint64(begin) + q
        near, inverse, tilt = c[rc, k], table[INVERSE, k], table[TILT, k]
        first, other = (near, own) if before(j, i - begin) else (own, near)
        second = other * inverse - tilt * first
        # orthogonal vectors need no arithmetic, so that their ties stay ties
        straight = tilt == zero
        parallel = (inverse == zero) & straight
        off = inverse * (off_one + (zero if straight else added))
        off = endless if ((inverse == zero) | (inverse > far)) & (not straight) else off
        reach = first * first + second * second
        wide = wider * (twice + off) * off + rounding
        led = (abs(near) < low) | ((abs(near) == tie) & (not before(j, i - begin)))
        able = (led | (abs(near) <= high)) & (not parallel)
        able = able & (reach >= level - wide)
        pairs[q + SECOND] = second
        pairs[q + OFF] = off
        pairs[q + VERDICT] = (sure if led & (reach >= level + wide) else doubtful) if able else none


@inlined
def _doubt(verdict, clear, unclear, kind):
    """Return the verdict of a pair whose bin or angle may be unclear: then it is multiplied.

    A choice between the verdict that was there and another would be a store under a mask, which is
    far slower.
    """
    return verdict * (kind(1.0) if clear else kind(unclear))


@inlined
def _second_off(off, error, inverse, tilt):
    """Return how far w2 may be off where w1 is the partner's coordinate, within `error`.

    Its error moves w by 1/√(1 − g²) as much, but w2 only by g/√(1 − g²).
    """
    return off - error * (inverse - abs(tilt))


@inlined
def _moved(step, kind):
    """Return how far a coordinate may be snapped, beyond what float32 leaves in doubt anyway."""
    return kind(0.0 if single(kind) else NEAR * step)


@inlined
def _inside(w, unit, off, moved, kind):
    """Return whether a coordinate is off its bin's edges, whatever rounding and snapping did."""
    zero, half = kind(0.0), kind(0.5)
    at = w * unit
    # a part of a bin is rounded as well
    reach = (off + moved) * unit * kind(1.01) + kind(2.0 * np.finfo(kind).eps)
    part = at - np.floor(at)
    return (abs(part - half) <= half - reach) | ((part == zero) & (off == zero))


@inlined
def place(c, rc, i, lead, error, norm2, step, unit, half, begin, end, table, span):
    """Fill the grid bins, `unit` to a length of one; pairs too near an edge are left in doubt."""
    pairs, kind = span.pairs, c.dtype.type
    each, side = kind(unit), kind(half)
    own_error, moved = kind(error), _moved(step, kind)
    off_one, _ = astray(error, norm2, kind)
    for j in range(end - begin):
        q = np.uint64(j)
        k = np.uint64(begin) + q
        near, second, off = c[rc, k], pairs[q + SECOND], pairs[q + OFF]
        less = _second_off(off, own_error, table[INVERSE, k], table[TILT, k])
        # the leader's own coordinate is exact
        clear = _inside(near, each, off_one, moved, kind) | (not before(j, i - begin))
        off = less if before(j, i - begin) else off
        clear = clear & _inside(second, each, off, moved, kind)
        pairs[q + ROW] = guarded(near, each, side)
        pairs[q + COLUMN] = guarded(second, each, side)
        pairs[q + VERDICT] = _doubt(pairs[q + VERDICT], clear, UNPLACED, kind)


@inlined
def turn_round(c, rc, i, lead, error, norm2, step, unit, half, begin, end, table, span):
    """Fill the bins of w in the planes (j, i) of pairs (i, j), as `place` does for those."""
    pairs, kind = span.pairs, c.dtype.type
    own, each, side = kind(lead), kind(unit), kind(half)
    own_error, moved = kind(error), _moved(step, kind)
    off_one, _ = astray(error, norm2, kind)
    for j in range(end - begin):
        q = np.uint64(j)
        k = np.uint64(begin) + q
        near, off = c[rc, k], pairs[q + OFF]
        inverse, tilt = table[INVERSE, k], table[TILT, k]
        first, other = (own, near) if before(j, i - begin) else (near, own)
        second = other * inverse - tilt * first
        less = _second_off(off, own_error, inverse, tilt)
        clear = _inside(near, each, off_one, moved, kind) | before(j, i - begin)
        off = off if before(j, i - begin) else less
        clear = clear & _inside(second, each, off, moved, kind)
        pairs[q + TURNED_ROW] = guarded(near, each, side)
        pairs[q + TURNED_COLUMN] = guarded(second, each, side)
        pairs[q + VERDICT] = _doubt(pairs[q + VERDICT], clear, UNPLACED, kind)


@inlined
def direct(c, rc, i, lead, begin, end, span):
    """Fill the angles of (|w1|, |w2|)."""
    pairs, kind = span.pairs, c.dtype.type
    own, one, zero = kind(lead), kind(1.0), kind(0.0)
    faint, right = kind(FAINT), kind(math.pi / 2)
    for j in range(end - begin):
        q = np.uint64(j)
        k = np.uint64(begin) + q
        a, b = abs(_first(c[rc, k], own, j, i - begin)), abs(pairs[q + SECOND])
        steep = b > a
        most, least = (b if steep else a), (a if steep else b)
        # no direction at all is that of the first vector, one of tiny numbers is nobody's
        inverse = one / (most if most > faint else (zero if least > zero else one))
        angle = arc(least * inverse, kind)
        pairs[q + ANGLE] = right - angle if steep else angle
        pairs[q + SHRINK] = inverse


@inlined
def turn_pairs(c, rc, i, lead, step, axes, count, begin, end, span):
    """Fill the angular bins; pairs with an angle too near an edge are left in doubt.

    `axes` (4,) holds the bins of the directions east, north, west and south.
    """
    pairs, kind = span.pairs, c.dtype.type
    own, zero, middle = kind(lead), kind(0.0), kind(0.5)
    east, north, west, south = kind(axes[0]), kind(axes[1]), kind(axes[2]), kind(axes[3])
    per, half, whole = kind(count / (2.0 * math.pi)), kind(0.5 * count), kind(count)
    margin, wider = kind(4.0 * np.finfo(kind).eps * count), per * kind(1.01)
    # both coordinates may be snapped; and an edge has some slack, which is less than that
    moved = kind(3.0) * _moved(step, kind)
    for j in range(end - begin):
        q = np.uint64(j)
        k = np.uint64(begin) + q
        first, second = _first(c[rc, k], own, j, i - begin), pairs[q + SECOND]
        at = pairs[q + ANGLE] * per
        off = pairs[q + OFF]
        wide = margin + (off + moved) * pairs[q + SHRINK] * wider
        # quarters of a circle are whole bins; what is not a number is not clear
        clear = abs(at - np.floor(at) - middle) <= middle - wide
        at = half - at if first < zero else at
        at = np.floor(whole - at if second < zero else at)
        # on an axis, and known to be: the angle is known too, unless snapping leaves the origin
        axis = ((first == zero) | (second == zero)) & (off == zero)
        axis = axis & ((abs(first) + abs(second) > moved) | (first == second))
        flat, steep = (west if first < zero else east), (south if second < zero else north)
        along = flat if second == zero else steep
        at = along if axis else at
        pairs[q + TURN] = at
        pairs[q + VERDICT] = _doubt(pairs[q + VERDICT], clear | axis, UNTURNED, kind)


@inlined
def doubt_all(begin, end, span):
    """Leave every sure hit in doubt: its bins cannot be held."""
    pairs, kind = span.pairs, span.pairs.dtype.type
    for j in range(end - begin):
        q = np.uint64(j)
        pairs[q + VERDICT] = _doubt(pairs[q + VERDICT], False, DOUBTFUL, kind)


@inlined
def weigh_pairs(c, rc, i, lead, norm2, begin, end, table, span, sums):
    """Add the sure hits to the row's sums; return how many there are."""
    pairs, kind = span.pairs, c.dtype.type
    own, zero, one, unit = kind(lead), kind(0.0), kind(1.0), kind(1.0 / norm2)
    for j in range(end - begin):
        q = np.uint64(j)
        k = np.uint64(begin) + q
        first, second = _first(c[rc, k], own, j, i - begin), pairs[q + SECOND]
        crossed = (first < zero) ^ (second < zero)
        share = np.float32((first * first + second * second) * unit)
        hit = pairs[q + VERDICT] == kind(SURE)
        wave = wave_between(pairs[q + ANGLE], crossed, table[BETWEEN, k], kind)
        pairs[q + HIT] = one if hit else zero
        pairs[q + SHARE] = kind(share) if hit else -one
        pairs[q + WAVE] = wave if hit else zero
    hits, linear, quadratic = zero, 0.0, 0.0
    for j in range(end - begin):
        q = np.uint64(j)
        hits += pairs[q + HIT]
    for j in range(end - begin):
        wave = np.float64(pairs[np.uint64(j) + WAVE])
        linear += wave
        quadratic += wave * wave
    number = np.int64(hits)
    sums[1] += number
    sums[2] += linear
    sums[3] += 2.0 * quadratic - number
    return number


@inlined
def best_of(begin, end, span):
    """Return the sure hit with the largest ‖w‖²/‖x‖²: that, cos 4φ, and the first such vector."""
    pairs, bits = span.pairs, span.bits
    kind = bits.dtype.type
    most = kind(-1)
    for j in range(end - begin):
        # the bits of positive floats have their order, and a maximum of integers is one loop
        most = kind(max(most, bits[0, np.uint64(j) + SHARE]))
    at = np.int32(CHUNK)
    for j in range(end - begin):
        here = np.int32(j) if bits[0, np.uint64(j) + SHARE] == most else np.int32(CHUNK)
        at = np.int32(min(at, here))
    q = np.uint64(at)
    return pairs[q + SHARE], pairs[q + WAVE], begin + at
