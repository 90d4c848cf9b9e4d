"""What a sweep refuses, before the work where it can, and what it says then."""

import numpy as np
import pytest

import ppp
import srm

X = np.random.default_rng(0).laplace(size=(50, 4))
PAIRED = np.concatenate([np.eye(4), -np.eye(4)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": "auto"}, r"epsilon must lie in \[-1, 1\], got 'auto'"),
        ({"epsilon": [0.5]}, r"epsilon must lie in \[-1, 1\], got \[0.5\]"),
        ({"epsilon": float("nan")}, r"epsilon must lie in \[-1, 1\], got nan"),
        ({"epsilon": True}, r"epsilon must lie in \[-1, 1\], got True"),
        ({"epsilon": 10**400}, r"epsilon must lie in \[-1, 1\], got 1000"),
        ({"angles": True}, "angles must be a whole number, got True"),
        ({"signed": "no"}, "signed must be True or False, got 'no'"),
        ({"per_plane": "no"}, "per_plane must be True or False, got 'no'"),
        ({"seed": -1, "null_repeats": 2}, "seed must not be negative, got -1"),
        ({"seed": "a"}, "seed must be a whole number, got 'a'"),
        ({"workers": 0, "compat": "reference"}, "workers must be a whole number, at least 1, got"),
        ({"planes": (0, 1)}, r"named by two vectors, such as \(0, 1\), got 0"),
        ({"planes": [(0, 1, 2)]}, r"named by two vectors, such as \(0, 1\), got \(0, 1, 2\)"),
        ({"planes": [(0.5, 1)]}, r"named by two vectors, such as \(0, 1\), got \(0.5, 1\)"),
        ({"planes": ["ab"]}, r"named by two vectors, such as \(0, 1\), got 'ab'"),
        ({"planes": 3}, r"planes must be pairs of vectors, such as \[\(0, 1\)\], got 3"),
    ],
)
def test_arguments_of_the_wrong_kind_say_the_rule_and_the_value(options, message):
    with pytest.raises(ValueError, match=message):
        srm.sweep(X, **({"angles": 4} | options))


@pytest.mark.parametrize("nulls", [0, 3])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 5)), "of 4 rows 4 are all zero and 0 hold NaN or infinity"),
        (np.full((3, 5), np.nan), "of 3 rows 0 are all zero and 3 hold NaN or infinity"),
        ([np.empty((0, 5))], "at least one row of activations, got none"),
    ],
)
def test_rows_without_a_direction_are_refused_as_the_projection_does(x, message, nulls):
    given = x if isinstance(x, np.ndarray) else iter(x)
    with pytest.raises(ValueError, match=message):
        srm.sweep(given, angles=4, null_repeats=nulls)


@pytest.mark.parametrize("nulls", [0, 3])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 95}, "level must lie between 0 and 1, got 95"),
        ({"level": "a"}, "level must lie between 0 and 1, got 'a'"),
        ({"seed": -3}, "seed must not be negative, got -3"),
    ],
)
def test_a_test_checks_before_it_draws(options, message, nulls):
    with pytest.raises(ValueError, match=message):
        srm.sweep(X, angles=4, null_repeats=nulls).test(**options)


def test_planes_may_be_named_by_anything_that_lists_pairs():
    want = srm.sweep(X, angles=5, planes=[(0, 1), (2, 3)])
    for planes in (np.array([[0, 1], [2, 3]]), iter([(0, 1), [2, 3]]), ((0, 1), (3, 2))):
        curve = srm.sweep(X, angles=5, planes=planes)
        np.testing.assert_array_equal(curve.values, want.values)


def test_a_plane_without_a_curve_says_why():
    named = srm.sweep(X, PAIRED, angles=4, planes=[(1, 0)])
    with pytest.raises(KeyError, match=r"smaller index, got plane \(1, 0\): ask for \(0, 1\), or"):
        named.line((1, 0))
    with pytest.raises(KeyError, match=r"no curve was kept for plane \(0, 2\): name it"):
        named.plot(plane=(0, 2))
    with pytest.raises(KeyError, match="vectors 4 and 0 are parallel: they span no plane"):
        named.line((4, 0))
    with pytest.raises(ValueError, match=r"different vectors 0 … 7, got \(0, 8\)"):
        named.line((0, 8))
    both = srm.sweep(X, angles=4, planes=[(1, 0)], pairs="permutation")
    assert both.line((1, 0)) == 0


@pytest.mark.parametrize(
    ("plane", "theta", "message"),
    [
        ((0, 1), np.inf, "theta must be a finite angle in radians, got inf"),
        ((0, 1), np.nan, "theta must be a finite angle in radians, got nan"),
        ((0, 1), "up", "theta must be a finite angle in radians, got 'up'"),
        ((0, 1, 2), 0.0, r"named by two vectors, such as \(0, 1\), got \(0, 1, 2\)"),
        ((0.9, 1.2), 0.0, r"named by two vectors, such as \(0, 1\), got \(0.9, 1.2\)"),
        ((0, 0), 0.0, r"different vectors 0 … 3, got \(0, 0\)"),
    ],
)
def test_a_spotlight_stands_somewhere(plane, theta, message):
    with pytest.raises(ValueError, match=message):
        srm.standing(X, plane, theta)


def test_more_planes_than_have_a_name_are_pooled_whatever_the_angles():
    x = np.random.default_rng(1).laplace(size=(2, 5800))
    curve = srm.sweep(x, epsilon=0.1, angles=1)
    assert curve.values.shape == (0, 1)
    assert curve.planes.count == 16_817_100
    with pytest.raises(ValueError, match=r"16,817,100 planes is more than the limit of 16,777,216"):
        srm.sweep(x, epsilon=0.1, angles=1, per_plane=True)


def test_the_published_form_holds_few_numbers_at_a_time(monkeypatch):
    from srm import reference

    options = {"epsilon": 0.5, "angles": 9, "signed": True, "compat": "reference"}
    whole = srm.sweep(X, **options)
    held = []
    monkeypatch.setattr(reference, "ROOM", 40)
    product = np.ndarray.__matmul__

    class Watched(np.ndarray):
        def __matmul__(self, other):
            held.append(len(self) * other.shape[1])
            return product(np.asarray(self), other)

    stack = np.stack
    monkeypatch.setattr(
        reference.np, "stack", lambda *given, **how: stack(*given, **how).view(Watched)
    )
    parts = srm.sweep(X, **options)
    np.testing.assert_array_equal(parts.seen, whole.seen)
    assert held
    assert max(held) <= 40


def test_a_sweep_beside_a_projection_checks_as_it_is_made():
    for options in ({"epsilon": "auto"}, {"planes": [3]}, {"seed": -2}):
        with pytest.raises(ValueError, match="got"):
            srm.Sweeping(**options)
    also = [srm.Sweeping(angles=4, planes=iter([(2, 1)]))]
    assert ppp.project(X, null=None, also=also).also[0].values.shape == (1, 4)
