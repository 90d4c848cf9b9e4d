"""How gallery scripts choose among their presets, show their figures and keep their numbers.

``--preset NAME`` or the variable PRESET names the preset. ``--data NAME`` (DATA) and
``--repeats N`` (REPEATS) put other data and another number of networks in the preset's place, in
scripts whose presets have either. With the variable FIGURES figures are written to that folder as
PNG, with NUMBERS the numbers to that one as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt


def choose(presets: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the chosen preset, "quick" by default, and its settings, changed where asked."""
    name = _asked("preset") or "quick"
    if name not in presets:
        raise SystemExit(f"preset must be one of {', '.join(presets)}, got {name!r}")
    settings = dict(presets[name])
    for key, kind in (("data", str), ("repeats", int)):
        value = _asked(key)
        if value is not None and key in settings:
            settings[key] = kind(value)
        elif f"--{key}" in sys.argv:
            raise SystemExit(f"--{key} does not apply here: the preset has no {key} to change")
    return name, settings


def _asked(option: str) -> str | None:
    flag = f"--{option}"
    if flag in sys.argv[:-1]:
        return sys.argv[sys.argv.index(flag) + 1]
    return os.environ.get(option.upper())


def show(script: str, preset: str) -> None:
    """Show the open figures; write them to the folder named by FIGURES, if there is one."""
    folder = os.environ.get("FIGURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for number in plt.get_fignums():
            path = Path(folder) / f"{script}-{preset}.png"
            plt.figure(number).savefig(path, dpi=80, bbox_inches="tight")
    plt.show()
    if folder:  # without one, a gallery that is being built takes the open figures for itself
        plt.close("all")


def keep(script: str, preset: str, numbers: Any) -> None:
    """Write a script's numbers to the folder named by the variable NUMBERS, if there is one."""
    folder = os.environ.get("NUMBERS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{script}-{preset}.json").write_text(json.dumps(numbers, indent=1))
