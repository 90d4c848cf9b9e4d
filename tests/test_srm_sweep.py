"""The sweep against its oracle, the published conventions, and its laws."""

import naive
import naive_srm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import srm
from ppp.frame import Frame
from ppp.planes import Planes
from ppp.rule import Rule
from ppp.scan import tally_of

RNG = np.random.default_rng(5)
FRAMES = {
    "standard": Frame.standard(4),
    "haar": Frame.haar(4, 2),
    "oblique": Frame.given(RNG.standard_normal((5, 4))),
    "antipodal": Frame.given(np.concatenate([np.eye(4), -np.eye(4)[:2]])),
}


def rows(n=4, count=40, seed=0):
    x = np.random.default_rng(seed).laplace(size=(count, n))
    x[0], x[1, 0] = 0, np.nan
    x[2] = [1, 0, 0, 0]
    x[3] = [1, -1, 0, 0]
    x[4] *= 1e40
    return x


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("epsilon", [0.9, 0.5, 1 / np.sqrt(2), 1.0, 0.0, -0.3, -1.0])
def test_sweep_equals_the_oracle(name, epsilon):
    frame, x = FRAMES[name], rows()
    for signed, ordered, angles in ((False, False, 8), (True, True, 7)):
        pairs = "permutation" if ordered else "combination"
        curve = srm.sweep(x, frame, epsilon, angles, pairs, signed=signed)
        counts, valid = naive_srm.sweep(
            x, frame.vectors, frame.gram, epsilon, angles, ordered, signed
        )
        np.testing.assert_array_equal(curve.seen[0], counts)
        np.testing.assert_array_equal(curve.pooled_seen[0], counts.sum(axis=0))
        assert curve.rows[0] == valid == 38
        assert (curve.zero, curve.nonfinite) == (1, 1)


@settings(max_examples=25, deadline=None)
@given(
    epsilon=st.floats(0.05, 1),
    angles=st.integers(1, 40),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 1000),
)
def test_laws_of_the_sweep(epsilon, angles, scale, seed):
    x = np.random.default_rng(seed).laplace(size=(30, 4))
    curve = srm.sweep(x, epsilon=epsilon, angles=2 * angles)
    signed = srm.sweep(x, epsilon=epsilon, angles=2 * angles, signed=True)
    # the opposite spotlight is the same curve, shifted by half a turn
    np.testing.assert_array_equal(signed.seen, curve.seen - np.roll(curve.seen, angles, axis=-1))
    np.testing.assert_array_equal(
        srm.sweep(scale * x, epsilon=epsilon, angles=2 * angles).seen, curve.seen
    )
    np.testing.assert_array_equal(
        srm.sweep(-x, epsilon=epsilon, angles=2 * angles).seen,
        np.roll(curve.seen, angles, axis=-1),
    )


def test_the_swapped_plane_turns_the_other_way():
    frame = FRAMES["oblique"]
    x = rows(seed=3)
    both = srm.sweep(x, frame, 0.6, 720, "permutation")
    for i, j in ((0, 1), (1, 3)):
        ahead, back = both.values[both.line((i, j))], both.values[both.line((j, i))]
        between = np.arccos(frame.gram[i, j])
        for a in range(0, 720, 45):
            at = (between - both.angles[a]) % (2 * np.pi) / (2 * np.pi) * 720
            near = [ahead[int(at) % 720], ahead[(int(at) + 1) % 720]]
            assert min(near) - 0.06 <= back[a] <= max(near) + 0.06
    straight = srm.sweep(x, "standard", 0.6, 720, "permutation")
    mirrored = straight.values[straight.line((0, 1))][(180 - np.arange(720)) % 720]
    np.testing.assert_array_equal(straight.values[straight.line((1, 0))], mirrored)


