"""Sweeps in every combination a user may ask for, and the first use of the package."""

import csv
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import naive_srm
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from legible import check_legible

import hooks
import ppp
import srm
from ppp.cli import plot as command
from ppp.streams import Rows
from srm.kernels_sifting import sift
from srm.resonance import against_rotations

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(11)
FRAMES = {
    "standard": ppp.Frame.standard(4),
    "under": ppp.Frame.given(RNG.standard_normal((3, 4))),
    "over": ppp.Frame.given(RNG.standard_normal((6, 4))),
    "near": ppp.Frame.given([[1, 0, 0, 0], [1, 1e-4, 0, 0], [0, 0, 1, 1.0]]),
}


def rows(count=45, n=4, seed=0):
    x = np.random.default_rng(seed).laplace(size=(count, n))
    x[0], x[1, 0], x[2, 1] = 0, np.nan, np.inf
    x[3], x[4] = x[3] * 1e200, x[4] * 1e-200
    x[5], x[6] = [1, 0, 0, 0], [1, 1, 0, 0]
    return x


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("epsilon", [0.7, 0.0, -0.4])
def test_classes_of_signed_ordered_sweeps_equal_the_oracle_of_their_rows(frame, epsilon):
    made, x = FRAMES[frame], rows()
    label = np.arange(45) % 2
    # the oracle's arithmetic has no room for the longest and shortest rows
    ordinary = x.copy()
    ordinary[3:5] /= [[1e200], [1e-200]]
    curve = srm.sweep(x, made, epsilon, 5, "permutation", signed=True, label=label)
    total = 0
    for one in (0, 1):
        counts, valid = naive_srm.sweep(
            ordinary[label == one], made.vectors, made.gram, epsilon, 5, True, True
        )
        mine = curve.of_label(one)
        np.testing.assert_array_equal(mine.seen[0], counts)
        np.testing.assert_array_equal(mine.pooled_seen[0], counts.sum(axis=0))
        assert mine.rows[0] == valid
        total += valid
    assert curve.rows.sum() == total


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("epsilon", [0.6, -0.2])
def test_standing_is_the_spotlight_row_by_row(frame, epsilon):
    made, x = FRAMES[frame], rows()
    for i, j in ((0, 1), (2, 0)):
        for theta in (0.0, 1.1, 4.0):
            g = float(made.gram[i, j])
            want = []
            for at, row in enumerate(x):
                if naive_srm.valid(row):
                    y = row / np.abs(row).max()
                    w1, w2 = naive_srm.in_plane(y, made.vectors[i], made.vectors[j], g)
                    along = w1 * np.cos(theta) + w2 * np.sin(theta)
                    if naive_srm.sees(along, np.linalg.norm(y), epsilon):
                        want.append(at)
            found, sample = srm.standing(x, (i, j), theta, made, epsilon, sample=np.arange(45) + 9)
            assert found.tolist() == want
            np.testing.assert_array_equal(sample, found + 9)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.int32])
def test_rows_of_any_type_are_swept_as_their_exact_values(kind):
    x = (8 * torch.randn(300, 5, generator=torch.Generator().manual_seed(0))).to(kind)
    exact = srm.sweep(x.double().numpy(), "haar", 0.6, 24, signed=True)
    for given in (x, iter([x[:100], x[100:]])):
        curve = srm.sweep(given, "haar", 0.6, 24, signed=True)
        np.testing.assert_array_equal(curve.seen, exact.seen)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0.95, 0.25, 1.0])
def test_sifting_keeps_every_row_with_a_hit_and_few_others(kind, share):
    rng = np.random.default_rng(6)
    c = rng.standard_normal((4000, 12)) * np.exp(rng.normal(0, 1.5, (4000, 12)))
    c[:50] = 0
    c[:50, 3:5] = 1  # ties: all of the row lies in one plane
    c *= 10.0 ** rng.uniform(-13, 13, (4000, 1))
    c = c.astype(kind)
    norm2 = np.square(c.astype(np.float64)).sum(axis=1)
    state = (rng.random(4000) < 0.1).astype(np.uint8)
    out = np.full(4000, 77, np.uint8)
    sift(c, norm2, state, share, 0.5, out, 255)
    two = np.sort(np.square(c.astype(np.float64)), axis=1)[:, -2:].sum(axis=1)
    np.testing.assert_array_equal(out[state == 1], 1)
    needed = (state == 0) & (two >= share * norm2 * (1 - 1e-9))
    assert needed[:50].sum() == (state[:50] == 0).sum()
    assert (out[needed] == 0).all()
    assert (out[(state == 0) & (two < share * norm2 * (1 - 1e-4)) & (norm2 > 1e-26)] == 255).all()


@pytest.mark.parametrize("angles", [1, 2, 3, 721, 3601])
def test_any_number_of_angles(angles):
    x = np.random.default_rng(2).laplace(size=(30, 3))
    made = ppp.Frame.standard(3)
    curve = srm.sweep(x, made, 0.6, angles)
    counts, _ = naive_srm.sweep(x, made.vectors, made.gram, 0.6, angles)
    np.testing.assert_array_equal(curve.seen[0], counts)
    assert curve.angles.shape == (angles,)


