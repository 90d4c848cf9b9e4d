"""Prepared: a block's rows made ready for the kernels, once for all sinks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ppp.frame import Frame
from ppp.kernels import cpu

#: Rows of a block that a GEMM sees at once: fixed, so that results never depend on who counts.
PIECE_ROWS = 2048


@dataclass(frozen=True)
class Piece:
    """At most 2 048 rows of a block, with what every kernel needs of them.

    Parameters
    ----------
    x : (R, n) float32 or float64 array
        Rows; those that are zero or not finite are blanked, extreme ones scaled by a power of
        two (their norms would leave the range of float64).
    norm2, state, scale : (R,) arrays
        Σ x² of the scaled row; `ppp.kernels.cpu.VALID` and its siblings; the factor that undoes
        the scaling.
    start : int
        The first row's place in the block.
    """

    x: np.ndarray
    norm2: np.ndarray
    state: np.ndarray
    scale: np.ndarray
    start: int
    memo: dict[int, tuple[Frame, np.ndarray]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, x: np.ndarray, start: int) -> Piece:
        """Classify rows and scale the extreme ones."""
        norm2 = np.empty(len(x))
        state = np.empty(len(x), np.uint8)
        scale = np.ones(len(x))
        cpu.squared_norms(x, norm2)
        cpu.classify(x, norm2, state)
        if state.any():
            x = x.astype(np.float64)
            x[(state == cpu.ZERO) | (state == cpu.NONFINITE)] = 0
            extreme = state == cpu.EXTREME
            exponent = np.frexp(np.abs(x[extreme]).max(axis=1, initial=0))[1]
            x[extreme] = np.ldexp(x[extreme], -exponent[:, None])
            norm2[extreme] = np.square(x[extreme]).sum(axis=1)
            # Beyond the exponent range of float64 the true coordinate is out of any grid or zero.
            scale[extreme] = np.ldexp(1.0, np.clip(exponent, -1074, 1023))
            state[extreme] = cpu.VALID
        return cls(x, norm2, state, scale, start)

    def coordinates(self, frame: Frame) -> np.ndarray:
        """Return c = x · b, (R, m): the rows themselves for the standard basis, else one GEMM."""
        if frame.is_standard:
            return self.x
        if id(frame) not in self.memo:
            c = self.x.astype(np.float64, copy=False) @ frame.vectors.T
            self.memo[id(frame)] = (frame, c)
        return self.memo[id(frame)][1]


@dataclass(frozen=True)
class Prepared:
    """A block ready to be counted.

    Parameters
    ----------
    pieces : list of Piece
        Its rows.
    sample : (R,) int64 array
        Input of each row.
    label : (R,) array or None
        Class of each row's input.
    """

    pieces: list[Piece]
    sample: np.ndarray
    label: np.ndarray | None

    @classmethod
    def of(cls, block: Any) -> Prepared:
        """Prepare anything with `.rows` and `.sample`.

        Parameters
        ----------
        block : hooks.Block or alike
            Rows (R, n) as a tensor or array of any floating type.

        Returns
        -------
        Prepared
        """
        x = as_array(block.rows)
        label = getattr(block, "label", None)
        starts = range(0, len(x), PIECE_ROWS)
        pieces = [Piece.of(x[at : at + PIECE_ROWS], at) for at in starts]
        return cls(pieces, np.asarray(block.sample), None if label is None else np.asarray(label))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.sample)

    @property
    def state(self) -> np.ndarray:
        """(R,) state of every row."""
        return np.concatenate([piece.state for piece in self.pieces])

    def input_starts(self) -> np.ndarray:
        """Return the first row of every input, (I,) int64."""
        changes = np.flatnonzero(self.sample[1:] != self.sample[:-1]) + 1
        return np.concatenate([[0], changes]) if self.rows else np.empty(0, np.int64)

    def by_class(self, starts: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield each label with the mask of its inputs; (None, all) without labels."""
        if self.label is None or not len(starts):
            yield None, np.ones(len(starts), bool)
            return
        of_input = self.label[starts]
        for label in np.unique(of_input):
            yield label.item(), of_input == label


def as_array(rows: torch.Tensor | np.ndarray) -> np.ndarray:
    """Return rows as a C-contiguous float32 or float64 array, without loss.

    Parameters
    ----------
    rows : (R, n) tensor or array
        float16 and bfloat16 become float32 (torch converts them at memory speed), integers
        float64.

    Returns
    -------
    (R, n) array

    Examples
    --------
    >>> as_array(torch.ones(2, 3, dtype=torch.bfloat16)).dtype
    dtype('float32')
    """
    if isinstance(rows, np.ndarray):
        if rows.dtype == np.float16:
            rows = torch.from_numpy(np.ascontiguousarray(rows)).float().numpy()
        elif rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float64)
        return np.ascontiguousarray(rows)
    rows = rows.detach().cpu()
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    elif rows.dtype not in (torch.float32, torch.float64):
        rows = rows.double()
    return rows.contiguous().numpy()