def test_the_projection_keeps_what_some_spotlight_sees():
    x = np.random.default_rng(1).laplace(size=(800, 4))
    planes = Planes.of(Frame.standard(4), "combination")
    kept = tally_of(x, planes, Rule(0.8), detailed=True).kept
    seen = set()
    for theta in np.linspace(0, 2 * np.pi, 3600, endpoint=False):
        seen.update(srm.standing(x, (0, 1), theta, epsilon=0.8)[0].tolist())
    assert kept[0] - 3 <= len(seen) <= kept[0]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("frame", ["standard", "oblique"])
def test_reference_conventions(frame, signed):
    made = FRAMES[frame]
    x = rows()
    x[1, 0] = 1.0
    x[4] /= 1e40
    curve = srm.sweep(x, made, 0.55, 12, signed=signed, compat="reference")
    np.testing.assert_allclose(
        curve.values, naive_srm.direct(x, made.vectors, 0.55, 12, signed), atol=1e-12
    )
    assert curve.rows[0] == 40
    assert curve.angles[-1] == 2 * np.pi


def test_reference_probe_keeps_its_length():
    x = np.random.default_rng(2).standard_normal((50, 3))
    long = srm.sweep(x, 2 * np.eye(3), 0.9, 9, compat="reference")
    unit = srm.sweep(x, np.eye(3), 0.45, 9, compat="reference")
    np.testing.assert_array_equal(long.seen, unit.seen)


def test_classes_split_the_curve():
    x = np.random.default_rng(3).laplace(size=(300, 4))
    label = np.repeat(["cat", "dog", "eel"], 100)
    curve = srm.sweep(x, angles=16, label=label)
    assert set(curve.classes) == {"cat", "dog", "eel"}
    np.testing.assert_array_equal(
        curve.of_label("dog").values, srm.sweep(x[100:200], angles=16).values
    )
    np.testing.assert_array_equal(curve.values, srm.sweep(x, angles=16).values)
    with pytest.raises(KeyError, match="no row has the label 'fox'"):
        curve.of_label("fox")


def test_named_planes_pooled_only_and_workers_agree():
    x = np.random.default_rng(4).laplace(size=(5000, 6)).astype(np.float32)
    whole = srm.sweep(x, "haar", 0.6, 90, workers=1)
    named = srm.sweep(x, "haar", 0.6, 90, planes=[(4, 2), (0, 5)], workers=3)
    pooled = srm.sweep(x, "haar", 0.6, 90, per_plane=False, workers=2)
    assert (named.first.tolist(), named.second.tolist()) == ([2, 0], [4, 5])
    np.testing.assert_array_equal(named.values[1], whole.values[whole.line((0, 5))])
    np.testing.assert_array_equal(named.values[0], whole.values[whole.line((2, 4))])
    for other in (named, pooled):
        np.testing.assert_array_equal(other.pooled_seen, whole.pooled_seen)
    assert pooled.values.shape == (0, 90)
    ordered = srm.sweep(x, "haar", 0.6, 90, "permutation", planes=[(4, 2)])
    every = srm.sweep(x, "haar", 0.6, 90, "permutation")
    np.testing.assert_array_equal(ordered.values[0], every.values[every.line((4, 2))])


@pytest.mark.parametrize("epsilon", [0.7, -0.4, 0.0])
def test_the_samples_in_a_spotlight_are_those_it_counts(epsilon):
    x = rows(count=200)
    curve = srm.sweep(x, FRAMES["oblique"], epsilon, 10, "permutation")
    for plane in ((0, 1), (3, 2)):
        for a in (0, 3, 8):
            row, sample = srm.standing(
                x, plane, curve.angles[a], FRAMES["oblique"], epsilon, sample=np.arange(200) * 7
            )
            assert len(row) == curve.seen[0, curve.line(plane), a]
            np.testing.assert_array_equal(sample, row * 7)


