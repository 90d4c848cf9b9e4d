"""ppp-plot: what it reads, draws and prints."""

import csv
import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from plotting import FAST, laplace, store_at

import hooks
import ppp
from ppp import cli, plot_job
from ppp.sources import networks

# What it reads


@pytest.mark.parametrize("ending", [".npy", ".npz", ".safetensors"])
def test_arrays_of_every_kind_give_the_numbers_of_project(call, tmp_path, ending):
    x = laplace()
    path = tmp_path / f"acts{ending}"
    if ending == ".npy":
        np.save(path, x)
    elif ending == ".npz":
        np.savez(path, only=x)
    else:
        pytest.importorskip("safetensors.torch").save_file({"only": torch.tensor(x)}, path)
    text = call(path.name, "--table", "t.json", "--epsilon", ".75", *FAST)
    rows = json.loads((tmp_path / "t.json").read_text())
    expected = ppp.project(x, epsilon=0.75, null_repeats=3)
    assert {row["hits"] for row in rows} == {expected.hits}
    found = {row["statistic"]: row["value"] for row in rows}
    assert found["kappa"] == pytest.approx(expected.statistics["kappa"].value)
    assert f"{expected.hits:,}" in text
    assert "table: t.json" in text


@pytest.mark.parametrize(
    ("words", "epsilon"),
    [(("--epsilon", "0"), 0), (("--epsilon", ".6"), 0.6), (("--show", "points"), "auto")],
)
def test_the_rule_of_distance_is_heeded_in_numbers_and_pictures(
    call, tmp_path, monkeypatch, words, epsilon
):
    x = laplace()
    np.save(tmp_path / "acts.npy", x)
    drawn = []
    draw = plot_job.plot_points
    monkeypatch.setattr(plot_job, "plot_points", lambda of, **how: drawn.append(of) or draw(of))
    call("acts.npy", "--distance", "1.5", *words, "--table", "t.json", "-o", "f.png", *FAST)
    rows = json.loads((tmp_path / "t.json").read_text())
    expected = ppp.project(x, epsilon=epsilon, distance=1.5, null=None)
    assert {row["hits"] for row in rows} == {expected.hits}
    assert {row["expected"] for row in rows} == {None}
    assert 0 < expected.hits < ppp.project(x, epsilon=epsilon or 1e-6, null=None).hits
    assert [len(each) for each in drawn] == ([expected.hits] if "points" in words else [])


