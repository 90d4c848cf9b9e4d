"""Data sets: read from files in their original formats, and standardised."""

import gzip
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isotropic.data import DATASETS, Images, Standardiser, digits, load
from isotropic.data.idx import DTYPES, read_idx


def idx_bytes(array, code=0x08):
    header = struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(DTYPES[code]).tobytes()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    code=st.sampled_from(sorted(DTYPES)),
    ndim=st.integers(1, 3),
    zipped=st.booleans(),
)
def test_idx_files_come_back_as_written(tmp_path_factory, seed, code, ndim, zipped):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 100, rng.integers(0, 5, ndim)).astype(DTYPES[code])
    path = tmp_path_factory.mktemp("idx") / ("file.gz" if zipped else "file")
    raw = idx_bytes(array, code)
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    read = read_idx(path)
    assert read.dtype == np.dtype(DTYPES[code]).newbyteorder("=")
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "must be an idx file"),
        (b"\x89PNG....", "must be an idx file, but starts with '89 50 4e 47'"),
        (
            idx_bytes(np.ones((3, 4)))[:-1],
            "cut off or padded.*declares shape .3, 4., 24 bytes, but it has 23",
        ),
        (idx_bytes(np.ones((3, 4))) + b"x", "cut off or padded"),
        (idx_bytes(np.ones((3, 4)))[:7], "cut off inside its header"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "cut off or padded"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_files_that_are_no_idx_files_are_refused(tmp_path, raw, message, zipped):
    path = tmp_path / ("broken.gz" if zipped else "broken")
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    with pytest.raises(ValueError, match=message):
        read_idx(path)


@pytest.mark.parametrize(
    "raw",
    [b"plain", gzip.compress(b"x" * 500)[:-9], gzip.compress(b"x" * 500)[:15] + b"\xff" * 20],
    ids=["no gzip", "cut off", "damaged"],  # a gzip header holds the time: no name for a test
)
def test_broken_gzip_is_refused(tmp_path, raw):
    path = tmp_path / "broken.gz"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"must be a gzipped idx file, but: .*: get it again"):
        read_idx(path)


@pytest.fixture
def fashion(tmp_path):
    """A folder with Fashion-MNIST's four files, tiny, one of them unpacked."""
    rng = np.random.default_rng(0)
    written = {}
    for stem, count in (("train", 11), ("t10k", 4)):
        pixels = rng.integers(0, 256, (count, 28, 28))
        labels = rng.integers(0, 10, count)
        written[stem] = pixels, labels
        (tmp_path / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(pixels)))
        (tmp_path / f"{stem}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return tmp_path, written


@pytest.mark.parametrize(("split", "stem"), [("train", "train"), ("test", "t10k")])
def test_fashion_mnist_is_read_from_its_files(fashion, split, stem):
    folder, written = fashion
    pixels, labels = written[stem]
    data = load("fashion-mnist", split, folder)
    np.testing.assert_array_equal(data.images, pixels.reshape(len(pixels), 784) / 255)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.shape == (28, 28)
    assert data.features == 784
    assert data.images.dtype == np.float64
    assert data.provenance["split"] == split


def test_missing_files_are_named_with_the_folder(fashion):
    folder, _ = fashion
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load("fashion-mnist", "test", folder)
    message = str(caught.value)
    assert "t10k-labels-idx1-ubyte[.gz]" in message
    assert "t10k-images" not in message
    assert str(folder) in message
    assert "dataset-fashion-mnist" in message


def test_the_digits_are_split_without_overlap():
    train, test = digits("train"), digits("test")
    assert len(train) + len(test) == 1797
    assert not {image.tobytes() for image in train.pixels} & {
        image.tobytes() for image in test.pixels
    }
    for data in (train, test):
        assert data.images.min() == 0
        assert data.images.max() == 1
        assert set(data.labels) == set(range(10))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 30))
def test_standardised_training_images_have_mean_zero_and_deviation_one_or_zero(seed, rows):
    rng = np.random.default_rng(seed)
    images = rng.random((rows, 6)) * rng.choice([0.0, 1.0, 40.0], 6) + 0.1
    result = Standardiser.fit(images)(images)
    np.testing.assert_allclose(result.mean(0), 0, atol=1e-12)
    flat = np.ptp(images, axis=0) == 0
    np.testing.assert_allclose(result.std(0)[~flat], 1, rtol=1e-12)
    np.testing.assert_allclose(result[:, flat], 0, atol=1e-12)


def test_zero_deviations_are_replaced_by_one():
    standard = Standardiser.fit(np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 2.0]]))
    assert standard.deviation[0] == 1
    np.testing.assert_allclose(standard(np.array([[5.1, 2.0]])), [[5.0, 0.0]])


def test_wrong_names_splits_and_shapes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got 'fashion': did you mean 'fashion-mnist'"):
        load("fashion")
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'valid'"):
        load("digits", "valid")
    with pytest.raises(ValueError, match="take no path"):
        load("digits", "train", tmp_path)
    with pytest.raises(ValueError, match=r"pixels must be \(N, 4\)"):
        Images("x", np.zeros((3, 5)), np.zeros(3, int), (2, 2))
    with pytest.raises(ValueError, match=r"labels must be \(3,\)"):
        Images("x", np.zeros((3, 4)), np.zeros(2, int), (2, 2))
    with pytest.raises(ValueError, match="scale must be above 0 and finite, got 0"):
        Images("x", np.zeros((3, 4)), np.zeros(3, int), (2, 2), scale=0)
    with pytest.raises(ValueError, match="sizes in shape must be at least 1, got -1"):
        Images("x", np.zeros((3, 3)), np.zeros(3, int), (-1, -3))
    with pytest.raises(ValueError, match=r"sizes in shape must be a whole number, got 1\.5"):
        Images("x", np.zeros((3, 3)), np.zeros(3, int), (1.5, 2))
    assert "digits" in DATASETS


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        ([[1.0, 2.0]], np.zeros(1, int), "pixels must be an array of real numbers, got list"),
        (np.array([["a", "b"]]), np.zeros(1, int), "pixels must be .*, got <U1"),
        (torch.zeros(1, 2), np.zeros(1, int), "pixels must be .*, got torch.float32"),
        (np.zeros((1, 2)), np.zeros(1), "labels must be an array of whole numbers, got float64"),
    ],
)
def test_images_are_arrays_of_numbers(pixels, labels, message):
    with pytest.raises(TypeError, match=message):
        Images("x", pixels, labels, (2,))


