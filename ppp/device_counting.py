"""DeviceCounter: blocks counted by torch on a device, folded into a tally at the end."""

from __future__ import annotations

from typing import Any

import torch

from ppp.block_counting import error_share
from ppp.device_room import Room, Votes
from ppp.engines import has_float64
from ppp.kernels import device as kernels
from ppp.kernels.rows import EXTREME, LEAST, MOST, NONFINITE, VALID, ZERO, Bound
from ppp.prepared import PIECE_ROWS, Piece, Prepared
from ppp.tally import CLASS_LIMIT, MOMENTS, Tally


class DeviceCounter:
    """Count blocks on a torch device.

    Parameters
    ----------
    tally : Tally
        What `flush` adds the counts to.
    bound : Bound
        The rule's threshold.
    device : str
        Where to count.
    double : bool, optional
        Whether the device computes in float64; by default what is known of it.

    Notes
    -----
    Rows stay on the device. Those that float32 cannot turn away are decided in float64, there or,
    on a device without float64, on the CPU. Counters live where float64 does and come back in one
    transfer.
    """

    def __init__(self, tally: Tally, bound: Bound, device: str, double: bool | None = None) -> None:
        self._tally, self._bound = tally, bound
        self._device = torch.device(device)
        self._double = has_float64(self._device) if double is None else double
        self._room: Room | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the device behind; what was counted travels in the tally, once it is flushed."""
        return vars(self) | {"_room": None}

    @torch.no_grad()
    def append(self, block: Prepared) -> None:
        """Count a block."""
        room = self._made()
        tally = self._tally
        frame = tally.planes.frame
        # a device without float64 would round such rows
        x = block.on(self._device, self._double)
        sums = torch.zeros((block.rows, len(MOMENTS)), dtype=torch.float64, device=room.exact)
        state = torch.full((block.rows,), VALID, dtype=torch.uint8, device=room.exact)
        step = max(1, room.sifted // max(frame.m, frame.n))
        # blocks are cut likewise: a few rows more would be a chunk of their own
        step = PIECE_ROWS * -(-step // PIECE_ROWS) if step > PIECE_ROWS else step
        for start in range(0, block.rows, step):
            part = slice(start, start + step)
            self._count(x[part], sums[part], state[part], room)
        block.note(state.cpu().numpy())
        tally.rows += block.rows
        room.close_inputs(block, sums)
        if len(room.labels) > CLASS_LIMIT:
            self.flush()

    def flush(self) -> None:
        """Add the counters to the tally and empty them."""
        if self._room is not None:
            self._room.empty_into(self._tally)

    def _made(self) -> Room:
        if self._room is None:
            self._room = Room(self._tally, self._device, self._double)
        return self._room

    def _count(self, x: torch.Tensor, sums: torch.Tensor, state: torch.Tensor, room: Room) -> None:
        """Sift rows, then search those that may hit."""
        c, gamma = self._coordinates(x, room)
        # in the coordinates' own type: a copy in float64 would cost several times the sums
        single = c.dtype == torch.float32
        norm2 = torch.linalg.vector_norm(x, dim=1, dtype=c.dtype).square()
        ordinary = (norm2 >= LEAST) & (norm2 <= MOST)
        q = c.square()
        largest, fourth = q.amax(dim=1), torch.linalg.vector_norm(q, dim=1).square()
        norm4 = norm2.square()
        loss = 2.0**-21 * max(c.shape[1], x.shape[1]) if single else 0.0
        passing = kernels.may_hit(
            largest, fourth, norm2, norm4, self._bound, room.frame.lowest, c.shape[1], gamma, loss
        )
        if single:
            # what float32 cannot tell, as Σ c⁴ leaves its range, is left to the search
            passing |= (norm2 < LEAST**0.5) | (norm2 > MOST**0.5)
        sums[:, 0] = ordinary.to(room.exact)
        sums[:, 7] = torch.where(ordinary, fourth / norm4, 0.0).to(room.exact)
        # asked for together: each question waits for the device
        kept = torch.nonzero(passing | ~ordinary)[:, 0]
        if not len(kept):
            return
        usual = ordinary[kept]
        rows, unusual = kept[usual], kept[~usual]
        if len(rows):
            some = x[rows].to(room.exact).double()
            self._search(some, some.square().sum(dim=1), None, rows.to(room.exact), sums, room)
        if len(unusual):
            self._count_unusual(x[unusual], unusual.to(room.exact), sums, state, room)

    def _coordinates(self, x: torch.Tensor, room: Room) -> tuple[torch.Tensor, float]:
        """Return c = x · b, and γ: each c is within γ‖x‖ of the truth."""
        if room.frame.vectors is None:
            return x, 0.0
        if x.dtype == torch.float64:
            return x @ room.frame.vectors.T, 0.0
        if room.single is None:
            return x.double() @ room.frame.vectors.T, 0.0
        with kernels.plain_products(x.device):
            return x @ room.single.T, error_share(x.shape[1])

    def _count_unusual(
        self,
        x: torch.Tensor,
        at: torch.Tensor,
        sums: torch.Tensor,
        state: torch.Tensor,
        room: Room,
    ) -> None:
        """Count rows whose Σ x² leaves the ordinary range: most are zero or not finite."""
        x = x.to(room.exact)
        largest = x.abs().amax(dim=1)
        nonfinite, zero = ~torch.isfinite(largest), largest == 0
        room.nonfinite += nonfinite.sum()
        room.zero += zero.sum()
        state[at] = torch.where(nonfinite, NONFINITE, torch.where(zero, ZERO, EXTREME)).to(state)
        extreme = torch.nonzero(~(nonfinite | zero))[:, 0]
        if len(extreme):
            # scaled by a power of two, which the host does exactly
            norms = Piece(x[extreme].cpu().numpy(), 0).norms
            scaled, norm2, scale = (
                torch.from_numpy(array).to(room.exact, torch.float64)
                for array in (norms.x, norms.norm2, norms.scale)
            )
            self._search(scaled, norm2, scale, at[extreme], sums, room)

    def _search(
        self,
        x: torch.Tensor,
        norm2: torch.Tensor,
        scale: torch.Tensor | None,
        at: torch.Tensor,
        sums: torch.Tensor,
        room: Room,
    ) -> None:
        """Count the hits of rows in float64; write what each row sums up to."""
        frame = room.frame
        m = len(frame.bounds)
        step = max(1, room.compared // m)
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            some, length2 = x[part], norm2[part]
            factor = None if scale is None else scale[part]
            c = some if frame.vectors is None else some @ frame.vectors.T
            kept = kernels.threshold(self._bound, length2, 1.0 if factor is None else factor)
            mine = torch.zeros((len(c), len(MOMENTS)), dtype=c.dtype, device=c.device)
            mine[:, 0] = 1.0
            mine[:, 7] = c.square().square_().sum(dim=1) / length2.square()
            votes = Votes(mine, m)
            for hits in kernels.find_hits(some, c, kept, frame, room.compared):
                if not len(hits.row):
                    continue
                self._tally.hits += len(hits.row)
                room.add(hits, some, c, length2, factor)
                cos4, cos8 = kernels.waves(hits.w1, hits.w2, hits.g)
                lengths = kernels.lengths_of(hits.row, len(c))
                mine[:, 1] += lengths
                mine[:, 2] += kernels.sums_by_row(cos4, lengths)
                mine[:, 3] += kernels.sums_by_row(cos8, lengths)
                if not frame.orthonormal:
                    votes.cast(hits, cos4, cos8, length2)
            if frame.orthonormal:
                votes.of_largest(c)
            sums[at[part]] = mine
