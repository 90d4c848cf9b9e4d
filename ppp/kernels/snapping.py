"""Coordinates that rounding moved off the edge of a bin are put back on it.

A row made of whole numbers has products on the very edges of bins, zero above all, and the order in
which a product is summed says on which side of them it comes out. The edges of a grid are multiples
of a power of two, hence of a step so much smaller: what is close to a multiple of that is taken for
it.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ppp.kernels.rows import inlined_part

#: A row's step is the power of two next above ‖x‖, halved so often.
_HALVINGS = 20
#: How far a product may be off a multiple of the step, in steps: 2⁻⁴⁴ to 2⁻⁴³ of ‖x‖.
NEAR = 2.0**-24


@inlined_part
def step_of(norm2):
    """Return the step of a row's coordinates, a power of two; its Σ x² is that of a usual row."""
    return math.ldexp(1.0, ((math.frexp(norm2)[1] + 1) >> 1) - _HALVINGS)


@inlined_part
def snapped(w, step):
    """Return a coordinate, put on the multiple of the step that it is near; a step of 0 is none."""
    if step == 0.0:
        return w
    # zeros come out without a sign
    near = np.rint(w * (1.0 / step)) * step + 0.0
    return near if abs(w - near) <= NEAR * step else w


def steps_of(norm2: torch.Tensor) -> torch.Tensor:
    """Return the step of every row's coordinates.

    Parameters
    ----------
    norm2 : (R,) float64 tensor
        Σ x² of usual rows.

    Returns
    -------
    (R,) float64 tensor
    """
    half = (torch.frexp(norm2).exponent.to(torch.int64) + 1) >> 1
    # as the bits of a power of two: what torch makes of `ldexp` hangs on the default type
    return ((half - _HALVINGS + 1023) << 52).view(torch.float64)


def snap(w: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Return coordinates, put on multiples of their steps that they are near.

    Parameters
    ----------
    w, step : (H,) float64 tensors
        Coordinates, and the step of the row of each.

    Returns
    -------
    (H,) tensor
    """
    near = torch.round(w / step) * step + 0.0
    return torch.where((w - near).abs() <= NEAR * step, near, w)
