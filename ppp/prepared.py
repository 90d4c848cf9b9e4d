"""Prepared: a block's rows made ready for the kernels, once for all sinks."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from ppp.engines import has_float64
from ppp.frame import Frame
from ppp.kernels import cpu
from ppp.kernels.rows import LEAST, MOST
from ppp.row_checks import check_labels

#: Rows of a block that a GEMM sees at once: fixed, so that results never depend on who counts.
PIECE_ROWS = 2048
#: Rows up to this size leave a CUDA device through pinned memory, which is several times faster.
PINNED_BYTES = 2**28


class Norms(NamedTuple):
    """Rows made safe, with Σ x² of the (scaled) row, its state and the factor that undoes scaling.

    Zero and infinite rows are blanked, extreme ones scaled by a power of two: their norms would
    leave the range of float64.
    """

    x: np.ndarray
    norm2: np.ndarray
    state: np.ndarray
    scale: np.ndarray


class Piece:
    """At most 2 048 rows of a block, with what kernels need of them, computed when asked for.

    Parameters
    ----------
    raw : (R, n) float32 or float64 array
        Rows as they came.
    start : int
        The first row's place in the block.
    plain : bool
        Whether the rows are known to be valid and of ordinary size.
    """

    def __init__(self, raw: np.ndarray, start: int, plain: bool = False) -> None:
        self.raw, self.start = raw, start
        self._plain = plain
        self._memo: dict[int, tuple[Frame, np.ndarray]] = {}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.raw)

    @cached_property
    def norms(self) -> Norms:
        """Classify rows and scale the extreme ones."""
        x = self.raw
        norm2 = np.empty(len(x))
        state = np.empty(len(x), np.uint8)
        scale = np.ones(len(x))
        cpu.squared_norms(x, norm2)
        cpu.classify(x, norm2, state)
        if state.any():
            x = x.astype(np.float64)
            x[(state == cpu.ZERO) | (state == cpu.NONFINITE)] = 0
            extreme = state == cpu.EXTREME
            # the power of two of the largest |x| itself, which is a number as well
            exponent = np.frexp(np.abs(x[extreme]).max(axis=1, initial=0))[1] - 1
            x[extreme] = np.ldexp(x[extreme], -exponent[:, None])
            norm2[extreme] = np.square(x[extreme]).sum(axis=1)
            scale[extreme] = np.ldexp(1.0, exponent)
            state[extreme] = cpu.VALID
        return Norms(x, norm2, state, scale)

    @property
    def x(self) -> np.ndarray:
        """(R, n) rows, made safe."""
        return self.raw if self._plain else self.norms.x

    @property
    def norm2(self) -> np.ndarray:
        """(R,) float64 Σ x² of the (scaled) rows."""
        return self.norms.norm2

    @property
    def state(self) -> np.ndarray:
        """(R,) uint8 states: `ppp.kernels.cpu.VALID` and its siblings."""
        return self.norms.state

    @property
    def scale(self) -> np.ndarray:
        """(R,) float64 factors that undo the scaling."""
        return self.norms.scale

    def coordinates(self, frame: Frame) -> np.ndarray:
        """Return c = x · b, (R, m): the rows themselves for the standard basis, else one GEMM."""
        if frame.is_standard:
            return self.x
        if id(frame) not in self._memo:
            c = self.x.astype(np.float64, copy=False) @ frame.vectors.T
            self._memo[id(frame)] = (frame, c)
        return self._memo[id(frame)][1]


class Prepared:
    """A block ready to be counted; what several sinks need is computed once, when first needed.

    Parameters
    ----------
    x : (R, n) array or tensor
        Rows, of any floating type, on any device.
    sample : (R,) int64 array
        Input of each row.
    label : (R,) array or None
        Class of each row's input.
    """

    def __init__(
        self, x: np.ndarray | torch.Tensor, sample: np.ndarray, label: np.ndarray | None
    ) -> None:
        self._rows, self.sample, self.label = x, sample, label
        self._noted: np.ndarray | None = None
        self._there: dict[torch.device, torch.Tensor] = {}

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

        Raises
        ------
        ValueError
            If a label is NaN.
        """
        label = getattr(block, "label", None)
        sample = np.ascontiguousarray(block.sample, dtype=np.int64)
        return cls(block.rows, sample, None if label is None else check_labels(np.asarray(label)))

    @cached_property
    def x(self) -> np.ndarray:
        """(R, n) float32 or float64 rows in the host's memory, copied there when first needed."""
        return as_array(self._rows)

    def on(self, device: torch.device, double: bool = True) -> torch.Tensor:
        """Return the rows as a float32 or float64 tensor on a device.

        Parameters
        ----------
        device : torch.device
            Where; rows that are there already are not copied.
        double : bool
            Whether the device has float64; if not, rows of that type stay on the CPU.

        Returns
        -------
        (R, n) tensor
        """
        if device not in self._there:
            self._there[device] = as_tensor(self._rows, device, double)
        return self._there[device]

    def near(self, at: np.ndarray) -> tuple[Prepared, np.ndarray]:
        """Return a block in the host's memory that has these rows.

        Parameters
        ----------
        at : (K,) int64 array
            Where they stand in this block.

        Returns
        -------
        block : Prepared
            This one; of rows on a device only those asked for, which are copied.
        place : (K,) int64 array
            Where they stand in it.
        """
        if not self._on_device:
            return self, at
        rows = as_array(self._rows[torch.from_numpy(at).to(self._rows.device)])
        label = None if self.label is None else self.label[at]
        near = Prepared(rows, self.sample[at], label)
        if self._noted is not None:
            near.note(self._noted[at])
        return near, np.arange(len(at))

    @property
    def lengths(self) -> np.ndarray:
        """‖x‖ of the valid rows, in order, (V,) float64; taken on their device, if it can."""
        if self._on_device and has_float64(self._rows.device):
            rows: Any = self._rows
            parts = (part.double() for part in rows.detach().split(PIECE_ROWS))
            norm2 = torch.cat([torch.linalg.vecdot(part, part) for part in parts]).cpu().numpy()
        else:
            norm2 = np.empty(self.rows)
            cpu.squared_norms(self.x, norm2)
        if ((norm2 >= LEAST) & (norm2 <= MOST)).all():
            return np.asarray(np.sqrt(norm2))
        valid = [piece.state == cpu.VALID for piece in self.pieces]
        each = zip(self.pieces, valid, strict=True)
        with np.errstate(over="ignore"):
            kept = [np.sqrt(piece.norm2[at]) * piece.scale[at] for piece, at in each]
        return np.concatenate([np.empty(0), *kept])

    def valid(self, at: np.ndarray) -> np.ndarray:
        """Return which of the rows at these places are valid, (K,) bool."""
        if self._noted is None:
            return self.state[at] == cpu.VALID
        noted = self._noted[at]
        return (noted == cpu.VALID) | (noted == cpu.EXTREME)

    def safe(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return an array in the host's memory that has these valid rows, extreme ones scaled.

        Parameters
        ----------
        at : (K,) int64 array
            Where they stand in the block, in ascending order.

        Returns
        -------
        rows : (M, n) array
            All rows of the block where none of those asked for needs scaling, else just them.
        place : (K,) int64 array
            Where they stand in it.
        """
        if self._noted is not None and not (self._noted[at] == cpu.EXTREME).any():
            return self.x, at
        parts = np.split(at, np.searchsorted(at, [piece.start for piece in self.pieces[1:]]))
        among = zip(self.pieces, parts, strict=True)
        rows = [piece.x[part - piece.start] for piece, part in among if len(part)]
        return np.concatenate([self.x[:0], *rows]), np.arange(len(at))

    @property
    def _on_device(self) -> bool:
        """Whether the rows are not in the host's memory, and were not needed there so far."""
        away = isinstance(self._rows, torch.Tensor) and self._rows.device.type != "cpu"
        return away and "x" not in self.__dict__

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.sample)

    @cached_property
    def pieces(self) -> list[Piece]:
        """The rows, at most 2 048 at a time."""
        found = []
        for at in range(0, len(self.x), PIECE_ROWS):
            noted = None if self._noted is None else self._noted[at : at + PIECE_ROWS]
            plain = noted is not None and not noted.any()
            found.append(Piece(self.x[at : at + PIECE_ROWS], at, plain))
        return found

    @cached_property
    def state(self) -> np.ndarray:
        """(R,) state of every row."""
        if self._noted is not None:
            return np.where(self._noted == cpu.EXTREME, cpu.VALID, self._noted)
        return np.concatenate([np.empty(0, np.uint8), *(piece.state for piece in self.pieces)])

    def note(self, state: np.ndarray) -> None:
        """Take the states that a counting kernel found on its way, extreme rows marked as such."""
        if self._noted is None:
            self._noted = state

    @cached_property
    def input_starts(self) -> np.ndarray | None:
        """The first row of every input, (I,) int64; None where every row is an input."""
        changes = self.sample[1:] != self.sample[:-1]
        if changes.all():
            return None
        return np.concatenate([[0], np.flatnonzero(changes) + 1])

    @cached_property
    def classes(self) -> tuple[list[Any], np.ndarray]:
        """The labels of the block, and which of them each row has (empty: all the first)."""
        none = np.empty(0, np.int64)
        if self.label is None or not self.rows:
            return [None], none
        if (self.label == self.label[0]).all():
            return [self.label[0].item()], none
        if self.label.dtype.kind in "iu" and 0 <= self.label.min() <= self.label.max() < 1024:
            present = np.flatnonzero(np.bincount(self.label))
            code = np.zeros(int(present[-1]) + 1, np.int64)
            code[present] = np.arange(len(present))
            return [int(label) for label in present], code[self.label]
        labels, codes = np.unique(self.label, return_inverse=True)
        return [label.item() for label in labels], codes.astype(np.int64)

    @cached_property
    def input_classes(self) -> tuple[list[Any], np.ndarray]:
        """`classes`, where all rows of every input are known to be of one class."""
        labels, code = self.classes
        if len(code):
            split = (self.sample[1:] == self.sample[:-1]) & (code[1:] != code[:-1])
            if split.any():
                at = int(np.argmax(split))
                one, other = labels[code[at]], labels[code[at + 1]]
                raise ValueError(
                    "label must be the same in all rows of an input, got "
                    f"{one!r} and {other!r} in input {self.sample[at]}: leave sample out, or use "
                    "ppp.project_classes, which takes the rows of each class by themselves"
                )
        return labels, code


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
    if not isinstance(rows, torch.Tensor):
        rows = np.asarray(rows)
        if rows.dtype == np.float16:
            rows = _shared(np.ascontiguousarray(rows)).float().numpy()
        elif rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float64)
        return np.ascontiguousarray(rows)
    rows = fetched(rows.detach()).resolve_neg()
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    elif rows.dtype not in (torch.float32, torch.float64):
        rows = rows.double()
    return rows.contiguous().numpy()


