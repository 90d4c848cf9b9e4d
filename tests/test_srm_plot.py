"""Figures of sweeps: what they refuse to draw."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

import srm

pytestmark = pytest.mark.usefixtures("closed_figures")


def swept(**options):
    x = np.random.default_rng(0).laplace(size=(200, 6))
    return srm.sweep(x, **options)


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
    with pytest.raises(ValueError, match=text):
        call()
    assert not plt.get_fignums()
