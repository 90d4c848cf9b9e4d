"""Data sets in their original formats: written here, read there, fetched over loopback."""

import gzip
import hashlib
import http.server
import io
import re
import struct
import tarfile
import threading
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from isotropic.cli import train
from isotropic.data import DATASETS, SOURCES, Source, caltech256, emnist, fetch, load, patches
from isotropic.data.folders import cache_folder


def idx(array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# EMNIST


@pytest.fixture
def letters(tmp_path, rng):
    """The division "letters" as its archive unpacks: transposed images, labels from 1."""
    upright = rng.integers(0, 256, (40, 28, 28))
    labels = rng.integers(1, 27, 40)
    inner = tmp_path / "gzip"
    inner.mkdir()
    for part in ("train", "test"):
        stem = inner / f"emnist-letters-{part}"
        raw = gzip.compress(idx(upright.transpose(0, 2, 1)))
        stem.with_name(stem.name + "-images-idx3-ubyte.gz").write_bytes(raw)
        stem.with_name(stem.name + "-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path, upright, labels


def test_emnist_images_stand_upright_and_letters_count_from_zero(letters):
    folder, upright, labels = letters
    for given in (folder, folder / "gzip"):
        data = emnist("train", given, "letters")
        np.testing.assert_array_equal(data.pixels, upright.reshape(40, 784))
        np.testing.assert_array_equal(data.labels, labels - 1)
    assert data.name == "emnist-letters"


def test_the_letters_a_to_j_are_ten_classes(letters):
    folder, upright, labels = letters
    data = load("emnist-a-j", "test", folder)
    chosen = labels <= 10
    np.testing.assert_array_equal(data.pixels, upright[chosen].reshape(-1, 784))
    np.testing.assert_array_equal(data.labels, labels[chosen] - 1)
    assert data.labels.max() <= 9


def test_other_divisions_keep_their_labels(tmp_path, rng):
    labels = rng.integers(0, 47, 6)
    (tmp_path / "emnist-balanced-test-images-idx3-ubyte").write_bytes(idx(np.zeros((6, 28, 28))))
    (tmp_path / "emnist-balanced-test-labels-idx1-ubyte").write_bytes(idx(labels))
    np.testing.assert_array_equal(load("emnist", "test", tmp_path).labels, labels)
    with pytest.raises(FileNotFoundError, match=r"EMNIST needs emnist-balanced-train-images"):
        load("emnist", "train", tmp_path)
    with pytest.raises(ValueError, match="division must be one of balanced"):
        emnist(division="small")


def test_images_that_are_no_images_are_refused(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros(5)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5)))
    with pytest.raises(ValueError, match=r"must hold \(N, height, width\) bytes, got uint8 \(5,\)"):
        load("mnist", "train", tmp_path)


# CIFAR


def cifar_bytes(pixels, *labels):
    return (
        np.concatenate([*(np.array(x)[:, None] for x in labels), pixels], 1)
        .astype(np.uint8)
        .tobytes()
    )


def test_cifar_ten_is_read_from_its_five_batches(tmp_path, rng):
    inner = tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    pixels, labels = rng.integers(0, 256, (15, 3072)), rng.integers(0, 10, 15)
    for i in range(5):
        part = slice(3 * i, 3 * i + 3)
        (inner / f"data_batch_{i + 1}.bin").write_bytes(cifar_bytes(pixels[part], labels[part]))
    for given in (tmp_path, inner):
        with pytest.warns(UserWarning, match="3 and not 10000 in data_batch_1.bin, 3 and not"):
            data = load("cifar-10", "train", given)
        np.testing.assert_array_equal(data.pixels, pixels)
        np.testing.assert_array_equal(data.labels, labels)
    assert data.shape == (3, 32, 32)
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10 needs test_batch.bin in .*bin"):
        load("cifar-10", "test", tmp_path)
    (inner / "data_batch_3.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"needs data_batch_3.bin in"):
        load("cifar-10", "train", tmp_path)


def test_cifar_hundred_has_its_fine_labels(tmp_path, rng):
    pixels, coarse, fine = rng.integers(0, 256, (7, 3072)), [19] * 7, rng.integers(0, 100, 7)
    (tmp_path / "test.bin").write_bytes(cifar_bytes(pixels, coarse, fine))
    with pytest.warns(UserWarning, match="CIFAR-100 .* 7 and not 10000 in test.bin: get the"):
        data = load("cifar-100", "test", tmp_path)
    np.testing.assert_array_equal(data.pixels, pixels)
    np.testing.assert_array_equal(data.labels, fine)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "whole records of 3073 bytes, but has 0"),
        (bytes(3072), "whole records of 3073 bytes, but has 3072"),
        (bytes([10]) + bytes(3072), "labels below 10, but has 10"),
    ],
)
def test_broken_cifar_files_are_refused(tmp_path, raw, message):
    (tmp_path / "test_batch.bin").write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        load("cifar-10", "test", tmp_path)