def test_isotropic_level_and_calibrated_band():
    rng = np.random.default_rng(6)
    rejected = 0
    for _ in range(60):
        curve = srm.sweep(rng.standard_normal((3000, 5)), epsilon=0.5, angles=24)
        rejected += int((curve.test().planes < 0.05).sum())
    # 600 planes' tests, within a row of ten not independent
    assert 8 <= rejected <= 60
    assert curve.pooled.mean() == pytest.approx(curve.expected, rel=0.03)


def test_rotations_find_alignment_and_leave_isotropy():
    rng = np.random.default_rng(7)
    aligned = srm.sweep(rng.laplace(size=(1500, 6)), epsilon=0.7, angles=32, null_repeats=39)
    found = aligned.test()
    assert found.rotation.p == pytest.approx(1 / 40)
    assert (found.adjusted < 0.05).mean() > 0.5
    plain = srm.sweep(rng.standard_normal((1500, 6)), epsilon=0.7, angles=32, null_repeats=39)
    assert plain.test().rotation.p > 0.05
    assert plain.null.shape == (40, 32)
    np.testing.assert_allclose(plain.null[0], plain.pooled, rtol=1e-12)


def test_save_and_load(tmp_path):
    x = np.random.default_rng(8).laplace(size=(200, 4))
    label = np.repeat([0, 1], 100)
    curve = srm.sweep(x, FRAMES["oblique"], 0.5, 12, label=label, null_repeats=3)
    curve.save(tmp_path / "curve.h5")
    back = srm.SRMResult.load(tmp_path / "curve.h5")
    for name in ("values", "pooled", "null", "rows", "first"):
        np.testing.assert_array_equal(getattr(back, name), getattr(curve, name))
    assert back.classes == curve.classes
    assert back.planes.frame.labels == curve.planes.frame.labels
    import h5py

    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(ValueError, match="holds no sweep"):
        srm.SRMResult.load(tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 1.5}, r"epsilon must lie in \[-1, 1\], got 1.5"),
        ({"angles": 0}, "angles must be at least 1, got 0"),
        ({"compat": "old"}, "compat must be None or \"reference\", got 'old'"),
        ({"angles": 2**25}, "angles must be at most 1,048,576, got 33,554,432"),
        ({"angles": 7.5}, "angles must be a whole number, got 7.5"),
        ({"planes": [(0, 9)]}, r"different vectors 0 … 3, got \(0, 9\)"),
        ({"null_repeats": -1}, "null_repeats must not be negative, got -1"),
    ],
)
def test_bad_arguments_say_the_rule_and_the_value(options, message):
    with pytest.raises(ValueError, match=message):
        srm.sweep(np.eye(4), **options)


def test_plots_show_level_band_and_places_of_the_vectors():
    import matplotlib.pyplot as plt

    x = np.random.default_rng(9).laplace(size=(300, 4))
    curve = srm.sweep(x, FRAMES["oblique"], 0.5, 36, null_repeats=5)
    ax = curve.plot(plane=(0, 1))
    level = next(line for line in ax.lines if line.get_label() == "isotropic level")
    assert set(level.get_ydata()) == {curve.expected}
    drawn = ax.lines[0]
    np.testing.assert_array_equal(drawn.get_ydata()[:-1], curve.values[curve.line((0, 1))])
    between = np.degrees(np.arccos(FRAMES["oblique"].gram[0, 1]))
    assert any(np.isclose(line.get_xdata()[0], between) for line in ax.lines)
    round_ax = curve.plot(polar=True)
    assert round_ax.name == "polar"
    with pytest.raises(ValueError, match="needs the Axes to match"):
        curve.plot(ax, polar=True)
    plt.close("all")


def test_naive_planes_are_those_of_the_sweep():
    frame = FRAMES["antipodal"]
    curve = srm.sweep(rows(), frame, 0.5, 4)
    pairs = list(zip(curve.first.tolist(), curve.second.tolist(), strict=True))
    assert pairs == naive.pairs_of(frame.gram, False)
    assert (0, 4) not in pairs