# Files and arrays as people have them


def written(folder, images, labels, stem="train", names="-"):
    """Idx files, each a header and its bytes; labels may be of any type."""
    folder.mkdir(parents=True, exist_ok=True)
    codes = {"u1": 0x08, "f4": 0x0D}
    for kind, array in (("images{}idx3", images), ("labels{}idx1", labels)):
        code = codes[array.dtype.str[1:]]
        head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        name = f"{stem}-{kind.format(names)}-ubyte"
        (folder / name).write_bytes(head + array.astype(array.dtype.newbyteorder(">")).tobytes())
    return folder


PICTURES = np.arange(2 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(2, 28, 28)


def test_files_keep_the_name_that_the_gzipped_originals_remember(tmp_path):
    folder = written(tmp_path, PICTURES, np.array([3, 7], np.uint8), names=".")
    found = load("mnist", "train", folder)
    assert np.array_equal(found.pixels.reshape(2, 28, 28), PICTURES)
    assert found.labels.tolist() == [3, 7]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (PICTURES, np.zeros(3, np.uint8), r"labels-idx1-ubyte must hold 2 whole .*uint8 \(3,\)"),
        (PICTURES, PICTURES, r"labels-idx1-ubyte must hold 2 whole .*\(2, 28, 28\)"),
        (PICTURES, np.zeros(2, np.float32), "labels-idx1-ubyte must hold 2 whole .*float32"),
        (PICTURES[:0], np.zeros(0, np.uint8), r"images-idx3-ubyte must hold .*\(0, 28, 28\)"),
    ],
)
def test_files_that_do_not_belong_together_are_named(tmp_path, images, labels, message):
    with pytest.raises(ValueError, match=message):
        load("mnist", "train", written(tmp_path, images, labels))


def test_letters_are_counted_from_one(tmp_path):
    labels = np.array([0, 1], np.uint8)
    folder = written(tmp_path, PICTURES, labels, stem="emnist-letters-train")
    with pytest.raises(ValueError, match="labels from 1 to 26, but has 0: get the file again"):
        load("emnist-a-j", "train", folder)


@pytest.mark.parametrize(
    ("name", "stem", "last"),
    [("mnist", "train", 9), ("fashion-mnist", "train", 9), ("emnist", "emnist-balanced-train", 46)],
)
def test_labels_are_those_of_the_classes(tmp_path, name, stem, last):
    labels = np.array([0, last], np.uint8)
    assert load(name, "train", written(tmp_path, PICTURES, labels, stem)).labels.max() == last
    with pytest.raises(ValueError, match=rf"labels-idx1-ubyte must hold .* to {last}, but has 200"):
        load(name, "train", written(tmp_path, PICTURES, np.array([0, 200], np.uint8), stem))


def test_a_failed_download_does_not_hide_the_files_of_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVILEGED_PLANES_DATA", str(tmp_path))
    (tmp_path / "fashion-mnist").mkdir()
    folder = written(tmp_path / "package", PICTURES, np.array([1, 2], np.uint8), stem="t10k")
    monkeypatch.setattr("isotropic.data.handwriting.FASHION_FOLDER", folder)
    assert load("fashion-mnist", "test").labels.tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8, bool])
def test_images_are_float64_whatever_the_files_hold(dtype):
    rng = np.random.default_rng(0)
    rows = 20 * rng.random((3000, 2))
    pixels = rows > 5 if dtype is bool else rows.astype(dtype)
    made = Images("made", pixels, np.zeros(3000, int), (2,), scale=20.0)
    assert made.images.dtype == np.float64
    standard = Standardiser.fit(pixels)
    np.testing.assert_allclose(standard.mean, pixels.astype(float).mean(0), rtol=1e-13)
    np.testing.assert_allclose(standard.deviation, pixels.astype(float).std(0), rtol=1e-13)


def test_float32_images_far_from_zero_keep_their_deviation():
    rows = (1000 + 1e-3 * np.random.default_rng(0).random((20_000, 1))).astype(np.float32)
    wanted = rows.astype(np.float64).std(axis=0)
    np.testing.assert_allclose(Standardiser.fit(rows).deviation, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load("MNIST"), "did you mean 'mnist'"),
        (lambda: load(None), "got None"),
        (lambda: DATASETS["gaussian"](count=0), "count must be at least 1, got 0"),
        (lambda: DATASETS["uniform"](features=2.5), "features must be a whole number"),
        (lambda: DATASETS["gaussian"](seed=-1), "seed must be at least 0"),
        (lambda: DATASETS["patches"](count=1), "count must be at least 2"),
        (lambda: DATASETS["caltech-256"](side=0.5), "side must be a whole number"),
    ],
)
def test_names_and_sizes_that_are_none_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
