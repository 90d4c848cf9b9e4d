"""MNIST and its kin from their idx files: Fashion-MNIST, EMNIST and its letters A to J."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isotropic.data.folders import cache_folder, require_files
from isotropic.data.idx import find_idx, read_idx
from isotropic.data.images import Images, is_test

#: Where Debian's package dataset-fashion-mnist puts its files.
FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
#: The labels of MNIST and of Fashion-MNIST.
TEN = range(10)
#: The divisions of EMNIST and the labels in their files.
EMNIST = {
    "balanced": range(47),
    "byclass": range(62),
    "bymerge": range(47),
    "digits": range(10),
    "letters": range(1, 27),
    "mnist": range(10),
}


def mnist(split: str = "train", path: str | Path | None = None) -> Images:
    """Read MNIST from its four idx files.

    Parameters
    ----------
    split : {"train", "test"}
        60 000 or 10 000 images of 28 x 28.
    path : path, optional
        The folder with ``train-images-idx3-ubyte.gz`` and so on, unpacked or not; by default
        where :func:`isotropic.data.fetch` puts them.

    Returns
    -------
    Images

    Raises
    ------
    FileNotFoundError
        Files are missing; the message says which and where they were looked for.
    ValueError
        A file is cut off, or holds labels beyond 9.
    """
    folder = cache_folder("mnist") if path is None else Path(path)
    return _idx_pair("mnist", "MNIST", folder, _mnist_stem(split), split, TEN)


def fashion_mnist(split: str = "train", path: str | Path | None = None) -> Images:
    """Read Fashion-MNIST from its four idx files.

    Parameters
    ----------
    split : {"train", "test"}
        60 000 or 10 000 images of 28 x 28.
    path : path, optional
        The folder with ``train-images-idx3-ubyte.gz`` and so on, unpacked or not; by default
        where Debian's package dataset-fashion-mnist puts them, or :func:`isotropic.data.fetch`.

    Returns
    -------
    Images

    Raises
    ------
    FileNotFoundError
        Files are missing; the message says which and where they were looked for.
    ValueError
        A file is cut off, or holds labels beyond 9.
    """
    stem = _mnist_stem(split)
    fetched = cache_folder("fashion-mnist")
    # A download that failed leaves a folder without files behind.
    default = fetched if find_idx(fetched, f"{stem}-images-idx3-ubyte") else FASHION_FOLDER
    folder = default if path is None else Path(path)
    way_out = "install Debian's package dataset-fashion-mnist"
    return _idx_pair("fashion-mnist", "Fashion-MNIST", folder, stem, split, TEN, way_out)


def emnist(
    split: str = "train", path: str | Path | None = None, division: str = "balanced"
) -> Images:
    """Read EMNIST from its idx files, upright.

    Parameters
    ----------
    split : {"train", "test"}
        Which part.
    path : path, optional
        The folder with ``emnist-balanced-train-images-idx3-ubyte.gz`` and so on, unpacked or not,
        or the one above it; by default where :func:`isotropic.data.fetch` puts them.
    division : str, default "balanced"
        One of balanced, byclass, bymerge, digits, letters, mnist.

    Returns
    -------
    Images
        The files hold each image transposed; here it is turned back. Labels as in the files, but
        for the letters, which start from 1 there and from 0 here.

    Raises
    ------
    FileNotFoundError
        Files are missing; the message says which and where they were looked for.
    ValueError
        No division has that name, a file is cut off, or it holds labels of no class.
    """
    if division not in EMNIST:
        raise ValueError(f"division must be one of {', '.join(EMNIST)}, got {division!r}")
    given = cache_folder("emnist") if path is None else Path(path)
    folder = given / "gzip" if (given / "gzip").is_dir() else given  # as its archive unpacks
    stem = f"emnist-{division}-{'test' if is_test(split) else 'train'}"
    classes = EMNIST[division]
    found = _idx_pair("emnist", "EMNIST", folder, stem, split, classes)
    upright = found.pixels.reshape(-1, *found.shape).transpose(0, 2, 1)
    return Images(
        name=f"emnist-{division}",
        pixels=np.ascontiguousarray(upright).reshape(len(found), -1),
        labels=found.labels - classes[0],
        shape=found.shape[::-1],
        scale=found.scale,
        provenance=found.provenance | {"division": division},
    )


def emnist_letters(split: str = "train", path: str | Path | None = None) -> Images:
    """Read the letters A to J of EMNIST, ten classes beside the ten digits.

    Parameters
    ----------
    split, path
        See :func:`emnist`; the files are those of the division "letters".

    Returns
    -------
    Images
        Labels 0 to 9 for A to J, capital and small alike.
    """
    letters = emnist(split, path, "letters")
    chosen = letters.labels < 10
    return Images(
        name="emnist-a-j",
        pixels=letters.pixels[chosen],
        labels=letters.labels[chosen],
        shape=letters.shape,
        scale=letters.scale,
        provenance=letters.provenance | {"classes": "A-J"},
    )


def _mnist_stem(split: str) -> str:
    return "t10k" if is_test(split) else "train"


def _idx_pair(
    name: str,
    title: str,
    folder: Path,
    stem: str,
    split: str,
    classes: range,
    way_out: str = "",
) -> Images:
    names = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
    found = [find_idx(folder, file) for file in names]
    missing = [f"{file}[.gz]" for file, at in zip(names, found, strict=True) if at is None]
    require_files(title, folder, missing, way_out, name)
    pixels, labels = (read_idx(at) for at in found if at is not None)
    if pixels.ndim != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ValueError(
            f"{found[0]} must hold (N, height, width) bytes, got {pixels.dtype} {pixels.shape}"
        )
    if labels.shape != pixels.shape[:1] or labels.dtype.kind not in "ui":
        raise ValueError(
            f"{found[1]} must hold {len(pixels)} whole numbers, one an image, got {labels.dtype} "
            f"{labels.shape}"
        )
    wrong = labels[(labels < classes[0]) | (labels > classes[-1])]
    if len(wrong):
        raise ValueError(
            f"{found[1]} must hold labels from {classes[0]} to {classes[-1]}, but has "
            f"{int(wrong[0])}: get the file again"
        )
    return Images(
        name=name,
        pixels=pixels.reshape(len(pixels), -1),
        labels=labels.astype(np.int64),
        shape=pixels.shape[1:],
        scale=255.0,
        provenance={"source": f"{title} idx files", "split": split},
    )
