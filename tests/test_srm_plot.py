"""Figures of sweeps: where their words stand, and what they refuse to draw."""

import numpy as np
import pytest
from legible import check_legible
from matplotlib import pyplot as plt

import srm

pytestmark = pytest.mark.usefixtures("closed_figures")


def swept(**options):
    x = np.random.default_rng(0).laplace(size=(200, 6))
    return srm.sweep(x, **options)


@pytest.mark.parametrize("title", [None, "a title of one's own"])
@pytest.mark.parametrize("of", [{}, {"plane": (0, 1)}])
def test_names_of_vectors_stand_above_curve_and_frame_and_below_the_title(of, title):
    # axes hit most: the curve is highest at the very places of the names
    curve = srm.sweep(np.vstack([np.eye(6), -np.eye(6)]))
    ax = curve.plot(**of)
    if title is not None:
        ax.set_title(title)
    ax.figure.draw_without_rendering()
    ticks = ax.child_axes[0].get_xticklabels()
    names = {text.get_text(): text.get_window_extent() for text in ticks}
    assert list(names) == ["$b_i$", "$-b_i$", "$b_j$", "$-b_j$"]
    for box in names.values():
        assert ax.get_window_extent().y1 <= box.y0
        assert box.y1 <= ax.title.get_window_extent().y0
    centres = ax.transData.inverted().transform([[(b.x0 + b.x1) / 2, 0] for b in names.values()])
    np.testing.assert_allclose(centres[:, 0], [0, 180, 90, 270], atol=0.5)
    assert not curve.plot(polar=True).child_axes


def test_the_isotropic_level_is_a_circle_however_few_angles_there_are():
    curve = swept(angles=3)
    level = curve.plot(polar=True).lines[1]
    assert level.get_label() == "isotropic level"
    across, shares = level.get_data()
    np.testing.assert_allclose(shares, curve.expected)
    assert across[[0, -1]] == pytest.approx([0, 2 * np.pi])
    assert np.diff(across).max() < np.radians(2)
    band = curve.plot(polar=True, plane=(0, 1)).collections[0].get_paths()[0].vertices
    assert np.abs(np.diff(band[:, 0])).max() < np.radians(2)


@pytest.mark.parametrize("polar", [False, True])
def test_the_power_of_ten_of_tiny_shares_stands_with_their_name(polar):
    x = np.random.default_rng(0).laplace(size=(200, 24))
    curve = srm.sweep(x, angles=12, epsilon=0.95)
    assert curve.expected < 1e-12
    ax = curve.plot(polar=polar)
    check_legible(ax.figure)
    assert not ax.yaxis.get_offset_text().get_text()
    assert r"10^{-13}" in ax.get_ylabel()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: srm.plot_sweeps([swept()]), 'curves must be a mapping, got list: give {"network"'),
        (lambda: srm.plot_sweeps(swept()), "curves must be a mapping, got SRMResult"),
        (lambda: srm.plot_sweeps({"a": np.eye(3)}), r"curves\['a'\] must be of type SRMResult"),
        (lambda: srm.plot_curve(np.eye(3)), "type SRMResult, got ndarray: give srm.sweep"),
    ],
)
def test_what_is_no_sweep_is_refused_and_leaves_no_figure(call, text):
    plt.close("all")  # examples before it may have left some
    with pytest.raises(ValueError, match=text):
        call()
    assert not plt.get_fignums()