@pytest.mark.parametrize(
    ("epsilon", "signed"), [(0.5, False), (0.5, True), (0.0, False), (-0.4, False), (1.0, False)]
)
def test_the_band_holds_at_all_angles_at_once_for_any_epsilon(epsilon, signed):
    inside = []
    for seed in range(25):
        x = np.random.default_rng(seed).standard_normal((3000, 5))
        curve = srm.sweep(x, epsilon=epsilon, angles=36, signed=signed, planes=[(0, 1), (2, 3)])
        found = curve.test()
        here = (curve.values >= found.low - 1e-12) & (curve.values <= found.high + 1e-12)
        inside += list(here.all(axis=1))
        assert ((found.planes > 0) & (found.planes <= 1)).all()
    # 50 curves at 95 %: fewer than 41 would have a chance of 1e-4
    assert sum(inside) >= 41
    aligned = np.random.default_rng(0).laplace(size=(3000, 5)) + np.array([0.3, 0, 0, 0, 0])
    if epsilon < 1:
        curve = srm.sweep(aligned, epsilon=epsilon, angles=36, signed=signed)
        assert curve.test().planes.min() < 0.001


def test_a_companion_splits_classes_as_a_sweep_of_its_own_does():
    x = np.random.default_rng(3).laplace(size=(5000, 6))
    label = np.random.default_rng(4).integers(0, 4, 5000)
    result = ppp.project(x, epsilon=0.6, label=label, also=[srm.Sweeping(angles=12)], null=None)
    alone = srm.sweep(x, epsilon=0.6, angles=12, label=label)
    for one in range(4):
        np.testing.assert_array_equal(result.also[0].of_label(one).seen, alone.of_label(one).seen)