def _shared(array: np.ndarray) -> torch.Tensor:
    """Return an array as a tensor: a copy where its memory may not be written to."""
    return torch.from_numpy(array) if array.flags.writeable else torch.tensor(array)


def fetched(rows: torch.Tensor) -> torch.Tensor:
    """Return a copy of rows on a device in the host's memory, of those there themselves."""
    if rows.device.type != "cuda" or rows.numel() * rows.element_size() > PINNED_BYTES:
        return rows.cpu()
    return torch.empty(rows.shape, dtype=rows.dtype, device="cpu", pin_memory=True).copy_(rows)


def as_tensor(
    rows: torch.Tensor | np.ndarray, device: torch.device, double: bool = True
) -> torch.Tensor:
    """Return rows as a float32 or float64 tensor on a device, without loss.

    Parameters
    ----------
    rows : (R, n) tensor or array
        Types are taken as by `as_array`.
    device : torch.device
        Where.
    double : bool
        Whether the device has float64; if not, rows of that type stay on the CPU.

    Returns
    -------
    (R, n) tensor
    """
    if not isinstance(rows, torch.Tensor):
        rows = _shared(as_array(rows))
    rows = rows.detach()
    narrow = rows.dtype in (torch.float16, torch.bfloat16, torch.float32)
    if not narrow and not double:
        return rows.cpu().double()
    return rows.to(device).to(torch.float32 if narrow else torch.float64)
