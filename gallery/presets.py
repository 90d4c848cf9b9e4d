"""How gallery scripts choose among their presets and keep their numbers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def choose(presets: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the preset named by ``--preset NAME`` or the variable PRESET; "quick" otherwise."""
    name = os.environ.get("PRESET", "quick")
    if "--preset" in sys.argv[:-1]:
        name = sys.argv[sys.argv.index("--preset") + 1]
    if name not in presets:
        raise SystemExit(f"preset must be one of {', '.join(presets)}, got {name!r}")
    return name, dict(presets[name])


def keep(script: str, preset: str, numbers: Any) -> None:
    """Write a script's numbers to the folder named by the variable NUMBERS, if there is one."""
    folder = os.environ.get("NUMBERS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{script}-{preset}.json").write_text(json.dumps(numbers, indent=1))
