"""The fast kernels where they could differ: float32 products, ties, extremes."""

import naive
import numpy as np
import pytest
from tallies import assert_same_counts, counted, in_both_precisions

from ppp.block_counting import SINGLE_WIDTH
from ppp.frame import Frame
from ppp.kernels.turning import columns, turn, unfold
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import run
from ppp.streams import ArrayBlocks, Rows

WIDE = 52


def direct(x, frame, epsilon, half_width, size=1024, bins=720):
    """The definition over all planes at once, in float64: what long rows are compared with."""
    x = np.asarray(x, np.float64)
    c, norm2 = x @ frame.vectors.T, np.square(x).sum(axis=1)
    i, j = np.triu_indices(frame.m, 1)
    g = frame.gram[i, j]
    w1, w2 = c[:, i], (c[:, j] - g * c[:, i]) / np.sqrt(1 - g * g)
    hit = w1**2 + w2**2 >= epsilon**2 * norm2[:, None] * (1 - 2.0**-40)
    w = np.stack([w1[hit], w2[hit]], axis=1)
    grid, outside, turned = naive.binned(w, half_width, size, bins)
    assert outside == 0
    return hit.sum(axis=0), grid, turned


def wide_rows(kind, vectors, count=400):
    rng = np.random.default_rng(11)
    x = rng.standard_normal((count, WIDE))
    if kind == "isotropic":
        return x.astype(np.float32)
    x = 0.3 / np.sqrt(WIDE) * x + vectors[rng.integers(len(vectors), size=count)]
    if kind == "pairs":
        x += vectors[rng.integers(len(vectors), size=count)]
    return x.astype(np.float32)


@pytest.mark.parametrize("kind", ["isotropic", "single", "pairs"])
@pytest.mark.parametrize("frame", ["haar", "incomplete", "over-complete"])
@pytest.mark.parametrize("epsilon", [0.4, 0.75])
def test_float32_products_never_change_a_count(engine, kind, frame, epsilon):
    assert WIDE >= SINGLE_WIDTH
    made = Frame.haar(WIDE, 1)
    if frame == "incomplete":
        made = Frame.given(made.vectors[:30])
    elif frame == "over-complete":
        made = Frame.given(np.random.default_rng(2).standard_normal((70, WIDE)))
    x = wide_rows(kind, made.vectors)
    # the same rows in float64 take the other path
    single, double = in_both_precisions(x, made, Rule(epsilon), engine=engine)
    kept, grid, angle = direct(x, made, epsilon, single.half_width)
    np.testing.assert_array_equal(single.kept, kept)
    np.testing.assert_array_equal(single.angle, angle)
    assert single.outside == 0
    np.testing.assert_array_equal(single.grid, grid)
    atol = 3e-7 * max(100, single.hits)
    np.testing.assert_allclose(single.moments, double.moments, rtol=2e-6, atol=atol)
    assert single.hits > 0 or (kind, epsilon) == ("isotropic", 0.75)


@pytest.mark.parametrize("epsilon", [0.6, 1 / np.sqrt(2), 0.9])
def test_binary_ties_on_the_fast_path(engine, epsilon):
    x = (np.random.default_rng(3).random((300, 9)) < 0.3).astype(np.float32)
    fast = counted(x, Frame.standard(9), Rule(epsilon), engine=engine)
    frame = Frame.standard(9)
    np.testing.assert_array_equal(fast.kept, naive.kept(x, frame.vectors, frame.gram, epsilon))
    _, grid, angle = direct(x[x.any(axis=1)], frame, epsilon, fast.half_width)
    np.testing.assert_array_equal(fast.grid, grid)
    np.testing.assert_array_equal(fast.angle, angle)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-30, 1.0, 1e30, 1e200])
def test_magnitude_changes_no_count(engine, scale):
    x = np.random.default_rng(4).laplace(size=(200, 10))
    usual = counted(x, Frame.standard(10), Rule(0.7), engine=engine)
    scaled = counted(x * scale, Frame.standard(10), Rule(0.7), engine=engine)
    if scale > 1e-300:  # denormal numbers have lost their digits
        np.testing.assert_array_equal(scaled.kept, usual.kept)
        np.testing.assert_array_equal(scaled.angle, usual.angle)
    assert scaled.valid + scaled.zero == 200


