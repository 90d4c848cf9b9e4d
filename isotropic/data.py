"""Data sets as flat images with labels, and their element-wise standardisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from isotropic.idx import find_idx, read_idx

#: Where Debian's package dataset-fashion-mnist puts its files.
FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
#: Every fifth of the bundled digits is held out: they come without a split of their own.
HELD_OUT_EVERY = 5


@dataclass(frozen=True, repr=False)
class Images:
    """A data set: one flat image a row.

    Parameters
    ----------
    name : str
        Short name, used in file names: ``"digits"``.
    pixels : (N, d) array
        As the files hold them; kept in their own type, since eight bytes a pixel add up.
    labels : (N,) int64 array
        Class of each image.
    shape : tuple of int
        Of one image; its product is d.
    scale : float, default 1
        The largest possible pixel: ``pixels / scale`` lies in [0, 1].
    provenance : dict
        Where the numbers came from.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    shape: tuple[int, ...]
    scale: float = 1.0
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        d = int(np.prod(self.shape))
        if self.pixels.ndim != 2 or self.pixels.shape[1] != d or not len(self.pixels):
            raise ValueError(
                f"pixels must be (N, {d}) for images of shape {self.shape} with N > 0, "
                f"got {self.pixels.shape}"
            )
        if self.labels.shape != (len(self.pixels),):
            raise ValueError(
                f"labels must be ({len(self.pixels)},), one an image, got {self.labels.shape}"
            )

    def __repr__(self) -> str:
        """Return name, split and sizes; never the numbers."""
        split = self.provenance.get("split", "all")
        return f"Images({self.name}, {split}: {len(self)} images of {self.shape})"

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pixels)

    @property
    def features(self) -> int:
        """Numbers per image, d."""
        return int(self.pixels.shape[1])

    @property
    def images(self) -> np.ndarray:
        """The images as (N, d) float64, in [0, 1] for pictures; made anew at every access."""
        return self.pixels / self.scale


@dataclass(frozen=True)
class Standardiser:
    """Element-wise standardisation with the statistics of a training set.

    Parameters
    ----------
    mean, deviation : (d,) float64 array
        Of each element over the training images; a deviation of zero is replaced by one.

    Notes
    -----
    Emergence of quantised representations, App. E. The deviation divides by N.

    Examples
    --------
    >>> standard = Standardiser.fit(np.array([[0.0, 7.0], [2.0, 7.0]]))
    >>> standard(np.array([[1.0, 8.0]]))
    array([[0., 1.]])
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, images: np.ndarray) -> Standardiser:
        """Take the statistics of ``images (N, d)``."""
        deviation = images.std(axis=0)
        # Rounding leaves about 1e-17 where all values are equal; dividing by it would explode.
        flat = images.max(axis=0) == images.min(axis=0)
        return cls(images.mean(axis=0), np.where(flat | (deviation == 0), 1.0, deviation))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return ``images (N, d)`` less the mean, over the deviation."""
        return (images - self.mean) / self.deviation


def digits(split: str = "train", path: str | Path | None = None) -> Images:
    """Return the 8 x 8 digits that come with scikit-learn.

    Parameters
    ----------
    split : {"train", "test"}
        Every fifth image is held out as the test set: 1438 images train, 359 test.
    path : None
        There is nothing to look for: the data are bundled.

    Returns
    -------
    Images

    Examples
    --------
    >>> digits()
    Images(digits, train: 1438 images of (8, 8))
    """
    from sklearn.datasets import load_digits

    if path is not None:
        raise ValueError(f"digits come with scikit-learn and take no path, got {path}")
    bunch = load_digits()
    held_out = np.arange(len(bunch.data)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    chosen = held_out if _is_test(split) else ~held_out
    return Images(
        name="digits",
        pixels=bunch.data[chosen].astype(np.uint8),
        labels=bunch.target[chosen].astype(np.int64),
        shape=(8, 8),
        scale=16.0,
        provenance={"source": "scikit-learn load_digits", "split": split},
    )


def fashion_mnist(split: str = "train", path: str | Path | None = None) -> Images:
    """Read Fashion-MNIST from its four idx files.

    Parameters
    ----------
    split : {"train", "test"}
        60 000 or 10 000 images.
    path : path, optional
        The folder with ``train-images-idx3-ubyte.gz`` and so on, unpacked or not; by default
        where Debian's package dataset-fashion-mnist puts them.

    Returns
    -------
    Images

    Raises
    ------
    FileNotFoundError
        Files are missing; the message says which and where they were looked for.
    """
    stem = "t10k" if _is_test(split) else "train"
    folder = FASHION_FOLDER if path is None else Path(path)
    names = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
    found = [find_idx(folder, name) for name in names]
    missing = [f"{name}[.gz]" for name, file in zip(names, found, strict=True) if file is None]
    if missing:
        raise FileNotFoundError(
            f"Fashion-MNIST needs {' and '.join(missing)} in {folder}: install Debian's package "
            "dataset-fashion-mnist, or get the four files and give their folder as the path"
        )
    pixels, labels = (read_idx(file) for file in found if file is not None)
    return Images(
        name="fashion-mnist",
        pixels=pixels.reshape(len(pixels), -1),
        labels=labels.astype(np.int64),
        shape=pixels.shape[1:],
        scale=255.0,
        provenance={"source": "Fashion-MNIST idx files", "split": split},
    )


#: Every data set by its name.
DATASETS: dict[str, Callable[..., Images]] = {"digits": digits, "fashion-mnist": fashion_mnist}


def load(name: str, split: str = "train", path: str | Path | None = None) -> Images:
    """Return a data set by name.

    Parameters
    ----------
    name : str
        One of the names in ``isotropic.data.DATASETS``.
    split : {"train", "test"}
        Which part.
    path : path, optional
        Folder of the data set's files, where it needs any.

    Returns
    -------
    Images

    Raises
    ------
    ValueError
        No data set has that name; the message lists the nearest ones.

    Examples
    --------
    >>> load("digits", "test").features
    64
    """
    if name not in DATASETS:
        near = get_close_matches(name, DATASETS, n=2)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "choose one of them"
        raise ValueError(f"data set must be one of {', '.join(DATASETS)}, got {name!r}: {hint}")
    return DATASETS[name](split, path)


def _is_test(split: str) -> bool:
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    return split == "test"
