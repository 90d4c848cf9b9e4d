"""Long names, long titles and little room: every word stays legible and on its figure."""

import numpy as np
import pytest
from legible import check_legible

import ppp
from ppp.plot_words import fitted

pytestmark = pytest.mark.usefixtures("closed_figures")

LONG = [
    "isotropic-leaky-relu-normalised",
    "elementwise-leaky-relu-normalised",
    "hyperoctahedral-max-norm-leaky",
]
SHORT = ["tanh", "isotropic-tanh", "leaky-relu", "isotropic-leaky-relu"]


def projected(seed=0, rows=200, n=6, scale=1.0, **options):
    x = scale * np.random.default_rng(seed).laplace(size=(rows, n))
    return ppp.project(x, **{"null": None} | options)


def test_lines_end_at_the_best_place_that_fits_and_keep_every_letter():
    text = "n = 8,  N = 600 samples,  ε = .75 (within 41.4° of a plane)"
    assert fitted(text, 9.0, 8) == text
    assert fitted(text, 2.0, 8).split("\n")[0] == "n = 8,  N = 600 samples,"
    for inches in (0.05, 0.3, 1.0, 2.0):
        assert "".join(fitted(text, inches, 8).split()) == "".join(text.split())
    assert fitted("one\n\ntwo", 1.0, 8) == "one\n\ntwo"


@pytest.mark.parametrize("names", [SHORT[:2], LONG, SHORT, [f"network-{k}" for k in range(7)]])
@pytest.mark.parametrize("statistics", [None, ["kappa"]])
def test_groups_of_any_names_stand_beside_each_other(names, statistics):
    comparison = ppp.compare({name: [projected(k) for k in range(2)] for name in names})
    check_legible(ppp.plot_comparison(comparison, statistics=statistics))
