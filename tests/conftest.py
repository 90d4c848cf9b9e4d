"""What all tests share."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from matplotlib import pyplot as plt

from ppp import cli

settings.register_profile(
    "project", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")


#: Who counts. One engine plays a device without float64, on the CPU.
ENGINES = (
    "cpu",
    "torch:cpu",
    "torch:cpu, without float64",
    pytest.param("torch:cuda", marks=pytest.mark.gpu),
    pytest.param("torch:mps", marks=pytest.mark.gpu),
)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    """Every engine in turn; those whose device is not here are skipped."""
    name, _, without = request.param.partition(", ")
    for kind, there in (
        ("cuda", torch.cuda.is_available),
        ("mps", torch.backends.mps.is_available),
    ):
        if kind in name and not there():
            pytest.skip(f"torch finds no {kind} device here")
    with pytest.MonkeyPatch.context() as patch:
        if without:
            patch.setattr("ppp.device_counting.has_float64", lambda device: False)
        yield name


@pytest.fixture(autouse=True, scope="session")
def one_torch_thread():
    """Small networks on a shared machine: more threads are slower, not faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def gallery(monkeypatch):
    """Import a module that gallery scripts share."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "gallery"))
    return importlib.import_module


@pytest.fixture
def closed_figures():
    """Leave no figure open to the next test."""
    yield
    plt.close("all")


@pytest.fixture
def call(tmp_path, monkeypatch, closed_figures):
    """Run ppp-plot in a folder of its own; its figures are closed afterwards."""
    monkeypatch.chdir(tmp_path)

    def run(*words, code=0):
        result = CliRunner().invoke(cli.plot, list(words))
        unforeseen = result.exception is not None and not isinstance(result.exception, SystemExit)
        assert not unforeseen, result.exception
        assert result.exit_code == code, result.output
        return result.output

    return run
