"""Room: a frame, the counters and the votes of a scan, on a torch device."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import torch

from ppp.block_counting import SINGLE_WIDTH
from ppp.frame import GRAM_LIMIT
from ppp.kernels import device as kernels
from ppp.planes import Planes
from ppp.prepared import Prepared, fetched
from ppp.tally import MOMENTS, Tally

#: Coordinates sifted at a time, about 28 bytes each; and compared at a time, up to 220 bytes each.
SIFTED = {"cpu": 2**18, "accelerator": 2**25}
COMPARED = {"cpu": 2**17, "accelerator": 2**24}
#: On CUDA not more than have room in this share of the memory that is free.
SHARE = 1 / 8


class Room:
    """Frame and counters on a device.

    Parameters
    ----------
    tally : Tally
        What is counted.
    device : torch.device
        Where rows are sifted.
    double : bool
        Whether hits are decided there, too, or on the CPU.
    """

    def __init__(self, tally: Tally, device: torch.device, double: bool) -> None:
        planes, rule = tally.planes, tally.rule
        self.exact = device if double else torch.device("cpu")
        self.sifted, self.compared = _at_once(device)
        self.frame = _geometry(planes, self.exact)
        self.single: torch.Tensor | None = None
        vectors = self.frame.vectors
        if vectors is not None and (not double or planes.frame.n >= SINGLE_WIDTH):
            self.single = vectors.to(device, torch.float32)
        self.detailed, self._half_width, self._bins = tally.detailed, tally.half_width, rule.bins
        self.labels: dict[Hashable, int] = {}
        for name in ("grid", "swapped", "angle", "pairs"):
            array = getattr(tally, name)
            setattr(self, name, self._zeros(0 if array is None else array.size, torch.int64))
        self.zero, self.nonfinite, self.outside = (
            torch.zeros((), dtype=torch.int64, device=self.exact) for _ in range(3)
        )
        self.inputs = self._zeros(0, torch.int64)
        self.moments = self._zeros(0, torch.float64, len(MOMENTS))
        self.products = self._zeros(0, torch.float64, len(MOMENTS) ** 2)
        self._directions = kernels.directions(rule.angles, self.exact)

    grid: torch.Tensor
    swapped: torch.Tensor
    angle: torch.Tensor
    pairs: torch.Tensor

    def add(
        self,
        hits: kernels.Hits,
        x: torch.Tensor,
        c: torch.Tensor,
        norm2: torch.Tensor,
        scale: torch.Tensor | None,
    ) -> None:
        """Count hits of rows x with coordinates c and Σ x² by plane, angle and place."""
        if not self.detailed:
            return
        m = len(self.frame.bounds)
        if len(self.pairs):
            low, high = hits.low, hits.high
            _tick(self.pairs, low * m - low * (low + 1) // 2 + high - low - 1)
        # few bins: a histogram of their own, where single ticks would queue up for the same one
        at = kernels.snapped(hits, norm2, self.frame)
        angles = kernels.turned(at.w1, at.w2, len(self.angle), self._directions)
        self.angle += torch.bincount(angles, minlength=len(self.angle))
        self._bin(self.grid, at.w1, at.w2, hits.row, scale)
        if len(self.swapped):
            back = kernels.turned_round(x, c, hits, self.frame)
            back = kernels.snapped(back, norm2, self.frame)
            self._bin(self.swapped, back.w1, back.w2, hits.row, scale)

    def _bin(
        self,
        grid: torch.Tensor,
        w1: torch.Tensor,
        w2: torch.Tensor,
        row: torch.Tensor,
        scale: torch.Tensor | None,
    ) -> None:
        if scale is not None:
            w1, w2 = w1 * scale[row], w2 * scale[row]
        per_unit = self._bins / (2 * self._half_width)
        cell, inside = kernels.cells(w1, w2, per_unit, self._bins)
        self.outside += (~inside).sum()
        _tick(grid, cell[inside])

    def close_inputs(self, block: Prepared, sums: torch.Tensor) -> None:
        """Add the sums of a block's rows, input by input, to those of their classes."""
        if not block.rows:
            return
        starts = block.input_starts
        if starts is not None:
            lengths = torch.from_numpy(np.diff(starts, append=block.rows)).to(self.exact)
            sums = torch.segment_reduce(sums, "sum", lengths=lengths)
        labels, code = block.input_classes
        valid = sums[:, 0] > 0
        if len(labels) == 1:
            found = [valid.sum()[None], sums.sum(dim=0)[None], (sums.T @ sums).reshape(1, -1)]
        else:
            classes = code if starts is None else code[starts]
            order = torch.from_numpy(np.argsort(classes, kind="stable")).to(self.exact)
            counts = torch.from_numpy(np.bincount(classes, minlength=len(labels))).to(self.exact)
            sums = sums[order]
            outer = (sums[:, :, None] * sums[:, None, :]).flatten(1)
            whole = torch.cat([valid[order].double()[:, None], sums, outer], dim=1)
            added = torch.segment_reduce(whole, "sum", lengths=counts)
            k = len(MOMENTS)
            found = [added[:, 0].to(torch.int64), added[:, 1 : 1 + k], added[:, 1 + k :]]
        places = self._places(labels)
        for into, values in zip((self.inputs, self.moments, self.products), found, strict=True):
            into[places] += values

    def _places(self, labels: list[Hashable]) -> torch.Tensor:
        for label in labels:
            self.labels.setdefault(label, len(self.labels))
        more = len(self.labels) - len(self.inputs)
        if more:
            k = len(MOMENTS)
            self.inputs = torch.cat([self.inputs, self._zeros(more, torch.int64)])
            self.moments = torch.cat([self.moments, self._zeros(more, torch.float64, k)])
            self.products = torch.cat([self.products, self._zeros(more, torch.float64, k * k)])
        return torch.tensor([self.labels[label] for label in labels], device=self.exact)

    def empty_into(self, tally: Tally) -> None:
        """Add everything to a tally, in one transfer, and empty it."""
        for name in ("grid", "swapped", "angle", "pairs"):
            array, counted = getattr(tally, name), getattr(self, name)
            if array is not None and array.size:
                array += fetched(counted).numpy().reshape(array.shape)
                counted.zero_()
        for name in ("zero", "nonfinite", "outside"):
            counted = getattr(self, name)
            setattr(tally, name, getattr(tally, name) + int(counted))
            counted.zero_()
        k = len(MOMENTS)
        inputs, moments, products = (
            each.cpu().numpy() for each in (self.inputs, self.moments, self.products)
        )
        for label, at in self.labels.items():
            tally.add_sums(label, int(inputs[at]), moments[at], products[at].reshape(k, k))
        for counted in (self.inputs, self.moments, self.products):
            counted.zero_()

    def _zeros(self, count: int, dtype: torch.dtype, *more: int) -> torch.Tensor:
        return torch.zeros((count, *more), dtype=dtype, device=self.exact)