def test_classes_come_in_order_whoever_met_them_first():
    x = np.random.default_rng(5).laplace(size=(3000, 4))
    label = np.array(["eel", "dog", "cat"])[np.arange(3000) // 1000]
    blocks = [Rows(x[i : i + 500], np.arange(i, i + 500), label[i : i + 500])
              for i in range(0, 3000, 500)]  # fmt: skip
    there, back = (srm.sweep(iter(each), angles=8) for each in (blocks, blocks[::-1]))
    assert there.classes == back.classes == ("cat", "dog", "eel")
    np.testing.assert_array_equal(there.seen, back.seen)
    np.testing.assert_array_equal(there.rows, [1000, 1000, 1000])
    mixed = [
        blocks[0],
        blocks[1]._replace(label=np.arange(500) % 2),
        blocks[2]._replace(label=None),
    ]
    assert srm.sweep(iter(mixed), angles=8).classes == (None, 0, 1, "eel")


@pytest.mark.parametrize("size", [(4.5, 4), (8, 5)])
@pytest.mark.parametrize("polar", [False, True])
def test_the_legend_stays_clear_of_the_axis_at_any_size(size, polar):
    curve = srm.sweep(rows()[5:], epsilon=0.5, angles=36, null_repeats=3)
    places = {"projection": "polar"} if polar else {}
    figure, ax = plt.subplots(figsize=size, layout="constrained", subplot_kw=places)
    curve.plot(ax, polar=polar)
    figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    assert not legend.overlaps(ax.xaxis.label.get_window_extent())
    assert not legend.overlaps(ax.get_window_extent())
    plt.close("all")


def test_the_band_of_rotations_is_made_of_rotations_alone():
    x = np.zeros((400, 5))
    x[np.arange(400), np.arange(400) % 5] = 1  # all of it on the vectors
    curve = srm.sweep(x, epsilon=0.7, angles=24, null_repeats=9)
    band = curve.test().rotation
    turned = curve.null[1:]
    np.testing.assert_allclose((band.low + band.high) / 2, turned.mean(axis=0), atol=1e-12)
    inside = (turned >= band.low - 1e-12) & (turned <= band.high + 1e-12)
    assert inside.all()
    assert band.level == 0.9  # the most that nine can give
    assert (curve.null[0] > band.high).any()
    one = srm.sweep(x, epsilon=0.7, angles=24, null_repeats=1)
    ax = one.plot()
    assert "50 % band of 1 rotation" in ax.get_legend_handles_labels()[1]
    assert srm.sweep(x[:1, :2], angles=3).plot().lines[0].get_label() == "mean of 1 plane"
    assert "1 sample, combination" in srm.sweep(x[:1], angles=3).plot().get_title()
    plt.close("all")


@pytest.mark.parametrize("repeats", [1, 9, 19, 39, 57])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_curve_leaves_the_band_of_rotations_where_its_p_says_so(repeats, level):
    rng, outside = np.random.default_rng(repeats), []
    for seed in range(100):
        curves = rng.poisson(3.0, (repeats + 1, 12)) + rng.poisson(1.0, (repeats + 1, 1))
        curves = curves / 100.0
        if seed % 2:
            curves[0, 3] += rng.uniform(0, 0.2)
        found = against_rotations(curves, level)
        left = ((curves[0] < found.low - 1e-12) | (curves[0] > found.high + 1e-12)).any()
        most = max(1 - level, 1 / (repeats + 1)) if repeats > 1 else 0
        assert left == (found.p <= most + 1e-9)
        assert found.level == min(level, repeats / (repeats + 1))
        outside.append(left and not seed % 2)
    # exchangeable curves leave it as seldom as its level says
    share = 1 - found.level
    assert np.mean(outside[::2]) <= share + 3 * np.sqrt(share * found.level / 50)


def test_curves_that_are_all_alike_or_nothing_have_a_band():
    for curves in (np.zeros((10, 4)), np.full((10, 4), 0.25)):
        found = against_rotations(curves, 0.95)
        assert (found.statistic, found.p) == (0.0, 1.0)
        np.testing.assert_array_equal(found.low, curves[0])
    seen = np.zeros((20, 4))
    seen[0, 2] = 0.1  # where no rotation sees anything
    found = against_rotations(seen, 0.95)
    assert found.p == 0.05
    assert seen[0, 2] > found.high[2]
    assert np.isfinite(found.high).all()


@pytest.mark.parametrize("polar", [False, True])
def test_words_above_a_curve_fit_and_shares_stay_shares(polar):
    frame = np.vstack([np.eye(4), -np.eye(4)[:2]])
    curve = srm.sweep(rows()[5:], frame, epsilon=-0.6, signed=True, angles=24)
    ax = curve.plot(polar=polar)
    check_legible(ax.figure)
    assert "2 parallel pairs skipped" in ax.get_title().replace("\n", " ")
    few = srm.sweep(rows()[5:25], epsilon=-0.6, angles=24, null_repeats=3)
    for plane in (None, (0, 1)):
        drawn = few.plot(polar=polar, plane=plane).collections[0].get_paths()[0].vertices[:, 1]
        assert drawn.max() <= 1
        assert drawn.min() >= 0
    plt.close("all")


@pytest.mark.parametrize("compat", [None, "reference"])
def test_flags_of_numpy_are_saved_like_others(tmp_path, compat):
    curve = srm.sweep(np.eye(3), angles=4, signed=np.bool_(True), compat=compat)
    curve.save(tmp_path / "c.h5")
    assert srm.SRMResult.load(tmp_path / "c.h5").signed is True


def test_the_command_sweeps_every_snapshot_that_is_named(tmp_path):
    path, rng = tmp_path / "a.h5", np.random.default_rng(0)
    model = torch.nn.Sequential(torch.nn.Identity())
    with hooks.Recorder(path) as recorder:
        for epoch in range(3):
            made = [torch.tensor(rng.standard_normal((300, 4)))]
            recorder.record(model, made, "0", snapshot=f"s{epoch}", attrs={"epoch": epoch})
    for named, expected in (((0, 2), ["epoch 0", "epoch 2"]), ((), ["epoch 2"])):
        words = [word for epoch in named for word in ("--snapshot", str(epoch))]
        table = tmp_path / "t.csv"
        arguments = [str(path), "--srm", *words, "--null-repeats", "3", "--quiet"]
        done = CliRunner().invoke(command, [*arguments, "--table", str(table)])
        assert done.exit_code == 0, done.output
        assert "it/s" not in done.output
        assert "%|" not in done.output
        rows_ = list(csv.reader(table.read_text().splitlines()))[1:]
        assert [row[0].split(", ")[1] for row in rows_] == expected


def test_the_command_sweeps_with_its_options(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).laplace(size=(600, 8)))
    out, table = tmp_path / "s.png", tmp_path / "s.csv"
    words = ["--srm", "--pairs", "permutation", "--epsilon", "0.6", "--null-repeats", "19"]
    done = CliRunner().invoke(
        command,
        [str(tmp_path / "a.npy"), *words, "-o", str(out), "--table", str(table), "--quiet"],
    )
    assert done.exit_code == 0, done.output
    name, epsilon, greatest, isotropic, p = table.read_text().splitlines()[1].split(",")
    curve = srm.sweep(
        np.load(tmp_path / "a.npy"), epsilon=0.6, pairs="permutation", null_repeats=19
    )
    assert (name, float(epsilon), float(p)) == ("a", 0.6, float(curve.test().rotation.p))
    assert float(greatest) == pytest.approx(curve.pooled.max())
    assert float(isotropic) == pytest.approx(curve.expected)
    assert out.stat().st_size > 1000


def test_the_first_use_loads_no_more_than_it_needs_and_compiles_nothing():
    code = (
        "import sys, ppp, srm\n"
        "ppp.project, srm.sweep\n"
        "heavy = {'matplotlib', 'sklearn', 'h5py', 'dask', 'scipy.stats', 'scipy.linalg'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "kernels = [m for name, m in sys.modules.items() if 'kernels.' in name and\n"
        "           name.split('.')[0] in ('ppp', 'srm')] + [sys.modules['srm.kernels']]\n"
        "made = [v for m in kernels for v in vars(m).values() if hasattr(v, 'signatures')]\n"
        "assert len(made) > 20, len(made)\n"
        "assert not any(v.signatures for v in made)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
