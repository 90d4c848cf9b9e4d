"""Requests that cannot be met are refused before they cost anything; odd rows harm no others."""

import tracemalloc

import numpy as np
import pytest
import torch

import hooks
import ppp
import srm
from ppp.density import density


def laplace(rows=400, n=6, seed=0):
    return np.random.default_rng(seed).laplace(size=(rows, n))


def refusal(call, *parts, most=100):
    """The message of an error that comes before more than `most` MiB were taken."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"\w") as caught:
            call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    for part in parts:
        assert part in str(caught.value)
    assert peak < most * 2**20


# Tables and pictures that do not fit


def unread(width):
    """A stream that must not be read beyond the blocks that decide."""
    for k in range(100):
        if k == 12:
            raise AssertionError("the stream was read on")
        yield np.ones((64, width))


@pytest.mark.parametrize(
    "call",
    [
        lambda: srm.sweep(laplace(50, 600), angles=3600, per_plane=True),
        lambda: srm.sweep(unread(600), angles=3600, per_plane=True),
        lambda: ppp.project(
            unread(600), also=[srm.Sweeping(angles=3600, per_plane=True)], null=None
        ),
    ],
    ids=["array", "stream", "beside"],
)
def test_a_table_of_curves_that_does_not_fit_is_refused_with_its_size(call):
    refusal(
        call, "each of 179,700 planes at 3600 angles makes 646,920,000 numbers",
        "the limit is 33,554,432", "per_plane=False",
    )  # fmt: skip


def test_where_the_table_does_not_fit_pooled_and_named_curves_do():
    x = laplace(20, 600)
    pooled = srm.sweep(x, epsilon=0.2, angles=3600)
    named = srm.sweep(x, epsilon=0.2, angles=3600, planes=[(5, 3)])
    assert pooled.values.shape == (0, 3600)
    assert named.values.shape == (1, 3600)
    np.testing.assert_array_equal(pooled.pooled_seen, named.pooled_seen)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"angles": 10**9}, "angles must be at most 1,048,576, got 1,000,000,000"),
        ({"angles": 2**20, "planes": [(0, j) for j in range(1, 40)]}, "39 planes at 1048576"),
        ({"angles": 10**4, "null_repeats": 10**6}, "1,000,000 rotations at 10,000 angles make"),
        ({"angles": 360, "label": np.arange(2000)}, "for at most 119 classes, got more"),
        (
            {"angles": 4, "label": np.arange(2000), "per_plane": False},
            "labels may have at most 1,024 classes, got more: leave them out",
        ),
        (
            {"angles": 2**16, "label": np.arange(2000), "per_plane": False},
            "512 classes, got more: group the labels, leave them out or take fewer angles",
        ),
    ],
)
def test_curves_beyond_memory_are_refused(options, part):
    refusal(lambda: srm.sweep(laplace(2000, 40), epsilon=0.9, **options), part, most=400)


@pytest.mark.parametrize(
    ("bins", "part"), [(0, "at least 1"), (10**10, "at most 1,048,576"), (2.5, "a whole number")]
)
def test_a_profile_has_a_number_of_bins_that_fits(bins, part):
    refusal(lambda: ppp.Radial(bins=bins), f"bins must be {part}")


def test_labels_that_fit_are_kept_apart():
    curve = srm.sweep(laplace(300, 4), epsilon=0.5, angles=4, label=np.arange(300))
    assert curve.seen.shape == (300, 6, 4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ppp.project(laplace(), null=None).density(size=10**6),
        lambda: density(np.ones((64, 64), np.int64), 1.0, size=10**6),
        lambda: ppp.exact_density(laplace(5, 2), ppp.Window(1.0, 0.1), 10**6),
        lambda: ppp.density_ratio(ppp.project(laplace(), null=None), size=10**6),
        lambda: ppp.project(laplace(), null=None).plot(size=10**6),
    ],
)
def test_a_picture_beyond_memory_is_refused(call):
    refusal(call, "size must be at most 8,192 pixels, got 1,000,000, an image of 1,000,000,000,000")


# Points


def test_points_are_refused_after_the_counting_pass_or_as_soon_as_they_are_too_many(tmp_path):
    x = laplace(20_000, 12)
    hits = ppp.project(x, epsilon=0.4, null=None).hits
    refusal(
        lambda: ppp.points(x, epsilon=0.4, max_points=1000),
        f"{hits:,} hits are more than max_points = 1,000", "use ppp.project", most=100,
    )  # fmt: skip
    path = tmp_path / "acts.h5"
    hooks.record(
        torch.nn.Sequential(torch.nn.Identity()), [torch.tensor(x).float()], "0", path,
        progress=False,
    )  # fmt: skip
    refusal(
        lambda: ppp.points(hooks.ActivationStore(path)["0"], epsilon=0.4, max_points=hits - 2000),
        "hits are more than max_points",
    )
    read = []

    def stream():
        for start in range(0, 20_000, 500):
            read.append(start)
            yield x[start : start + 500]

    refusal(
        lambda: ppp.points(stream(), epsilon=0.4, max_points=hits // 4),
        f"more than max_points = {hits // 4:,} hits: got", "Raise max_points",
    )  # fmt: skip
    assert 8 <= len(read) <= 12  # a quarter of forty blocks
    assert len(ppp.points(x, epsilon=0.4, max_points=hits)) == hits


def test_points_of_planes_that_cannot_be_told_apart_are_refused_before_anything_is_read(
    crowd, monkeypatch
):
    monkeypatch.setattr("ppp.layer_analysis.run", lambda *_: pytest.fail("the rows were read"))
    refusal(lambda: ppp.points(laplace(4, 96), crowd, 0.95), "use the pooled counts", most=250)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"bins": 2**17}, ("bins go up to 8,192 a side, got 131,072", "256 GiB")),
        ({"angles": 10**9}, ("angles go up to 1,048,576, got 1,000,000,000",)),
    ],
)
def test_counters_that_do_not_fit_are_refused_with_their_size(options, parts):
    refusal(lambda: ppp.Rule(0.75, **options), *parts)


# Frames of many vectors


@pytest.fixture(scope="module")
def crowd():
    """More vectors than a Gram matrix or a table of planes has room for."""
    return ppp.Frame.given(np.random.default_rng(3).standard_normal((8400, 96)))


def slow_hits(x, vectors, epsilon, largest):
    """Hits of every row, with the larger coordinate of a plane among the row's large ones."""
    count = 0
    for row in x / np.linalg.norm(x, axis=1, keepdims=True):
        c = vectors @ row
        seen = set()
        # in-plane norm squared is at most (c_i^2 + c_j^2)/(1 - |g|)
        for i in np.flatnonzero(np.abs(c) >= 0.99 * epsilon * np.sqrt((1 - largest) / 2)):
            g = vectors @ vectors[i]
            g[i] = 0
            inside = (c[i] ** 2 + c**2 - 2 * g * c[i] * c) / (1 - g**2)
            inside[i] = 0
            hit = np.flatnonzero(inside >= epsilon**2)
            seen |= {(min(i, j), max(i, j)) for j in hit.tolist()}
        count += len(seen)
    return count


