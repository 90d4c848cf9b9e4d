"""Listing the few of many places where whole numbers reach a level."""

from __future__ import annotations

import numpy as np

from ppp.kernels.rows import inlined

#: Places asked at once, one bit of a word each: mostly none reaches the level.
TOGETHER = 32
_BIT = (1 << np.arange(TOGETHER)).astype(np.uint32).view(np.int32)
#: A de Bruijn sequence: times a power of two its first five bits differ from power to power.
_SEQUENCE, _REST = np.uint32(0x077CB531), np.uint32(27)
_POWER = np.argsort(_BIT.view(np.uint32) * _SEQUENCE >> _REST)


@inlined
def _asked(values, r, begin, number, mask, level):
    """Return which of `number` places from `begin` on reach the level, as the bits of a word."""
    kind, found = values.dtype.type, np.int32(0)
    for j in range(number):
        here = kind(values[r, np.uint64(begin) + np.uint64(j)] & mask)
        found = np.int32(found | (_BIT[j] if here >= level else np.int32(0)))
    return found


@inlined
def _write(found, begin, listed, count):
    """Write the places of the bits of a word, counted from `begin`; return how many there are."""
    while found != 0:
        lowest = np.uint32(found & -found)
        listed[np.uint64(count)] = begin + _POWER[np.uint32(lowest * _SEQUENCE) >> _REST]
        count += 1
        found = np.int32(found & (found - 1))
    return count


@inlined
def list_reaching(values, r, begin, end, mask, level, listed):
    """Write the j with values[r, begin + j] & mask ≥ level into `listed`; return how many.

    `level` is of the type of the values. (Of a row of two-dimensional arrays, as numba turns just
    that into vector instructions.)
    """
    count, whole = np.int64(0), end - (end - begin) % TOGETHER
    for at in range(begin, whole, TOGETHER):
        found = _asked(values, r, at, TOGETHER, mask, level)
        if found != 0:
            count = _write(found, at - begin, listed, count)
    if whole < end:
        found = _asked(values, r, whole, end - whole, mask, level)
        count = _write(found, whole - begin, listed, count)
    return count
