"""Threads: how many cores there are, and every BLAS held at one thread."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which every BLAS that is loaded uses one thread.

    Notes
    -----
    Looking for the loaded libraries takes milliseconds, so that it is done again only when modules
    were imported since: libraries come with them.
    """
    limit: AbstractContextManager[Any] = _controller(len(sys.modules)).limit(
        limits=1, user_api="blas"
    )
    return limit


@lru_cache(maxsize=1)
def _controller(modules: int) -> ThreadpoolController:
    del modules  # only to notice that there are new ones
    return ThreadpoolController()


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