def test_many_vectors_are_counted_pooled_in_bounded_memory(crowd):
    rng = np.random.default_rng(4)
    first, second = rng.integers(0, 8400, (2, 12))
    x = crowd.vectors[first] - crowd.vectors[second] + 0.02 * rng.standard_normal((12, 96))
    tracemalloc.start()
    result = ppp.project(
        x, crowd, epsilon=0.9, null=None, workers=1,
        also=[srm.Sweeping(angles=12), ppp.Radial(bins=5)],
    )  # fmt: skip
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250 * 2**20  # all cosines would take 538
    curve, profile = result.also
    assert profile.counts.sum() == result.hits
    assert curve.values.shape == (0, 12)
    assert curve.pooled_seen.sum() > 0
    assert 12 <= result.hits == slow_hits(x, crowd.vectors, 0.9, 0.7)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda x, f: ppp.project(x, f, epsilon=0.95, null=None).kept, "up to 16,777,216 planes"),
        (
            lambda x, f: ppp.project(x, f, epsilon=0.95, null=None).table("planes"),
            "this frame has 35,275,800: use the pooled counts",
        ),
        (lambda x, f: ppp.points(x, f, 0.95), "use the pooled counts"),
        (lambda x, f: srm.sweep(x, f, 0.95, per_plane=True), "or per_plane=False"),
        (lambda x, f: srm.sweep(x, f, 0.95, planes=[(0, 1)]), "has the same curve"),
    ],
)
def test_tables_of_many_vectors_are_refused_with_the_way_out(crowd, call, part):
    refusal(lambda: call(laplace(4, 96), crowd), part, most=250)


