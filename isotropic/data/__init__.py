"""Data sets: bundled ones, originals from local files or downloads, and random controls."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from isotropic.data.bundled import digits, gaussian, patches, uniform
from isotropic.data.fetching import SOURCES, Source, fetch
from isotropic.data.handwriting import emnist, emnist_letters, fashion_mnist, mnist
from isotropic.data.images import Images, Standardiser
from isotropic.data.photographs import caltech256, cifar10, cifar100

__all__ = [
    "DATASETS",
    "SOURCES",
    "Images",
    "Source",
    "Standardiser",
    "caltech256",
    "cifar10",
    "cifar100",
    "digits",
    "emnist",
    "emnist_letters",
    "fashion_mnist",
    "fetch",
    "gaussian",
    "load",
    "mnist",
    "patches",
    "uniform",
]

#: Every data set by its name.
DATASETS: dict[str, Callable[..., Images]] = {
    "digits": digits,
    "patches": patches,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "emnist": emnist,
    "emnist-a-j": emnist_letters,
    "cifar-10": cifar10,
    "cifar-100": cifar100,
    "caltech-256": caltech256,
    "gaussian": gaussian,
    "uniform": uniform,
}


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
        near = get_close_matches(str(name).lower(), DATASETS, n=2)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "choose one of them"
        raise ValueError(f"data set must be one of {', '.join(DATASETS)}, got {name!r}: {hint}")
    return DATASETS[name](split, path)
