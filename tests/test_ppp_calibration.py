"""The calibration study in its quick form: it resumes, counts right, and p hold their level."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "calibration.py"


@pytest.fixture
def study(monkeypatch):
    spec = importlib.util.spec_from_file_location("calibration", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DIMENSIONS", (12,))
    return module


RUNS = {"level": 2, "power": 1, "coverage": 2}


def test_a_study_that_was_stopped_goes_on_where_it_was(study, tmp_path):
    cells = list(study.cells(RUNS, (12,)))
    assert len(cells) == len(set(cells)) == 2 * 5 + 6 + 2 * 4
    assert study.gather(tmp_path, -1.0, RUNS, rows=100, repeats=3) == 0
    assert study.gather(tmp_path, 60.0, RUNS, rows=100, repeats=3, shard=(1, 2)) == 9
    whole = (tmp_path / "runs-1.jsonl").read_text()
    (tmp_path / "runs-1.jsonl").write_text(whole[:-20])  # killed while writing a line
    assert study.gather(tmp_path, 60.0, RUNS, rows=100, repeats=3) == 16
    seen = [(r["study"], r["name"], r["n"], r["seed"]) for r in study.read(tmp_path)]
    assert sorted(seen) == sorted(cells)
    assert study.gather(tmp_path, 60.0, RUNS, rows=100, repeats=3) == 0


def test_runs_depend_on_their_seed_alone(study):
    make = study.LEVEL["clusters, turned"]
    one, two = (study.one_test("clusters, turned", make, 12, 100, 5, seed) for seed in (3, 3))
    other = study.one_test("clusters, turned", make, 12, 100, 5, 4)
    assert one == two
    assert one != other


def test_tables_count_rejections_with_their_intervals(study, tmp_path):
    p = [0.004, 0.01, 0.04, 0.05, 0.2, 0.6, 0.9, 1.0]
    lines = [
        json.dumps({
            "study": "level", "name": "isotropic", "n": 12, "seed": k, "rows": 100,
            "found": dict.fromkeys(study.TESTED, each),
        })
        for k, each in enumerate(p)
    ]  # fmt: skip
    (tmp_path / "runs-0.jsonl").write_text("\n".join(lines))
    table = "\n".join(study.rejection_table(study.read(tmp_path), "level"))
    assert "| isotropic | 12 | 8 | kappa | 0.500 [0.157, 0.843] | 0.250 [0.032, 0.651] |" in table
    brief = "\n".join(study.brief_table(study.read(tmp_path), "level"))
    assert "| isotropic | 0.500 [0.157, 0.843] | 0.250 [0.032, 0.651] |" in brief
    assert "0 to 8 runs a cell" in brief


def test_planted_distributions_are_what_they_are_called(study):
    rng = np.random.default_rng(0)
    x = study.one_hot(rng, 20_000, 24)
    largest = np.sort((x / np.linalg.norm(x, axis=1, keepdims=True)) ** 2, axis=1)
    assert np.mean(largest[:, -1] > 0.8) == pytest.approx(0.02, abs=0.005)
    x = study.diagonal(rng, 20_000, 24)
    largest = np.sort((x / np.linalg.norm(x, axis=1, keepdims=True)) ** 2, axis=1)
    assert np.mean(largest[:, -2:].sum(axis=1) > 0.8) == pytest.approx(0.02, abs=0.005)
    x = study.general_normal(rng, 50_000, 2).ravel()
    assert stats.kstest(x, stats.gennorm(1.5).cdf).pvalue > 1e-4


def test_the_true_value_of_an_interval_is_the_ratio_of_expectations(study):
    found = study.truths("isotropic", study.isotropic, 12, 2000, batches=3)
    assert found["kappa"] == pytest.approx(1, abs=0.01)
    assert found["log_q"] == pytest.approx(0, abs=0.05)


@pytest.mark.soak
@pytest.mark.parametrize(
    "name", ["isotropic", "correlated Gaussian", "Laplace, turned", "clusters, turned"]
)
def test_every_p_holds_its_level_over_many_runs(study, name):
    found = [study.one_test(name, study.LEVEL[name], 12, 500, 99, seed) for seed in range(400)]
    for test in study.TESTED:
        p = np.array([each[test] for each in found])
        for alpha in (0.02, 0.05, 0.1, 0.5):
            rejected = int((p <= alpha + 1e-9).sum())
            assert stats.binomtest(rejected, 400, alpha).pvalue > 1e-3, (test, alpha, rejected)
