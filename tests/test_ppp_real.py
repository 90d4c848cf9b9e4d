"""Statistics on real data: handwritten digits through independent component analysis."""

import warnings

import pytest

import ppp
from ppp.frame import Frame, haar_rotation


@pytest.fixture(scope="module")
def sources():
    """Sixteen independent components of scikit-learn's digits, unit variance."""
    from sklearn.datasets import load_digits
    from sklearn.decomposition import FastICA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether it converged does not matter here
        ica = FastICA(16, whiten="unit-variance", random_state=0, max_iter=300, tol=1e-3)
        return ica.fit_transform(load_digits().data)


def verdict(x, frame="standard", **options):
    result = ppp.project(x, frame=frame, epsilon="auto", **options)
    return ppp.judge(result.statistics, result.nulls, result.planes, result.rule), result


def test_independent_components_of_digits_are_aligned_with_their_own_axes(sources):
    found, result = verdict(sources)
    assert found.kind == "aligned"
    assert {result.statistics[name].p for name in ppp.statistics.HEADLINE} == {0.02}
    assert result.statistics["combined"].p == pytest.approx(0.01)


def test_small_p_grow_where_asked(sources):
    from ppp.null import run_nulls

    result = ppp.project(sources, epsilon="auto", null=None)
    nulls = run_nulls(sources, None, None, result.planes, result.rule, repeats=99, limit=999)
    assert nulls.stages == (99, 999)
    assert nulls.p("combined") == pytest.approx(0.001)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_components_turned_are_not(sources, seed):
    q = haar_rotation(16, seed)
    found, _ = verdict(sources @ q)
    assert found.kind == "none"
    # In the frame that was turned along with them they are aligned as before.
    again, _ = verdict(sources @ q, frame=Frame.given(q))
    assert again.kind == "aligned"


def test_recolouring_says_that_digits_are_not_gaussian_and_no_more(sources):
    found, _ = verdict(sources, null="recolour")
    assert found.kind == "other"
    assert "this is not about alignment alone" in found.text
