"""CIFAR from its binary files, Caltech-256 from its folders of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isotropic.checks import require_whole
from isotropic.data.folders import cache_folder, require_files
from isotropic.data.images import Images, is_test

#: Bytes of one CIFAR picture: red, green and blue planes of 32 x 32.
CIFAR_PICTURE = 3 * 32 * 32
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
        A file is cut off or holds labels beyond 9.

    Notes
    -----
    The version for Python is pickled and is not read: a pickle can run anything.
    """
    names = ["test_batch.bin"] if is_test(split) else [f"data_batch_{i}.bin" for i in range(1, 6)]
    return _cifar("cifar-10", "CIFAR-10", "cifar-10-batches-bin", names, 1, 10, split, path)


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
    FileNotFoundError
        Files are missing; the message says which and where they were looked for.
    ValueError
        A file is cut off or holds labels beyond 99.
    """
    names = ["test.bin" if is_test(split) else "train.bin"]
    return _cifar("cifar-100", "CIFAR-100", "cifar-100-binary", names, 2, 100, split, path)


def _cifar(
    name: str,
    title: str,
    inner: str,
    names: list[str],
    label_bytes: int,
    classes: int,
    split: str,
    path: str | Path | None,
) -> Images:
    given = cache_folder(name) if path is None else Path(path)
    folder = given / inner if (given / inner).is_dir() else given
    missing = [file for file in names if not (folder / file).is_file()]
    require_files(title, folder, missing, "get the binary version", name)
    records = np.concatenate([_records(folder / file, label_bytes, classes) for file in names])
    return Images(
        name=name,
        pixels=records[:, label_bytes:],
        labels=records[:, label_bytes - 1].astype(np.int64),
        shape=(3, 32, 32),
        scale=255.0,
        provenance={"source": f"{title} binary files", "split": split},
    )


def _records(path: Path, label_bytes: int, classes: int) -> np.ndarray:
    """Read records of label bytes, the finest last, and a picture."""
    raw, size = np.fromfile(path, np.uint8), label_bytes + CIFAR_PICTURE
    if not len(raw) or len(raw) % size:
        raise ValueError(
            f"{path} must hold whole records of {size} bytes, but has {len(raw)}: get it again"
        )
    records = raw.reshape(-1, size)
    largest = int(records[:, label_bytes - 1].max())
    if largest >= classes:
        raise ValueError(
            f"{path} must hold labels below {classes}, but has {largest}: get it again"
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