def test_the_way_out_of_named_planes_gives_the_same_curve(crowd):
    x = laplace(200, 96)
    two = srm.sweep(x, ppp.Frame.given(crowd.vectors[[4, 8000]]), 0.1, 12)
    for a in (0, 5):
        rows, _ = srm.standing(x, (4, 8000), two.angles[a], crowd, 0.1)
        assert len(rows) == two.seen[0, 0, a]


# Rows that cannot be projected, and rows of extreme size

ODD = {
    "zero": np.zeros(6),
    "negative zero": -np.zeros(6),
    "nan": np.array([np.nan, 1, 2, 3, 4, 5]),
    "infinite": np.array([1, np.inf, 2, 3, 4, 5]),
    "minus infinite": np.full(6, -np.inf),
    "huge": 1e300 * np.array([1.0, 0.1, 0, 0, 0, 0]),
    "denormal": 1e-310 * np.array([0, 1.0, 0.1, 0, 0, 0]),
    "smallest": np.array([0, 0, 5e-324, 0, 0, 0]),
}
#: How often the sixty-four odd rows hold each kind.
TIMES = 8
FRAMES = {
    "standard": "standard",
    "haar": ppp.Frame.haar(6, 0),
    "oblique": ppp.Frame.given(np.random.default_rng(8).standard_normal((8, 6))),
}
ENGINES = ["cpu", "torch:cpu"]


def mixed(x, odd):
    """The rows with odd ones strewn among them, and where the plain ones are."""
    places = np.linspace(0, len(x), len(odd), dtype=int)
    both = np.insert(x, places, odd, axis=0)
    plain = np.ones(len(both), bool)
    plain[places + np.arange(len(odd))] = False
    return both, plain


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("engine", ENGINES)
def test_odd_rows_add_what_they_are_and_change_no_other(engine, frame, kind):
    odd = np.stack(list(ODD.values()) * TIMES)
    if kind is np.float32:
        odd = np.where(np.isfinite(odd) & (np.abs(odd) > 1e200), np.sign(odd) * 3e38, odd)
        odd = np.where((odd != 0) & (np.abs(odd) < 1e-200), 1e-44, odd)
    x, odd = laplace(70_000).astype(kind), odd.astype(kind)
    both, _ = mixed(x, odd)
    options = {"epsilon": 0.7, "null": None, "engine": engine, "also": [ppp.Radial(bins=9)]}
    whole, alone, lone = (ppp.project(rows, FRAMES[frame], **options) for rows in (both, x, odd))
    assert (whole.tally.zero, whole.tally.nonfinite) == (2 * TIMES, 3 * TIMES)
    assert whole.tally.valid == len(x) + 3 * TIMES
    np.testing.assert_array_equal(whole.kept, alone.kept + lone.kept)
    np.testing.assert_array_equal(whole.tally.angle, alone.tally.angle + lone.tally.angle)
    # a thousandth of odd rows does not move the grid; what lies beyond it is counted
    assert whole.tally.half_width == alone.tally.half_width
    added = whole.tally.grid - alone.tally.grid
    assert added.sum() + whole.tally.outside - alone.tally.outside == lone.hits
    middle = whole.rule.bins // 2
    assert added[middle - 1 : middle + 1, middle - 1 : middle + 1].sum() == added.sum()
    np.testing.assert_array_equal(whole.also[0].counts, alone.also[0].counts + lone.also[0].counts)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("epsilon", [0.6, 0.0, -0.4])
def test_odd_rows_change_no_other_in_a_sweep(frame, epsilon):
    odd = np.stack(list(ODD.values()))
    x = laplace(3000)
    both, plain = mixed(x, odd)
    label = np.arange(3000) % 2
    classes = np.zeros(len(both), int)
    classes[plain] = label
    options = {"epsilon": epsilon, "angles": 15, "signed": True, "pairs": "permutation"}
    whole, alone, lone = (srm.sweep(rows, FRAMES[frame], **options) for rows in (both, x, odd))
    np.testing.assert_array_equal(whole.seen, alone.seen + lone.seen)
    np.testing.assert_array_equal(whole.pooled_seen, alone.pooled_seen + lone.pooled_seen)
    assert (whole.zero, whole.nonfinite, int(whole.rows.sum())) == (2, 3, 3003)
    split = srm.sweep(both, FRAMES[frame], label=classes, **options)
    first = srm.sweep(x[label == 0], FRAMES[frame], **options)
    np.testing.assert_array_equal(split.of_label(0).seen, first.seen + lone.seen)
    rows, _ = srm.standing(both, (0, 3), 0.4, FRAMES[frame], epsilon)
    mine, _ = srm.standing(x, (0, 3), 0.4, FRAMES[frame], epsilon)
    np.testing.assert_array_equal(np.flatnonzero(plain)[mine], rows[plain[rows]])


