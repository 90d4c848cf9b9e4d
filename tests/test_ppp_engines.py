"""The torch engine beside numba's: counts in small chunks, side effects, choice, live capture."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import torch
from tallies import assert_same_counts
from torch import nn

import hooks
import ppp
from ppp import Frame, Planes, Rule
from ppp.counting import PlaneCounter
from ppp.engines import Engine, accelerators, check_engine, chosen_engine
from ppp.kernels.device import directions, plain_products, turned
from ppp.kernels.turning import turn
from ppp.prepared import Prepared
from ppp.scan import Scan, run, tally_of
from ppp.streams import ArrayBlocks

RNG = np.random.default_rng(21)
WIDTH, ROWS = 7, 80


def frames():
    eye = np.eye(WIDTH)
    near = np.vstack([eye[:3], eye[0] + 3e-4 * eye[1], eye[1] + 3e-7 * eye[2], -eye[2]])
    return {
        "standard": Frame.standard(WIDTH),
        "haar": Frame.haar(WIDTH, 1),
        "incomplete": Frame.given(Frame.haar(WIDTH, 2).vectors[:4]),
        "over-complete": Frame.given(np.random.default_rng(3).standard_normal((20, WIDTH))),
        "near parallel": Frame.given(near),
    }


def data():
    rng = np.random.default_rng(4)
    wild = rng.standard_normal((ROWS, WIDTH))
    wild[:4] = [[0.0], [np.nan], [1e-160], [1e160]] * np.ones(WIDTH)
    wild[4, 2], wild[5], wild[6], wild[7] = np.inf, 1e25 * wild[5], 1e-20 * wild[6], 5e-324
    noise = 0.01 * rng.standard_normal((ROWS, WIDTH))
    return {
        "isotropic": rng.standard_normal((ROWS, WIDTH)),
        "one-hot": np.eye(WIDTH)[rng.integers(WIDTH, size=ROWS)] + noise,
        "three-sparse": rng.laplace(size=(ROWS, WIDTH)) * (rng.random((ROWS, WIDTH)) < 0.3),
        "binary": (rng.random((ROWS, WIDTH)) < 0.3).astype(float),
        "ternary": rng.integers(-1, 2, (ROWS, WIDTH)).astype(float),
        "wild": wild,
    }


def assert_same(one, other, rtol=1e-11):
    assert_same_counts(one, other)
    order = [other.classes.index(label) for label in one.classes]
    np.testing.assert_array_equal(one.inputs, other.inputs[order])
    np.testing.assert_allclose(one.moments, other.moments[order], rtol=rtol, atol=rtol)
    np.testing.assert_allclose(one.products, other.products[order], rtol=rtol, atol=rtol)


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of a few rows and leaders: their ends then lie everywhere."""
    for name, numbers in (("SIFTED", 400), ("COMPARED", 250)):
        monkeypatch.setattr(f"ppp.device_room.{name}", {"cpu": numbers, "accelerator": numbers})


