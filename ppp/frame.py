"""Frame: the distinguished vectors that planes are spanned by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real

import numpy as np

from ppp.value_checks import as_doubles, check_whole

#: A Gram matrix this close to the identity counts as orthonormal: far below the slack of ties.
ORTHONORMAL_TOLERANCE = 1e-13

#: Most vectors whose Gram matrix is kept whole (512 MiB); beyond, it is made in blocks.
GRAM_LIMIT = 8192

#: Widest rotation that is drawn: a matrix of 8 GiB.
ROTATION_LIMIT = 2**15


def haar_rotation(n: int, seed: int | np.random.Generator) -> np.ndarray:
    """Draw an orthogonal matrix from the Haar measure on O(n).

    Parameters
    ----------
    n : int
        Size of the matrix.
    seed : int or numpy.random.Generator
        Where the randomness comes from, as `numpy.random.default_rng` takes it.

    Returns
    -------
    (n, n) float64 array
        Uniform over O(n). QR alone is not: its sign convention favours some matrices, so the
        columns take the signs of the diagonal of R (Mezzadri 2007).

    Raises
    ------
    ValueError
        If n is not a whole number from 1 to 32 768, or the seed another kind of number.

    Examples
    --------
    >>> q = haar_rotation(5, seed=0)
    >>> bool(np.allclose(q @ q.T, np.eye(5)))
    True
    """
    check_whole(n=n)
    if not 1 <= n <= ROTATION_LIMIT:
        raise ValueError(
            f"n must lie between 1 and {ROTATION_LIMIT:,}, where a rotation takes 8 GiB, got "
            f"{n:,}: in wider spaces give fewer random vectors (Frame.given)"
        )
    if not isinstance(seed, np.random.Generator) and isinstance(seed, Real | str):
        check_whole(seed=seed)
    rng = np.random.default_rng(seed)
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return np.ascontiguousarray(q * np.sign(np.diag(r)))


@dataclass(frozen=True, eq=False)
class Frame:
    """Distinguished unit vectors b_1 … b_m of R^n, usually one a neuron.

    Make one with `Frame.standard`, `Frame.haar` or `Frame.given`; the constructor takes what
    they have already checked.

    Parameters
    ----------
    vectors : (m, n) float64 array
        Unit rows.
    labels : tuple of str
        One name a vector, used on axes and in tables.
    source : str
        How the frame was made, with its seed where there was one.
    is_standard : bool
        True when the vectors are the standard basis, whose coordinates are the activations
        themselves.

    Examples
    --------
    >>> frame = Frame.standard(4)
    >>> frame.m, frame.n, frame.labels[0]
    (4, 4, 'neuron 0')
    """

    vectors: np.ndarray
    labels: tuple[str, ...]
    source: str
    is_standard: bool = False
    origin: Frame | None = field(default=None, repr=False)

    @classmethod
    def standard(cls, n: int, labels: Iterable[str] | None = None) -> Frame:
        """Return the standard basis of R^n, the neurons' own axes.

        Parameters
        ----------
        n : int
            Width of the layer, at least 2.
        labels : iterable of str, optional
            One name a neuron.

        Returns
        -------
        Frame

        Examples
        --------
        >>> Frame.standard(3).vectors.tolist()[0]
        [1.0, 0.0, 0.0]
        """
        _check_count(n)
        named = _labels(labels, n, "neuron")
        return cls(_identity(n), named, f"standard basis of R^{n}", is_standard=True)

    @classmethod
    def haar(cls, n: int, seed: int) -> Frame:
        """Return a random orthonormal frame, uniform over all orientations.

        Parameters
        ----------
        n : int
            Width of the layer.
        seed : int
            Seed of the draw; it is written into `source`.

        Returns
        -------
        Frame

        Examples
        --------
        >>> Frame.haar(6, seed=1).orthonormal
        True
        """
        _check_count(n)
        check_whole(seed=seed)
        q = haar_rotation(n, seed)
        return cls(q, _labels(None, n, "haar"), f"Haar frame of R^{n}, seed {seed}")

    @classmethod
    def given(
        cls, vectors: np.ndarray, labels: Iterable[str] | None = None, source: str = "given"
    ) -> Frame:
        """Return a frame of your own vectors, normalised to unit length.

        Parameters
        ----------
        vectors : (m, n) array or tensor
            Distinguished vectors, one a row; neither orthogonal nor complete need they be.
        labels : iterable of str, optional
            One name a vector.
        source : str
            Where the vectors come from.

        Returns
        -------
        Frame

        Raises
        ------
        ValueError
            If there are fewer than two vectors, or one is zero, masked, not finite or not real.

        Examples
        --------
        >>> Frame.given([[3.0, 0.0], [1.0, 1.0]]).vectors.round(3).tolist()
        [[1.0, 0.0], [0.707, 0.707]]
        """
        way_out = "give an (m, n) array, or ppp.weight_frame(layer) for the weights of a layer"
        array = np.ascontiguousarray(as_doubles(vectors, "the vectors of a frame", way_out))
        if array.ndim != 2 or array.shape[1] < 2:
            raise ValueError(
                "a frame is a matrix (m, n) of vectors, one a row, n at least 2, "
                f"got shape {array.shape}"
            )
        _check_count(len(array))
        if not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            raise ValueError(f"the vectors of a frame must be finite, vector {row} is not: drop it")
        largest = np.abs(array).max(axis=1, keepdims=True)
        if not largest.all():
            row = int(np.flatnonzero(largest[:, 0] == 0)[0])
            raise ValueError(f"the vectors of a frame must not be zero, vector {row} is: drop it")
        array /= largest  # first, so that huge or tiny vectors neither overflow nor vanish
        norm = np.linalg.norm(array, axis=1, keepdims=True)
        array /= norm
        is_standard = array.shape[0] == array.shape[1] and bool((array == np.eye(len(array))).all())
        return cls(array, _labels(labels, len(array), "vector"), source, is_standard)

    def rotated(self, q: np.ndarray, source: str | None = None) -> Frame:
        """Return the frame turned rigidly: every vector b becomes Q b.

        Parameters
        ----------
        q : (n, n) array or tensor
            An orthogonal matrix.
        source : str, optional
            What to call the result.

        Returns
        -------
        Frame
            With the very Gram matrix of this one, so that both skip the same planes and break
            ties alike.

        Examples
        --------
        >>> frame = Frame.given([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
        >>> turned = frame.rotated(haar_rotation(3, seed=0))
        >>> turned.gram is frame.gram
        True
        """
        q = as_doubles(q, "a rotation")
        if q.shape != (self.n, self.n):
            raise ValueError(f"a rotation of R^{self.n} is {self.n} × {self.n}, got {q.shape}")
        # shown on a few vectors: the whole product takes as long as the turning
        shown = np.random.default_rng(0).standard_normal((self.n, 8))
        kept = np.isfinite(q).all() and np.allclose(q @ (q.T @ shown), shown, rtol=0, atol=1e-9)
        if not kept:
            raise ValueError("a rotation must be orthogonal: q @ q.T differs from the identity")
        return Frame(
            np.ascontiguousarray(q.T if self.is_standard else self.vectors @ q.T),
            self.labels,
            source or f"{self.source}, rotated",
            origin=self.origin or self,
        )

    def same_vectors(self, other: Frame) -> bool:
        """Return whether another frame has exactly these vectors.

        Parameters
        ----------
        other : Frame
            The frame to compare with.

        Returns
        -------
        bool
        """
        if self is other or (self.is_standard and other.is_standard):
            return self.vectors.shape == other.vectors.shape
        return np.array_equal(self.vectors, other.vectors)

    @property
    def m(self) -> int:
        """Number of vectors."""
        return int(self.vectors.shape[0])

    @property
    def n(self) -> int:
        """Width of the space."""
        return int(self.vectors.shape[1])

    @cached_property
    def single(self) -> np.ndarray:
        """(m, n) float32 copy of the vectors, one for all workers and scans."""
        return self.vectors.astype(np.float32)

    @cached_property
    def axial(self) -> bool:
        """Whether every vector is an axis, or its opposite: products with them are exact."""
        return bool((np.count_nonzero(self.vectors, axis=1) == 1).all())

    @property
    def exact(self) -> bool:
        """Whether coordinates are a row's own numbers, which no product has rounded."""
        return self.is_standard or self.axial

    @cached_property
    def axes(self) -> np.ndarray:
        """(m,) uint32 index of each vector's largest component: of an axial frame, its axis."""
        return np.abs(self.vectors).argmax(axis=1).astype(np.uint32)

    @cached_property
    def gram(self) -> np.ndarray:
        """(m, m) float64 matrix of b_i · b_j, one for all engines."""
        if self.origin is not None:
            return self.origin.gram
        if self.is_standard:
            return self.vectors
        if self.m > GRAM_LIMIT:
            raise ValueError(
                f"the Gram matrix of {self.m:,} vectors is not kept, the limit is {GRAM_LIMIT:,}: "
                "use gram_rows() for a block of it"
            )
        gram = self.vectors @ self.vectors.T
        gram = (gram + gram.T) / 2  # a GEMM need not be symmetric to the last bit
        np.fill_diagonal(gram, 1.0)
        return gram

    def gram_rows(self, start: int, stop: int, first: int = 0) -> np.ndarray:
        """Return some rows of the Gram matrix.

        Parameters
        ----------
        start, stop : int
            The first row, and one beyond the last.
        first : int
            The first column, at most `start`.

        Returns
        -------
        (stop − start, m − first) float64 array
        """
        if self.origin is not None:
            return self.origin.gram_rows(start, stop, first)
        if self.m <= GRAM_LIMIT:
            return self.gram[start:stop, first:]
        stop = min(stop, self.m)
        block = self.vectors[start:stop] @ self.vectors[first:].T
        np.fill_diagonal(block[:, start - first : stop - first], 1.0)
        return block

    @cached_property
    def orthonormal(self) -> bool:
        """Whether the vectors are mutually orthogonal (to 1e-13)."""
        if self.is_standard:
            return True
        if self.origin is not None:
            return self.origin.orthonormal
        if self.m > self.n or self.m > GRAM_LIMIT:
            return False
        deviation = self.gram - np.eye(self.m)
        return bool(np.abs(deviation).max() <= ORTHONORMAL_TOLERANCE)


def as_frame(frame: Frame | str | np.ndarray, n: int, seed: int = 0) -> Frame:
    """Turn what a user may write for a frame into a `Frame` of width n.

    Parameters
    ----------
    frame : Frame, "standard", "haar" or (m, n) array
        The distinguished vectors.
    n : int
        Width of the activations.
    seed : int
        Seed of a Haar frame.

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If the name is unknown or the width differs.

    Examples
    --------
    >>> as_frame("standard", 8).m
    8
    """
    if isinstance(frame, str):
        makers = {"standard": lambda: Frame.standard(n), "haar": lambda: Frame.haar(n, seed)}
        if frame not in makers:
            raise ValueError(
                f'frame must be "standard", "haar", an (m, n) array or a ppp.Frame, got {frame!r}'
            )
        return makers[frame]()
    made = frame if isinstance(frame, Frame) else Frame.given(frame)
    if made.n != n:
        raise ValueError(
            f"the frame has vectors of width {made.n}, the activations have width {n}: "
            f"give vectors of shape (m, {n})"
        )
    return made


def _identity(n: int) -> np.ndarray:
    """Return a read-only identity in O(n) memory: each row a window on … 0 0 1 0 0 …."""
    line = np.zeros(2 * n - 1)
    line[n - 1] = 1.0
    windows = np.lib.stride_tricks.sliding_window_view(line, n)
    return windows[::-1]


def _check_count(m: int) -> None:
    """Raise a ValueError unless so many vectors span a plane."""
    if not isinstance(m, Integral):
        raise ValueError(f"a frame has a whole number of vectors, got {m!r}")
    if m < 2:
        raise ValueError(f"a frame needs at least two vectors to span a plane, got {m}")


def _labels(labels: Iterable[str] | None, m: int, stem: str) -> tuple[str, ...]:
    if labels is None:
        return tuple(f"{stem} {index}" for index in range(m))
    if not isinstance(labels, Iterable):
        raise ValueError(f"labels must hold one name a vector, got {labels!r}")
    names = tuple(str(label) for label in labels)
    if len(names) != m:
        raise ValueError(f"a frame of {m} vectors needs {m} labels, got {len(names)}")
    return names
