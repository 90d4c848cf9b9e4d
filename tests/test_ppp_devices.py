"""Rows on a device: what leaves it, what callers may set meanwhile, every form they come in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from places import DEVICES, present
from tallies import assert_same_counts
from torch import nn

import ppp
import srm
from ppp import Frame, Planes, Rule
from ppp.block_counting import error_share
from ppp.counting import PlaneCounter
from ppp.engines import Engine
from ppp.gathering import Gathering
from ppp.kernels.device import plain_products
from ppp.prepared import Prepared
from ppp.reservoir import Reservoir
from ppp.scan import pilot_half_width, tally_of
from ppp.streams import Rows

WIDTH = 12


@pytest.fixture(params=DEVICES)
def device(request):
    return torch.device(present(request.param))


def laplace(count, n=WIDTH, seed=2):
    return np.random.default_rng(seed).laplace(size=(count, n)).astype(np.float32)


def odd_rows(count=60):
    """Rows of which two are not valid and two are of extreme size."""
    x = torch.from_numpy(np.random.default_rng(2).laplace(size=(count, 4)))
    x[3], x[5, 1], x[7], x[8] = 0, float("nan"), 1e200 * x[7], 1e-200 * x[8]
    return x


@pytest.fixture
def copied(monkeypatch):
    """Rows on the CPU that pass for rows on a device; lists how many were copied from there."""
    counts = []
    original = ppp.prepared.as_array

    def counting(rows):
        counts.append(len(rows))
        return original(rows)

    monkeypatch.setattr("ppp.prepared.as_array", counting)
    away = property(lambda self: isinstance(self._rows, torch.Tensor) and "x" not in vars(self))
    monkeypatch.setattr(Prepared, "_on_device", away)
    return counts


def test_only_the_sampled_rows_leave_a_device(copied):
    tensor = odd_rows()
    here = Prepared.of(Rows(tensor.numpy(), np.arange(60)))
    far = Prepared.of(Rows(tensor, np.arange(60)))
    # which rows are valid, and which of extreme size, was noted where they are
    planes = Planes.of(Frame.standard(4), "combination")
    PlaneCounter(planes, Rule(0.75), engine=Engine("cpu")).append(far)
    wanted = np.arange(10)
    assert here.near(wanted)[0] is here
    copied.clear()
    block, place = far.near(wanted)
    assert copied == [10]
    valid = np.flatnonzero(block.valid(place))
    assert valid.tolist() == [0, 1, 2, 4, 6, 7, 8, 9]
    directions = []
    for each in (block, here):
        rows, at = each.safe(valid)
        directions.append(rows[at] / np.linalg.norm(rows[at], axis=1, keepdims=True))
        np.testing.assert_array_equal(rows[at][:5], tensor[valid[:5]])
    np.testing.assert_allclose(*directions, rtol=1e-15)


def test_a_reservoir_copies_what_it_keeps_and_no_more(copied):
    x = torch.from_numpy(laplace(5000))
    x[:40] = 0
    planes = Planes.of(Frame.standard(WIDTH), "combination")
    kept = {}
    for name, rows in (("far", x), ("here", x.numpy())):
        engine = Engine("cpu") if name == "far" else Engine()
        counter = PlaneCounter(planes, Rule(0.75), 8.0, engine=engine)
        reservoir = Reservoir(seed=3, limit=200)
        copied.clear()
        for start in range(0, 5000, 1000):
            sample = np.arange(start, start + 1000)
            block = Prepared.of(Rows(rows[start : start + 1000], sample))
            counter.append(block)
            reservoir.append(block)
        kept[name] = reservoir.finish()
        if name == "far":
            # as many as are ever kept: the first, and those below the ceiling of later blocks
            assert 200 <= sum(copied) < 1000
    np.testing.assert_array_equal(kept["far"].rows, kept["here"].rows)
    np.testing.assert_array_equal(kept["far"].sample, kept["here"].sample)


@pytest.mark.parametrize("odd", [False, True])
def test_the_grid_is_chosen_where_the_rows_are(copied, odd):
    x = torch.from_numpy(laplace(40_000)).double()
    if odd:
        x[2000, 3], x[5000], x[9], x[10] = float("inf"), 0, 1e180, 1e-180
    blocks = [Rows(x[:10_000], np.arange(10_000)), Rows(x[10_000:], np.arange(10_000, 40_000))]
    here = [Rows(block.rows.numpy(), block.sample) for block in blocks]
    expected = pilot_half_width(here)
    copied.clear()
    assert pilot_half_width(blocks) == expected
    # rows of ordinary size stay; of others no more than eight pieces are copied
    assert sum(copied) == (10_000 if odd else 0)
    few = np.linalg.norm(laplace(16_384).astype(float), axis=1)
    assert expected == 2 ** np.ceil(np.log2(1.25 * np.quantile(few, 0.999)))


def test_small_blocks_are_counted_together_and_inputs_stay_apart(monkeypatch):
    x = torch.from_numpy(laplace(400))
    monkeypatch.setattr("ppp.gathering._bytes", lambda block: block.rows.numel() * 4)
    monkeypatch.setattr("ppp.gathering.GATHERED_BYTES", 100 * WIDTH * 4)

    def ready(sizes, samples=None, labels=None, dtypes=None):
        gathering, found, start = Gathering(), [], 0
        for k, size in enumerate(sizes):
            sample = np.arange(start, start + size) if samples is None else samples[k]
            rows = x[start : start + size].to(torch.float32 if dtypes is None else dtypes[k])
            found += gathering.append(Rows(rows, sample, None if labels is None else labels[k]))
            start += size
        found += gathering.finish()
        assert gathering.finish() == []
        assert torch.equal(torch.cat([each.rows.float() for each in found]), x[:start].float())
        return [len(each.sample) for each in found]

    assert ready([40, 40, 40, 30]) == [120, 30]
    assert ready([40, 100, 10]) == [40, 100, 10]
    assert ready([40, 0, 30]) == [40, 0, 30]
    # the second block begins where the first one ended: two inputs of one id
    assert ready([2, 2, 2], [np.array([0, 1]), np.array([1, 2]), np.array([3, 4])]) == [2, 4]
    texts, numbers = np.array(["a", "b"]), np.array([1, 2])
    assert ready([2, 2, 2, 2], labels=[texts, texts, numbers, None]) == [4, 2, 2]
    double = torch.float64
    assert ready([2, 2, 2], dtypes=[torch.float32, double, double]) == [2, 4]
    label = np.arange(400) % 7
    whole = ppp.project(x, engine="torch:cpu", label=label, epsilon=0.5, null=None)
    blocks = [Rows(x[a : a + 30], np.arange(a, min(a + 30, 400)), label[a : a + 30])
              for a in range(0, 400, 30)]  # fmt: skip
    seen = []
    original = Prepared.of
    monkeypatch.setattr(
        Prepared, "of", lambda block: seen.append(len(block.sample)) or original(block)
    )
    parts = ppp.project(blocks, engine="torch:cpu", epsilon=0.5, null=None)
    assert seen == [120, 120, 120, 40]
    assert_same_counts(whole.tally, parts.tally)
    np.testing.assert_array_equal(whole.tally.inputs, parts.tally.inputs)
    np.testing.assert_allclose(whole.tally.moments, parts.tally.moments, rtol=1e-6)
    np.testing.assert_array_equal(whole.sampled.sample, parts.sampled.sample)


@pytest.mark.parametrize("cosine", [0.0, 0.3, 1 - 1e-6])
def test_no_hit_at_the_threshold_is_lost(engine, cosine):
    n, epsilon, rng = 50, 0.75, np.random.default_rng(9)
    q = np.linalg.qr(rng.standard_normal((n, n)))[0].T
    frame = Frame.given([q[0], cosine * q[0] + np.sqrt(1 - cosine**2) * q[1]])
    # along b_i − b_j no coordinate is larger than a hit's must be, and there is no third vector
    inside = frame.vectors[0] - frame.vectors[1]
    share = epsilon * (1 + rng.choice([-1e-6, 1e-7, 1e-6], (3000, 1)))
    out = rng.standard_normal((3000, n - 2))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    x = share * inside / np.linalg.norm(inside) + np.sqrt(1 - share**2) * (out @ q[2:])
    planes = Planes.of(frame, "combination")
    one, other = (
        tally_of(x.astype(np.float32), planes, Rule(epsilon), detailed=True, engine=e)
        for e in ("cpu", engine)
    )
    assert 1500 < one.hits < 2500
    assert_same_counts(one, other)


@pytest.mark.parametrize("n", [4, 50])
def test_rows_of_any_size_are_sifted_without_loss(engine, n):
    rng = np.random.default_rng(1)
    q = np.linalg.qr(rng.standard_normal((n, n)))[0].T
    sizes = 10.0 ** np.concatenate([rng.uniform(-14, 14, 600), rng.uniform(-8, -6, 2000)])[:, None]
    out = rng.standard_normal((2600, n - 2))
    out *= 0.484 / np.linalg.norm(out, axis=1, keepdims=True)  # kept by a hair
    for apart in (3e-5, 1e-4, 1e-3, 0.5, None):
        if apart is None:  # rows that few planes keep, if any
            frame, x = Frame.haar(n, 2), rng.standard_normal((2600, n))
        else:
            frame = Frame.given([q[0], q[0] + apart * q[1]])
            along = frame.vectors[1] - frame.vectors[0]
            x = along / np.linalg.norm(along) + out @ q[2:]
        planes = Planes.of(frame, "combination")
        x = (x * sizes).astype(np.float32)
        one, other = (tally_of(x, planes, Rule(0.9), engine=e) for e in ("cpu", engine))
        assert one.hits == other.hits
        assert one.hits == 2600 or apart is None
        np.testing.assert_allclose(one.moments, other.moments, rtol=1e-5, atol=1e-9)


def test_products_are_float32s_own_whatever_the_caller_allows(device):
    x = torch.diag(torch.rand(256, generator=torch.Generator().manual_seed(0)) + 1.0).to(device)
    other = torch.randn(256, 256, generator=torch.Generator().manual_seed(1)).to(device)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast(device.type), plain_products(device):
            own, product = x @ torch.eye(256, device=device), x @ other
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(own, x)  # TF32 would keep ten bits of each
    error = (product.double() - x.double() @ other.double()).norm(dim=1)
    assert (error <= error_share(256) * x.double().norm(dim=1) * other.double().norm()).all()


def test_counts_do_not_depend_on_what_the_caller_has_set(device):
    rows = torch.from_numpy(laplace(3000, 60, 5)).to(device)
    engine = f"torch:{device}"
    planes = Planes.of(Frame.haar(60, 0), "combination")
    plain = tally_of(rows, planes, Rule(0.5), detailed=True, engine=engine)
    tracked = rows.clone().requires_grad_()
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast(device.type):
            other = tally_of(tracked, planes, Rule(0.5), detailed=True, engine=engine)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
    assert plain.hits > 0
    assert_same_counts(plain, other)
    assert_same_counts(tally_of(rows.cpu(), planes, Rule(0.5), detailed=True), other)
    np.testing.assert_array_equal(plain.moments, other.moments)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_every_type_of_rows(device, dtype):
    rows = (4 * torch.from_numpy(laplace(2000))).to(device, dtype)
    result = ppp.project(rows, epsilon=0.6, null=None)
    expected = ppp.project(rows.cpu(), epsilon=0.6, null=None)
    assert result.hits == expected.hits > 100
    assert_same_counts(result.tally, expected.tally)
    assert result.provenance["engine"] == ("cpu" if device.type == "cpu" else "torch:cuda:0")


def test_every_form_of_rows_is_projected_and_tested_alike(device):
    x, label = laplace(4000), np.arange(4000) % 3
    rows = torch.from_numpy(x).to(device)
    options = {"epsilon": 0.6, "null_repeats": 9, "seed": 4, "null_draws": 1}
    expected = ppp.project(x, **options)
    parts = [rows[:1500], rows[1500:]]
    with torch.device(device):
        assert ppp.project(rows, **options).verdict == expected.verdict
    for form in (rows, parts, iter(parts), rows.T.contiguous().T):
        result = ppp.project(form, **options)
        assert_same_counts(result.tally, expected.tally)
        np.testing.assert_array_equal(result.sampled.rows, expected.sampled.rows)
        assert result.verdict == expected.verdict
    split = ppp.project_classes(rows, label=label, epsilon=0.6, null=None)
    for name, result in split.items():
        alone = ppp.project(x[label == name], epsilon=0.6, null=None)
        assert result.hits == alone.hits > 100
        np.testing.assert_array_equal(result.tally.pairs, alone.tally.pairs)
    inputs = np.arange(4000) // 5
    several = ppp.project(rows, sample=inputs, label=inputs % 2, **options)
    host = ppp.project(x, sample=inputs, label=inputs % 2, **options)
    np.testing.assert_allclose(several.tally.products, host.tally.products, rtol=1e-5)
    assert several.verdict == host.verdict


def test_frames_and_other_methods_take_what_is_on_the_device(device):
    torch.manual_seed(0)
    x = laplace(3000)
    rows, layer = torch.from_numpy(x).to(device), nn.Linear(WIDTH, 20).to(device)
    weights = layer.weight.detach().cpu().double().numpy()
    result = ppp.project(rows, layer.weight, 0.6, null=None)
    assert_same_counts(result.tally, ppp.project(x, weights, 0.6, null=None).tally)
    np.testing.assert_array_equal(ppp.weight_frame(layer).vectors, Frame.given(weights).vectors)
    for make in (ppp.pca_frame, ppp.ica_frame):
        np.testing.assert_allclose(make(rows).vectors, make(x).vectors, atol=1e-12)
    curve = srm.sweep(rows, angles=24, epsilon=0.7)
    np.testing.assert_array_equal(curve.seen, srm.sweep(x, angles=24, epsilon=0.7).seen)
    both = ppp.project(rows, also=[srm.Sweeping(angles=24), ppp.Radial(8)], epsilon=0.6, null=None)
    alone = ppp.project(x, also=[srm.Sweeping(angles=24), ppp.Radial(8)], epsilon=0.6, null=None)
    np.testing.assert_array_equal(both.also[0].seen, alone.also[0].seen)
    np.testing.assert_array_equal(both.also[1].counts, alone.also[1].counts)
    one, other = ppp.points(rows, epsilon=0.9), ppp.points(x, epsilon=0.9)
    np.testing.assert_array_equal(one.w, other.w)
    for steps in ("centre", ["centre", "whiten"]):
        changed = ppp.project(rows, preprocess=steps, epsilon=0.6, null_repeats=9)
        same = ppp.project(x, preprocess=steps, epsilon=0.6, null_repeats=9)
        assert_same_counts(changed.tally, same.tally)
        assert changed.verdict == same.verdict


def test_blocks_stay_on_the_device(device, monkeypatch):
    rows = torch.from_numpy(laplace(50_000, 64)).to(device)
    seen = []
    original = ppp.prepared.as_array

    def counting(block):
        if isinstance(block, torch.Tensor):
            seen.append(len(block))
        return original(block)

    monkeypatch.setattr("ppp.prepared.as_array", counting)
    there = ppp.project(rows, engine=f"torch:{device}", null=None)
    copied = sum(seen)
    assert_same_counts(there.tally, ppp.project(rows.cpu().numpy(), null=None).tally)
    if device.type != "cpu":
        assert copied <= 15_000  # the reservoir's
