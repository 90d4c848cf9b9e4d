"""Sweeps on disk: what comes back, and files that hold none."""

import h5py
import numpy as np
import pytest

import ppp
import srm

X = np.random.default_rng(0).laplace(size=(200, 5))
CROWDED = np.concatenate([np.eye(5), -np.eye(5), np.random.default_rng(1).normal(size=(2, 5))])


@pytest.mark.parametrize(
    "options",
    [
        {"epsilon": -0.3, "signed": True},
        {"planes": [(3, 1)], "null_repeats": 2},
        {"per_plane": False},
        {"compat": "reference"},
        {"frame": CROWDED, "pairs": "permutation", "label": np.repeat([0.5, np.inf], 100)},
        {"frame": ppp.Frame.haar(5, 1).rotated(ppp.haar_rotation(5, 3))},
    ],
)
def test_a_sweep_comes_back_whole(tmp_path, options):
    curve = srm.sweep(X, angles=6, **options)
    curve.save(tmp_path / "curve.h5")
    back = srm.SRMResult.load(tmp_path / "curve.h5")
    for name in ("seen", "pooled_seen", "values", "rows", "first", "second", "angles", "null"):
        np.testing.assert_array_equal(getattr(back, name), getattr(curve, name))
    for name in ("classes", "epsilon", "signed", "compat", "expected", "zero", "nonfinite"):
        assert getattr(back, name) == getattr(curve, name)
    assert back.planes.count == curve.planes.count
    assert back.planes.frame.source == curve.planes.frame.source
    if curve.compat is None:
        np.testing.assert_array_equal(back.test().planes, curve.test().planes)


def test_many_labels_fit(tmp_path):
    x = np.random.default_rng(2).normal(size=(3, 9000))
    curve = srm.sweep(x, epsilon=0.1, angles=4)
    curve.save(tmp_path / "wide.h5")
    back = srm.SRMResult.load(tmp_path / "wide.h5")
    assert back.planes.frame.labels == curve.planes.frame.labels
    np.testing.assert_array_equal(back.pooled_seen, curve.pooled_seen)


def test_a_file_without_a_sweep_says_so(tmp_path):
    path = tmp_path / "curve.h5"
    with pytest.raises(FileNotFoundError, match="no sweep at"):
        srm.SRMResult.load(path)
    srm.sweep(X, angles=4).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"is not a whole sweep .*: save it again"):
        srm.SRMResult.load(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        del file["seen"]
    with pytest.raises(ValueError, match=r"is not a whole sweep .*seen.*: save it again"):
        srm.SRMResult.load(path)
    np.save(tmp_path / "array.npy", X)
    with pytest.raises(ValueError, match=r"is not a whole sweep .*signature"):
        srm.SRMResult.load(tmp_path / "array.npy")
    ppp.project(X, null=None).save(tmp_path / "result.h5")
    with pytest.raises(ValueError, match="holds no sweep: it was not written by save"):
        srm.SRMResult.load(tmp_path / "result.h5")


def test_a_figure_of_no_sweeps_is_refused():
    with pytest.raises(ValueError, match="needs at least one, got none"):
        srm.plot_sweeps({})
