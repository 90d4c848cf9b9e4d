"""Labels that are no classes: targets of a regression, and NaN."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import hooks
import ppp
import srm
from ppp.cli import plot

QUICK = {"null": None, "progress": False}
TOO_MANY = r"at most 1024 classes, got more: leave the labels out \(labels=False, or --no-labels"


@pytest.fixture(scope="module")
def model():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh())


@pytest.fixture(scope="module")
def x():
    return torch.randn(3000, 4)


@pytest.fixture(scope="module")
def regression(model, x, tmp_path_factory):
    """A store of three thousand different targets."""
    path = tmp_path_factory.mktemp("labels") / "reg.h5"
    hooks.record(model, [(x, torch.arange(3000) / 7)], "0", path, progress=False)
    return path


def test_targets_of_a_regression_can_be_left_out(regression):
    layer = hooks.ActivationStore(regression)["0"]
    calls = [
        lambda **options: ppp.project(layer, **QUICK, **options),
        lambda **options: ppp.project(list(layer.blocks()), **QUICK, **options),
        lambda **options: ppp.project(
            layer.rows(), label=np.asarray(layer.label), **QUICK, **options
        ),
        lambda **options: ppp.analyze_store(regression, epsilon=0.75, **QUICK, **options),
    ]
    plain = ppp.project(layer.rows(), null=None)
    for call in calls:
        with pytest.raises(ValueError, match=TOO_MANY):
            call()
        found = call(labels=False)
        assert found.tally.classes == (None,)
        assert (found.kept == plain.kept).all()
    with pytest.raises(ValueError, match=r"1,024 classes, got more: leave them out \(labels=False"):
        srm.sweep(layer, epsilon=0.75)
    swept = srm.sweep(layer, epsilon=0.75, labels=False)
    assert swept.classes == (None,)
    np.testing.assert_array_equal(swept.pooled, srm.sweep(layer.rows(), epsilon=0.75).pooled)
    # a list of hits has no classes
    np.testing.assert_array_equal(ppp.points(layer).w, ppp.points(layer.rows()).w)
    with ThreadPoolExecutor(1) as pool:
        found = ppp.analyze_store(
            regression, client=pool, labels=False, preprocess="centre", epsilon=0.75, **QUICK
        )
    assert found.tally.classes == (None,)


def test_the_store_of_an_analysis_that_met_a_regression_can_be_gone_on_with(model, tmp_path):
    batches = [(torch.randn(500, 4), torch.randn(500)) for _ in range(12)]
    path = tmp_path / "acts.h5"
    with pytest.raises(ValueError, match=TOO_MANY):
        ppp.analyze(model, batches, "0", store=path, **QUICK)
    found = ppp.analyze(model, batches, "0", store=path, labels=False, resume=True, **QUICK)
    assert (found.tally.rows, found.tally.classes) == (6000, (None,))


@pytest.mark.parametrize("more", [(), ("--srm",)])
def test_the_command_leaves_labels_out(regression, tmp_path, more):
    def run(*options):
        table = str(tmp_path / "t.csv")
        wanted = [str(regression), "--null", "none", "--quiet", "--table", table, *more, *options]
        return CliRunner().invoke(plot, wanted)

    assert run().exit_code == 2
    done = run("--no-labels")
    assert done.exit_code == 0, done.output


def test_the_command_cannot_go_by_labels_that_are_left_out(regression, tmp_path):
    options = ["--table", str(tmp_path / "t.csv"), "--grid", "classes", "--no-labels"]
    done = CliRunner().invoke(plot, [str(regression), *options])
    assert done.exit_code == 2
    assert "goes by the labels: leave --no-labels out" in done.output


def test_a_label_that_is_nan_is_refused_live_and_stored(model, x, tmp_path):
    label = torch.arange(3000) % 3 / 2
    label[7] = torch.nan
    path = tmp_path / "nan.h5"
    layer = hooks.record(model, [(x, label)], "0", path, progress=False)["0"]
    calls = [
        lambda **options: ppp.analyze(model, [(x, label)], "0", **QUICK, **options),
        lambda **options: ppp.analyze_store(path, **QUICK, **options),
        lambda **options: ppp.project(layer, **QUICK, **options),
        lambda **options: ppp.project(layer.rows(), label=label.numpy(), **QUICK, **options),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"must not be NaN, got 1 of .* \(labels=False"):
            call()
        assert call(labels=False).tally.classes == (None,)
    with pytest.raises(ValueError, match="must not be NaN, got 1 of"):
        ppp.project_classes(layer)
