"""Results: what they say, save and load."""

from __future__ import annotations

import csv
import errno
import json
import os

import h5py
import numpy as np
import pytest

import ppp
from ppp import Frame, PPPResult
from ppp.density import window
from ppp.files import replacing
from ppp.table import Table
from ppp.views import view


@pytest.fixture(scope="module")
def aligned():
    x = np.random.default_rng(0).laplace(size=(3000, 10))
    x[7] = 0
    return ppp.project(
        x, label=np.arange(3000) % 2, epsilon=0.7, null_repeats=39, null_draws=2, seed=5
    )


@pytest.mark.parametrize("pairs", ["combination", "permutation"])
def test_a_loaded_result_is_the_saved_one(pairs, tmp_path):
    rng = np.random.default_rng(0)
    frame = Frame.given(rng.standard_normal((6, 4)), labels=list("abcdef"))
    result = ppp.project(
        rng.laplace(size=(500, 4)), frame, 0.8, pairs, null_repeats=19, null_draws=1
    )
    path = tmp_path / "r.h5"
    result.save(path)
    loaded = PPPResult.load(path)
    assert (loaded.kept == result.kept).all()
    assert (loaded.tally.image() == result.tally.image()).all()
    assert (loaded.planes.frame.vectors == frame.vectors).all()
    assert loaded.planes.frame.labels == tuple("abcdef")
    assert loaded.statistics == dict(result.statistics)
    assert loaded.summary() == result.summary()
    assert (loaded.nulls.tallies[0].grid == result.nulls.tallies[0].grid).all()
    assert loaded.provenance == result.provenance
    assert os.listdir(tmp_path) == ["r.h5"]


def test_a_loaded_result_says_what_no_plane_could_keep(tmp_path):
    x = np.random.default_rng(0).choice([-1.0, 1.0], size=(500, 8))
    result = ppp.project(x, epsilon=0.75, null_repeats=19)
    result.save(tmp_path / "r.h5")
    loaded = PPPResult.load(tmp_path / "r.h5")
    assert "100 % of the tested rows lie within 18°" in result.summary()
    assert loaded.summary() == result.summary()
    assert loaded.verdict == result.verdict


def test_a_result_without_a_null_has_values_and_intervals_only(tmp_path):
    result = ppp.project(np.random.default_rng(0).standard_normal((200, 5)), null=None)
    assert result.nulls is None
    assert result.statistics["kappa"].p is None
    assert result.statistics["kappa"].value == pytest.approx(1, abs=0.2)
    result.save(tmp_path / "r.h5")
    assert PPPResult.load(tmp_path / "r.h5").nulls is None


def test_aligned_data_is_told_from_its_rotation(aligned):
    assert aligned.statistics["kappa"].p == 2 / 40
    assert aligned.statistics["kappa"].z > 10
    low, high = aligned.statistics["kappa"].interval
    assert low < aligned.statistics["kappa"].value < high
    turned = np.random.default_rng(0).laplace(size=(3000, 10)) @ ppp.haar_rotation(10, 1)
    other = ppp.project(turned, epsilon=0.7, null_repeats=39)
    assert other.statistics["kappa"].p > 0.05
    assert abs(other.statistics["kappa"].z) < 3


def test_no_hits_is_a_result_not_a_nan():
    result = ppp.project(np.ones((50, 10)), epsilon=0.9, null_repeats=19)
    assert result.hits == 0
    for statistic in result.statistics.values():
        assert statistic.value is None or np.isfinite(statistic.value)
    assert "undefined, because" in result.statistics["log_q"].note
    assert "nan" not in str(result.table()).lower()
    assert "isotropy expects" in result.summary()


def test_the_summary_names_what_was_left_out(aligned):
    text = aligned.summary()
    assert "2,999 samples of width 10 in 45 planes (combination, standard basis of R^10)" in text
    assert "Left out of 3,000 rows: 1 all zero." in text
    assert "Null control: rotation, 39 repeats on 2,999 rows of 2,999 inputs, seed 5." in text


def test_tables_read_as_mappings_csv_and_json(aligned):
    table = aligned.table()
    rows = list(table)
    assert rows[0]["statistic"] == "kappa"
    assert rows[0]["p"] == aligned.statistics["kappa"].p
    parsed = list(csv.DictReader(table.to_csv().splitlines()))
    assert float(parsed[0]["interval_low"]) == aligned.statistics["kappa"].interval[0]
    assert json.loads(table.to_json())[0]["statistic"] == "kappa"
    planes = aligned.table("planes")
    assert planes["kept"] == aligned.kept.tolist()
    assert planes["first"][0] == "neuron 0"
    assert sum(planes["expected"]) == pytest.approx(aligned.expected)
    with pytest.raises(ValueError, match='"statistics" or "planes", got \'rows\''):
        aligned.table("rows")
    with pytest.raises(KeyError, match="no column 'q'; there are a"):
        Table(("a",), ())["q"]


