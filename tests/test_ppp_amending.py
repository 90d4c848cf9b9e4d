"""Saturated rows known by float32 products: the counts of float64, what was in doubt amended."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from tallies import assert_same_counts, counted, in_both_precisions

import ppp
from ppp.block_counting import SINGLE_WIDTH
from ppp.frame import Frame
from ppp.kernels.amending import CELL, TURN, _flag
from ppp.kernels.orthonormal import Room
from ppp.kernels.rows import FAST, read_only
from ppp.orthonormal_counting import _counts
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.tally import Tally

N = 64


def rows_along(vectors, noise, count=300, seed=0):
    """Rows near one vector each, with others of every size, ties and zeros among them."""
    rng = np.random.default_rng(seed)
    m = len(vectors)
    along = np.eye(m)[rng.integers(m, size=count)] * rng.choice([-2.0, 1.0], (count, 1))
    along += noise / np.sqrt(m) * rng.standard_normal((count, m))
    along[:20] = np.round(along[:20], 2)
    along[20:24, :2] = 1.0, -1.0  # two leaders alike
    return (along @ vectors).astype(np.float32)


FRAMES = {
    "haar": Frame.haar(N, 1),
    "incomplete": Frame.given(Frame.haar(N, 1).vectors[:37]),
    "reflected": Frame.given(-Frame.haar(N, 2).vectors[::-1]),
    "nearly standard": Frame.given(
        np.linalg.qr(np.eye(N) + 1e-4 * np.random.default_rng(0).standard_normal((N, N)))[0]
    ),
}
RULES = {
    "usual": Rule(0.75),
    "two leaders": Rule(0.45),
    "fine": Rule(0.75, bins=4096, angles=7200),
    "coarse": Rule(0.75, bins=8, angles=12),
    "no power of two": Rule(0.75, bins=1000),
    "distance": Rule(0, distance=0.6),
}


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", FRAMES)
def test_counts_are_those_of_float64(name, rule, noise):
    assert N >= SINGLE_WIDTH
    frame, x = FRAMES[name], rows_along(FRAMES[name].vectors, noise)
    single, double = in_both_precisions(x, frame, RULES[rule])
    assert single.hits > 250 * (frame.m - 1) or rule == "distance"
    assert single.hits > 0
    found, wanted = single.moments[0], double.moments[0]
    np.testing.assert_allclose(found[:4], wanted[:4], rtol=2e-6, atol=3e-7 * single.hits)
    # votes, and the sum of fourth powers, are one a row
    np.testing.assert_allclose(found[4:], wanted[4:], rtol=0, atol=3e-6 * single.rows)
    # the choice of pairs that reads both ways, and the counts without bins
    both = counted(x, frame, RULES[rule], "permutation")
    assert_same_counts(both, counted(x.astype(np.float64), frame, RULES[rule], "permutation"))
    pooled = ppp.project(x, frame, epsilon=0.75, null=None).hits
    assert rule != "usual" or pooled == single.hits


@pytest.mark.parametrize("exponent", [-200, -105, -97, 20, 97, 99, 105])
def test_rows_of_any_size_are_amended_alike(exponent):
    frame, x = FRAMES["haar"], rows_along(FRAMES["haar"].vectors, 0.05, 60)
    sized = np.ldexp(x.astype(np.float64), exponent).astype(np.float32)
    single, double = in_both_precisions(sized, frame, Rule(0.75))
    if exponent > -97:
        assert single.hits == double.hits == counted(x, frame, Rule(0.75)).hits
        assert single.angle.tolist() == counted(x, frame, Rule(0.75)).angle.tolist()


@numba.njit(fastmath=FAST, error_model="numpy", _nrt=False)
def flagged(c, lead, error, counts, flags):
    _flag(c, 0, lead, error, counts, flags)


def test_only_what_is_close_to_an_edge_is_in_doubt():
    rng = np.random.default_rng(4)
    rule, m, error = Rule(0.75), 4000, 1e-5
    tally = Tally(Planes.of(Frame.standard(m), "combination"), rule, 2.0, True)
    c = rng.uniform(-0.9, 0.9, m).astype(np.float32)
    c[0] = 0.0
    room = Room.of(m, rule.angles)
    flagged(read_only(c[None]), 1.0, error, _counts(tally), room.flags)
    flags = room.flags[0]
    position, angle = c * 256.0, np.arctan(c.astype(float)) * 720 / (2 * np.pi)
    cell, turn = (np.abs(a - np.round(a)) for a in (position, angle))
    near = np.select([cell < error * 256, cell > 1.02 * error * 256], [True, False], None)
    assert all(bool(flags[k] & CELL) == near[k] for k in range(m) if near[k] is not None)
    # both coordinates may be off
    worst = error * (1 + np.abs(c)) / (1 + c**2) * 720 / (2 * np.pi)
    assert (flags[turn < worst] & TURN).all()
    assert not (flags[turn > 1.3 * error * 720 / (2 * np.pi) + 1e-3] & TURN).any()
    assert flags[0] == CELL | TURN
    share = np.mean(flags > 0)
    assert 0.003 < share < 0.012


@pytest.mark.parametrize(
    ("half_width", "bins", "exactly"),
    [(2.0, 1024, True), (2.0**69, 1024, True), (2.0**70, 1024, False), (2.0, 1000, False)],
)
def test_bins_that_float32_finds_exactly(half_width, bins, exactly):
    planes = Planes.of(Frame.standard(3), "combination")
    assert _counts(Tally(planes, Rule(0.75, bins=bins), half_width, True)).single == exactly


@pytest.mark.parametrize("rule", [Rule(0.75), Rule(0.75, bins=8, angles=12)])
@pytest.mark.parametrize("size", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-12])
def test_rows_that_are_short_beside_a_bin_keep_their_side_of_zero(rule, size):
    frame, rng = FRAMES["haar"], np.random.default_rng(0)
    x = frame.vectors[rng.integers(N, size=200)].astype(np.float32)
    x[100:] *= np.float32(size)
    assert in_both_precisions(x, frame, rule)[0].hits == 200 * (N - 1)


@pytest.mark.parametrize("share", [0.3, 1e-2, 1e-4, 1e-6])
def test_rows_beside_what_an_incomplete_frame_spans_keep_their_waves(share):
    whole = Frame.haar(130, 1).vectors
    frame, rng = Frame.given(whole[:30]), np.random.default_rng(1)
    x = rng.standard_normal((50, 100)) @ whole[30:]
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    x += share * rng.standard_normal((50, 30)) @ frame.vectors / np.sqrt(30)
    single, double = in_both_precisions(x.astype(np.float32), frame, Rule(0, distance=2.0))
    assert single.hits == 50 * 29 * 15
    found, wanted = (tally.moments.sum(axis=0) for tally in (single, double))
    np.testing.assert_allclose(found[1:4], wanted[1:4], rtol=0, atol=3e-7 * single.hits)
    np.testing.assert_allclose(found[4:7], wanted[4:7], rtol=0, atol=3e-6 * 50)
