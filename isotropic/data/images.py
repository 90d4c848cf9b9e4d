"""A data set as flat images with labels, and its element-wise standardisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isotropic.checks import require_whole


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

    Raises
    ------
    TypeError
        Pixels are no real numbers, or labels no whole ones.
    ValueError
        Sizes that do not fit together, no image, or a scale that is not above 0.

    Examples
    --------
    >>> rows = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    >>> Images("mine", rows, labels=np.array([0, 1]), shape=(3,), scale=5.0)
    Images(mine, all: 2 images of (3,))
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    shape: tuple[int, ...]
    scale: float = 1.0
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kinds in (("pixels", "buif"), ("labels", "ui")):
            given = getattr(self, name)
            if not isinstance(given, np.ndarray) or given.dtype.kind not in kinds:
                got = getattr(given, "dtype", type(given).__name__)
                what = "whole numbers" if name == "labels" else "real numbers"
                raise TypeError(f"{name} must be an array of {what}, got {got}: use np.asarray")
        if not 0 < self.scale < float("inf"):
            raise ValueError(f"scale must be above 0 and finite, got {self.scale}")
        for size in self.shape:
            require_whole("sizes in shape", size, 1)
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
        images: np.ndarray = np.true_divide(self.pixels, self.scale, dtype=np.float64)
        return images


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
        # Sums in the images' own precision would lose the deviation of float32 beside its mean.
        deviation = images.std(axis=0, dtype=np.float64)
        # Rounding leaves about 1e-17 where all values are equal; dividing by it would explode.
        flat = images.max(axis=0) == images.min(axis=0)
        return cls(
            images.mean(axis=0, dtype=np.float64), np.where(flat | (deviation == 0), 1.0, deviation)
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return ``images (N, d)`` less the mean, over the deviation."""
        return (images - self.mean) / self.deviation


def is_test(split: str) -> bool:
    """Tell the test split from the training one, and refuse any other."""
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    return split == "test"
