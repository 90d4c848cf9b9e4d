"""The first call on a machine says that it compiles."""

import os
import subprocess
import sys

import numba
import pytest

from ppp.kernels.compiling import NOTICE, said_while_compiling


@pytest.mark.parametrize("progress", [True, False])
def test_compiling_is_said_once_and_only_beside_progress(progress, capfd):
    one, other = numba.njit(lambda x: x + 1), numba.njit(lambda x: x + 2)
    with said_while_compiling(progress):
        assert one(1) + other(1) == 5
    assert capfd.readouterr().err.count(NOTICE) == progress
    with said_while_compiling(True):
        one(2)
    numba.njit(lambda x: x + 3)(1)
    assert NOTICE not in capfd.readouterr().err


def test_a_projection_says_it_the_first_time_only(tmp_path):
    script = "import numpy, ppp; ppp.project(numpy.eye(3), null=None, progress=True)"
    made = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for first in (True, False):
        found = subprocess.run(
            [sys.executable, "-c", script], env=os.environ | made, capture_output=True, check=True
        )
        assert (NOTICE in found.stderr.decode()) == first