@pytest.mark.parametrize("kind", data())
@pytest.mark.parametrize("name", frames())
def test_torch_counts_as_numba_does(engine, small_chunks, kind, name):
    with np.errstate(over="ignore", under="ignore"):
        rows = [data()[kind], data()[kind].astype(np.float32)]
    sample, label = np.repeat(np.arange(ROWS // 4), 4), np.repeat(["cat", "dog"], ROWS // 2)
    rules = [(0.4, "combination", None), (2**-0.5, "permutation", None), (0.5, "combination", 1.0)]
    for x, (epsilon, pairs, distance) in itertools.product(rows, rules):
        planes = Planes.of(frames()[name], pairs)
        rule = Rule(epsilon, bins=32, distance=distance)
        options = {"detailed": True, "sample": sample, "label": label}
        one = tally_of(x, planes, rule, **options)
        other = tally_of(x, planes, rule, **options, engine=engine)
        # narrow frames and the standard basis: sums in float64 wherever there is float64
        single = engine != "cpu" and x.dtype == np.float32
        assert_same(one, other, 1e-5 if single else 1e-11)
        assert one.hits > 0 or kind == "isotropic"


def test_a_rule_of_distance_alone_keeps_whole_planes(engine):
    x = data()["isotropic"][:40]
    planes, rule = Planes.of(frames()["over-complete"], "combination"), Rule(0, distance=50.0)
    tally = tally_of(x, planes, rule, detailed=True, engine=engine)
    assert tally.hits == 40 * planes.count
    assert_same(tally_of(x, planes, rule, detailed=True), tally)


def test_pooled_counts_alone(engine):
    x, planes = data()["one-hot"], Planes.of(frames()["haar"], "combination")
    tally = tally_of(x, planes, Rule(0.5), engine=engine)
    assert (tally.grid.size, tally.angle.size, tally.pairs.size) == (0, 0, 0)
    assert_same(tally_of(x, planes, Rule(0.5)), tally)


@pytest.mark.parametrize("count", [4, 720, 1000])
def test_angles_are_those_of_one_function(count):
    edges = 2 * np.pi * np.arange(count) / count
    w = np.concatenate(
        [RNG.standard_normal((300, 2)), np.stack([np.cos(edges), np.sin(edges)], axis=1)]
    )
    w = np.concatenate([w, [[a, b] for a in (-2.5, 0.0, 2.5) for b in (-2.5, 0.0, 2.5)]])
    first, second = (torch.from_numpy(column.copy()) for column in w.T)
    found = turned(first, second, count, directions(count, torch.device("cpu")))
    assert found.tolist() == [turn(a, b, count) for a, b in w]


def test_products_are_plain_and_what_was_set_stays_set():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    matmul = torch.backends.cuda.matmul
    newer = getattr(matmul, "fp32_precision", None)
    try:
        with torch.autocast("cpu"), plain_products(torch.device("cpu")):
            inside = torch.ones(2, 2) @ torch.ones(2, 2)
            assert torch.get_float32_matmul_precision() == "highest"
        with pytest.raises(ZeroDivisionError), plain_products(torch.device("cpu")):
            _ = 1 / 0
        assert torch.get_float32_matmul_precision() == "medium"
        assert getattr(matmul, "fp32_precision", None) == newer
    finally:
        torch.set_float32_matmul_precision(before)
    assert inside.dtype == torch.float32
    assert torch.is_grad_enabled()


def test_the_callers_modes_change_nothing():
    rows = np.random.default_rng(5).laplace(size=(60, 60)).astype(np.float32)
    planes = Planes.of(Frame.haar(60, 0), "combination")
    plain = tally_of(rows, planes, Rule(0.5), detailed=True, engine="torch:cpu")
    tracked = torch.from_numpy(rows).requires_grad_()
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu"):
            other = tally_of(tracked, planes, Rule(0.5), detailed=True, engine="torch:cpu")
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_default_dtype(torch.float32)
    assert plain.hits > 0
    assert_same(plain, other, rtol=0)


def test_engines_are_chosen_and_named():
    host = np.ones((2, 3))
    assert chosen_engine("auto", host).record == {"engine": "cpu"}
    assert chosen_engine("cpu", torch.ones(2, 3, device="meta")).device is None
    assert chosen_engine("auto", torch.ones(2, 3, device="meta")).name == "torch:meta"
    first = (*accelerators(), "cpu")[0]
    assert chosen_engine("torch", host).name == f"torch:{first}"
    assert chosen_engine("torch:cpu", host).record["engine"] == "torch:cpu"
    x = np.random.default_rng(0).laplace(size=(300, 6))
    counted = ppp.project(x, engine="torch:cpu", null=None)
    assert counted.provenance["engine"] == "torch:cpu"
    assert counted.provenance["device"]
    assert ppp.project(x, null=None).provenance["engine"] == "cpu"
    assert_same(counted.tally, ppp.project(x, null=None).tally)


@pytest.mark.parametrize("engine", ["torch:cuda:99", "torch:steam"])
def test_a_device_that_is_not_there_comes_with_the_way_out(engine):
    with pytest.raises(ValueError, match=r"torch cannot use here .* take \"cpu\", or one of"):
        check_engine(engine)
    with pytest.raises(ValueError, match="engine must be"):
        check_engine("torch:")


def test_counters_of_both_engines_merge_and_travel():
    x = np.random.default_rng(1).laplace(size=(500, 6))
    planes = Planes.of(Frame.standard(6), "combination")
    whole = tally_of(x, planes, Rule(0.7), detailed=True)
    first = PlaneCounter(planes, Rule(0.7), whole.half_width, engine=Engine("cpu"))
    second = PlaneCounter(planes, Rule(0.7), whole.half_width)
    blocks = [Prepared.of(block) for block in ArrayBlocks(x, np.arange(500) // 2).blocks()]
    for block in blocks:
        first.append(block)
    travelled = pickle.loads(pickle.dumps(first))
    assert_same(travelled.finish(), first.finish())
    travelled.append(blocks[0])
    assert travelled.finish().hits == 2 * first.finish().hits
    second.merge(first)
    assert second.finish().hits == first.finish().hits == whole.hits


def test_more_classes_than_can_be_told_apart_are_refused():
    x = np.ones((1100, 3))
    with pytest.raises(ValueError, match="at most 1024 classes"):
        tally_of(
            x, Planes.of(Frame.standard(3), "combination"), Rule(0.5), label=np.arange(1100),
            engine="torch:cpu",
        )  # fmt: skip


def test_a_device_is_fed_by_the_callers_thread():
    x = torch.ones(9000, 3)
    planes = Planes.of(Frame.standard(3), "combination")
    scan = Scan(lambda pilot: [PlaneCounter(planes, Rule(0.5), engine=Engine("cpu"))], workers=4)
    for block in ArrayBlocks(x).blocks():
        scan.append(block)
    assert scan._threads == []
    assert scan.finish()[0].rows == 9000


def test_a_live_capture_is_counted_by_torch(engine):
    torch.manual_seed(0)
    device = engine.removeprefix("torch:") if ":" in engine else "cpu"
    model = nn.Sequential(nn.Linear(12, 10), nn.Tanh()).to(device)
    loader = [torch.randn(200, 12, device=device) for _ in range(15)]
    options = {"null_repeats": 3, "progress": False, "epsilon": 0.6, "null_draws": 1}
    live = ppp.analyze(model, loader, "1", engine=engine, **options)
    rows = torch.cat([block.rows.cpu() for _, block in hooks.stream(model, loader, "1")])
    stored = ppp.project(rows.numpy(), epsilon=0.6, null_repeats=3, null_draws=1)
    assert live.provenance["engine"].startswith(engine)
    assert_same(stored.tally, live.tally, rtol=1e-5)
    assert_same(stored.drawn[0], live.drawn[0], rtol=1e-5)
    np.testing.assert_array_equal(stored.sampled.rows, live.sampled.rows)


def test_both_methods_in_one_pass():
    import srm

    x = np.random.default_rng(6).laplace(size=(3000, 5)).astype(np.float32)
    seen = []

    def blocks():
        for block in ArrayBlocks(x).blocks():
            seen.append(len(block.rows))
            yield block

    also = [srm.Sweeping(angles=30, null_repeats=2, seed=4), ppp.Radial(bins=10)]
    result = ppp.project(blocks(), "haar", 0.6, seed=3, also=also, null=None)
    assert sum(seen) == 3000
    curve, profile = result.also
    alone = srm.sweep(x, "haar", 0.6, 30, null_repeats=2, seed=3)
    np.testing.assert_array_equal(curve.seen, alone.seen)
    assert curve.null.shape == alone.null.shape == (3, 30)
    assert profile.counts.sum() == result.hits
    points = ppp.points(x, "haar", 0.6, seed=3)
    share = np.linalg.norm(points.w, axis=1) / np.linalg.norm(x[points.row].astype(float), axis=1)
    counts = np.histogram(share, bins=profile.edges)[0]
    np.testing.assert_array_equal(profile.counts, counts)
    ordered = ppp.project(x, epsilon=0.5, also=[srm.Sweeping(0.8, 12, "permutation")], null=None)
    np.testing.assert_array_equal(
        ordered.also[0].seen, srm.sweep(x, "standard", 0.8, 12, "permutation").seen
    )


def test_a_live_capture_and_preprocessed_rows_feed_both_methods():
    import srm

    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU())
    loader = [torch.randn(100, 6) for _ in range(8)]
    both = ppp.analyze(
        model, loader, ["0", "1"], epsilon=0.7, also=[srm.Sweeping(angles=8)], null=None,
        progress=False,
    )  # fmt: skip
    for name, result in both.items():
        rows = torch.cat([block.rows for _, block in hooks.stream(model, loader, name)])
        np.testing.assert_array_equal(
            result.also[0].seen, srm.sweep(rows, epsilon=0.7, angles=8).seen
        )
    centred = ppp.project(
        rows, epsilon=0.7, preprocess="centre", also=[srm.Sweeping(angles=8)], null=None
    )
    moved = rows.double().numpy() - rows.double().numpy().mean(axis=0)
    assert np.abs(centred.also[0].seen - srm.sweep(moved, epsilon=0.7, angles=8).seen).max() <= 2
    whole = run(
        ArrayBlocks(moved).blocks(), lambda _: ppp.Radial(5).plan(centred.planes, Rule(0.7))
    )
    assert abs(int(whole[0].counts.sum()) - centred.hits) <= 2


def test_isotropy_has_the_radial_tail_of_the_closed_form():
    x = np.random.default_rng(7).standard_normal((20_000, 12))
    for frame in (Frame.standard(12), frames_of_width(12)):
        profile = ppp.project(x, frame, 0.5, also=[ppp.Radial(bins=8)], null=None).also[0]
        assert profile.counts.sum() > 100_000
        np.testing.assert_allclose(profile.tail, profile.expected_tail, atol=0.01)
        assert profile.tail[0] == profile.expected_tail[0] == 1
    beyond = ((1 - profile.edges[3] ** 2) / (1 - 0.25)) ** 5
    assert profile.expected_tail[3] == pytest.approx(beyond)
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        ppp.Radial(0)
    with pytest.raises(ValueError, match="needs epsilon below 1, got 1"):
        ppp.project(x[:5], epsilon=1.0, also=[ppp.Radial()], null=None)


def frames_of_width(n):
    return Frame.given(np.random.default_rng(8).standard_normal((n + 4, n)))


@pytest.mark.parametrize("pairs", ["combination", "permutation"])
def test_points_at_the_origin_have_the_angle_of_their_signed_zeros_in_every_engine(pairs):
    x = np.concatenate([-np.eye(4), np.eye(4), np.where(np.eye(4) > 0, 1, -0.0)])
    one, other = (
        ppp.project(x, epsilon=0, distance=10.0, pairs=pairs, engine=engine, null=None).tally
        for engine in ("cpu", "torch:cpu")
    )
    assert one.angle[360] > 12  # three planes of each row of negative zeros, at least
    np.testing.assert_array_equal(one.angle, other.angle)
