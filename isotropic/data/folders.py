"""Where a data set's files lie, and what to say when they do not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return where downloads of a data set go by default.

    ``$PRIVILEGED_PLANES_DATA/NAME``, or the user's cache folder.

    Parameters
    ----------
    name : str
        Of the data set.

    Returns
    -------
    Path
    """
    chosen = os.environ.get("PRIVILEGED_PLANES_DATA")
    if chosen:
        return Path(chosen) / name
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "privileged-planes" / name


def require_files(
    title: str, folder: Path, missing: Iterable[str], way_out: str = "", name: str = ""
) -> None:
    """Refuse to go on without a data set's files.

    Parameters
    ----------
    title : str
        The data set's name as people write it.
    folder : Path
        Where the files were looked for.
    missing : iterable of str
        Their names; nothing happens if there are none.
    way_out : str, optional
        What else helps.
    name : str, optional
        The data set's name for :func:`isotropic.data.fetch`, where it can be downloaded.

    Raises
    ------
    FileNotFoundError
        Names the files and the folder.
    """
    lacking = list(missing)
    if not lacking:
        return
    ways = [way_out] if way_out else []
    if name:
        ways.append(f"download them with isotropic.data.fetch({name!r}) or ppp-train --download")
    ways.append("give the folder that has them as the path")
    raise FileNotFoundError(f"{title} needs {' and '.join(lacking)} in {folder}: {'; '.join(ways)}")
