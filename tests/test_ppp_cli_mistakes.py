"""ppp-plot: what it refuses, in words and without leaving anything behind."""

import zipfile

import numpy as np
import pytest
from plotting import FAST, laplace, store_at

import hooks
from ppp import plot_job
from ppp.sources import SourceError, networks


@pytest.fixture(scope="module")
def mess(tmp_path_factory):
    """A folder with one file of every kind that cannot be read, and two that can."""
    folder = tmp_path_factory.mktemp("mess")
    whole = folder / "whole.npy"
    np.save(whole, laplace())
    (folder / "cut.npy").write_bytes(whole.read_bytes()[:2000])
    (folder / "empty.npy").write_bytes(b"")
    (folder / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    (folder / "bad.safetensors").write_bytes(b"\xff" * 40)
    np.save(folder / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.savez(folder / "objects.npz", a=np.array([{}], dtype=object))
    np.save(folder / "nan.npy", np.full((20, 4), np.nan))
    np.save(folder / "zero.npy", np.zeros((20, 4)))
    np.save(folder / "none.npy", np.zeros((0, 4)))
    np.save(folder / "flat.npy", np.zeros(7))
    np.save(folder / "scalar.npy", np.float64(7))
    np.savez(folder / "mixed.npz", acts=laplace(), label=np.zeros(400))
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    np.save(folder / "complex.npy", np.ones((4, 4), complex))
    zipfile.ZipFile(folder / "hollow.npz", "w").close()
    (folder / "no.h5").write_text("not a store")
    store = store_at(folder / "acts.h5").read_bytes()
    (folder / "cut.h5").write_bytes(store[: len(store) // 2])
    (folder / "hollow").mkdir()
    (folder / "killed.h5.partial").mkdir()
    (folder / "text.txt").write_text("words")
    return folder


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["gone.npy"], "there is no file or folder gone.npy"),
        (["wholly.npy"], "did you mean whole.npy"),
        (["cut.npy"], "cut.npy cannot be read as .npy"),
        (["empty.npy"], "empty.npy cannot be read as .npy"),
        (["bad.npz"], "bad.npz cannot be read as .npz"),
        (["hollow.npz"], "hollow.npz holds no array"),
        (["bad.safetensors"], "bad.safetensors cannot be read as .safetensors"),
        (["objects.npy"], "objects.npy holds Python objects (a pickle), which are never loaded"),
        (["objects.npz"], "objects.npz holds Python objects (a pickle), which are never loaded"),
        (["nan.npy"], "of 20 rows 0 are all zero and 20 hold NaN or infinity"),
        (["zero.npy"], "of 20 rows 20 are all zero"),
        (["none.npy"], "the input is empty"),
        (["flat.npy"], "must be a matrix (N, n), one sample a row, got shape (7,)"),
        (["flat.npy", "--srm"], "flat.npy: activations must be a matrix (N, n), one sample a row"),
        (["scalar.npy", "--srm"], "scalar.npy: activations must be a matrix (N, n), one sample"),
        (["mixed.npz", "--srm", "--layer", "*"], "mixed.npz, label: activations must be a matrix"),
        (["none.npy", "--srm"], "none.npy: no activations: the input is empty"),
        (["none.npy", "--srm", "--epsilon", ".5"], "none.npy: no activations: the input is empty"),
        (["nan.npy", "--srm"], "nan.npy: no row has a direction: of 20 rows 0 are all zero"),
        (["words.npy", "--srm"], "words.npy: activations must be real numbers"),
        (["words.npy"], "must be real numbers"),
        (["complex.npy"], "must be real numbers"),
        (["no.h5"], "no.h5"),
        (["cut.h5"], "cut.h5"),
        (["hollow"], "the folder hollow holds no store"),
        (["killed.h5"], "killed.h5.partial: go on with resume=True, or `ppp-store recover"),
        (["text.txt"], "text.txt is none of what can be read"),
        (["whole.npy", "whole.npy"], "each input may be given once"),
        (["acts.h5"], "acts.h5 holds 2 layers, choose with --layer"),
        (["acts.h5", "--layer", "encoder"], "acts.h5 holds no layer 'encoder'; there are"),
        (["acts.h5", "--layer", "1", "--snapshot", "99"], "holds no snapshot '99'"),
        (["acts.h5", "--layer", "1", "--snapshot", "0", "--snapshot", "2"], "--grid snapshots"),
        (["whole.npy", "--grid", "snapshots"], "whole.npy holds no snapshots"),
        (["whole.npy", "--show", "training"], "leave --show training out"),
        (["whole.npy", "nan.npy", "--show", "maps"], "nan.npy"),
        (["whole.npy", "--show", "maps", "--null", "none"], "needs at least 2 full draws"),
        (["whole.npy", "--show", "networks"], "at least two groups"),
        (["whole.npy", "--snapshot", "3"], "whole.npy holds no snapshots, got --snapshot 3"),
        (["whole.npy", "--epsilon", "1.2"], "epsilon must lie in (0, 1], got 1.2"),
        (["whole.npy", "--epsilon", "0"], "epsilon must lie in (0, 1], got 0"),
        (["whole.npy", "--epsilon", "nan"], "epsilon must lie in (0, 1], got nan"),
        (["whole.npy", "--epsilon", "-0.3"], "epsilon must lie in (0, 1], got -0.3"),
        (["whole.npy", "--srm", "--epsilon", "-1.3"], "got -1.3 (in [-1, 1] with --srm)"),
        (["whole.npy", "--srm", "--normalise", "null"], "--normalise is for projections"),
        (["whole.npy", "--srm", "--grid", "snapshots"], "leave it out with --srm"),
        (["whole.npy", "--srm", "--scale", "row"], "--scale is for projections"),
        (["whole.npy", "--srm", "--engine", "cpu"], "--engine is for projections"),
        (["whole.npy", "--srm", "--distance", "1"], "--distance is for projections"),
        (["whole.npy", "--srm", "--null", "recolour"], "rotation or none, got recolour"),
        (["whole.npy", "--srm", "-o", "f.html"], ".png, .pdf, .svg, got 'f.html'"),
        (["whole.npy", "--epsilon", "wide"], "a number in (0, 1] or \"auto\", got 'wide'"),
        (["whole.npy", "--null-repeats", "0"], "null-repeats"),
        (["whole.npy", "--null", "magic"], "magic"),
        (["whole.npy", "--engine", "steam"], "steam"),
        (["whole.npy", "-o", "gone/f.png"], "the folder gone of --output is not there"),
        (["whole.npy", "-o", "f.gif"], "--output must end in .png, .pdf, .svg, .html, got 'f.gif'"),
        (["whole.npy", "--table", "t.xls"], "--table must end in .csv, .json, got 't.xls'"),
    ],
)
def test_mistakes_end_with_two_one_message_and_nothing_written(
    call, mess, monkeypatch, words, text
):
    monkeypatch.chdir(mess)
    before = sorted(path.name for path in mess.iterdir())
    output = () if "-o" in words or "--table" in words else ("-o", "f.png")
    said = call(*words, *output, "--quiet", code=2)
    assert text in " ".join(said.split())
    assert "Traceback" not in said
    assert sorted(path.name for path in mess.iterdir()) == before


def test_without_output_it_asks_what_to_write(call, tmp_path):
    np.save(tmp_path / "a.npy", laplace())
    assert "say what to write" in call("a.npy", code=2)
    assert "Missing argument" in call("-o", "f.png", code=2)


def test_a_full_disk_ends_with_one_and_leaves_the_old_figure(call, tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", laplace())
    (tmp_path / "f.png").write_bytes(b"old")

    class Full:
        def savefig(self, path, **_):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(plot_job, "draw", lambda *_: Full())
    text = call("a.npy", "-o", "f.png", *FAST, code=1)
    assert "No space left on device" in text
    assert (tmp_path / "f.png").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "f.png"]


def test_pickles_inside_arrays_are_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match="Python objects"):
        networks([tmp_path / "trap.npy"], hooks.ActivationStore)
    assert not (tmp_path / "sprung").exists()
