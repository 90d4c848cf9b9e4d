"""SRMResult: the numbers of a sweep."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ppp.fluctuation import srm_level
from ppp.frame import Frame
from ppp.planes import Planes
from ppp.tally import rising
from ppp.value_checks import check_share, check_whole
from srm.checks import check_pair
from srm.resonance import Resonance, against_band, against_rotations

if TYPE_CHECKING:
    import h5py
    from matplotlib.axes import Axes

    from srm.counting import SweepCounter

FORMAT = "privileged-planes/sweep"


@dataclass(frozen=True, eq=False)
class SRMResult:
    """Curves of a sweep, counted in integers.

    Parameters
    ----------
    planes : Planes
        All planes of the sweep.
    angles : (A,) float64 array
        Angles from the first vector towards the second, radians.
    epsilon : float
        Cosine of the cone's half-angle.
    signed : bool
        Whether the opposite spotlight's count is subtracted.
    classes : tuple
        Labels met, in rising order; (None,) without labels.
    rows : (L,) int64 array
        Rows in the denominator, by class.
    seen : (L, T, A) int64 array
        Rows seen, by class, plane and angle.
    pooled_seen : (L, A) int64 array
        The same, summed over all planes.
    first, second : (T,) int64 arrays
        Vectors of each plane that has a curve.
    zero, nonfinite : int
        Rows left out (rows that are zero stay in where `compat` says so).
    null : (K + 1, A) float64 array or None
        Pooled curves on the tested rows: the observed one, then one for each rotation.
    compat : str or None
        "reference" where the published code's conventions hold.
    unit : bool
        Whether all probes have length one, as they do but for `compat`.

    Examples
    --------
    >>> import numpy as np, srm
    >>> curve = srm.sweep(np.random.default_rng(0).standard_normal((1000, 4)), angles=8)
    >>> curve.values.shape, bool(abs(curve.pooled.mean() - curve.expected) < 0.02)
    ((6, 8), True)
    """

    planes: Planes
    angles: np.ndarray
    epsilon: float
    signed: bool
    classes: tuple[Hashable, ...]
    rows: np.ndarray
    seen: np.ndarray
    pooled_seen: np.ndarray
    first: np.ndarray
    second: np.ndarray
    zero: int = 0
    nonfinite: int = 0
    null: np.ndarray | None = None
    compat: str | None = None
    unit: bool = True

    @classmethod
    def of(
        cls,
        counter: SweepCounter,
        named: Sequence[tuple[int, int]] | None = None,
        null: np.ndarray | None = None,
    ) -> SRMResult:
        """Read a counter out.

        Parameters
        ----------
        counter : SweepCounter
            What was counted.
        named : sequence of (i, j), optional
            The planes whose curves were asked for.
        null : (K + 1, A) array, optional
            Pooled curves on the tested rows.

        Returns
        -------
        SRMResult
        """
        planes, light = counter.planes, counter.spotlight
        # workers meet classes in any order
        classes = rising(counter.counts)
        read = [counter.seen(label) for label in classes]
        first, second, at = _order(counter, named)
        # one class, every line in order: the table itself rather than two copies of it
        seen = np.stack([table for table, _ in read]) if len(read) > 1 else read[0][0][None]
        return cls(
            planes,
            2 * np.pi * np.arange(light.angles) / light.angles,
            light.epsilon,
            counter.signed,
            classes,
            np.array([counter.counts[label].valid for label in classes], np.int64),
            seen if at is None else seen[:, at],
            np.stack([pooled for _, pooled in read]),
            first,
            second,
            counter.zero,
            counter.nonfinite,
            null,
        )

    @property
    def values(self) -> np.ndarray:
        """(T, A) share of samples seen, by plane and angle."""
        return self.seen.sum(axis=0) / max(1, int(self.rows.sum()))

    @property
    def pooled(self) -> np.ndarray:
        """(A,) mean of the curves of all planes."""
        total = int(self.rows.sum()) * self.planes.count
        return self.pooled_seen.sum(axis=0) / max(1, total)

    @property
    def expected(self) -> float:
        """The level of every curve under isotropy; NaN where probes have lengths of their own."""
        if self.signed:
            return 0.0
        if not self.unit:
            return float("nan")
        level = srm_level(self.planes.frame.n, self.epsilon)
        if self.compat is None:
            return level
        rows = int(self.rows.sum())  # zero ones among them, which are seen for epsilon <= 0
        seen = level * (rows - self.zero - self.nonfinite) + (self.epsilon <= 0) * self.zero
        return seen / max(1, rows)

    def of_label(self, label: Hashable) -> SRMResult:
        """Return the curves of one class alone.

        Parameters
        ----------
        label : hashable
            The class.

        Returns
        -------
        SRMResult

        Raises
        ------
        KeyError
            If no row has that label.
        """
        if label not in self.classes:
            raise KeyError(f"no row has the label {label!r}: the labels are {self.classes}")
        at = slice(self.classes.index(label), self.classes.index(label) + 1)
        return replace(
            self,
            classes=self.classes[at],
            rows=self.rows[at],
            seen=self.seen[at],
            pooled_seen=self.pooled_seen[at],
            null=None,
        )

    def test(self, level: float = 0.95, seed: int = 0) -> Resonance:
        """Test the curves against isotropy and, where rotations were drawn, against those.

        Parameters
        ----------
        level : float
            Coverage of the bands, simultaneous over all angles.
        seed : int
            Seed of the Gaussian process behind the analytic band.

        Returns
        -------
        Resonance
            `.planes` has a p for each plane's curve against the analytic band; `.rotation` the p
            of the pooled curve against the rotations, or None.

        Raises
        ------
        ValueError
            With `compat`: the tests are of our own convention. For a level or seed out of range.
        """
        check_share(level=level)
        check_whole(seed=seed)
        if self.compat is not None:
            raise ValueError(
                f"tests need probes of length one at angles that are all different, got "
                f"compat={self.compat!r}: sweep again without it"
            )
        rotation = None if self.null is None else against_rotations(self.null, level)
        return against_band(self, level, seed)._replace(rotation=rotation)

    def plot(self, ax: Axes | None = None, *, polar: bool = False, plane: Any = None) -> Axes:
        """Draw a curve with the isotropic level and the places of the vectors.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw (a polar one for `polar`); a new figure where left out.
        polar : bool
            Draw around a circle instead of along a line.
        plane : (i, j), optional
            One plane's curve; the pooled one where left out.

        Returns
        -------
        matplotlib Axes
        """
        from srm.plot import plot_curve

        return plot_curve(self, ax, polar=polar, plane=plane)

    def line(self, plane: tuple[int, int]) -> int:
        """Return the line of a plane among the curves.

        Parameters
        ----------
        plane : (i, j)
            Its vectors.

        Returns
        -------
        int

        Raises
        ------
        KeyError
            If there is none, with the reason.
        """
        i, j = check_pair(plane, self.planes.frame.m)
        at = np.flatnonzero((self.first == i) & (self.second == j))
        if len(at):
            return int(at[0])
        if sorted((i, j)) in self.planes.degenerate.tolist():
            raise KeyError(f"vectors {i} and {j} are parallel: they span no plane")
        if i > j and not self.planes.ordered:
            raise KeyError(
                f"combination turns from the smaller index, got plane ({i}, {j}): ask for "
                f'({j}, {i}), or sweep with pairs="permutation"'
            )
        raise KeyError(f"no curve was kept for plane ({i}, {j}): name it in `planes` of the sweep")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to an HDF5 file.

        Parameters
        ----------
        path : path
            The final name; it appears only when everything is written.
        """
        import h5py

        from ppp.files import replacing

        frame = self.planes.frame
        with replacing(path) as part, h5py.File(part, "w") as file:
            facts = {name: getattr(self, name) for name in _FACTS}
            facts |= {"pairs": self.planes.pairs, "source": frame.source, "labels": frame.labels}
            facts |= {"is_standard": frame.is_standard, "n": frame.n}
            file.attrs["format"] = FORMAT
            file["facts"] = json.dumps(facts)  # an attribute has no room for many labels
            if not frame.is_standard:
                file["vectors"] = frame.vectors
            for name in _ARRAYS:
                if getattr(self, name) is not None:
                    file[name] = getattr(self, name)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SRMResult:
        """Read a result back.

        Parameters
        ----------
        path : path
            What `save` wrote.

        Returns
        -------
        SRMResult

        Raises
        ------
        ValueError
            If the file holds something else, or is cut off or damaged.
        """
        import h5py

        if not os.path.exists(path):
            raise FileNotFoundError(f"no sweep at {os.fspath(path)}")
        try:
            with h5py.File(path, "r") as file:
                if file.attrs.get("format") == FORMAT:
                    return cls._read(file)
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{os.fspath(path)} is not a whole sweep ({error}): save it again"
            ) from error
        raise ValueError(f"{os.fspath(path)} holds no sweep: it was not written by save()")

    @classmethod
    def _read(cls, file: h5py.File) -> SRMResult:
        facts = json.loads(file["facts"][()])
        labels = tuple(facts.pop("labels"))
        n, source = facts.pop("n"), facts.pop("source")
        if facts.pop("is_standard"):
            frame = Frame.standard(n, labels)
        else:
            frame = Frame(file["vectors"][()], labels, source)
        planes = Planes.of(frame, facts.pop("pairs"))
        arrays = {name: file[name][()] for name in _ARRAYS if name in file}
        facts["classes"] = tuple(facts["classes"])
        return cls(planes=planes, **facts, **arrays)


_FACTS = ("epsilon", "signed", "classes", "zero", "nonfinite", "compat", "unit")
_ARRAYS = ("angles", "rows", "seen", "pooled_seen", "first", "second", "null")


def _order(
    counter: SweepCounter, named: Sequence[tuple[int, int]] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the vectors of each curve and its line in the counter's table; None for all."""
    planes, lines = counter.planes, counter.lines
    none = np.empty(0, np.int64)
    if lines is None:
        return none, none, none
    m = planes.frame.m
    if named is None and not planes.ordered and not len(planes.degenerate):
        return planes.first, planes.second, None
    if named is None:
        first, second, slots = planes.first, planes.second, planes.slots
        place, size = slots, m * (m - 1) // 2
    else:
        listed = dict.fromkeys(
            pair if planes.ordered else (min(pair), max(pair)) for pair in map(tuple, named)
        )
        first, second = (np.array([pair[k] for pair in listed], np.int64) for k in (0, 1))
        low, high = np.minimum(first, second), np.maximum(first, second)
        place = lines[low * m - low * (low + 1) // 2 + high - low - 1]
        size = int(lines.max()) + 1
    return first, second, place + np.where(first > second, size, 0)
