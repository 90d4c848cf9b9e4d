"""analyze, analyze_store: live = stored = distributed, and what is said when something is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from interrupted import Breaks
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hooks
import ppp
from ppp.prepared import Prepared
from ppp.reservoir import Reservoir, priorities
from ppp.streams import ArrayBlocks

INPUTS = 3000


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 6))


@pytest.fixture(scope="module")
def loader():
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(INPUTS, 20, generator=generator)
    labels = torch.randint(0, 3, (INPUTS,), generator=generator)
    return DataLoader(TensorDataset(data, labels), batch_size=64)


def same(one, other):
    assert one.rule == other.rule
    assert (one.kept == other.kept).all()
    assert (one.tally.grid == other.tally.grid).all()
    np.testing.assert_allclose(one.tally.moments, other.tally.moments, rtol=1e-12, atol=1e-11)
    assert [s.p for s in one.statistics.values()] == [s.p for s in other.statistics.values()]


def test_live_stored_and_distributed_captures_give_one_result(model, loader, tmp_path):
    path = tmp_path / "acts.h5"
    results = ppp.analyze(model, loader, ["0", "1"], store=path, null_repeats=19, progress=False)
    assert list(results) == ["0", "1"]
    streamed = ppp.analyze(model, loader, "1", null_repeats=19, progress=False)
    same(results["1"], streamed)
    options = {"null_repeats": 19, "progress": False}
    stored = ppp.analyze_store(path, "1", **options)
    same(stored, streamed)
    with ThreadPoolExecutor(2) as pool:
        same(ppp.analyze_store(path, "1", client=pool, **options), streamed)
    layer = hooks.ActivationStore(path)["1"]
    same(ppp.project(layer, epsilon=stored.rule.epsilon, null_repeats=19), streamed)
    with torch.no_grad():
        rows = model[:2](loader.dataset.tensors[0])
    assert (ppp.project(rows, epsilon=stored.rule.epsilon, null=None).kept == stored.kept).all()


STEPS = [
    "centre",
    ["centre", "scale"],
    ["drop-outliers", "whiten"],
    ["clip-outliers", "scale"],
]


@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_live_preprocessing_is_that_of_the_stored_rows(steps, loader, tmp_path):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 6))
    with torch.no_grad():
        model[0].weight[2] *= 40  # an outlier for those steps that look for some
    options = {"null_repeats": 19, "null_draws": 2, "epsilon": 0.7, "progress": False}
    kept = tmp_path / "acts.h5"
    plain = ppp.analyze(model, loader, ["0", "1"], store=kept, null=None, progress=False)
    assert plain["0"].provenance["preprocess"] == {}
    streamed = ppp.analyze(model, loader, ["0", "1"], preprocess=steps, **options)
    store = hooks.ActivationStore(kept)
    for name, result in streamed.items():
        expected = ppp.project(
            store[name], epsilon=0.7, preprocess=steps, null_repeats=19, null_draws=2
        )
        assert result.provenance["preprocess"] == expected.provenance["preprocess"]
        assert result.planes.frame.labels == expected.planes.frame.labels
        same(result, expected)
        assert [t.hits for t in result.nulls.tallies] == [t.hits for t in expected.nulls.tallies]
        assert result.kept.tolist() != plain[name].kept.tolist()
    second = tmp_path / "second.h5"
    same(ppp.analyze(model, loader, "0", preprocess=steps, store=second, **options), streamed["0"])
    assert hooks.ActivationStore(second)["0"].shape == (INPUTS, 8)


class Once(torch.utils.data.IterableDataset):
    """Data that a second iteration does not give, or gives shorter."""

    def __init__(self, sizes):
        self.sizes = iter(sizes)

    def __iter__(self):
        return iter(torch.ones(next(self.sizes), 20) * torch.randn(20))


def test_live_preprocessing_needs_a_loader_that_repeats_itself(model, tmp_path):
    batches = [torch.randn(50, 20) for _ in range(3)]
    options = {"preprocess": "scale", "null": None, "progress": False}
    with pytest.raises(ValueError, match=r"ends after one pass \(list_iterator\): keep the rows"):
        ppp.analyze(model, iter(batches), "1", **options)
    with pytest.raises(ValueError, match=r"gave no batch.*; keep the rows with store="):
        ppp.analyze(model, DataLoader(Once([30, 0]), batch_size=10), "1", **options)
    with pytest.raises(ValueError, match="30 rows of layer '1' in one pass and 20 in the next"):
        ppp.analyze(model, DataLoader(Once([30, 20]), batch_size=10), "1", **options)
    # with a store the rows are there to be read again
    path = tmp_path / "acts.h5"
    result = ppp.analyze(model, iter(batches), "1", store=path, **options)
    assert result.tally.rows == 150
    assert result.provenance["preprocess"]["steps"] == ["scale"]


def test_labels_become_classes_unless_declined(model, loader):
    options = {"null": None, "progress": False}
    labelled = ppp.analyze(model, loader, "1", **options)
    assert sorted(labelled.tally.classes) == [0, 1, 2]
    assert labelled.tally.inputs.sum() == INPUTS
    assert ppp.analyze(model, loader, "1", labels=False, **options).tally.classes == (None,)


def test_several_stores_give_a_mapping(model, loader, tmp_path):
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for path in paths:
        hooks.record(model, loader, ["1"], path, progress=False)
    results = ppp.analyze_store(paths, null=None, progress=False)
    assert list(results) == [str(path) for path in paths]


def test_conv_maps_count_by_position_and_cluster_by_input():
    torch.manual_seed(0)
    conv = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    batches = [torch.randn(5, 3, 8, 8) for _ in range(4)]
    tally = ppp.analyze(conv, batches, "0", null=None, progress=False).tally
    assert tally.rows == 20 * 36
    assert tally.inputs.tolist() == [20]


def test_automatic_epsilon_expects_a_thousand_hits_and_says_so():
    x = np.random.default_rng(0).standard_normal((5000, 64)).astype(np.float32)
    result = ppp.project(x, epsilon="auto", null=None)
    assert result.expected == pytest.approx(1000)
    assert "auto: isotropy would give 1000 hits in 5,000 rows" in result.summary()
    assert ppp.project(x[:, :8], epsilon="auto", null=None).rule.epsilon == 0.75
    few = ppp.project(x[:2, :30], epsilon="auto", null=None)
    assert few.expected == pytest.approx(2 * 435 / 10)
    plane = ppp.project(x[:, :2], epsilon="auto", null=None)
    assert (plane.hits, plane.expected) == (5000, 5000)


def test_an_epsilon_may_be_a_target_of_hits_or_retention():
    x = np.random.default_rng(0).standard_normal((4000, 32)).astype(np.float32)
    hits = ppp.project(x, epsilon="hits=500", null=None)
    assert hits.expected == pytest.approx(500)
    share = ppp.project(x, epsilon="retention=0.02", null=None)
    assert share.expected / (4000 * share.planes.count) == pytest.approx(0.02)
    assert "isotropy would keep 0.02 a plane" in share.summary()
    for wrong in ("hits=", "hits=-3", "retention=x", "half"):
        with pytest.raises(ValueError, match="epsilon must be a number"):
            ppp.project(x, epsilon=wrong)


def test_repeats_grow_where_p_is_too_small_to_tell():
    x = np.random.default_rng(0).laplace(size=(600, 6))
    few = ppp.project(x, null_repeats=9, null_limit=99)
    assert few.nulls.repeats == 99
    assert few.statistics["kappa"].p == pytest.approx(2 / 100)
    with pytest.raises(ValueError, match="null_limit must be at least null_repeats = 99, got 5"):
        ppp.project(x, null_limit=5)


def test_null_pictures_are_the_first_rotations_that_are_tested():
    x = np.random.default_rng(0).laplace(size=(4000, 8))
    result = ppp.project(x, null_repeats=19, null_draws=3)
    pictured = [tally.hits for tally in result.nulls.tallies]
    hits = result.nulls.sums[:3, :, 1].sum(axis=1)
    assert pictured == hits.tolist()


@example(order=[1, 0, 2, 3, 4, 5, 6, 7, 8, 9], limit=4, cut=1)
@given(order=st.permutations(range(10)), limit=st.integers(1, 120), cut=st.integers(0, 10))
def test_the_reservoir_depends_on_neither_order_nor_workers(order, limit, cut):
    rng = np.random.default_rng(0)
    sizes = [9, 1, 30, 5, 5, 12, 1, 1, 40, 3]
    blocks = []
    for index, size in enumerate(sizes):
        rows = ArrayBlocks(rng.standard_normal((size, 3)), np.full(size, index)).blocks()
        blocks.append(Prepared.of(next(rows)))

    def gathered(sequence):
        reservoir = Reservoir(seed=3, limit=limit)
        for index in sequence:
            reservoir.append(blocks[index])
        return reservoir

    first, second = gathered(order[:cut]), gathered(order[cut:])
    first.merge(second)
    merged, whole = first.finish(), gathered(range(10)).finish()
    assert merged.sample.tolist() == whole.sample.tolist()
    assert merged.complete == whole.complete == (sum(sizes) <= limit)
    by_priority = np.argsort(priorities(np.arange(10), 3))
    total = np.cumsum(np.array(sizes)[by_priority])
    expected = by_priority[: max(1, int((total <= limit).sum()))]
    assert set(whole.sample.tolist()) == set(expected.tolist())


def test_a_reservoir_keeps_the_rows_and_labels_of_its_inputs():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((9000, 4)).astype(np.float32)
    x[rng.random(9000) < 0.1] = 0
    x[::50] *= np.float32(1e-25)  # scaled, in float64
    sample = np.repeat(np.arange(3000), 3)
    label = np.array(["cat", "dog", "elephant"])[sample % 3]
    reservoir = Reservoir(seed=4, limit=1000)
    for start in rng.permutation(np.arange(0, 9000, 450)):
        here = slice(start, start + 450)
        animals = label[here].astype(np.str_)
        reservoir.append(
            Prepared(
                x[here].astype([np.float32, np.float64][start % 4 // 2]), sample[here], animals
            )
        )
    found = reservoir.finish()
    low = np.sort(priorities(np.arange(3000), 4))[333]
    kept = (priorities(sample, 4) < low) & x.any(axis=1)
    assert 0 < kept.sum() <= 1000 < len(found) + 10
    whole = np.isin(sample, found.sample) & x.any(axis=1)
    assert (whole >= kept).all()
    np.testing.assert_array_equal(found.sample, sample[whole])
    np.testing.assert_array_equal(found.label, label[whole])
    expected = x[whole].astype(np.float64)
    size = np.abs(expected).max(axis=1) / np.abs(found.rows).max(axis=1)
    assert set(np.frexp(size)[0]) == {0.5}  # powers of two
    np.testing.assert_array_equal(found.rows * size[:, None], expected)


def test_worker_threads_share_a_reservoir():
    rng = np.random.default_rng(2)
    x = rng.laplace(size=(120_000, 40)).astype(np.float32)
    many, one = (ppp.project(x, null=None, workers=count).sampled for count in (3, 1))
    assert len(one) == len(many) == 10_000
    assert not many.complete
    np.testing.assert_array_equal(many.sample, one.sample)
    np.testing.assert_array_equal(many.rows, x[many.sample])
    np.testing.assert_array_equal(one.rows, x[one.sample])


def test_classes_come_in_rising_order_whichever_worker_met_them_first():
    x = np.random.default_rng(3).laplace(size=(60_000, 40)).astype(np.float32)
    label = np.array([7, -1, 3, 5])[np.arange(60_000) // 15_000]
    many, one = (
        ppp.project(x, epsilon=0.6, label=label, null=None, workers=count).tally for count in (4, 1)
    )
    assert many.classes == one.classes == (-1, 3, 5, 7)
    assert one.inputs.tolist() == many.inputs.tolist() == [15_000] * 4
    for at, name in enumerate(one.classes):
        alone = ppp.project(x[label == name], epsilon=0.6, null=None).tally
        assert one.moments[at, 1] == many.moments[at, 1] == alone.hits


@pytest.mark.parametrize("workers", [0, -1, 1.5, "all"])
def test_workers_are_a_whole_number(workers):
    with pytest.raises(ValueError, match=f"at least 1, got {workers!r}"):
        ppp.project(np.eye(4), workers=workers, null=None)


def test_labels_of_bytes_are_refused_before_the_work():
    label = np.array([b"cat", b"dog"])
    with pytest.raises(ValueError, match=r"got dtype \|S3: use label.astype\(str\)"):
        ppp.project(np.eye(2), label=label, null=None)
    found = ppp.project(np.eye(2), label=label.astype(str), null=None)
    assert found.tally.classes == ("cat", "dog")


def test_tests_run_on_at_most_ten_thousand_rows_of_whole_inputs():
    rng = np.random.default_rng(0)
    sample = np.repeat(np.arange(5000), 5)
    result = ppp.project(rng.standard_normal((25_000, 4)), sample=sample, null_repeats=3)
    assert result.nulls.rows == 10_000
    assert result.nulls.inputs == 2000
    assert not result.sampled.complete


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, d: ppp.analyze(m, d, "3", progress=False), "no layer is called '3'"),
        (lambda m, d: ppp.analyze(m, [], "1", progress=False), "the loader gave no batch"),
        (
            lambda m, d: ppp.analyze(m, [torch.ones(3, 7)], "1", progress=False),
            "could not take batch 0",
        ),
        (
            lambda m, d: ppp.analyze(m, [torch.full((3, 20), torch.nan)], "1", progress=False),
            "no activation of layer '1' can be projected: of 3 rows 0 are all zero and 3 hold NaN",
        ),
        (lambda m, d: ppp.analyze(m, d, "1", epsilon=0, progress=False), r"epsilon must lie in"),
        (
            lambda m, d: ppp.analyze(m, d, "1", frame=np.eye(5), progress=False),
            "vectors of width 5, the activations have width 8",
        ),
    ],
)
def test_user_mistakes_are_named_and_leave_nothing_behind(model, loader, call, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        call(model, loader)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_failed_analysis_leaves_no_store(model, tmp_path):
    path = tmp_path / "acts.h5"
    with pytest.raises(ValueError, match="vectors of width 5"):
        ppp.analyze(model, [torch.ones(3, 20)], "1", frame=np.eye(5), store=path, progress=False)
    assert not path.exists()


@pytest.mark.parametrize("steps", [None, "scale"])
def test_a_store_is_replaced_or_gone_on_with(model, loader, tmp_path, steps):
    path = tmp_path / "acts.h5"
    options = {
        "store": path, "preprocess": steps, "epsilon": 0.7, "null_repeats": 19, "progress": False,
    }  # fmt: skip

    first = ppp.analyze(model, loader, "1", **options)
    with pytest.raises(hooks.StoreError, match="or overwrite=True to replace it"):
        ppp.analyze(model, loader, "1", **options)
    same(ppp.analyze(model, loader, "1", overwrite=True, **options), first)
    path.unlink()
    with pytest.raises(KeyboardInterrupt):
        ppp.analyze(model, Breaks(loader, 40), "1", **options)
    with pytest.raises(hooks.StoreError, match="go on with resume=True"):
        ppp.analyze(model, loader, "1", **options)
    same(ppp.analyze(model, loader, "1", resume=True, **options), first)
    assert hooks.ActivationStore(path)["1"].shape == (INPUTS, 8)


@pytest.mark.parametrize("option", ["overwrite", "resume"])
def test_without_a_store_nothing_can_be_replaced_or_gone_on_with(model, loader, option):
    with pytest.raises(ValueError, match="are of a store, got none: name it, store=PATH"):
        ppp.analyze(model, loader, "1", progress=False, **{option: True})


def test_a_store_with_several_layers_asks_which(model, loader, tmp_path):
    hooks.record(model, loader, ["0", "1"], tmp_path / "a.h5", progress=False)
    with pytest.raises(ValueError, match="the store has 2 layers, say which: '0', '1'"):
        ppp.analyze_store(tmp_path / "a.h5", progress=False)
    with pytest.raises(ValueError, match="no layer '2'"):
        ppp.analyze_store(tmp_path / "a.h5", "2", progress=False)
    with pytest.raises(ValueError, match=r"no store at .*missing.h5"):
        ppp.analyze_store(tmp_path / "missing.h5", progress=False)
    (tmp_path / "text.h5").write_text("no store")
    with pytest.raises(ValueError, match=r"text\.h5"):
        ppp.analyze_store(tmp_path / "text.h5", progress=False)