def test_bfloat16_tensors_are_read(call, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    x = torch.tensor(laplace()).bfloat16()
    safetensors.save_file({"acts": x, "other": torch.ones(3)}, tmp_path / "a.safetensors")
    call("a.safetensors", "--layer", "acts", "--table", "t.csv", *FAST)
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert int(rows[0]["hits"]) == ppp.project(x, epsilon="auto", null=None).hits


def test_a_file_of_several_arrays_asks_for_one_and_lists_shapes(call, tmp_path):
    np.savez(tmp_path / "a.npz", encoder=laplace(), decoder=np.ones((3, 4, 5)))
    text = call("a.npz", "-o", "f.png", code=2)
    assert "a.npz holds 2 arrays, choose with --layer" in text
    assert "encoder  400 × 6 float32" in text
    assert "decoder  3 × 4 × 5 float64" in text
    text = call("a.npz", "--layer", "encodr", "-o", "f.png", code=2)
    assert "a.npz holds no array 'encodr'; did you mean 'encoder'" in text
    text = call("a.npz", "--layer", "decoder", "-o", "f.png", code=2)
    assert "a.npz, decoder: activations must be a matrix (N, n)" in text
    assert not (tmp_path / "f.png").exists()


def test_a_store_gives_the_numbers_of_its_layer(call, tmp_path):
    path = store_at(tmp_path / "acts.h5")
    call("acts.h5", "--layer", "1", "--snapshot", "2", "--table", "t.json", *FAST)
    rows = json.loads((tmp_path / "t.json").read_text())
    layer = hooks.ActivationStore(path)["1", "e2"]
    assert rows[0]["hits"] == ppp.project(layer, epsilon="auto", null=None).hits
    assert rows[0]["samples"] == 200
    assert rows[0]["snapshot"] == "epoch 2"


def test_the_last_snapshot_is_drawn_unless_another_is_named(call, tmp_path):
    store_at(tmp_path / "acts.h5")
    assert "epoch 10" in call("acts.h5", "--layer", "1", "--table", "t.csv", *FAST)
    text = call("acts.h5", "--layer", "1", "--snapshot", "e0", "--table", "t.csv", *FAST)
    assert "epoch 0" in text


def test_a_folder_gives_one_row_a_store_in_natural_order(call, tmp_path):
    for repeat in (10, 2):
        store_at(tmp_path / "runs" / f"run-{repeat}.h5", snapshots=(0, 1), seed=repeat)
    (tmp_path / "runs" / "notes.txt").write_text("not a store")
    text = call("runs", "--layer", "0", "--grid", "snapshots", "-o", "f.png", *FAST)
    lines = [line.split()[0] for line in text.splitlines()]
    assert lines[1:5] == ["2", "2", "10", "10"]


def test_several_layers_are_several_rows(call, tmp_path):
    store_at(tmp_path / "acts.h5")
    text = call("acts.h5", "--layer", "*", "-o", "f.png", *FAST)
    assert "acts 0" in text
    assert "acts 1" in text


def test_names_keep_what_tells_networks_apart(tmp_path):
    paths = []
    for kind in ("tanh", "isotropic-tanh"):
        for seed in (0, 1):
            paths.append(tmp_path / kind / f"digits-n18-seed{seed}.npy")
            paths[-1].parent.mkdir(exist_ok=True)
            np.save(paths[-1], laplace())
    names = [network.name for network in networks(paths, hooks.ActivationStore)]
    assert names == ["tanh/seed0", "tanh/seed1", "isotropic-tanh/seed0", "isotropic-tanh/seed1"]
    assert networks(paths[:1], hooks.ActivationStore)[0].name == "digits-n18-seed0"


# What it draws


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_figures_are_written_whole_in_every_format(call, tmp_path, ending):
    np.save(tmp_path / "a.npy", laplace())
    text = call("a.npy", "-o", f"f{ending}", *FAST)
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    assert (tmp_path / f"f{ending}").read_bytes().startswith(starts[ending])
    assert f"figure: f{ending}" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", f"f{ending}"]


def figure_of(monkeypatch, call, *words):
    """Return the figure that a command line draws."""
    made = []
    draw = plot_job.draw
    monkeypatch.setattr(plot_job, "draw", lambda *given: made.append(draw(*given)) or made[-1])
    call(*words)
    return made[0]


def test_one_array_is_drawn_beside_as_many_nulls_as_repeats_up_to_eight(
    call, tmp_path, monkeypatch
):
    np.save(tmp_path / "a.npy", laplace())
    figure = figure_of(monkeypatch, call, "a.npy", "-o", "f.png", *FAST)
    assert [len(ax.images) for ax in figure.axes[:4]] == [1] * 4
    assert [ax.get_title() for ax in figure.axes[1:4]] == [f"rotation {k}" for k in (1, 2, 3)]
    many = figure_of(monkeypatch, call, "a.npy", "-o", "f.png", "--null-repeats", "11", "--quiet")
    assert sum(ax.get_title().startswith("rotation") for ax in many.axes) == 8


def test_without_null_there_is_the_density_alone(call, tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", laplace())
    figure = figure_of(monkeypatch, call, "a.npy", "-o", "f.png", "--null", "none", "--quiet")
    assert sum(bool(ax.images) for ax in figure.axes) == 1


def test_a_grid_has_a_column_a_snapshot_and_one_of_the_null(call, tmp_path, monkeypatch):
    store_at(tmp_path / "acts.h5")
    words = ("acts.h5", "--layer", "1", "--grid", "snapshots", "-o", "f.png", *FAST)
    figure = figure_of(monkeypatch, call, *words)
    titles = [ax.get_title() for ax in figure.axes if ax.images]
    assert titles == ["epoch 0", "epoch 2", "epoch 10", "rotation 1"]
    figure = figure_of(monkeypatch, call, *words, "--snapshot", "10", "--snapshot", "e0")
    titles = [ax.get_title() for ax in figure.axes if ax.images]
    assert titles == ["epoch 0", "epoch 10", "rotation 1"]


def test_options_reach_figure_and_projection(call, tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", laplace())
    words = ("a.npy", "-o", "f.png", "--null", "none", "--quiet")
    settings = ("--pairs", "permutation", "--epsilon", ".9", "--scale", "max", "--size", "64")
    figure = figure_of(monkeypatch, call, *words, *settings)
    picture = figure.axes[0].images[0]
    assert picture.get_array().shape == (64, 64)
    assert picture.get_clim()[1] == pytest.approx(picture.get_array().max())
    expected = ppp.project(laplace(), epsilon=0.9, pairs="permutation", null=None)
    assert picture.get_array().sum() * (2 * picture.get_extent()[1] / 64) ** 2 == pytest.approx(
        expected.hits, rel=0.05
    )


def test_no_hits_are_a_figure_and_no_error(call, tmp_path):
    np.save(tmp_path / "a.npy", np.sign(laplace(n=18)))
    text = call("a.npy", "--epsilon", ".75", "-o", "f.png", *FAST)
    assert "0 " in text
    assert "nan" not in text.lower()
    with Image.open(tmp_path / "f.png") as image:
        assert image.width > 500


def test_findings_are_printed_in_words_one_line_a_network(call, tmp_path):
    np.save(tmp_path / "a.npy", laplace(2000))
    np.save(tmp_path / "b.npy", np.random.default_rng(0).standard_normal((2000, 6)))
    repeats = ("--null-repeats", "39", "--quiet")
    text = call("a.npy", "b.npy", "--table", "t.csv", *repeats)
    lines = [line for line in text.splitlines() if line.startswith(("a:", "b:"))]
    assert len(lines) == 2
    assert "Aligned" in lines[0]
    assert "Aligned" not in lines[1]
    assert "Aligned" not in call("a.npy", "--null", "none", "--table", "t.csv", "--quiet")


def test_the_same_command_gives_the_same_numbers(call, tmp_path):
    np.save(tmp_path / "a.npy", laplace())
    assert call("a.npy", "--table", "t.csv", *FAST) == call("a.npy", "--table", "t.csv", *FAST)


def test_statistics_over_training_have_a_panel_each(call, tmp_path, monkeypatch):
    store_at(tmp_path / "acts.h5")
    words = ("acts.h5", "--layer", "1", "--show", "training", "-o", "f.png", *FAST)
    figure = figure_of(monkeypatch, call, *words)
    assert [ax.get_title()[:2] for ax in figure.axes] == ["lo", "κ,", "A4", "B4"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "2", "10"]


@pytest.mark.parametrize("null", ["rotation", "gaussian", "recolour"])
def test_maps_show_ratio_and_z_against_any_null(call, tmp_path, monkeypatch, null):
    np.save(tmp_path / "a.npy", laplace())
    words = ("a.npy", "--show", "maps", "--null", null, "-o", "f.png", *FAST)
    figure = figure_of(monkeypatch, call, *words)
    titles = [ax.get_title() for ax in figure.axes if ax.images]
    assert titles[:2] == ["observed", f"null: mean of 3 × {null}"]
    assert titles[2:] == ["observed / null", "z of observed"]


def test_groups_of_networks_are_compared_by_folder(call, tmp_path, monkeypatch):
    for kind in ("one", "other"):
        for repeat in (0, 1, 2):
            path = tmp_path / kind / f"{repeat}.npy"
            path.parent.mkdir(exist_ok=True)
            np.save(path, laplace(seed=repeat))
    paths = [f"{kind}/{repeat}.npy" for kind in ("one", "other") for repeat in (0, 1, 2)]
    figure = figure_of(monkeypatch, call, *paths, "--show", "networks", "-o", "f.png", *FAST)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["one", "other"]


class Page(HTMLParser):
    """Collects the tags, the cells and what a page would load."""

    def __init__(self):
        super().__init__()
        self.tags, self.loads, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_report_is_one_page_that_loads_nothing(call, tmp_path):
    for kind in ("one", "other"):
        for repeat in (0, 1):
            store_at(tmp_path / kind / f"r{repeat}.h5", seed=repeat)
    call("one", "other", "--layer", "1", "--grid", "snapshots", "-o", "r.html", *FAST)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not page.open
    assert page.tags.count("img") == 3
    assert all(load.startswith("data:image/png;base64,") for load in page.loads)
    assert "http" not in text
    assert page.tags.count("details") == 2 * 2 * 3
    assert 'data-value="nan"' not in text


def test_a_report_escapes_names(call, tmp_path):
    np.savez(tmp_path / "a.npz", **{"<b>&": laplace(), "plain": laplace()})
    call("a.npz", "--layer", "*", "-o", "r.html", *FAST)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text


def test_help_answers_without_the_heavy_imports():
    heavy = ("torch", "numpy", "matplotlib", "h5py", "scipy", "numba")
    script = (
        "import sys; from ppp.cli import plot\n"
        "try: plot(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith("[]")
    assert "ppp-plot runs/tanh runs/isotropic-tanh --grid snapshots -o grid.png" in done.stdout


def test_a_spotlight_may_be_wider_than_a_half_space(tmp_path):
    np.save(tmp_path / "acts.npy", np.random.default_rng(0).laplace(size=(500, 6)))
    arguments = ["--srm", "--epsilon", "-0.3", "--null", "none", "--quiet"]
    table = tmp_path / "srm.csv"
    done = CliRunner().invoke(
        cli.plot, [str(tmp_path / "acts.npy"), *arguments, "--table", str(table)]
    )
    assert done.exit_code == 0, done.output
    header, line = table.read_text().splitlines()
    found = dict(zip(header.split(","), line.split(","), strict=True))
    assert float(found["epsilon"]) == -0.3
    assert float(found["isotropic"]) > 0.6
    assert found["p rotation"] == ""


def test_spotlight_sweeps_are_drawn_and_written(tmp_path):
    rows = np.random.default_rng(0).laplace(size=(500, 6))
    np.save(tmp_path / "acts.npy", rows)
    arguments = [str(tmp_path / "acts.npy"), "--srm", "--null-repeats", "19", "--quiet"]
    outputs = ["-o", str(tmp_path / "srm.png"), "--table", str(tmp_path / "srm.csv")]
    done = CliRunner().invoke(cli.plot, arguments + outputs)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "srm.png").stat().st_size > 10_000
    header, line = (tmp_path / "srm.csv").read_text().splitlines()
    found = dict(zip(header.split(","), line.split(","), strict=True))
    assert float(found["epsilon"]) == 0.75
    assert float(found["greatest share"]) > float(found["isotropic"])
    assert 0 < float(found["p rotation"]) <= 0.1


# Classes and points


def test_classes_of_a_store_are_drawn_side_by_side(call, tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 6)
    data = [(torch.randn(60, 5), torch.arange(60) % 3) for _ in range(2)]
    hooks.record(model, data, [""], tmp_path / "labelled.h5", progress=False)
    said = call("labelled.h5", "--grid", "classes", "-o", "classes.png", "--table", "t.csv", *FAST)
    assert (tmp_path / "classes.png").stat().st_size > 1000
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(dict.fromkeys(row["snapshot"] for row in rows)) == [f"class {k}" for k in range(3)]
    assert {row["samples"] for row in rows} == {"40"}
    assert all(f"labelled, class {k}: " in said for k in range(3))
    np.save(tmp_path / "plain.npy", laplace())
    wrong = call("plain.npy", "--grid", "classes", "-o", "x.png", *FAST, code=2)
    assert "carry no labels" in " ".join(wrong.split())


def test_kept_samples_are_drawn_by_their_angle(call, tmp_path):
    np.save(tmp_path / "a.npy", laplace())
    np.save(tmp_path / "b.npy", laplace(seed=1))
    call("a.npy", "--show", "points", "-o", "points.png", *FAST)
    assert (tmp_path / "points.png").stat().st_size > 1000
    wrong = call("a.npy", "b.npy", "--show", "points", "-o", "x.png", *FAST, code=2)
    assert "--show points draws one network at a time, got a, b" in " ".join(wrong.split())
