"""Compiling: the first call on a machine waits for its kernels, and says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event

NOTICE = "compiling kernels for this processor: once, up to half a minute"


@contextmanager
def said_while_compiling(progress: bool) -> Iterator[None]:
    """Say once, on standard error, when a kernel is compiled inside the context.

    Parameters
    ----------
    progress : bool
        False says nothing.

    Notes
    -----
    A kernel that an earlier process compiled is read from the cache in milliseconds: not worth a
    word.
    """
    if not progress:
        yield
        return
    with event.install_listener("numba:compile", _Notice()):
        yield


class _Notice(event.Listener):
    """Writes beside the progress bars, once."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: Any) -> None:
        if not self._said:
            from tqdm import tqdm

            self._said = True
            tqdm.write(NOTICE, file=sys.stderr)

    def on_end(self, event: Any) -> None:
        pass
