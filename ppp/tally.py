"""Tally: integer counts and per-input sums that merge by addition."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from ppp.planes import Planes
from ppp.rule import Rule

#: What is summed over the rows of each input: valid rows, hits, Σ cos 4φ and Σ cos 8φ over hits,
#: rows whose best plane keeps them, cos 4φ and cos 8φ of that vote, and Σ_j c_j⁴/‖v‖⁴.
MOMENTS = ("rows", "hits", "cos4", "cos8", "votes", "vote4", "vote8", "quartic")
#: Most label classes told apart.
CLASS_LIMIT = 1024


class Tally:
    """Counts of one scan: what every engine fills and what adds up.

    Parameters
    ----------
    planes : Planes
        The planes counted. Each plane is counted once, whatever its orientation.
    rule : Rule
        The rule that keeps samples.
    half_width : float
        H: the grid covers [−H, H) in both in-plane coordinates; a power of two.
    detailed : bool
        False leaves out grid, angles and per-plane counts, as null repeats do.

    Attributes
    ----------
    grid : (G, G) int64 array
        Hits by in-plane coordinates: first index along e1 = b_i, second along e2, i < j. Bins are
        half-open, so that an exact zero belongs to the positive side.
    swapped : (G, G) int64 array or None
        The same for planes taken as (j, i), counted only where it is no transpose: permutation
        over an oblique frame.
    angle : (A,) int64 array
        Hits by φ = atan2(w2, w1) in [0, 2π).
    outside : int
        Hits beyond the grid: counted everywhere but in `grid`.
    pairs : (m(m−1)/2,) int64 array
        Hits of every pair i < j, row by row (degenerate pairs stay zero).
    rows, zero, nonfinite : int
        Rows seen, and those of them that no plane can keep.
    classes : tuple
        Labels met, in rising order once a scan is finished; (None,) without labels.
    inputs : (L,) int64 array
        Inputs with at least one valid row, by class.
    moments : (L, K) float64 array
        Sums over inputs of the K per-input sums named in `MOMENTS`: valid rows, hits, Σ cos 4φ,
        Σ cos 8φ over hits, rows whose best plane keeps them, cos 4φ and cos 8φ of that vote,
        and Σ_j c_j⁴/‖v‖⁴.
    products : (L, K, K) float64 array
        Sums over inputs of the outer product of those K sums: all a cluster-robust error needs.

    Examples
    --------
    >>> from ppp.frame import Frame
    >>> tally = Tally(Planes.of(Frame.standard(4), "combination"), Rule(0.75), half_width=2.0)
    >>> tally.hits
    0
    """

    def __init__(
        self, planes: Planes, rule: Rule, half_width: float = 1.0, detailed: bool = True
    ) -> None:
        m = planes.frame.m
        size = rule.bins if detailed else 0
        self.planes, self.rule, self.detailed = planes, rule, detailed
        self.half_width = float(half_width)
        self.grid = np.zeros((size, size), np.int64)
        oblique = detailed and planes.ordered and not planes.frame.orthonormal
        self.swapped = np.zeros((size, size), np.int64) if oblique else None
        self.angle = np.zeros(rule.angles if detailed else 0, np.int64)
        tabled = detailed and planes.tabled
        self.pairs = np.zeros(m * (m - 1) // 2 if tabled else 0, np.int64)
        self.rows = self.zero = self.nonfinite = self.outside = self.hits = 0
        self.classes: tuple[Hashable, ...] = ()
        self.inputs = np.zeros(0, np.int64)
        self.moments = np.zeros((0, len(MOMENTS)))
        self.products = np.zeros((0, len(MOMENTS), len(MOMENTS)))

    @property
    def valid(self) -> int:
        """Rows that are neither zero nor infinite nor NaN."""
        return self.rows - self.zero - self.nonfinite

    @property
    def together(self) -> float:
        """Hits of the same input, Σ h²/Σ h over inputs of h hits; 1 without any."""
        hits = float(self.moments[:, 1].sum())
        return float(self.products[:, 1, 1].sum()) / hits if hits else 1.0

    @property
    def kept(self) -> np.ndarray:
        """(P,) int64 samples kept in each plane, in the order of `planes`."""
        slots = self.planes.slots  # raises, with the way out, when there are too many planes
        if not self.detailed:
            raise ValueError("this tally counted pooled hits only: it has no per-plane table")
        return self.pairs[slots]

    @property
    def beyond(self) -> int:
        """Hits that `image` lacks, as they lie beyond the grid."""
        inside, hits = int(self.grid.sum()), int(self.hits)
        if not self.planes.ordered:
            return hits - inside
        other = inside if self.swapped is None else int(self.swapped.sum())
        return 2 * hits - inside - other

    def image(self) -> np.ndarray:
        """Return the pooled (G, G) grid as the choice of pairs reads it.

        Returns
        -------
        (G, G) int64 array
            For combination the grid itself; for permutation every hit also as the plane taken
            the other way round sees it.
        """
        if not self.planes.ordered:
            return self.grid
        return self.grid + (self.grid.T if self.swapped is None else self.swapped)

    def add_sums(
        self, label: Hashable, inputs: int, moments: np.ndarray, products: np.ndarray
    ) -> None:
        """Add what the inputs of one class sum up to.

        Parameters
        ----------
        label : hashable
            The class, None without labels.
        inputs : int
            Inputs with a valid row.
        moments, products : (K,) and (K, K) float64 arrays
            Sums over them of their K sums and of the outer products.
        """
        at = self._class(label)
        self.inputs[at] += inputs
        self.moments[at] += moments
        self.products[at] += products

    def merge(self, other: Tally) -> Tally:
        """Add another tally of the same planes and rule into this one.

        Parameters
        ----------
        other : Tally
            Its grid may have another half-width: the finer one grows to the coarser.

        Returns
        -------
        Tally
            This one.

        Raises
        ------
        ValueError
            If rule or planes differ.
        """
        self._check_alike(other)
        if other.half_width > self.half_width:
            self.grow(other.half_width)
        elif other.half_width < self.half_width:
            other = other.copy()
            other.grow(self.half_width)
        self.grid += other.grid
        if self.swapped is not None and other.swapped is not None:
            self.swapped += other.swapped
        self.angle += other.angle
        self.pairs += other.pairs
        for name in ("rows", "zero", "nonfinite", "outside", "hits"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for at, label in enumerate(other.classes):
            mine = self._class(label)
            self.inputs[mine] += other.inputs[at]
            self.moments[mine] += other.moments[at]
            self.products[mine] += other.products[at]
        return self

    def __add__(self, other: Tally) -> Tally:
        """Return the sum of two tallies as a new one."""
        return self.copy().merge(other)

    def grow(self, half_width: float) -> None:
        """Widen the grid, adding pairs of bins from the centre outwards.

        Parameters
        ----------
        half_width : float
            The new H: this one times a power of two. Exactly the grid that would have been
            counted with it, but for hits that were already outside.
        """
        while self.half_width < half_width:
            self.grid = _fold(self.grid)
            if self.swapped is not None:
                self.swapped = _fold(self.swapped)
            self.half_width *= 2

    def copy(self) -> Tally:
        """Return an independent copy."""
        twin = Tally(self.planes, self.rule, self.half_width, self.detailed)
        for name, value in vars(self).items():
            setattr(twin, name, value.copy() if isinstance(value, np.ndarray) else value)
        return twin

    def sort_classes(self) -> None:
        """Put the classes in rising order: workers meet them in any."""
        names = rising(self.classes)
        order = [self.classes.index(label) for label in names]
        self.classes = names
        self.inputs, self.moments = self.inputs[order], self.moments[order]
        self.products = self.products[order]

    def arrays(self) -> dict[str, Any]:
        """Return all counts by name, as `restore` takes them: what a result saves."""
        names = ("grid", "angle", "pairs", "inputs", "moments", "products")
        counts = ("rows", "zero", "nonfinite", "outside", "hits", "half_width", "detailed")
        state: dict[str, Any] = {name: getattr(self, name) for name in names + counts}
        if self.swapped is not None:
            state["swapped"] = self.swapped
        return state

    @classmethod
    def restore(
        cls, planes: Planes, rule: Rule, classes: Iterable[Hashable], state: dict[str, Any]
    ) -> Tally:
        """Return the tally whose `arrays` these are.

        Parameters
        ----------
        planes, rule
            As the tally was made with.
        classes : iterable
            Its labels.
        state : dict
            What `arrays` gave.

        Returns
        -------
        Tally
        """
        tally = cls(planes, rule, float(state["half_width"]), bool(state["detailed"]))
        tally.classes = tuple(classes)
        for name, value in state.items():
            if name in ("rows", "zero", "nonfinite", "outside", "hits"):
                setattr(tally, name, int(value))
            elif name not in ("half_width", "detailed"):
                expected = getattr(tally, name)
                array = np.asarray(value, dtype=expected.dtype)
                grows = name in ("inputs", "moments", "products")
                wanted = (len(tally.classes), *expected.shape[1:]) if grows else expected.shape
                if array.shape != wanted:
                    raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
                setattr(tally, name, array)
        return tally

    def _class(self, label: Hashable) -> int:
        if label in self.classes:
            return self.classes.index(label)
        if len(self.classes) >= CLASS_LIMIT:
            raise ValueError(
                f"labels may have at most {CLASS_LIMIT} classes, got more: leave the labels out "
                "(labels=False, or --no-labels of ppp-plot) or group them"
            )
        self.classes += (label,)
        self.inputs = np.append(self.inputs, 0)
        k = len(MOMENTS)
        self.moments = np.concatenate([self.moments, np.zeros((1, k))])
        self.products = np.concatenate([self.products, np.zeros((1, k, k))])
        return len(self.classes) - 1

    def _check_alike(self, other: Tally) -> None:
        if self.rule != other.rule:
            raise ValueError(f"tallies merge only under one rule, got {self.rule} and {other.rule}")
        mine, theirs = self.planes, other.planes
        alike = mine is theirs or (
            mine.ordered == theirs.ordered and mine.frame.same_vectors(theirs.frame)
        )
        if not alike or self.detailed != other.detailed:
            raise ValueError(
                "tallies merge only over the same planes, counted in the same detail: "
                f"got {mine.frame.source} and {theirs.frame.source}"
            )


def rising(labels: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Return labels in rising order, those of one type together.

    Examples
    --------
    >>> rising([3, "b", 1, "a"])
    (1, 3, 'a', 'b')
    """
    return tuple(sorted(labels, key=lambda label: (type(label).__name__, label)))


def _fold(grid: np.ndarray) -> np.ndarray:
    """Halve the resolution about the centre: bin b goes to b // 2 + G / 4."""
    size = grid.shape[0]
    if not size:
        return grid
    folded = np.zeros_like(grid)
    half = size // 2
    paired = grid.reshape(half, 2, half, 2).sum(axis=(1, 3))
    folded[size // 4 : size // 4 + half, size // 4 : size // 4 + half] = paired
    return folded
