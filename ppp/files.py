"""Writing files whole: under another name first, renamed at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path whose file takes the final name only when the block ends well.

    Parameters
    ----------
    path : path
        The final name. Its folder must be there.

    Yields
    ------
    pathlib.Path
        Where to write, in the same folder and with the same ending.

    Raises
    ------
    OSError
        If the folder is not there, or the disk is full; nothing is left under either name.

    Examples
    --------
    >>> folder = tempfile.mkdtemp()
    >>> with replacing(os.path.join(folder, "a.txt")) as part:
    ...     _ = part.write_text("whole")
    >>> os.listdir(folder)
    ['a.txt']
    """
    final = Path(path)
    if not final.parent.is_dir():
        raise FileNotFoundError(
            f"cannot write {final}: the folder {final.parent} is not there, make it first"
        )
    handle, name = tempfile.mkstemp(
        prefix=f".{final.stem}.", suffix=f".partial{final.suffix}", dir=final.parent
    )
    os.close(handle)
    part = Path(name)
    try:
        yield part
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)  # mkstemp makes files private
        os.replace(part, final)
    except OSError as error:
        raise OSError(
            f"cannot write {final}: {error.strerror or error}; nothing is left"
        ) from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