@pytest.mark.parametrize("name", ["standard", "haar", "oblique"])
@pytest.mark.parametrize(("epsilon", "distance"), [(0.0, 0.8), (0.7, 1.0), (0.6, 0.3), (0.0, 0.0)])
def test_rules_of_distance(engine, name, epsilon, distance):
    rng = np.random.default_rng(5)
    frame = {
        "standard": Frame.standard(5),
        "haar": Frame.haar(5, 0),
        "oblique": Frame.given(rng.standard_normal((6, 5))),
    }[name]
    x = np.concatenate([rng.standard_normal((150, 5)), 0.2 * rng.standard_normal((20, 5))])
    x[0] = 1.5 * frame.vectors[0] - 0.5 * frame.vectors[1]
    tally = counted(x, frame, Rule(epsilon, distance=distance), engine=engine)
    expected = np.zeros(tally.planes.count, np.int64)
    for plane, (i, j) in enumerate(naive.pairs_of(frame.gram, False)):
        for row in x:
            w = naive.in_plane(row, frame.vectors[i], frame.vectors[j], frame.gram[i, j])
            norm2 = float(row @ row)
            near = norm2 * (1 - 2.0**-40) - (w[0] ** 2 + w[1] ** 2) <= distance**2
            expected[plane] += near and naive.keeps(w, norm2, epsilon)
    np.testing.assert_array_equal(tally.kept, expected)
    assert tally.hits == tally.angle.sum() == tally.grid.sum() + tally.outside


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e-3, 1.0, 1e30])
def test_magnitudes_in_float32_bin_as_in_float64(engine, scale):
    rng = np.random.default_rng(9)
    x = (np.eye(20)[rng.integers(20, size=300)] + 0.01 * rng.laplace(size=(300, 20))) * scale
    x[:40, 3:9] = 0.0
    x[40:50] = -x[40:50]
    x = x.astype(np.float32)
    single, _ = in_both_precisions(x, Frame.standard(20), Rule(0.7), engine=engine)
    assert single.hits > 300 * 18
    _, grid, angle = direct(x, Frame.standard(20), 0.7, single.half_width)
    np.testing.assert_array_equal(single.grid, grid)
    np.testing.assert_array_equal(single.angle, angle)


def test_a_rule_of_distance_says_its_range():
    with pytest.raises(ValueError, match=r"distance must be finite and not negative, got -1"):
        Rule(0.5, distance=-1)
    with pytest.raises(ValueError, match=r"epsilon must lie in \(0, 1\], got 0"):
        Rule(0)


@pytest.mark.parametrize("count", [4, 12, 720, 1000])
def test_binned_angles_agree_with_atan2(engine, count):
    rng = np.random.default_rng(6)
    x = rng.laplace(size=(400, 2))
    edges = 2 * np.pi * np.arange(count) / count
    x = np.concatenate([x, np.stack([np.cos(edges), np.sin(edges)], axis=1), np.eye(2), -np.eye(2)])
    tally = counted(x, Frame.standard(2), Rule(0.5, angles=count), engine=engine)
    expected = np.bincount([turn(a, b, count) for a, b in x], minlength=count)
    np.testing.assert_array_equal(tally.angle, expected)
    assert unfold(np.zeros((4, columns(count)), np.int64), count).sum() == 0


def test_blocks_of_an_array_are_views_and_change_nothing():
    x = np.random.default_rng(7).laplace(size=(9000, 6)).astype(np.float32)
    blocks = list(ArrayBlocks(x).blocks())
    assert [len(block.rows) for block in blocks] == [9000]
    assert np.shares_memory(blocks[0].rows, x)
    apart = [
        Rows(x[at : at + 2048].copy(), np.arange(9000)[at : at + 2048])
        for at in range(0, 9000, 2048)
    ]
    planes = Planes.of(Frame.haar(6, 0), "combination")
    from ppp.counting import PlaneCounter

    one = run(ArrayBlocks(x).blocks(), lambda _: [PlaneCounter(planes, Rule(0.7), 8.0)])[0]
    other = run(apart, lambda _: [PlaneCounter(planes, Rule(0.7), 8.0)], workers=3)[0]
    assert_same_counts(one, other)


def test_many_vectors_in_pooled_form(engine):
    rng = np.random.default_rng(8)
    frame = Frame.given(rng.standard_normal((8300, 200)))
    x = frame.vectors[:3] + 0.02 * rng.standard_normal((3, 200))
    tally = counted(x, frame, Rule(0.96), engine=engine)
    c = x @ frame.vectors.T
    hits = 0
    for row, line in zip(x, c, strict=True):
        at = int(np.argmax(line))
        for other in range(frame.m):
            if other != at:
                g = frame.vectors[at] @ frame.vectors[other]
                hits += naive.keeps(
                    (line[at], (line[other] - g * line[at]) / np.sqrt(1 - g * g)), row @ row, 0.96
                )
    assert 0 < hits <= tally.hits
    assert tally.hits == tally.grid.sum() + tally.outside
    with pytest.raises(ValueError, match="per-plane tables go up to 16,777,216 planes"):
        _ = tally.kept


def test_memory_does_not_grow_with_the_rows():
    import tracemalloc

    import ppp

    def blocks(count):
        for index in range(count):
            rows = np.random.default_rng(index).standard_normal((2048, 24)).astype(np.float32)
            yield rows * (1 + 50 * (np.arange(24) < 2))  # hits, so that counters are at work

    def peak(count):
        tracemalloc.start()
        result = ppp.project(blocks(count), null=None, workers=1)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert result.hits > 1000 * count
        return most

    peak(2)  # what is made once
    # beyond 20 000 rows the reservoir is full
    few, many = peak(16), peak(48)
    assert many < 1.01 * few


def test_importing_compiles_nothing():
    import subprocess
    import sys

    code = (
        "import sys, ppp.analysis, ppp.radial, srm.sweeping, ppp.device_counting\n"
        "found = {name: value for name, module in list(sys.modules.items()) if module is not None\n"
        "         and name.startswith(('ppp.kernels', 'srm.kernels'))\n"
        "         for value in vars(module).values() if hasattr(value, 'signatures')}\n"
        "assert len(found) >= 4, found\n"
        "compiled = [value for value in found.values() if value.signatures]\n"
        "assert not compiled, compiled"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
