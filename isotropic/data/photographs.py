"""CIFAR from its binary files, Caltech-256 from its folders of pictures."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isotropic.checks import require_whole
from isotropic.data.folders import cache_folder, require_files
from isotropic.data.images import Images, is_test

#: Bytes of one CIFAR picture: red, green and blue planes of 32 x 32.
CIFAR_PICTURE = 3 * 32 * 32


@dataclass(frozen=True)
class _Edition:
    """One of the two CIFARs: its names, its records, the pictures in each of its files."""

    name: str
    title: str
    folder: str
    label_bytes: int
    classes: int
    train: dict[str, int]
    test: dict[str, int]


_CIFAR_10 = _Edition(
    "cifar-10",
    "CIFAR-10",
    "cifar-10-batches-bin",
    label_bytes=1,
    classes=10,
    train={f"data_batch_{i}.bin": 10_000 for i in range(1, 6)},
    test={"test_batch.bin": 10_000},
)
_CIFAR_100 = _Edition(
    "cifar-100",
    "CIFAR-100",
    "cifar-100-binary",
    label_bytes=2,
    classes=100,
    train={"train.bin": 50_000},
    test={"test.bin": 10_000},
)
#: How the names of Caltech-256's pictures end, capital or not.
JPEG = (".jpg", ".jpeg")
#: Share of each class of Caltech-256 that trains, and the seed of the division.
CALTECH_TRAIN, CALTECH_SEED = 0.8, 0


def cifar10(split: str = "train", path: str | Path | None = None) -> Images:
    """Read CIFAR-10 from its binary version.

    Parameters
    ----------
    split : {"train", "test"}
        50 000 or 10 000 pictures of 32 x 32 in colour.
    path : path, optional
        The folder with ``data_batch_1.bin`` and so on, or the one above it; by default where
        :func:`isotropic.data.fetch` puts them.

    Returns
    -------
    Images
        Shape (3, 32, 32): the order of the files, colour planes first.

    Raises
    ------
    FileNotFoundError
        Files are missing; the message says which and where they were looked for.
    ValueError
        A file is cut off within a picture or holds labels beyond 9.

    Warns
    -----
    UserWarning
        A file has not the pictures that it is published with; nothing in it tells a copy that
        broke off between two from a part that was taken on purpose.

    Notes
    -----
    The version for Python is pickled and is not read: a pickle can run anything.
    """
    return _cifar(_CIFAR_10, split, path)


def cifar100(split: str = "train", path: str | Path | None = None) -> Images:
    """Read CIFAR-100, with its hundred fine labels, from its binary version.

    Parameters
    ----------
    split : {"train", "test"}
        50 000 or 10 000 pictures of 32 x 32 in colour.
    path : path, optional
        The folder with ``train.bin`` and ``test.bin``, or the one above it; by default where
        :func:`isotropic.data.fetch` puts them.

    Returns
    -------
    Images
        Shape (3, 32, 32): the order of the files, colour planes first.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`cifar10`; labels go up to 99.

    Warns
    -----
    UserWarning
        As :func:`cifar10`.
    """
    return _cifar(_CIFAR_100, split, path)


def _cifar(edition: _Edition, split: str, path: str | Path | None) -> Images:
    published = edition.test if is_test(split) else edition.train
    given = cache_folder(edition.name) if path is None else Path(path)
    inner = given / edition.folder
    folder = inner if inner.is_dir() else given
    missing = [file for file in published if not (folder / file).is_file()]
    require_files(edition.title, folder, missing, "get the binary version", edition.name)
    parts = {file: _records(folder / file, edition) for file in published}
    other = [
        f"{len(parts[file])} and not {count} in {file}"
        for file, count in published.items()
        if len(parts[file]) != count
    ]
    if other:
        warnings.warn(
            f"{folder} has fewer or more pictures than {edition.title} is published with, "
            f"{', '.join(other)}: get the binary version again, unless this part is meant",
            stacklevel=3,
        )
    records = np.concatenate(list(parts.values()))
    return Images(
        name=edition.name,
        pixels=records[:, edition.label_bytes :],
        labels=records[:, edition.label_bytes - 1].astype(np.int64),
        shape=(3, 32, 32),
        scale=255.0,
        provenance={"source": f"{edition.title} binary files", "split": split},
    )


def _records(path: Path, edition: _Edition) -> np.ndarray:
    """Read records of label bytes, the finest last, and a picture."""
    raw, size = np.fromfile(path, np.uint8), edition.label_bytes + CIFAR_PICTURE
    if not len(raw) or len(raw) % size:
        raise ValueError(
            f"{path} must hold whole records of {size} bytes, but has {len(raw)}: get it again"
        )
    records = raw.reshape(-1, size)
    largest = int(records[:, edition.label_bytes - 1].max())
    if largest >= edition.classes:
        raise ValueError(
            f"{path} must hold labels below {edition.classes}, but has {largest}: get it again"
        )
    return records


def caltech256(split: str = "train", path: str | Path | None = None, side: int = 64) -> Images:
    """Read Caltech-256 from its folders of pictures, all scaled to one size.

    Parameters
    ----------
    split : {"train", "test"}
        Four fifths of each class train, by a fixed seeded division: the set has none of its own.
    path : path, optional
        The folder ``256_ObjectCategories``, or the one above it; by default where
        :func:`isotropic.data.fetch` puts it.
    side : int, default 64
        Pictures become side x side, in colour, bilinearly and without regard to proportions.

    Returns
    -------
    Images
        Shape (3, side, side). The class of clutter, 257, is left out.

    Raises
    ------
    FileNotFoundError
        There are no class folders; the message says where they were looked for.
    ValueError
        A picture cannot be read, or the split has none.
    """
    side = require_whole("side", side, 1)
    given = cache_folder("caltech-256") if path is None else Path(path)
    inner = given / "256_ObjectCategories"
    folder = inner if inner.is_dir() else given
    classes = sorted(p for p in folder.glob("[0-9][0-9][0-9].*") if p.is_dir())
    classes = [p for p in classes if not p.name.startswith("257")]
    missing = [] if classes else ["class folders such as 001.ak47"]
    require_files("Caltech-256", folder, missing, name="caltech-256")
    chosen = [
        (file, label) for label, p in enumerate(classes) for file in _share(p, is_test(split))
    ]
    if not chosen:
        raise ValueError(f"the {split} split must hold a picture, but {folder} has none for it")
    pixels = np.stack([_picture(file, side) for file, _ in chosen])
    return Images(
        name="caltech-256",
        pixels=pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1),
        labels=np.array([label for _, label in chosen], np.int64),
        shape=(3, side, side),
        scale=255.0,
        provenance={"source": "Caltech-256 pictures", "split": split, "seed": CALTECH_SEED},
    )


def _share(folder: Path, test: bool) -> list[Path]:
    """Return the pictures of one class that belong to a split."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in JPEG and p.is_file())
    order = np.random.default_rng([CALTECH_SEED, len(files)]).permutation(len(files))
    border = round(CALTECH_TRAIN * len(files))
    return [files[i] for i in sorted(order[border:] if test else order[:border])]


def _picture(path: Path, side: int) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} must be a picture, but: {error}") from error
    return np.asarray(small)
