"""Sweeps and radial profiles beside a stored analysis: one pass, equal to separate ones."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from torch import nn

import hooks
import ppp
import srm
from ppp.rule import Rule

LAYERS, EPOCHS = ("0", "1"), ("start", "end")
FRAMES = {
    "standard": "standard",
    "oblique": ppp.Frame.given(np.random.default_rng(1).standard_normal((8, 6))),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Two layers at two snapshots, with labels; the network changes in between."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh())
    data = torch.utils.data.TensorDataset(torch.randn(2500, 5), torch.arange(2500) % 3)
    loader = torch.utils.data.DataLoader(data, batch_size=300)
    path = tmp_path_factory.mktemp("stores") / "acts.h5"
    with hooks.Recorder(path) as recorder:
        for key in EPOCHS:
            recorder.record(model, loader, list(LAYERS), snapshot=key, labels=True, progress=False)
            with torch.no_grad():
                model[0].weight.mul_(3.0)
    return path


def companions():
    return [
        srm.Sweeping(angles=24, null_repeats=2, seed=3),
        srm.Sweeping(epsilon=-0.2, angles=9, pairs="permutation", signed=True),
        ppp.Radial(bins=12),
    ]


def same_curve(one, other):
    for name in ("seen", "pooled_seen", "rows", "first", "second", "angles"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.classes == other.classes
    assert (one.epsilon, one.signed, one.zero) == (other.epsilon, other.signed, other.zero)
    if one.null is not None or other.null is not None:
        np.testing.assert_array_equal(one.null, other.null)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("snapshot", EPOCHS)
def test_a_stored_analysis_feeds_sweeps_and_profile_as_separate_calls_do(
    path, layer, snapshot, frame
):
    made = FRAMES[frame]
    result = ppp.analyze_store(
        path, layer, snapshot=snapshot, epsilon=0.7, frame=made, null=None, seed=3,
        also=companions(), progress=False,
    )  # fmt: skip
    rows = hooks.ActivationStore(path)[layer, snapshot]
    alone = ppp.project(rows, made, 0.7, null=None)
    assert result.hits == alone.hits
    np.testing.assert_array_equal(result.kept, alone.kept)
    first, second, profile = result.also
    same_curve(first, srm.sweep(rows, made, 0.7, 24, null_repeats=2, seed=3))
    same_curve(second, srm.sweep(rows, made, -0.2, 9, "permutation", signed=True))
    assert first.classes == (0, 1, 2)
    assert profile.counts.sum() == alone.hits
    listed = ppp.points(rows, made, 0.7)
    counts = np.histogram(listed.ratio, bins=profile.edges)[0]
    assert np.abs(profile.counts - counts).sum() <= 2  # ratios on an edge, up to rounding
    # classes of the store are told apart in the sweep, too
    labels = np.concatenate([block.label for block in rows.blocks()])
    x = np.concatenate([np.asarray(block.rows) for block in rows.blocks()])
    np.testing.assert_array_equal(
        first.of_label(2).seen, srm.sweep(x[labels == 2], made, 0.7, 24).seen
    )


def test_layers_and_snapshots_differ(path):
    found = [
        ppp.analyze_store(
            path, layer, snapshot=key, epsilon=0.7, null=None, also=companions(), progress=False
        ).also[0].pooled_seen.sum()
        for layer in LAYERS
        for key in EPOCHS
    ]  # fmt: skip
    assert len(set(found)) >= 3  # scaling a linear layer changes only what its bias adds


@pytest.mark.parametrize("kind", ["threads", "processes", "workers"])
def test_whoever_counts_the_methods_beside_agree(path, kind):
    options = {
        "snapshot": "end", "epsilon": 0.6, "null": None, "seed": 3, "progress": False,
        "frame": FRAMES["oblique"],
    }  # fmt: skip
    here = ppp.analyze_store(path, "1", workers=1, also=companions(), **options)
    if kind == "workers":
        there = ppp.analyze_store(path, "1", workers=3, also=companions(), **options)
    else:
        pool = (
            ThreadPoolExecutor(2)
            if kind == "threads"
            else ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        )
        with pool:
            there = ppp.analyze_store(path, "1", client=pool, also=companions(), **options)
    assert here.hits == there.hits
    for one, other in zip(here.also[:2], there.also[:2], strict=True):
        same_curve(one, other)
    np.testing.assert_array_equal(here.also[2].counts, there.also[2].counts)


def test_several_stores_each_have_their_own(path, tmp_path):
    model = nn.Sequential(nn.Linear(4, 3))
    other = tmp_path / "other.h5"
    hooks.record(model, [torch.randn(50, 4)], "0", other, progress=False)
    options = {"epsilon": 0.7, "null": None, "also": [srm.Sweeping(angles=8)], "progress": False}
    found = ppp.analyze_store([other], **options)
    rows = hooks.ActivationStore(other)["0"]
    same_curve(found[str(other)].also[0], srm.sweep(rows, epsilon=0.7, angles=8))
    with pytest.raises(ValueError, match="the store has 2 layers, say which"):
        ppp.analyze_store(path, **options)


def test_preprocessed_rows_reach_the_methods_beside(path):
    rows = hooks.ActivationStore(path)["0", "end"]
    result = ppp.analyze_store(
        path, "0", snapshot="end", epsilon=0.7, preprocess="centre", null=None,
        also=[srm.Sweeping(angles=12), ppp.Radial(bins=4)], progress=False,
    )  # fmt: skip
    x = np.concatenate([np.asarray(block.rows, np.float64) for block in rows.blocks()])
    moved = x - x.mean(axis=0)
    # the mean that was fitted may differ from this one in its last digits
    assert (
        np.abs(result.also[0].seen.sum(0) - srm.sweep(moved, epsilon=0.7, angles=12).seen).max()
        <= 2
    )
    planes = ppp.Planes.of(ppp.Frame.standard(6), "combination")
    assert abs(int(result.also[1].counts.sum()) - result.hits) <= 2
    assert result.rule == Rule(0.7)
    assert result.planes.count == planes.count
