"""Unusual data through the public interfaces: a number, a reason, or an error; never a NaN."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy import sparse

import ppp
import srm
from ppp.maps import null_map
from ppp.pictures import with_draws


def normal(rows=40, n=8, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, n))


VALID = {
    "one row": (normal(1), {}),
    "one repeat": (normal(), {"null_repeats": 1, "null_draws": 1}),
    "no null": (normal(), {"null": None, "null_draws": 0}),
    "half zero": (np.vstack([np.zeros((20, 8)), normal(20)]), {}),
    "not finite": (np.vstack([np.full((2, 8), np.nan), np.full((1, 8), np.inf), normal()]), {}),
    "constant features": (np.ones((40, 8)), {}),
    "one unit alone": (np.c_[normal(40, 1), np.zeros((40, 7))], {}),
    "identical rows": (np.tile(normal(1), (40, 1)), {}),
    "one input": (normal(), {"sample": np.zeros(40, int)}),
    "two dimensions": (normal(n=2), {"epsilon": "auto"}),
    "three dimensions": (normal(n=3), {"pairs": "permutation"}),
    "epsilon one": (np.eye(8), {"epsilon": 1}),
    "tiny epsilon": (normal(), {"epsilon": 1e-12}),
    "no hits": (np.sign(normal(n=24)), {"label": np.arange(40) % 3}),
    "class of one": (normal(), {"label": np.r_[np.zeros(39), 1]}),
    "parallel vectors": (normal(n=3), {"frame": [[1.0, 0, 0], [2, 0, 0], [0, 1, 0]]}),
    "antipodal vectors": (normal(n=3), {"frame": np.vstack([np.eye(3), -np.eye(3)])}),
    "nearly parallel": (normal(n=3), {"frame": [[1.0, 0, 0], [1, 1e-4, 0], [0, 0, 1]]}),
    "draws without hits": (np.eye(60), {}),
    "scaled constant": (np.ones((40, 8)), {"preprocess": "scale", "null_draws": 0}),
    "whitened, rank one": (np.outer(normal(40, 1), normal(1, 8)), {"preprocess": "whiten"}),
    "column permutation": (normal(), {"null": "column-permutation", "null_draws": 0}),
    "recoloured, copied units": (np.repeat(normal(n=2), 4, axis=1), {"null": "recolour"}),
    "gaussian, few rows": (np.vstack([np.zeros((30, 8)), normal(3)]), {"null": "gaussian"}),
}


def project(x, **options):
    given = {"null_repeats": 19, "null_draws": 2, "workers": 1} | options
    if "frame" in given:
        given["frame"] = np.asarray(given["frame"])
    return ppp.project(x, **given)


def masked():
    return np.ma.masked_less(np.arange(40), 5)


def check(table):
    """No NaN anywhere, and a reason for every value or p that is not there."""
    json.loads(table.to_json())  # refuses NaN and infinity
    assert "nan" not in str(table).lower()
    for row in table:
        if {"note", "p"} <= set(row) and row["p"] is None:
            assert row["note"], row
        if {"note", "value"} <= set(row) and row["value"] is None:
            assert "because" in row["note"], row


@pytest.mark.parametrize("case", VALID)
def test_every_table_has_numbers_or_reasons(case):
    x, options = VALID[case]
    result = project(x, **options)
    if result.plan is not None:
        check(result.table())
        check(ppp.family_table({"first": result, "second": result}))
    check(result.table("planes"))
    check(ppp.plane_statistics(result))
    said = result.summary().lower().replace("nan or infinite", "")
    assert "nan" not in said
    assert "e+0" not in said
    groups = ppp.compare({"a": [result, result], "b": [result, result]})
    check(groups.table())
    assert "nan" not in groups.summary().lower()
    if result.tally.classes != (None,):
        for statistics in ppp.by_class(result).values():
            assert all(s.value is not None or "because" in s.note for s in statistics.values())


@pytest.mark.parametrize("case", ["one row", "no hits", "epsilon one", "two dimensions"])
def test_every_figure_is_drawn(case):
    x, options = VALID[case]
    result = project(x, **options)
    with plt.ioff():
        plt.close(result.plot().figure)
        plt.close(ppp.plot_with_null(result))
        plt.close(ppp.plot_against_null(result, size=32))
        plt.close(ppp.plot_training({"net": {"epoch 0": result}}))
        plt.close(ppp.compare({"a": [result, result], "b": [result, result]}).plot())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: project(normal(0)), "no activations: the input is empty"),
        (lambda: project(np.zeros((9, 4))), "of 9 rows 9 are all zero"),
        (lambda: project(np.ones((9, 4)), preprocess="centre"), r"after preprocessing \(centre\)"),
        (lambda: project(normal(n=1)), "width 2 or more, got 1"),
        (
            lambda: project([[1.0, 2.0], [3.0]]),
            "activations must fill an array, got lists of different",
        ),
        (lambda: project(normal(), null_repeats=0), "null_repeats must be at least 1, got 0"),
        (
            lambda: project(normal(), null_repeats=9.5),
            "null_repeats must be a whole number, got 9.5",
        ),
        (lambda: project(normal(), seed=-1), "seed must not be negative, got -1"),
        (lambda: project(normal(n=2), epsilon="hits=9"), "with n = 2 the one plane keeps every"),
        (lambda: project(normal(), label=np.zeros(3)), "label needs one entry a row: 40 rows"),
        (lambda: project(normal(), label=np.zeros((40, 2))), r"one class a row, got shape \(40, 2"),
        (lambda: project(normal(), label=[None] * 40), "numbers or texts, got dtype object"),
        (lambda: project(normal(), label=np.full(40, np.nan)), "must not be NaN, got 40 of 40"),
        (lambda: project(normal(n=3), frame=[[1, 0, 0], [-1, 0, 0]]), "all are parallel or anti"),
        (
            lambda: project(normal(n=3), frame=[[1, 0, 0], [1, 1, 0]], null="sign-flip"),
            "the sign-flip null needs an orthonormal frame",
        ),
        (
            lambda: project(np.ones((9, 4)), null="recolour").statistics,
            "rows that vary in at least two directions, got 0",
        ),
        (
            lambda: project(1e300 * normal()).plot(),
            "activations of size 4e.300: divide them all by one number",
        ),
        (
            lambda: ppp.family_table({"layer": project(normal(), null=None, null_draws=0)}),
            "the headline of 'layer' is tested against a null, and it has none",
        ),
        (
            lambda: ppp.plot_with_null(project(normal(), null="gaussian")),
            "make them on the tested rows, ppp.pictures.with_draws",
        ),
        (
            lambda: ppp.plot_against_null(project(normal(), preprocess="scale")),
            "got 0: make them on the tested rows",
        ),
        (
            lambda: ppp.compare({"a": [project(normal())] * 2, "b": [project(normal(n=9))] * 2}),
            "compared under one width, got 8 and 9",
        ),
        (
            lambda: ppp.compare(
                {"a": [project(normal())] * 2, "b": [project(normal(), epsilon=0.6)] * 2}
            ),
            "compared under one epsilon, got 0.75 and 0.6: give one",
        ),
        (lambda: project(sparse.csr_matrix(normal())), r"got a csr_matrix: use \.toarray\(\)"),
        (lambda: project(sparse.csr_array(normal())), r"got a csr_array: use \.toarray\(\)"),
        (lambda: project(normal(), label=masked()), "label must not be masked"),
        (lambda: project(normal(), sample=masked()), "sample must not be masked: leave masked"),
        (lambda: project(normal(4), label=["a", "b", 1, 2.5]), "not both, got 1 among texts"),
        (lambda: project(normal(2), label=[[1], [2, 3]]), "label must fill an array, got lists of"),
        (lambda: project(normal(), preprocess=3), "preprocess must be among none, .* got 3"),
        (lambda: project(normal(), seed=True), "seed must be a whole number, got True"),
        (lambda: project(normal(), epsilon=np.array(0.5)), r"got array\(0.5\), .* \.item\(\)"),
        (lambda: project(normal(), epsilon=torch.tensor(0.5)), r"got tensor\(.* \.item\(\)"),
        (lambda: srm.sweep(normal(), epsilon=torch.tensor(0.5)), r"got tensor\(.* \.item\(\)"),
        (lambda: ppp.sweep_epsilon(normal(), 0.5), r"list the thresholds, .* got 0\.5: for one"),
        (lambda: ppp.sweep_epsilon(normal(), np.array(0.5)), r"list the thresholds, .*: for one"),
        (
            lambda: ppp.sweep_epsilon(normal(), "auto"),
            "list the thresholds, .* got 'auto': for one",
        ),
        (lambda: ppp.sweep_epsilon(normal(), iter(())), "at least one epsilon, got none"),
        (
            lambda: ppp.family_table([project(normal())]),
            "results must be a mapping, got list",
        ),
        (
            lambda: ppp.family_table({"a": normal()}),
            "result of 'a' must be what ppp.project .* got nd",
        ),
        (lambda: ppp.by_class(normal()), "must be what ppp.project returns, got ndarray"),
        (lambda: ppp.plane_statistics(normal()), "must be what ppp.project returns, got ndarray"),
        (
            lambda: project(normal()).density(device="gpu"),
            "can use here, got 'gpu' .*: leave it out",
        ),
        (lambda: project(normal()).density(device=1.5), "can use here, got 1.5 .* one of .*'cpu'"),
    ],
)
def test_bad_input_is_answered_with_rule_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_pictures_of_a_null_go_through_the_same_preprocessing():
    x = normal(300, 6) * [1, 2, 3, 4, 5, 60]
    for steps in ("scale", ["drop-outliers", "centre"]):
        result = with_draws(project(x, preprocess=steps, null_draws=0), 2)
        hits = result.nulls.sums[:2, :, 1].sum(axis=1)
        assert [tally.hits for tally in result.drawn] == hits.tolist()


def test_thresholds_of_any_kind_come_in_ascending_order():
    x = normal(200)
    found = ppp.sweep_epsilon(x, (each for each in (0.8, "retention=0.1", 0.8)), null=None)
    lower = ppp.project(x, epsilon="retention=0.1", null=None).rule.epsilon
    assert found.epsilons == (lower, 0.8)
    assert ppp.sweep_epsilon(x, ["retention=0.1", lower], null=None).epsilons == (lower,)


def test_one_far_outlier_leaves_a_map_that_can_be_drawn():
    x = np.vstack([normal(50), 1e12 * normal(1)])
    plt.close(ppp.plot_against_null(project(x), size=32))


def test_planes_are_tested_though_no_draw_has_a_hit():
    table = ppp.plane_statistics(project(np.eye(60), null_repeats=39))
    assert set(table["kept"]) == {2}
    assert set(table["p"]) == {2 / 40}


def test_a_loaded_result_names_and_folds_its_null_as_before(tmp_path):
    result = project(normal(300))
    result.save(tmp_path / "r.h5")
    loaded = ppp.PPPResult.load(tmp_path / "r.h5")
    titles = [ax.get_title() for ax in ppp.plot_with_null(loaded).axes[1:3]]
    assert titles == ["rotation 1", "rotation 2"]
    assert null_map(loaded, size=32).images == null_map(result, size=32).images == 8


@pytest.mark.parametrize("frame", ["standard", "haar"])
def test_the_share_in_a_plane_is_that_of_the_row_whatever_its_size(frame):
    x = np.random.default_rng(0).laplace(size=(40, 5))
    plain = ppp.points(x, frame)
    for power in (-1060, 1020):
        sized = np.ldexp(x, power)  # denormal, or its norm beyond all numbers
        found = ppp.points(sized, frame)
        assert ((found.ratio >= 0.75) & (found.ratio <= 1 + 1e-12)).all()
        if power > 0:
            np.testing.assert_allclose(found.ratio, plain.ratio, rtol=1e-12)
        else:
            like = ppp.points(np.ldexp(sized, 1060), frame)
            np.testing.assert_allclose(found.ratio, like.ratio, rtol=1e-12)
