"""Data that come with scikit-learn, and random controls: nothing to look for, nothing to fetch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isotropic.checks import require_whole
from isotropic.data.images import Images, is_test

#: Every fifth of the bundled digits is held out: they come without a split of their own.
HELD_OUT_EVERY = 5
#: Patches cut for training and for testing.
PATCHES = {"train": 10_000, "test": 2_000}
PATCH = 32


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

    _no_path("digits", path)
    bunch = load_digits()
    held_out = np.arange(len(bunch.data)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    chosen = held_out if is_test(split) else ~held_out
    return Images(
        name="digits",
        pixels=bunch.data[chosen].astype(np.uint8),
        labels=bunch.target[chosen].astype(np.int64),
        shape=(8, 8),
        scale=16.0,
        provenance={"source": "scikit-learn load_digits", "split": split},
    )


def patches(
    split: str = "train", path: str | Path | None = None, count: int | None = None, seed: int = 0
) -> Images:
    """Return 32 x 32 x 3 patches cut from scikit-learn's two sample photographs.

    A stand-in for CIFAR where that cannot be had: natural colours and edges in CIFAR's format, but
    two pictures only, a temple and a flower. It is not CIFAR, and its numbers are not CIFAR's.

    Parameters
    ----------
    split : {"train", "test"}
        Training patches come from the left three quarters of each photograph, test patches from
        the rest; they share no pixel.
    path : None
        There is nothing to look for: the data are bundled.
    count : int, optional
        Patches, half from each photograph; by default 10 000 or 2 000.
    seed : int, default 0
        Of the corners, which are uniform.

    Returns
    -------
    Images
        Labels 0 and 1 say which photograph.

    Examples
    --------
    >>> patches(count=6)
    Images(patches, train: 6 images of (3, 32, 32))
    """
    from sklearn.datasets import load_sample_images

    _no_path("patches", path)
    count = PATCHES["test" if is_test(split) else "train"] if count is None else count
    count = require_whole("count", count, 2)  # one from each photograph
    rng = _generator(split, seed)
    labels = np.arange(count) % 2
    photographs = load_sample_images().images
    cut = np.stack([_patch(photographs[label], is_test(split), rng) for label in labels])
    return Images(
        name="patches",
        pixels=cut.transpose(0, 3, 1, 2).reshape(count, -1),
        labels=labels.astype(np.int64),
        shape=(3, PATCH, PATCH),
        scale=255.0,
        provenance={"source": "scikit-learn load_sample_images", "split": split, "seed": seed},
    )


def _patch(photograph: np.ndarray, test: bool, rng: np.random.Generator) -> np.ndarray:
    height, width, _ = photograph.shape
    border = 3 * width // 4
    first, last = (border, width) if test else (0, border)
    top = rng.integers(0, height - PATCH + 1)
    left = rng.integers(first, last - PATCH + 1)
    return photograph[top : top + PATCH, left : left + PATCH]


def gaussian(
    split: str = "train",
    path: str | Path | None = None,
    count: int = 10_000,
    features: int = 64,
    seed: int = 0,
) -> Images:
    """Return standard normal vectors, a control without any structure.

    Parameters
    ----------
    split : {"train", "test"}
        Independent draws.
    path : None
        There is nothing to look for.
    count, features : int, default 10 000 and 64
        Vectors, and numbers in each.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    Images
        Labels are all 0.

    Notes
    -----
    Emergence of quantised representations, App. A.2.

    Examples
    --------
    >>> gaussian(count=3, features=5)
    Images(gaussian, train: 3 images of (5,))
    """
    _no_path("gaussian", path)
    draws = _generator(split, seed).standard_normal(_size(count, features))
    return _control("gaussian", split, draws, seed)


def uniform(
    split: str = "train",
    path: str | Path | None = None,
    count: int = 10_000,
    features: int = 64,
    seed: int = 0,
) -> Images:
    """Return vectors uniform in [0, 1]^d, a control with the cube's anisotropy alone.

    Parameters
    ----------
    split, path, count, features, seed
        See :func:`gaussian`.

    Returns
    -------
    Images
        Labels are all 0.

    Notes
    -----
    Emergence of quantised representations, App. A.2: raw pixels are bounded like this.

    Examples
    --------
    >>> uniform(count=3, features=5)
    Images(uniform, train: 3 images of (5,))
    """
    _no_path("uniform", path)
    return _control("uniform", split, _generator(split, seed).random(_size(count, features)), seed)


def _generator(split: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([require_whole("seed", seed, 0), is_test(split)])


def _size(count: int, features: int) -> tuple[int, int]:
    return require_whole("count", count, 1), require_whole("features", features, 1)


def _control(name: str, split: str, rows: np.ndarray, seed: int) -> Images:
    return Images(
        name=name,
        pixels=rows,
        labels=np.zeros(len(rows), np.int64),
        shape=rows.shape[1:],
        provenance={"source": f"{name} control", "split": split, "seed": seed},
    )


def _no_path(name: str, path: str | Path | None) -> None:
    if path is not None:
        raise ValueError(f"{name} need no files and take no path, got {path}")
