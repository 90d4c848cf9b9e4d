"""Tallies made and compared: with one another, in both precisions, with a list of their hits."""

from __future__ import annotations

import naive
import numpy as np

from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import tally_of

#: Of a grid small enough to be compared often; unequal, so that neither passes for the other.
BINS, ANGLES = 64, 48


def counted(x, frame, rule, pairs="combination", **options):
    """The tally of rows; a rule that is a number is that epsilon, on the small grid."""
    if not isinstance(rule, Rule):
        rule = Rule(rule, bins=BINS, angles=ANGLES)
    return tally_of(x, Planes.of(frame, pairs), rule, detailed=True, **options)


def assert_same_counts(one, other):
    """Compare all that two tallies count in whole numbers."""
    for name in ("grid", "swapped", "angle", "pairs"):
        if getattr(one, name) is not None:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("rows", "hits", "outside", "zero", "nonfinite", "half_width"):
        assert getattr(one, name) == getattr(other, name), name


def in_both_precisions(x, frame, rule, **options):
    """The tallies of float32 rows and of the same in float64, which are found to count alike."""
    assert x.dtype == np.float32
    single, double = (counted(rows, frame, rule, **options) for rows in (x, x.astype(np.float64)))
    assert_same_counts(single, double)
    return single, double


def assert_listed(tally, w, plane):
    """Compare a tally with its hits: coordinates w (H, 2) and the plane (H,) of each."""
    planes, rule = tally.planes, tally.rule
    grid, outside, _ = naive.binned(w, tally.half_width, rule.bins, rule.angles)
    # an angle is of the plane (i, j), i < j, whichever way round it is taken
    up = planes.first[plane] < planes.second[plane]
    _, _, angle = naive.binned(w[up], tally.half_width, rule.bins, rule.angles)
    np.testing.assert_array_equal(tally.kept, np.bincount(plane, minlength=planes.count))
    np.testing.assert_array_equal(tally.image(), grid)
    np.testing.assert_array_equal(tally.angle, angle)
    assert (tally.hits, tally.beyond) == (int(up.sum()), outside)