def test_a_notebook_shows_figure_sentences_and_table(aligned):
    page = aligned._repr_html_()
    assert "data:image/png;base64," in page
    assert "<th>statistic</th>" in page
    assert "isotropy expects" in page


def test_density_counts_the_hits_in_the_picture(aligned):
    density = aligned.density(size=128)
    assert density.image.shape == (128, 128)
    pixel = (2 * density.extent / 128) ** 2
    assert density.image.sum() * pixel == pytest.approx(aligned.hits, rel=0.02)


def test_a_full_disk_leaves_nothing_under_the_final_name(aligned, tmp_path, monkeypatch):
    path = tmp_path / "r.h5"
    path.write_text("an older file")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"cannot write .*r\.h5: No space left on device"):
        aligned.save(path)
    assert os.listdir(tmp_path) == ["r.h5"]
    assert path.read_text() == "an older file"


def test_a_missing_folder_is_named(aligned, tmp_path):
    with pytest.raises(OSError, match=r"the folder .*nowhere is not there"):
        aligned.save(tmp_path / "nowhere" / "r.h5")


def test_files_that_are_no_results_are_refused(aligned, tmp_path):
    with pytest.raises(FileNotFoundError, match="no result at"):
        PPPResult.load(tmp_path / "none.h5")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(ValueError, match="not a whole ppp result"):
        PPPResult.load(text)
    whole = tmp_path / "r.h5"
    aligned.save(whole)
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ValueError, match="not a whole ppp result"):
        PPPResult.load(cut)
    with h5py.File(whole, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(ValueError, match="result version 99, this package reads up to 2"):
        PPPResult.load(whole)
    with h5py.File(whole, "r+") as file:
        file.attrs["format"] = "privileged-planes/activations"
    with pytest.raises(ValueError, match=r"no ppp result.*analyze_store"):
        PPPResult.load(whole)
    with h5py.File(whole, "r+") as file:
        file.attrs["format"], file.attrs["version"] = "privileged-planes/result", 1
        del file["tally/pairs"]
        file["tally/pairs"] = np.zeros(3, np.int64)
    with pytest.raises(ValueError, match=r"pairs must have shape \(45,\), got \(3,\)"):
        PPPResult.load(whole)


def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path):
    x = np.random.default_rng(0).laplace(size=(200, 4))
    result = ppp.project(x, null_repeats=19, null_draws=1, bins=16)
    path = tmp_path / "r.h5"
    result.save(path)
    whole, draw = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for place in draw.integers(0, len(whole), 300):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(draw.integers(8))
        path.write_bytes(flipped)
        try:
            loaded = PPPResult.load(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017  most bits are of some effect
            refused += 1
            continue
        assert loaded.summary() == result.summary()
        assert (loaded.tally.grid == result.tally.grid).all()
        assert loaded.provenance == result.provenance
    assert refused > 30


def test_an_older_file_has_no_checksum_to_fit(aligned, tmp_path):
    path = tmp_path / "r.h5"
    aligned.save(path)
    with h5py.File(path, "r+") as file:
        del file.attrs["checksum"]
    with pytest.raises(ValueError, match="not a whole ppp result"):
        PPPResult.load(path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 1
    assert PPPResult.load(path).summary() == aligned.summary()


def test_replacing_keeps_the_old_file_when_the_block_fails(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as part:  # noqa: PT012
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("pairs", ["combination", "permutation"])
def test_a_density_of_a_result_reaches_as_far_as_its_figure(pairs):
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.laplace(size=(20_000, 6)), 1000 * rng.laplace(size=(3000, 6))])
    result = ppp.project(x, epsilon=0.8, pairs=pairs, null=None)
    assert result.tally.outside > 100
    shown = view(result)
    assert result.density(size=64).extent == window([shown], 64).extent
    assert result.density(size=64, extent=3.0).extent == 3.0


@pytest.mark.parametrize("pairs", ["combination", "permutation"])
def test_the_summary_counts_the_hits_beyond_the_grid_as_it_counts_the_kept_ones(pairs):
    rng = np.random.default_rng(0)
    x = rng.laplace(size=(3000, 6))
    x[:2] *= 1000
    result = ppp.project(x, rng.standard_normal((9, 6)), pairs=pairs, null=None)
    beyond = result.hits - result.tally.image().sum()
    assert beyond > 2
    assert f"{beyond} hits lie beyond the grid" in result.summary()


def test_tables_under_the_rule_of_distance_say_that_nothing_is_known_to_expect():
    x = np.random.default_rng(0).laplace(size=(200, 4))
    result = ppp.project(x, epsilon=0, distance=0.5, null_repeats=3)
    for table in (result.table("planes"), ppp.plane_statistics(result)):
        assert {row["expected"] for row in json.loads(table.to_json())} == {None}
        read = csv.DictReader(table.to_csv().splitlines())
        assert {row["expected"] for row in read} == {""}
    assert "no closed form is known for this rule" in table["note"][0]
    none = ppp.plane_statistics(ppp.project(x, epsilon=0, distance=1e-9, null_repeats=3))
    assert none["note"][0] == "undefined, because no sample passes"
