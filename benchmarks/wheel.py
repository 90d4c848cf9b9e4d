"""Build the wheel, install it into an empty environment, run the README's lines there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def run(*command: str | Path, cwd: Path) -> None:
    print("$", shlex.join(map(str, command)), flush=True)
    subprocess.run(command, check=True, cwd=cwd, env=clean_environment())


def clean_environment() -> dict[str, str]:
    """Return the environment without this checkout's virtual environment."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"MPLBACKEND": "Agg"}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", ROOT, cwd=folder)
        (wheel,) = (folder / "dist").glob("*.whl")
        run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
        binaries = folder / "venv" / "bin"
        constraints = ROOT / "constraints.txt"
        run(binaries / "pip", "install", "--quiet", "-c", constraints, wheel, cwd=folder)
        for script in blocks("python"):
            run(binaries / "python", "-c", script, cwd=folder)
        for script in blocks("sh"):
            for line in filter(None, script.splitlines()):
                if line.startswith(("ppp-", "python ")):
                    program, *arguments = shlex.split(line, comments=True)
                    run(binaries / program, *arguments, cwd=folder)
        print("the wheel runs the README, outside the checkout")


if __name__ == "__main__":
    main()