def _at_once(device: torch.device) -> tuple[int, int]:
    """Return how many coordinates are sifted and how many compared at a time."""
    kind = "cpu" if device.type == "cpu" else "accelerator"
    sifted, compared = SIFTED[kind], COMPARED[kind]
    if device.type == "cuda":
        spared = SHARE * torch.cuda.mem_get_info(device)[0]
        sifted, compared = min(sifted, int(spared / 28)), min(compared, int(spared / 220))
    return max(1, sifted), max(1, compared)


def _tick(counts: torch.Tensor, at: torch.Tensor) -> None:
    one = torch.ones(1, dtype=counts.dtype, device=counts.device)
    counts.scatter_add_(0, at, one.expand(len(at)))


def _geometry(planes: Planes, device: torch.device) -> kernels.Geometry:
    """Put what the search needs of a frame on a device."""
    frame = planes.frame

    def there(array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, dtype=torch.float64, device=device)

    tabled = not frame.orthonormal and frame.m <= GRAM_LIMIT
    bounds = planes.leader_bounds
    return kernels.Geometry(
        None if frame.is_standard else there(frame.vectors),
        there(frame.gram) if tabled else None,
        frame.orthonormal,
        there(bounds),
        float(bounds.min()),
        frame.exact,
    )


class Votes:
    """Each row's best plane: the one it is closest to, on a tie the first.

    Parameters
    ----------
    sums : (R, K) float64 tensor
        Columns 4 to 6, and 1 (hits), as in `ppp.tally.MOMENTS`.
    m : int
        Number of vectors.
    """

    def __init__(self, sums: torch.Tensor, m: int) -> None:
        self._sums, self._m = sums, m
        rows, device = len(sums), sums.device
        self._reach = torch.full((rows,), -1.0, dtype=torch.float32, device=device)
        self._pair = torch.full((rows,), m * m, dtype=torch.int64, device=device)

    def of_largest(self, c: torch.Tensor) -> None:
        """Vote for the plane of the two largest |c|: the best one of an orthonormal frame."""
        voting = self._sums[:, 1] > 0
        a, b = c.abs().topk(2, dim=1).values.unbind(dim=1)
        cos4, cos8 = kernels.waves(a, b, None)
        for column, value in ((4, 1.0), (5, cos4), (6, cos8)):
            self._sums[:, column] = torch.where(voting, value, 0.0)

    def cast(
        self, hits: kernels.Hits, cos4: torch.Tensor, cos8: torch.Tensor, norm2: torch.Tensor
    ) -> None:
        """Compare hits with the best ones so far."""
        row = hits.row
        # in float32, so that planes that tie but for rounding go to the first pair
        reach = ((hits.w1.square() + hits.w2.square()) / norm2[row]).float()
        pair = hits.low * self._m + hits.high
        most = torch.full_like(self._reach, -1.0).scatter_reduce(0, row, reach, "amax")
        leading = reach == most[row]
        first = torch.full_like(self._pair, self._m**2)
        first = first.scatter_reduce(0, row[leading], pair[leading], "amin")
        best = leading & (pair == first[row])
        known, same = self._reach[row], self._pair[row]
        best &= (reach > known) | ((reach == known) & (pair < same))
        chosen = row[best]
        self._reach[chosen], self._pair[chosen] = reach[best], pair[best]
        self._sums[chosen, 4] = 1.0
        self._sums[chosen, 5], self._sums[chosen, 6] = cos4[best], cos8[best]
