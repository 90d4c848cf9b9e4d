"""The first call on a machine says that it compiles."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

import ppp
import srm
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


CALLS = [
    "ppp.project(x, null=None, progress=True)",
    "ppp.points(x, progress=True)",
    "srm.sweep(x, progress=True)",
]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_says_it_the_first_time_only(tmp_path, call):
    script = f"import numpy, ppp, srm; x = numpy.eye(3); {call}"
    made = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for first in (True, False):
        found = subprocess.run(
            [sys.executable, "-c", script], env=os.environ | made, capture_output=True, check=True
        )
        assert found.stderr.decode().count(NOTICE) == first


def test_lists_and_sweeps_have_bars_that_are_hidden_unless_asked_for(capfd):
    x = np.eye(4)
    for compat in (None, "reference"):
        srm.sweep(x, angles=8, compat=compat)
        assert not capfd.readouterr().err
        srm.sweep(x, angles=8, compat=compat, progress=True)
        assert "4.00/4.00" in capfd.readouterr().err
    ppp.points(x)
    assert not capfd.readouterr().err
    ppp.points(x, progress=True)
    found = capfd.readouterr().err
    assert "rows counted: 100%" in found
    assert "rows listed: 100%" in found
    # a stream is read once
    ppp.points((x[k : k + 1] for k in range(4)), progress=True)
    assert "counted" not in capfd.readouterr().err
    for call in (ppp.points, srm.sweep):
        with pytest.raises(ValueError, match="progress must be True or False, got 'yes'"):
            call(x, progress="yes")
