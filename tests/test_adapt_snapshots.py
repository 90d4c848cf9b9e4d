"""A network whose width changes, captured while it does, and projected."""

import pytest
import torch
from test_adapt_mlp import D, filled

import hooks
import ppp
import srm
from isotropic import adapt


@pytest.fixture
def store(tmp_path):
    net = filled([6, 8, 3])
    loader = [(x, torch.arange(50)) for x in torch.randn(4, 50, 6, dtype=D)]
    with hooks.Recorder(tmp_path / "run.h5") as recorder:
        for step, width in enumerate((8, 12, 5)):
            adapt.resize(net, 0, width)
            recorder.record(
                net,
                loader,
                ["layers.0", "activations.0"],
                snapshot=f"step-{step}",
                attrs={"width": width},
                labels=True,
            )
    return hooks.ActivationStore(tmp_path / "run.h5")


def test_every_snapshot_has_its_own_width(store):
    widths = [about["width"] for about in store.snapshots.values()]
    assert widths == [8, 12, 5]
    for key, width in zip(store.snapshots, widths, strict=True):
        assert store["activations.0", key].shape == (200, width)
        assert store["layers.0", key].shape == (200, width)


def test_projection_uses_each_snapshots_own_planes(store):
    for key, about in store.snapshots.items():
        width = about["width"]
        rows = torch.cat([torch.as_tensor(b.rows) for b in store["activations.0", key].blocks()])
        result = ppp.project(store["activations.0", key], epsilon=0.75)
        assert len(result.kept) == width * (width - 1) // 2
        squares = rows.square() / rows.square().sum(1, keepdim=True)
        i, j = torch.triu_indices(width, width, 1)
        kept = (squares[:, i] + squares[:, j] >= 0.75**2).sum(0)
        assert result.kept.tolist() == kept.tolist()


def test_a_sweep_uses_each_snapshots_own_planes_too(store):
    for key, about in store.snapshots.items():
        width = about["width"]
        curve = srm.sweep(store["activations.0", key], epsilon=0.75, angles=8)
        assert curve.values.shape == (width * (width - 1) // 2, 8)
        rows = torch.cat([torch.as_tensor(b.rows) for b in store["activations.0", key].blocks()])
        along = (rows / rows.norm(dim=1, keepdim=True))[:, 0] >= 0.75
        assert curve.values[0, 0] == pytest.approx(float(along.double().mean()), abs=1e-12)


def test_one_figure_shows_all_widths(store):
    import matplotlib.pyplot as plt

    columns = {
        key: ppp.analyze_store(
            store.path, "activations.0", snapshot=key, null_repeats=19, progress=False
        )
        for key in store.snapshots
    }
    figure = ppp.plot_grid({"adapting": columns})
    assert len(figure.axes) >= 3
    plt.close("all")
