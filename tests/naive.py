"""The oracle: every definition as slow loops, straight from the PPP paper, Sec. 3."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

SLACK = 2.0**-40


def pairs_of(gram, ordered):
    """All planes as (i, j), degenerate ones left out."""
    m = len(gram)
    planes = []
    for i in range(m):
        for j in range(m):
            if (i < j or (ordered and i != j)) and 1 - gram[i, j] ** 2 >= 1e-10:
                planes.append((i, j))
    return planes


def in_plane(x, b_i, b_j, g):
    """Coordinates of x in the plane (Eqn 5): e1 = b_i, e2 the rest of b_j, normalised."""
    if 1 - g * g < 1e-6:
        s = 1.0 if g > 0 else -1.0
        d = b_j - s * b_i
        omega = math.fsum(d * d) / 2
        c = math.fsum(x * b_i)
        return c, (math.fsum(x * d) + s * omega * c) / math.sqrt(omega * (2 - omega))
    c_i, c_j = math.fsum(x * b_i), math.fsum(x * b_j)
    return c_i, (c_j - g * c_i) / math.sqrt(1 - g * g)


def snapped(w, norm2):
    """A coordinate that is a product, at whatever multiple it is near of the row's step."""
    step = 2.0 ** (-(-math.frexp(norm2)[1] // 2) - 20)
    near = round(w / step) * step
    return near if abs(w - near) <= step * 2.0**-24 else w


def keeps(w, norm2, epsilon):
    """The rule, ties included."""
    return w[0] ** 2 + w[1] ** 2 >= epsilon**2 * norm2 * (1 - SLACK)


def valid(x):
    return bool(np.isfinite(x).all() and (x != 0).any())


def points(X, vectors, gram, epsilon, ordered=False):
    """Every hit as (row, plane index, w1, w2), in this order."""
    found, exact = [], (np.count_nonzero(vectors, axis=1) == 1).all()
    for row, x in enumerate(np.asarray(X, np.float64)):
        if not valid(x):
            continue
        exponent = math.frexp(np.abs(x).max())[1] if not 1e-15 <= np.abs(x).max() <= 1e15 else 0
        y = np.ldexp(x, -exponent)
        norm2 = math.fsum(y * y)
        for plane, (i, j) in enumerate(pairs_of(gram, ordered)):
            w = in_plane(y, vectors[i], vectors[j], gram[i, j])
            if keeps(w, norm2, epsilon):
                w = w if exact else [snapped(value, norm2) for value in w]
                found.append((row, plane, math.ldexp(w[0], exponent), math.ldexp(w[1], exponent)))
    return found


def kept(X, vectors, gram, epsilon, ordered=False):
    """Samples kept in each plane."""
    counts = np.zeros(len(pairs_of(gram, ordered)), np.int64)
    for _, plane, _, _ in points(X, vectors, gram, epsilon, ordered):
        counts[plane] += 1
    return counts


def grid(hits, half_width, size):
    """In-plane histogram of hits with half-open bins, and how many fall beyond it."""
    counts = np.zeros((size, size), np.int64)
    outside = 0
    for _, _, w1, w2 in hits:
        a = math.floor(Fraction(w1) * size / (2 * Fraction(half_width))) + size // 2
        b = math.floor(Fraction(w2) * size / (2 * Fraction(half_width))) + size // 2
        if 0 <= a < size and 0 <= b < size:
            counts[a, b] += 1
        else:
            outside += 1
    return counts, outside


def binned(w, half_width, size, angles):
    """Grid, how many lie beyond it, and angular histogram of hits w (H, 2), all at once."""
    at = np.floor(w * size / (2 * half_width)) + size // 2
    inside = ((at >= 0) & (at < size)).all(axis=1)
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, tuple(at[inside].astype(int).T), 1)
    # the C library's: on some processors NumPy has its own, which differs in the last bit
    phi = np.array([math.atan2(w2, w1) for w1, w2 in w.tolist()])
    phi = np.where(phi < 0, phi + 2 * np.pi, phi)
    # an edge belongs to the bin beyond it, however it is rounded; a side of an axis stays one
    least, most = np.abs(w).min(axis=1, initial=np.inf), np.abs(w).max(axis=1, initial=0)
    phi += np.where((least > 0) & (least <= 2.0**-40 * most), 0, 2.0**-44)
    turned = np.minimum(angles - 1, (phi * angles / (2 * np.pi)).astype(int))
    return counts, int((~inside).sum()), np.bincount(turned, minlength=angles)


def kept_exactly(X, epsilon2):
    """Samples kept by each plane of the standard basis, in rational arithmetic, without slack."""
    n = len(X[0])
    counts = []
    for i in range(n):
        for j in range(i + 1, n):
            inside = 0
            for x in X:
                q = [Fraction(float(value)) ** 2 for value in x]
                inside += sum(q) > 0 and q[i] + q[j] >= Fraction(epsilon2) * sum(q)
            counts.append(inside)
    return np.array(counts)


def waves(w1, w2, g):
    """cos 4φ and cos 8φ; for oblique pairs φ is rescaled so that both vectors count as axes."""
    phi = math.atan2(w2, w1) % math.pi
    between = math.acos(max(-1.0, min(1.0, g)))
    if phi < between:
        u = phi / between
    else:
        u = (phi - between) / (math.pi - between)
    return math.cos(2 * math.pi * u), math.cos(4 * math.pi * u)


def input_sums(X, vectors, gram, epsilon, sample):
    """Per input: valid rows, hits, Σcos4φ, Σcos8φ, votes, vote4, vote8, Σ c⁴/‖v‖⁴."""
    planes = pairs_of(gram, ordered=False)
    hits = points(X, vectors, gram, epsilon)
    inputs = list(dict.fromkeys(sample))
    sums = np.zeros((len(inputs), 8))
    for row, x in enumerate(np.asarray(X, np.float64)):
        if not valid(x):
            continue
        at = inputs.index(sample[row])
        unit = x / np.abs(x).max()
        unit = unit / math.sqrt(math.fsum(unit * unit))
        mine = [(p, w1, w2) for r, p, w1, w2 in hits if r == row]
        sums[at, 0] += 1
        sums[at, 7] += math.fsum((vectors @ unit) ** 4)
        for p, w1, w2 in mine:
            i, j = planes[p]
            cos4, cos8 = waves(w1, w2, gram[i, j])
            sums[at, 1:4] += 1, cos4, cos8
        if mine:
            # float32: planes that tie but for rounding go to the first pair
            norm2 = math.fsum(x * x)
            p, w1, w2 = max(mine, key=lambda hit: np.float32((hit[1] ** 2 + hit[2] ** 2) / norm2))
            i, j = planes[p]
            sums[at, 4:7] += 1, *waves(w1, w2, gram[i, j])
    return sums
