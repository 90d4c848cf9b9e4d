"""The gallery: every figure has its script, every script its presets; claims and their verdicts.

That each script runs, and draws, is shown by ``make docs``, which runs them all and fails where one
fails.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ppp

GALLERY = Path(__file__).parents[1] / "gallery"
SCRIPTS = sorted(GALLERY.glob("plot_*.py"))
#: The figures and tables of the adaptive-topology paper: parts of the scripts' names.
ADAPTIVE = (
    "fig1", "fig2", "fig3", "table1", "table2", "table3", "table6", "timing", "experiment6",
)  # fmt: skip
#: What is shown beyond the papers: parts of the scripts' names.
BEYOND = ("srm", "training", "classes", "weights", "planes", "heads", "thomson", "ratio")


def names_of(tree):
    """Names that a script imports from the gallery's own modules."""
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (GALLERY / f"{node.module}.py").exists()
        for alias in node.names
    }


def presets_of(tree):
    """Keys of a script's PRESETS, None where it has none of its own."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PRESETS":
            return {key.value for key in node.value.keys}
    return None


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_keeps_the_conventions(path):
    text = path.read_text()
    tree = ast.parse(text)
    compile(text, str(path), "exec")
    title, line, empty, *story = ast.get_docstring(tree).splitlines()
    assert set(line) == {"="}
    assert len(line) == len(title)
    assert not empty
    assert " ".join(story).strip().endswith((".", "?"))
    assert re.search(r"^# %%\n# .+\n# -{3,}$", text, re.M), "no section with a heading"
    own = presets_of(tree)
    if own is None:  # those that share theirs take them from where they are
        assert names_of(tree) & {"Setting", "figure", "choose"} or path.stem.endswith(
            "fig1_diagonalisation"
        )
    else:
        assert "quick" in own
        assert len(own) > 1
        if re.search("_fig[0-9]|_table[0-9]", path.stem):
            assert "paper" in own


@pytest.mark.parametrize("number", range(1, 38))
def test_every_figure_of_the_paper_has_its_script(number):
    found = [path for path in SCRIPTS if path.stem.startswith(f"plot_fig{number:02d}_")]
    assert len(found) == 1
    calls = [
        node.args[0].value
        for node in ast.walk(ast.parse(found[0].read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("figure", "error_figure")
    ]
    assert calls in ([], [number])


@pytest.mark.parametrize("part", ADAPTIVE)
def test_every_figure_of_adaptive_topologies_has_its_script(part):
    assert list(GALLERY.glob(f"plot_adaptive_{part}*.py"))


@pytest.mark.parametrize("part", BEYOND)
def test_what_is_shown_beyond_the_papers_ends_with_claims(part):
    text = (GALLERY / f"plot_beyond_{part}.py").read_text()
    claims = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Claim"
    ]
    assert claims
    for claim in claims:  # what is said, what is found, against which null, whether it is seen
        assert len(claim.args) == 4
    assert text.splitlines()[-1].startswith("keep(")


def test_presets_come_from_the_command_line_and_the_environment(gallery, monkeypatch):
    choose = gallery("presets").choose
    presets = {"quick": {"epochs": 1}, "paper": {"epochs": 125}}
    for variable in ("PRESET", "DATA", "REPEATS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "argv", ["script.py"])
    assert choose(presets) == ("quick", {"epochs": 1})
    monkeypatch.setenv("PRESET", "paper")
    assert choose(presets)[0] == "paper"
    monkeypatch.setattr(sys, "argv", ["script.py", "--preset", "quick"])
    assert choose(presets)[0] == "quick"
    monkeypatch.delenv("PRESET")
    monkeypatch.setattr(sys, "argv", ["script.py", "--repeats", "7", "--data=patches"])
    assert choose({"quick": {"repeats": 2, "data": "digits"}}) == (
        "quick",
        {"repeats": 7, "data": "patches"},
    )


@pytest.mark.parametrize("way", ["flag", "variable"])
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("preset", "quickk", "preset must be one of quick, paper, got 'quickk'"),
        ("repeats", "3", "does not apply here: preset 'quick' has no repeats to change, got '3'"),
        ("repeats", "x", "repeats must be a whole number of at least 1, got 'x'"),
        ("repeats", "0", "repeats must be a whole number of at least 1, got '0'"),
        ("repeats", "-2", "repeats must be a whole number of at least 1, got '-2'"),
        ("data", "digits", "does not apply here: preset 'quick' has no data to change"),
    ],
)
def test_what_cannot_be_chosen_is_refused_either_way(
    gallery, monkeypatch, way, option, value, message
):
    for variable in ("PRESET", "DATA", "REPEATS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "argv", ["script.py"])
    if way == "flag":
        monkeypatch.setattr(sys, "argv", ["script.py", f"--{option}", value])
    else:
        monkeypatch.setenv(option.upper(), value)
    settings = {"repeats": 2} if "whole" in message else {"epochs": 1}
    with pytest.raises(SystemExit, match=re.escape(message)):
        gallery("presets").choose({"quick": settings, "paper": {}})


@pytest.mark.parametrize("option", ["preset", "data", "repeats"])
@pytest.mark.parametrize("words", [["--{}"], ["--{}="], ["--{}", "--epochs", "3"]])
def test_an_option_without_its_value_is_refused(gallery, monkeypatch, option, words):
    monkeypatch.setattr(sys, "argv", ["script.py", *(word.format(option) for word in words)])
    with pytest.raises(SystemExit, match=f"--{option} must be followed by a value, got .*: --"):
        gallery("presets").choose({"quick": {"data": "digits", "repeats": 2}})


def test_the_paper_preset_of_the_training_figures_is_the_papers(gallery):
    runs = gallery("ppp_runs")
    assert runs.PRESETS["paper"] == {
        "data": None, "epochs": 125, "repeats": 5, "nulls": 99, "shown": None,
    }  # fmt: skip
    assert runs.Setting() == runs.Setting("cifar-10", True, 18, 0, ("tanh", "isotropic-tanh"))


def test_a_script_runs(tmp_path):
    environment = os.environ | {
        "PRESET": "quick",
        "NUMBERS": str(tmp_path),
        "MPLBACKEND": "Agg",
        "PYTHONPATH": str(GALLERY.parent),
    }
    done = subprocess.run(
        [sys.executable, str(GALLERY / "plot_fig37_architecture.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3,412 parameters" in done.stdout
    assert (tmp_path / "fig37-quick.json").exists()


def network(first, last, seed):
    """A network whose activations have one distribution before training and another after."""
    rng = np.random.default_rng(seed)
    rows = {0: first(rng), 5: last(rng), 20: last(rng)}
    return {
        epoch: ppp.project(x, epsilon=0.75, null_repeats=39, seed=seed) for epoch, x in rows.items()
    }


@pytest.fixture(scope="module")
def rows():
    """Five networks that turn from round to aligned clouds, five that stay round."""

    def cloud(rng):
        return rng.standard_normal((600, 14))

    def axes(rng):
        x = 0.2 * rng.standard_normal((600, 14))
        x[np.arange(600), rng.integers(0, 14, 600)] += 5
        return x

    return {f"tanh {s}": network(cloud, axes, s) for s in range(5)} | {
        f"isotropic-tanh {s}": network(cloud, cloud, s + 5) for s in range(5)
    }


def test_claims_are_seen_where_they_hold_and_only_there(gallery, rows):
    claims = gallery("ppp_claims")
    groups = claims.grouped(rows)
    assert claims.structure(groups).seen.startswith("yes")
    assert claims.rise(groups).seen == "in part: nearer to tenfold than to a hundredfold"
    assert claims.growth(groups).seen == "no"  # those that stay round do not grow
    assert "grown in 5 of 5" in claims.growth(groups).found
    swapped = {
        f"{'isotropic-' if name.startswith('tanh') else ''}tanh {seed}": columns
        for (name, seed), columns in ((key.split(" "), value) for key, value in rows.items())
    }
    groups = claims.grouped(swapped)
    assert claims.structure(groups).seen in ("no", "in part: told in 1 of 5 elementwise networks")
    assert claims.rise(groups).seen.startswith("no")
    same = claims.grouped({k: v for k, v in rows.items() if k.startswith("isotropic")})
    assert "0 of 5" in claims.structure(same).found or "1 of 5" in claims.structure(same).found


def test_two_networks_are_too_few(gallery, rows):
    claims = gallery("ppp_claims")
    few = claims.grouped({key: rows[key] for key in ("tanh 0", "tanh 1")})
    assert claims.refined(few).seen == "too few networks"
    assert "the least possible 0.5" in claims.refined(few).found
    assert claims.growth(few).seen == "in every network, but too few for a test"


@pytest.mark.parametrize(
    ("twin", "seen"),
    [
        ([0.3] * 5, "yes"),
        ([0.5] * 5, "no, the opposite"),
        ([0.3, 0.3, 0.3, 0.5, 0.5], "no"),
        ([0.3, np.nan, np.nan, np.nan, 0.3], "in every seed, but too few for a test"),
        ([0.5, np.nan, np.nan, np.nan, 0.3], "too few seeds for a test"),
        ([np.nan] * 5, "too few seeds for a test"),
    ],
)
def test_errors_are_compared_pair_by_pair(gallery, twin, seen):
    last = {
        "n 18 L 0 norm tanh": np.full(5, 0.4),
        "n 18 L 0 norm isotropic-tanh": np.array(twin),
    }
    assert gallery("ppp_claims").errors(last).seen == seen


def test_a_trend_is_a_rank_correlation_within_seeds(gallery, rows):
    over = gallery("ppp_over").Over(
        "width", {width: {f"tanh {s}": rows[f"tanh {s}"] for s in range(2)} for width in range(3)}
    )
    (found,) = over.trends("kappa changes with the width", "kappa")
    assert "rising in 0 and falling in 0 of 2" in found.found
    assert found.seen == "too few for a test"  # all tie
    assert over.last("tanh")[2] == [rows["tanh 0"][20], rows["tanh 1"][20]]
    assert over.lines().count("kept") == 3


def test_a_trend_is_seen_where_it_is(gallery, rows):
    """Kappa of networks that stay round, then half aligned, then aligned: it rises."""
    groups = {
        0: [rows[f"isotropic-tanh {s}"] for s in range(5)],
        1: [rows[f"tanh {s}"] for s in range(5)],
        2: [rows[f"tanh {s}"] for s in range(5)],
    }
    last = {at: [columns[20] for columns in members] for at, members in groups.items()}
    last[1] = [columns[5] for columns in groups[1]]
    trend = gallery("ppp_over").trend
    assert trend("kappa", last, "kappa", "axes", repeated=False).seen == "yes, rising"
    down = {2 - at: results for at, results in last.items()}
    assert trend("kappa", down, "kappa", "axes", repeated=False).seen == "yes, falling"


@pytest.fixture
def runs(gallery, tmp_path, monkeypatch):
    """The module of the paper's figures, its quick preset one epoch of one network."""
    runs = gallery("ppp_runs")
    small = {"data": "digits", "epochs": 1, "repeats": 1, "nulls": 9, "shown": (0,)}
    monkeypatch.setattr(runs, "PRESETS", {"quick": small})
    monkeypatch.setattr(sys, "argv", ["script.py"])
    monkeypatch.setenv("RUNS", str(tmp_path))
    monkeypatch.delenv("PRESET", raising=False)
    return runs


