"""Preprocessing: explicit, recorded changes of the rows before any plane is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppp.fitting import Fitted, Fitter, check_steps, usable
from ppp.prepared import Prepared, as_array
from ppp.streams import Rows, as_stream

Array = NDArray[np.float64]

#: Steps that commute with a rotation of the rows: the null needs no new fit for them.
EQUIVARIANT = ("centre", "whiten")


@dataclass(frozen=True)
class Preprocessing:
    """Steps fitted to some activations.

    Examples
    --------
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    >>> fitted = Preprocessing.fit(x, ["centre", "scale"])
    >>> fitted.apply(x).std(axis=0).round(12).tolist()
    [1.0, 1.0]
    >>> fitted.record["steps"]
    ['centre', 'scale']
    """

    width: int
    fitted: tuple[Fitted, ...]

    @classmethod
    def fit(cls, x: Any, steps: str | Sequence[str] | None) -> Preprocessing:
        """Fit the steps one after the other, each on the rows the ones before it give.

        Parameters
        ----------
        x : (N, n) array or tensor, or store layer
            Activations that can be read several times; rows that are zero or not finite are left
            out of the fit.
        steps : str or sequence of str
            "drop-outliers" leaves out units whose root mean square is over 6 times the median
            unit's; "clip-outliers" clips those units' values at that bound; "centre" takes the
            mean away; "scale" divides every unit by its standard deviation (constant units by
            1, PPP paper App. A.2); "whiten" multiplies with the symmetric inverse square root of
            the covariance, which moves the units' axes least.

        Returns
        -------
        Preprocessing

        Raises
        ------
        ValueError
            For an unknown step, activations that can be read once only, or without usable row.
        """
        wanted = check_steps(steps)
        stream = as_stream(x)
        rows, width = stream.shape
        if wanted and (rows is None or width is None):
            raise ValueError(
                "preprocessing reads the activations before they are projected: give an array or "
                "a store layer, which can be read again"
            )
        fitter = Fitter(wanted)
        while not fitter.finished:
            for block in stream.blocks():
                fitter.append(block.rows)
            fitter.end_pass()
        return cls(int(width), fitter.fitted)

    @property
    def units(self) -> NDArray[np.int64]:
        """(k,) units that stay, by their place in the rows as they came."""
        kept = np.arange(self.width)
        for each in self.fitted:
            kept = kept[each.units]
        return kept

    @property
    def record(self) -> dict[str, Any]:
        """What was done, as a result's provenance keeps it."""
        units = self.units
        clipped = [
            units[np.isfinite(each.bound)].tolist() for each in self.fitted if each.clips
        ]  # fmt: skip
        return {
            "steps": [each.step for each in self.fitted],
            "dropped": sorted(set(range(self.width)) - set(units.tolist())),
            "clipped": clipped[0] if clipped else [],
        }

    def apply(self, rows: Any) -> Array:
        """Return changed rows (R, k); rows that are zero or not finite stay so."""
        x = as_array(rows).astype(np.float64, copy=False)
        present = usable(x)
        out = x[present]
        for each in self.fitted:
            out = each.apply(out)
        whole = np.zeros((len(x), out.shape[1]))
        whole[present] = out
        whole[~np.isfinite(x).all(axis=1)] = np.nan
        return whole

    @property
    def equivariant(self) -> bool:
        """Whether every step commutes with rotations of the rows."""
        # which units were dropped is settled before any frame turns
        return all(each.step in (*EQUIVARIANT, "drop-outliers") for each in self.fitted)

    def without_dropped(self, rows: Any) -> tuple[Array, tuple[str, ...]]:
        """Return rows without the dropped units, and the names of the steps still to do."""
        x = np.asarray(rows, dtype=np.float64)
        steps = tuple(each.step for each in self.fitted)
        if steps[:1] == ("drop-outliers",):
            return x[:, self.fitted[0].units], steps[1:]
        return x, steps


def fitted(x: Any, steps: str | Sequence[str] | None) -> Preprocessing | None:
    """Return the steps fitted to activations, None where none are asked for.

    Examples
    --------
    >>> fitted([[1.0, 2.0]], "none") is None
    True
    """
    return Preprocessing.fit(x, steps) if check_steps(steps) else None


class PreprocessedBlocks:
    """Blocks of a stream, changed on the way.

    Parameters
    ----------
    stream : object
        With `blocks()` and `shape`.
    preprocessing : Preprocessing
        Fitted steps.
    """

    def __init__(self, stream: Any, preprocessing: Preprocessing) -> None:
        self._stream, self.preprocessing = stream, preprocessing
        units = [len(each.units) for each in preprocessing.fitted]
        self.shape = (stream.shape[0], units[-1] if units else stream.shape[1])

    def blocks(self) -> Any:
        """Yield the changed blocks."""
        for block in self._stream.blocks():
            rows = self.preprocessing.apply(block.rows)
            yield Rows(rows, block.sample, getattr(block, "label", None))


class Changed:
    """A sink that sees the rows changed, while others of the same scan see them as they came.

    Parameters
    ----------
    sink : object
        With `fork`, `append`, `merge` and `finish`.
    preprocessing : Preprocessing
        Fitted steps.
    """

    def __init__(self, sink: Any, preprocessing: Preprocessing) -> None:
        self.sink, self.preprocessing = sink, preprocessing

    def fork(self) -> Changed:
        """Return an empty sink of the same kind."""
        return Changed(self.sink.fork(), self.preprocessing)

    @property
    def alone(self) -> bool:
        """Whether it must be fed by the caller's own thread, as the sink must."""
        return bool(getattr(self.sink, "alone", False))

    @property
    def shared(self) -> bool:
        """Whether worker threads may feed it at once, as they may the sink."""
        return bool(getattr(self.sink, "shared", False))

    def append(self, block: Prepared) -> None:
        """Take a block in, changed."""
        rows = self.preprocessing.apply(block.x)
        self.sink.append(Prepared(rows, block.sample, block.label))

    def merge(self, other: Changed) -> None:
        """Take another worker's share in."""
        self.sink.merge(other.sink)

    def finish(self) -> Any:
        """Return what was gathered."""
        return self.sink.finish()
