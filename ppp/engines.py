"""Engines: who counts — numba on the CPU, or torch on a device."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

#: How an engine may be asked for.
SPELLINGS = '"auto", "cpu", "torch" or "torch:DEVICE" (such as "torch:cuda" or "torch:mps")'


@dataclass(frozen=True)
class Engine:
    """Who counts.

    Parameters
    ----------
    device : str or None
        Device of the torch engine, such as "cuda:0"; None for the numba engine.

    Examples
    --------
    >>> Engine().name, Engine("cuda:0").name
    ('cpu', 'torch:cuda:0')
    """

    device: str | None = None

    @property
    def name(self) -> str:
        """How it is asked for: "cpu", or "torch:DEVICE"."""
        return "cpu" if self.device is None else f"torch:{self.device}"

    @property
    def record(self) -> dict[str, str]:
        """What a result's provenance says of it."""
        if self.device is None:
            return {"engine": self.name}
        import torch

        device = torch.device(self.device)
        named = platform.machine() if device.type == "cpu" else device.type
        if device.type in ("cuda", "xpu"):
            named = str(getattr(torch, device.type).get_device_name(device))
        return {"engine": self.name, "device": named}


def check_engine(engine: str) -> None:
    """Raise unless the engine is one there is.

    Parameters
    ----------
    engine : str
        What a user asked for.

    Raises
    ------
    ValueError
        If the spelling is unknown, or the device is not there.

    Examples
    --------
    >>> check_engine("abacus")
    Traceback (most recent call last):
    ValueError: engine must be "auto", "cpu", "torch" or "torch:DEVICE" ..., got 'abacus'
    """
    if engine in ("auto", "cpu", "torch"):
        return
    kind, _, asked = engine.partition(":") if isinstance(engine, str) else ("", "", "")
    if kind != "torch" or not asked:
        raise ValueError(f"engine must be {SPELLINGS}, got {engine!r}")
    reason = refusal(asked)
    if reason:
        there = ", ".join(f'"torch:{each}"' for each in (*accelerators(), "cpu"))
        raise ValueError(
            f"engine {engine!r} needs the device {asked!r}, which torch cannot use here "
            f'({reason}): take "cpu", or one of {there}'
        )


def refusal(device: str) -> str:
    """Return why torch cannot use a device here, empty where it can.

    Parameters
    ----------
    device : str
        What a user asked for.

    Returns
    -------
    str
        One short line.

    Examples
    --------
    >>> refusal("cpu")
    ''
    """
    import torch

    try:
        torch.empty(0, device=torch.device(device))
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        return str(error).split(". ")[0].splitlines()[0][:120] or type(error).__name__
    return ""


def chosen_engine(engine: str, rows: Any) -> Engine:
    """Return who counts rows.

    Parameters
    ----------
    engine : str
        "cpu"; "torch:DEVICE"; "torch" is torch on the device of the rows, or on the first
        accelerator for rows in the host's memory (torch's own CPU where there is none); "auto" is
        torch for tensors on an accelerator, else "cpu".
    rows : array or tensor
        Some of the rows.

    Returns
    -------
    Engine

    Examples
    --------
    >>> import numpy as np
    >>> chosen_engine("auto", np.ones((2, 2))).name
    'cpu'
    """
    if engine == "cpu":
        return Engine()
    import torch

    here = rows.device if isinstance(rows, torch.Tensor) else torch.device("cpu")
    if engine.startswith("torch:"):
        device = torch.device(engine.removeprefix("torch:"))
        if device.index is None and device.type == here.type:
            device = here
        return Engine(str(device))
    if here.type != "cpu":
        return Engine(str(here))
    if engine == "auto":
        return Engine()
    return Engine(next(iter(accelerators()), "cpu"))


def accelerators() -> list[str]:
    """Return the devices that torch can use beside the CPU."""
    import torch

    found = []
    if torch.cuda.is_available():
        found += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        found += [f"xpu:{index}" for index in range(torch.xpu.device_count())]
    return found


def has_float64(device: Any) -> bool:
    """Return whether a torch device computes in float64."""
    return bool(device.type != "mps")
