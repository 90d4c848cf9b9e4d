"""How gallery scripts choose among their presets, show their figures and keep their numbers.

``--preset NAME`` or the variable PRESET names the preset. ``--data NAME`` (DATA) and
``--repeats N`` (REPEATS) put other data and another number of networks in the preset's place, in
scripts whose presets have either; a word wins over a variable. With the variable FIGURES figures
are written to that folder as PNG, with NUMBERS the numbers to that one as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

#: What may be asked for, with an example of it.
OPTIONS = {"preset": "quick", "data": "digits", "repeats": "5"}


def choose(presets: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the chosen preset, "quick" by default, and its settings, changed where asked.

    Raises
    ------
    SystemExit
        For a preset that is not there, a setting that the preset does not have, whichever way it
        was asked for, and a number of repeats that is none.
    """
    name, _ = _asked("preset")
    name = name or "quick"
    if name not in presets:
        raise SystemExit(f"preset must be one of {', '.join(presets)}, got {name!r}")
    settings = dict(presets[name])
    for key in ("data", "repeats"):
        value, source = _asked(key)
        if value is None:
            continue
        if key not in settings:
            raise SystemExit(
                f"{source} does not apply here: preset {name!r} has no {key} to change, "
                f"got {value!r}; leave {source} out"
            )
        settings[key] = _whole(value, source) if key == "repeats" else value
    return name, settings


def ours(preset: str) -> str:
    """Return what a picture adds where "paper" names an experiment that the paper does not have."""
    return f"preset {preset}" + (" (ours, not the paper's)" * (preset == "paper"))


def _asked(option: str) -> tuple[str | None, str]:
    """Return what the command line, or else the environment, gives an option, and which of them."""
    flag, variable = f"--{option}", option.upper()
    for at, word in enumerate(sys.argv[1:], start=1):
        given, equals, value = word.partition("=")
        if given != flag:
            continue
        if not equals:
            value = sys.argv[at + 1] if at + 1 < len(sys.argv) else ""
        if not value or value.startswith("--"):
            raise SystemExit(
                f"{flag} must be followed by a value, got {value or 'nothing'}: "
                f"{flag} {OPTIONS[option]}"
            )
        return value, flag
    return os.environ.get(variable) or None, variable


def _whole(value: str, source: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise SystemExit(
            f"repeats must be a whole number of at least 1, got {value!r}: "
            f"{source}{' ' if source.startswith('-') else '='}{OPTIONS['repeats']}"
        )
    return int(value)


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
