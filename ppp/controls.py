"""Null controls: what a projection would show if nothing singled the frame out.

Each control answers its own question, stated in its docstring; `CONTROLS` lists them by name.
A control is prepared once on the tested rows and then drawn as often as wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppp.frame import Frame, haar_rotation
from ppp.planes import Planes

Array = NDArray[np.float64]
#: One draw: rows and planes that take the place of the observed ones.
Draw = Callable[[np.random.Generator], tuple[np.ndarray, Planes]]

#: Uniform and Gaussian data are embedded from this many dimensions: 32 x 32 x 3 pixels.
EMBEDDED = 3072
#: Eigenvalues of a covariance below this share of the largest count as none.
RANK = 1e-12


def rotation(rows: np.ndarray, planes: Planes) -> Draw:
    """Random-basis null: the same activations, the frame turned by a Haar rotation.

    Tests whether the frame is oriented independently of the data, as a uniformly random
    orientation would be. The whole frame turns rigidly, so the angles between its vectors stay.
    Exact under that hypothesis, which is not isotropy: a correlated Gaussian whose principal
    axes are the neurons' axes is rightly rejected.
    """

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, Planes]:
        frame = planes.frame
        return rows, Planes(frame.rotated(haar_rotation(frame.n, rng)), planes.ordered)

    return draw


def recolour(rows: np.ndarray, planes: Planes) -> Draw:
    """Keep mean and covariance: whiten the rows, turn them, colour them again.

    Tests "is it only scale, correlation or mean?": exact when the rows are Gaussian of any mean
    and covariance, for the question whether they are. It tests Gaussianity, not alignment
    alone: heavy-tailed data without any preferred direction are rejected too.

    ``V' = mean + Z Q L`` with ``S = L^T L`` the sample covariance and Q Haar on O(k), k the
    rank of S: turning all n coordinates of rank-deficient data would reject too often.

    Raises
    ------
    ValueError
        When the rows vary in fewer than two directions.
    """
    data = np.asarray(rows, dtype=np.float64)
    mean = data.mean(axis=0)
    centred = data - mean
    eigenvalues, vectors = np.linalg.eigh(centred.T @ centred / len(data))
    kept = eigenvalues > RANK * max(eigenvalues[-1], 0.0)
    rank = int(kept.sum())
    if rank < 2:
        raise ValueError(
            f"the recolour null needs rows that vary in at least two directions, got {rank}: "
            "constant features cannot be told from scale"
        )
    scale = np.sqrt(eigenvalues[kept])
    white = centred @ (vectors[:, kept] / scale)
    colour = scale[:, None] * vectors[:, kept].T

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, Planes]:
        return mean + white @ (haar_rotation(rank, rng) @ colour), planes

    return draw


def gaussian(rows: np.ndarray, planes: Planes) -> Draw:
    """Isotropic Gaussian data of the same number of rows and the same mean square.

    Tests isotropy, not alignment: data that are merely correlated are rejected most of the
    time. For figures (PPP paper, Fig. 4); never the p-value of a claim about a frame.
    """
    count, scale = _size(rows)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, Planes]:
        return scale * rng.standard_normal((count, planes.frame.n)), planes

    return draw


def uniform_embedded(rows: np.ndarray, planes: Planes) -> Draw:
    """Embed uniform data of [0, 1]^3072 by a random Gaussian map (PPP paper, Fig. 5).

    Tests nothing about the observed rows: it shows the false anti-alignment that bounded,
    uncentred inputs give a freshly initialised linear map. Same number of rows, same mean square.
    """
    return _embedded(rows, planes, uniform=True, standardised=False)


def uniform_standardised(rows: np.ndarray, planes: Planes) -> Draw:
    """Embed uniform data of which every input was standardised first (PPP paper, Fig. 6).

    Tests nothing about the observed rows: beside `uniform_embedded` it shows that
    standardising the inputs removes most of the false anti-alignment.
    """
    return _embedded(rows, planes, uniform=True, standardised=True)


def gaussian_embedded(rows: np.ndarray, planes: Planes) -> Draw:
    """Embed standard normal data of R^3072 by a random Gaussian map (PPP paper, Fig. 7).

    Tests nothing about the observed rows: the isotropic reference for `uniform_standardised`.
    """
    return _embedded(rows, planes, uniform=False, standardised=False)


def sign_flip(rows: np.ndarray, planes: Planes, sample: np.ndarray | None = None) -> Draw:
    """Flip the sign of every coordinate of every input, each by a fair coin.

    Tests only whether signs carry structure (such as ReLU's positive quadrant): every even
    statistic (log Q, A4, B4, A8, B8, kappa) is left as it is, so their p is 1 by construction.
    The rows of an input depend on each other, so they are flipped alike. Needs an orthonormal
    frame. Offered to explain, not recommended.
    """
    span = _Span(rows, planes, "sign-flip")
    inputs = _numbered(sample, len(rows))
    shape = (int(inputs.max()) + 1, planes.frame.m)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, Planes]:
        signs = 1.0 - 2.0 * rng.integers(0, 2, size=shape)
        return span.rows_with(span.coordinates * signs[inputs]), planes

    return draw


def column_permutation(rows: np.ndarray, planes: Planes, sample: np.ndarray | None = None) -> Draw:
    """Permute each coordinate over the inputs, independently of the other coordinates.

    Tests dependence between coordinates only: single units keep their distributions, however
    aligned those are. The rows of an input depend on each other, so they move together, to an
    input of as many rows, and keep their order; an input that is alone in its number of rows
    stays. Needs an orthonormal frame. Offered to explain, not recommended.
    """
    span = _Span(rows, planes, "column-permutation")
    places = _alike(_numbered(sample, len(rows)))
    if len(rows) and all(len(at) < 2 for at in places):
        raise ValueError(
            "the column-permutation null moves values between inputs of as many rows, got "
            f"{len(places):,} inputs of {len(places):,} different numbers of rows. Use rotation"
        )
    column = np.arange(planes.frame.m)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, Planes]:
        made = span.coordinates.copy()
        for at in places:
            order = np.repeat(np.arange(len(at))[:, None], len(column), axis=1)
            moved = at[rng.permuted(order, axis=0)].transpose(0, 2, 1)
            made[at] = span.coordinates[moved, column]
        return span.rows_with(made), planes

    return draw


def _numbered(sample: np.ndarray | None, rows: int) -> NDArray[np.intp]:
    """Return the input of each row, numbered as they come; without inputs each row is one."""
    if sample is None:
        return np.arange(rows)
    _, first, inverse = np.unique(sample, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _alike(inputs: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the rows of each input, a line an input: one array for each number of rows."""
    many = np.bincount(inputs)
    row = np.argsort(inputs, kind="stable")
    return [row[many[inputs[row]] == size].reshape(-1, size) for size in np.unique(many)]


#: Every control by name.
CONTROLS: dict[str, Callable[..., Draw]] = {
    "rotation": rotation,
    "recolour": recolour,
    "gaussian": gaussian,
    "uniform-embedded": uniform_embedded,
    "uniform-standardised": uniform_standardised,
    "gaussian-embedded": gaussian_embedded,
    "sign-flip": sign_flip,
    "column-permutation": column_permutation,
}
#: Controls that exchange coordinates of whole inputs: these are told which rows belong together.
EXCHANGED = ("sign-flip", "column-permutation")
#: Controls whose p-value is exact under the hypothesis they state.
EXACT = ("rotation", "recolour", *EXCHANGED)


def check_kind(kind: str) -> str:
    """Return the name of a control, or raise a ValueError that lists them all."""
    if kind not in CONTROLS:
        raise ValueError(f"null must be one of {', '.join(CONTROLS)}, got {kind!r}")
    return kind


def check_frame(kind: str, frame: Frame) -> None:
    """Raise a ValueError for a control that this frame cannot have."""
    if kind in EXCHANGED and not frame.orthonormal:
        raise ValueError(
            f"the {kind} null needs an orthonormal frame: in an oblique one a changed "
            "coordinate changes the others. Use rotation"
        )


def prepare(rows: np.ndarray, planes: Planes, kind: str, sample: np.ndarray | None = None) -> Draw:
    """Return the function that makes one draw of a control.

    Parameters
    ----------
    rows : (N, n) array
        The tested activations, finite.
    planes : Planes
        The tested planes.
    kind : str
        One of `CONTROLS`.
    sample : (N,) array, optional
        Input of each row; without it every row is an input.

    Returns
    -------
    callable
        Takes a random generator; returns rows and planes to count instead.

    Examples
    --------
    >>> from ppp.frame import Frame
    >>> draw = prepare(np.eye(3), Planes.of(Frame.standard(3), "combination"), "rotation")
    >>> rows, planes = draw(np.random.default_rng(0))
    >>> planes.frame.is_standard
    False
    """
    make = CONTROLS[check_kind(kind)]
    return make(rows, planes, sample) if kind in EXCHANGED else make(rows, planes)


@dataclass(frozen=True)
class _Span:
    """Rows seen in the coordinates of an orthonormal frame, which may span only a part."""

    rows: np.ndarray
    planes: Planes
    kind: str

    def __post_init__(self) -> None:
        check_frame(self.kind, self.planes.frame)

    @property
    def coordinates(self) -> Array:
        frame = self.planes.frame
        data = np.asarray(self.rows, dtype=np.float64)
        return data if frame.is_standard else data @ frame.vectors.T

    def rows_with(self, coordinates: Array) -> Array:
        """Rows with these coordinates, and their own part outside the span."""
        if self.planes.frame.is_standard:
            return coordinates
        return self.rows + (coordinates - self.coordinates) @ self.planes.frame.vectors


def _size(rows: np.ndarray) -> tuple[int, float]:
    """Rows that are not zero, and the root mean square of their entries."""
    present = rows[np.any(rows != 0, axis=1)].astype(np.float64)
    return len(present), float(np.sqrt(np.mean(present**2))) if present.size else 1.0


def _embedded(rows: np.ndarray, planes: Planes, uniform: bool, standardised: bool) -> Draw:
    count, scale = _size(rows)
    n = planes.frame.n

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, Planes]:
        made = np.zeros((count, n))
        # A few input dimensions at a time: the inputs themselves would need gigabytes.
        for width in _slices(EMBEDDED, 256):
            shape_ = (count, width)
            inputs = rng.random(shape_) if uniform else rng.standard_normal(shape_)
            if standardised:
                inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
            made += inputs @ rng.standard_normal((width, n))
        return made * (scale / np.sqrt(np.mean(made**2))), planes

    return draw


def _slices(total: int, step: int) -> Iterator[int]:
    for start in range(0, total, step):
        yield min(step, total - start)