@pytest.mark.parametrize(
    ("name", "split", "file", "size", "published", "more"),
    [
        ("cifar-10", "test", "test_batch.bin", 3073, 10_000, -1),
        ("cifar-10", "test", "test_batch.bin", 3073, 10_000, 0),
        ("cifar-10", "test", "test_batch.bin", 3073, 10_000, 1),
        ("cifar-100", "test", "test.bin", 3074, 10_000, -1),
        ("cifar-100", "train", "train.bin", 3074, 50_000, 0),
    ],
)
def test_cifar_files_cut_or_padded_by_whole_pictures(
    tmp_path, name, split, file, size, published, more
):
    with (tmp_path / file).open("wb") as sparse:
        sparse.truncate(size * (published + more))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert len(load(name, split, tmp_path)) == published + more
    assert len(said) == abs(more)
    for one in said:
        assert re.search(
            rf"{published + more} and not {published} in {file}: get the binary version again, "
            "unless this part is meant",
            str(one.message),
        )


# Caltech-256


@pytest.fixture
def caltech(tmp_path):
    """Three classes of flat colours and one of clutter, ten pictures each."""
    colours = {"001.ak47": (250, 10, 10), "002.flag": (10, 250, 10), "257.clutter": (1, 1, 1)}
    for name, colour in colours.items():
        (tmp_path / "256_ObjectCategories" / name).mkdir(parents=True)
        for i in range(10):
            at = tmp_path / "256_ObjectCategories" / name / f"{name[:3]}_{i + 1:04d}.jpg"
            mode = "L" if i == 0 else "RGB"
            Image.new("RGB", (40 + i, 30), colour).convert(mode).save(at, quality=95)
    return tmp_path