def test_results_without_pictures_have_the_same_numbers(runs):
    stores = runs.trained(runs.Setting(width=4, activations=("tanh",)))
    drawn, bare = (runs.analysed(stores, "encoder", pictures=each) for each in (True, False))
    assert drawn.keys() == bare.keys() == {"tanh 0"}
    for epoch, result in drawn["tanh 0"].items():
        other = bare["tanh 0"][epoch]
        assert str(other.table()) == str(result.table())
        assert other.tally.grid.size < 100 < result.tally.grid.size
        assert len(result.nulls.tallies) == 1 > len(other.nulls.tallies)
        for statistic, values in result.nulls.values.items():
            assert np.array_equal(values, other.nulls.values[statistic], equal_nan=True)


def test_losses_are_those_of_the_stores_and_need_none(gallery, runs, tmp_path, monkeypatch):
    errors = gallery("ppp_errors")
    setting = runs.Setting(width=4)
    found = {}
    for kept in (False, True):
        monkeypatch.setenv("RUNS", str(tmp_path / str(kept)))
        if kept:
            runs.trained(setting)
        found[kept] = errors.histories(setting, "test_loss_standardised")
        assert bool(list((tmp_path / str(kept)).rglob("*.h5"))) is kept
        assert bool(list((tmp_path / str(kept)).rglob("*losses.json"))) is not kept
    for activation in setting.activations:
        assert found[True][activation].shape == (1, 2)
        assert np.array_equal(found[True][activation], found[False][activation])
        assert found[True][activation][0, 1] < found[True][activation][0, 0]
