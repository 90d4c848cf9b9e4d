"""What every functional form asks of its arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from isotropic.checks import require_number


def require_floating(x: torch.Tensor, name: str = "x") -> None:
    """Refuse whatever is not a tensor of real floating-point numbers."""
    if isinstance(x, torch.Tensor) and x.is_floating_point():
        return
    tensor = isinstance(x, torch.Tensor)
    kind, way_out = (x.dtype, "x.double()") if tensor else (type(x).__name__, "torch.as_tensor")
    raise TypeError(
        f"{name} must be a tensor of real floating-point numbers, got {kind}: use {way_out}"
    )


def require_positive(name: str, value: float | torch.Tensor, *, zero: bool = True) -> None:
    """Refuse a negative number (and zero, where ``zero`` is false)."""
    if isinstance(value, torch.Tensor):
        return  # a parameter is checked by whoever owns it: its value may change at every step
    require_number(name, value)
    if not (value >= 0 if zero else value > 0):
        raise ValueError(f"{name} must be {'at least' if zero else 'above'} 0, got {value}")


def device_of(f: Any) -> torch.device:
    """Return where a map takes its vectors: a module's first parameter or buffer, else the CPU."""
    held = (*f.parameters(), *f.buffers()) if isinstance(f, nn.Module) else ()
    return held[0].device if held else torch.device("cpu")