def test_caltech_is_scaled_divided_and_free_of_clutter(caltech):
    train_part, test_part = (load("caltech-256", split, caltech) for split in ("train", "test"))
    assert (len(train_part), len(test_part)) == (16, 4)
    assert train_part.shape == (3, 64, 64)
    for data in (train_part, test_part):
        np.testing.assert_array_equal(np.bincount(data.labels), [len(data) // 2] * 2)
    colour = train_part.pixels.reshape(-1, 3, 64, 64).mean((2, 3))
    red = colour[(train_part.labels == 0) & (np.ptp(colour, axis=1) > 9)]
    np.testing.assert_allclose(red, np.tile([250, 10, 10], (len(red), 1)), atol=6)
    assert len(red) >= 7
    again = load("caltech-256", "train", caltech / "256_ObjectCategories")
    np.testing.assert_array_equal(again.pixels, train_part.pixels)
    assert caltech256("train", caltech, side=8).shape == (3, 8, 8)


def test_a_picture_that_is_none_is_named(caltech):
    (caltech / "256_ObjectCategories" / "001.ak47" / "001_0002.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"001_0002.jpg must be a picture"):
        load("caltech-256", "train", caltech), load("caltech-256", "test", caltech)


def test_classes_without_pictures_are_named(tmp_path):
    folder = tmp_path / "001.ak47"
    (folder / "album.jpg").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"train split must hold a picture, but .* has none"):
        caltech256("train", tmp_path)


def test_an_empty_folder_has_no_caltech(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"needs class folders such as 001[.]ak47"):
        load("caltech-256", "train", tmp_path)


# Bundled and random


def test_patches_are_cut_from_photographs_that_share_no_pixel():
    train_part, test_part = patches(count=60), patches("test", count=60)
    assert train_part.pixels.shape == (60, 3072)
    assert train_part.pixels.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(train_part.labels), [30, 30])
    np.testing.assert_array_equal(train_part.pixels, patches(count=60).pixels)
    assert not np.array_equal(train_part.pixels, patches(count=60, seed=1).pixels)
    assert not np.array_equal(train_part.pixels, test_part.pixels)
    from sklearn.datasets import load_sample_images

    for label, photograph in enumerate(load_sample_images().images):
        planes = photograph.transpose(2, 0, 1)
        top = np.lib.stride_tricks.sliding_window_view(planes[:, :-31], (3, 1, 32))[0]
        for data, first, last in ((train_part, 0, 480), (test_part, 480, 640)):
            one = data.pixels[data.labels == label][0].reshape(3, 32, 32)
            places = np.argwhere((top[:, first : last - 31] == one[:, :1]).all((-1, -2, -3)))
            cut = [planes[:, y : y + 32, first + x : first + x + 32] for y, x in places]
            assert any(np.array_equal(piece, one) for piece in cut)


@pytest.mark.parametrize("name", ["gaussian", "uniform"])
def test_controls_are_seeded_and_have_their_distribution(name):
    make = DATASETS[name]
    rows = make(count=4000, features=8).images
    np.testing.assert_array_equal(rows, make(count=4000, features=8).images)
    assert not np.array_equal(rows, make("test", count=4000, features=8).images)
    mean, deviation = (0, 1) if name == "gaussian" else (0.5, 12**-0.5)
    assert abs(rows.mean() - mean) < 0.03
    assert abs(rows.std() - deviation) < 0.03
    with pytest.raises(ValueError, match="take no path"):
        load(name, "train", "/somewhere")


# Downloads


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on the loopback interface over a folder; gives folder and address."""
    root = tmp_path / "served"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(root), **kwargs)

        def log_message(self, *args):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield root, f"http://127.0.0.1:{running.server_address[1]}/"
        running.shutdown()
        thread.join()


def serve(server, monkeypatch, name, files, checksum=None):
    root, url = server
    for file, raw in files.items():
        (root / file).write_bytes(raw)
    sums = {
        file: checksum or "sha256:" + hashlib.sha256(raw).hexdigest() for file, raw in files.items()
    }
    monkeypatch.setitem(SOURCES, name, Source(url, sums))


def test_plain_files_are_fetched_once_and_then_found(server, monkeypatch, tmp_path, rng):
    pixels, labels = rng.integers(0, 256, (9, 28, 28)), rng.integers(0, 10, 9)
    files = {}
    for stem in ("train", "t10k"):
        files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(pixels))
        files[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels))
    serve(server, monkeypatch, "mnist", files)
    monkeypatch.setenv("PRIVILEGED_PLANES_DATA", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="download them with"):
        load("mnist")
    assert fetch("mnist") == tmp_path / "cache" / "mnist" == cache_folder("mnist")
    np.testing.assert_array_equal(load("mnist").pixels, pixels.reshape(9, 784))
    for file in files:
        (server[0] / file).unlink()
    fetch("mnist")  # nothing is left to fetch


def test_archives_are_unpacked_where_they_are_looked_for(server, monkeypatch, tmp_path, rng):
    pixels, labels = rng.integers(0, 256, (4, 3072)), rng.integers(0, 10, 4)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        raw = cifar_bytes(pixels, labels)
        entry = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        entry.size = len(raw)
        archive.addfile(entry, io.BytesIO(raw))
    serve(server, monkeypatch, "cifar-10", {"cifar-10-binary.tar.gz": packed.getvalue()})
    folder = fetch("cifar-10", tmp_path / "here")
    with pytest.warns(UserWarning, match="4 and not 10000 in test_batch.bin"):
        data = load("cifar-10", "test", folder)
    np.testing.assert_array_equal(data.pixels, pixels)

    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(
            "gzip/emnist-letters-test-images-idx3-ubyte.gz",
            gzip.compress(idx(np.ones((2, 28, 28)))),
        )
        archive.writestr(
            "gzip/emnist-letters-test-labels-idx1-ubyte.gz", gzip.compress(idx(np.array([1, 2])))
        )
    serve(server, monkeypatch, "emnist", {"gzip.zip": zipped.getvalue()})
    folder = fetch("emnist-a-j", tmp_path / "there")
    np.testing.assert_array_equal(load("emnist-a-j", "test", folder).labels, [0, 1])


def test_a_wrong_checksum_is_refused_and_nothing_kept(server, monkeypatch, tmp_path):
    serve(
        server, monkeypatch, "mnist", {"train-images-idx3-ubyte.gz": b"tampered"}, "md5:" + "0" * 32
    )
    with pytest.raises(
        ValueError, match=r"train-images-idx3-ubyte.gz .* does not have the checksum md5:000"
    ):
        fetch("mnist", tmp_path / "here")
    assert not list((tmp_path / "here").glob("train*"))


def test_a_file_that_is_not_there_is_named(server, monkeypatch, tmp_path):
    serve(server, monkeypatch, "mnist", {"there": b"x"})
    (server[0] / "there").unlink()
    with pytest.raises(ConnectionError, match=r"127.0.0.1.*/there cannot be reached .*put it in"):
        fetch("mnist", tmp_path / "here")
    with pytest.raises(ValueError, match="to be downloaded, got 'digits'"):
        fetch("digits")


def test_the_command_downloads_when_asked(server, monkeypatch, tmp_path, rng):
    from click.testing import CliRunner

    files = {}
    for stem in ("train", "t10k"):
        files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(rng.integers(0, 256, (30, 5, 5))))
        files[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(idx(rng.integers(0, 10, 30)))
    serve(server, monkeypatch, "mnist", files)
    words = [
        "--data",
        "mnist",
        "--data-path",
        str(tmp_path / "d"),
        "--out",
        str(tmp_path / "runs"),
        "--epochs",
        "1",
        "--width",
        "3",
        "--quiet",
        "--activation",
        "tanh",
    ]
    assert CliRunner().invoke(train, words).exit_code == 2
    result = CliRunner().invoke(train, [*words, "--download"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "runs" / "tanh" / "mnist-norm-n3-L0-seed0.h5").exists()


def test_every_published_checksum_is_well_formed():
    for source in SOURCES.values():
        assert source.url.endswith("/")
        for file, checksum in source.files.items():
            algorithm, digits = checksum.split(":")
            assert len(digits) == 2 * hashlib.new(algorithm).digest_size
            int(digits, 16)
            assert "/" not in file