@pytest.mark.parametrize("frame", FRAMES)
def test_odd_rows_change_no_other_among_points_and_classes(frame):
    odd = np.stack(list(ODD.values()))
    x = laplace(3000)
    both, plain = mixed(x, odd)
    found, alone = (ppp.points(rows, FRAMES[frame], 0.7) for rows in (both, x))
    mine = plain[found.row]
    np.testing.assert_array_equal(found.w[mine], alone.w)
    np.testing.assert_array_equal(found.plane[mine], alone.plane)
    np.testing.assert_array_equal(found.row[mine], np.flatnonzero(plain)[alone.row])
    valid = {int(k) for k in np.flatnonzero(~plain)[[5, 6, 7]]}
    assert set(found.row[~mine].tolist()) <= valid
    assert np.isfinite(found.ratio).all()
    label = np.zeros(len(both), int)
    label[~plain] = 1
    apart = ppp.project_classes(both, frame=FRAMES[frame], epsilon=0.7, label=label, null=None)
    np.testing.assert_array_equal(
        apart[0].kept, ppp.project(x, FRAMES[frame], epsilon=0.7, null=None).kept
    )
    assert (apart[1].tally.zero, apart[1].tally.nonfinite, apart[1].tally.valid) == (2, 3, 3)


def test_odd_rows_leave_the_ratio_to_isotropy_as_it_is():
    x = np.random.default_rng(2).standard_normal((9000, 6))
    both, _ = mixed(x, np.stack([ODD[name] for name in ("zero", "nan", "infinite")]))
    one, other = (
        ppp.density_ratio(ppp.project(rows, epsilon=0.5, null=None), size=32) for rows in (both, x)
    )
    np.testing.assert_allclose(one.image, other.image, rtol=1e-9)


# Vectors that span no plane


def test_parallel_and_antipodal_vectors_are_named_where_they_are_skipped():
    vectors = np.vstack([np.eye(3), -np.eye(3), [[2.0, 0, 0]]])
    labels = ["a", "b", "c", "not a", "not b", "not c", "a again"]
    frame = ppp.Frame.given(vectors, labels)
    x = laplace(200, 3)
    result = ppp.project(x, frame, epsilon=0.7, null=None)
    said = result.summary()
    assert "5 pairs of vectors are parallel or antipodal and span no plane: skipped" in said
    for named in ("a and not a; a and a again; b and not b; c and not c", "1 more in `planes.deg"):
        assert named in said
    assert result.planes.degenerate.tolist() == [[0, 3], [0, 6], [1, 4], [2, 5], [3, 6]]
    assert result.planes.count == 16
    curve = srm.sweep(x, frame, epsilon=0.7, angles=4)
    assert len(curve.values) == 16
    with pytest.raises(ValueError, match="vectors 3 and 0 are parallel or antipodal"):
        srm.sweep(x, frame, planes=[(0, 1), (3, 0)])
    with pytest.raises(ValueError, match="vectors 0 and 6 are parallel or antipodal"):
        srm.standing(x, (0, 6), 0.0, frame)
    with pytest.raises(KeyError, match="vectors 3 and 0 are parallel"):
        curve.line((3, 0))
    assert curve.plot().get_title().endswith("5 parallel pairs skipped")
    with pytest.raises(ValueError, match="all are parallel or antipodal"):
        srm.sweep(x, vectors[[0, 3, 6]])


def test_orthogonal_vectors_are_said_to_skip_nothing():
    result = ppp.project(laplace(), epsilon=0.7, null=None)
    assert "parallel" not in result.summary()
    assert "skipped" not in srm.sweep(laplace(), angles=4).plot().get_title()
