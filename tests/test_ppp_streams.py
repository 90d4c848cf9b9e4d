"""Whatever holds activations is read alike, and what cannot be counted is refused by name."""

import h5py
import numpy as np
import pytest
import scipy.sparse
import torch

import ppp
import srm
from ppp.prepared import Prepared
from ppp.reservoir import Reservoir
from ppp.streams import Rows, as_stream

CUTS = [(0, 10), (10, 130), (130, 300)]
X = np.random.default_rng(0).laplace(size=(300, 5))


def cut(rows=X, sample=None, label=None):
    """The rows in three blocks."""
    sample = np.arange(len(rows)) if sample is None else sample
    return [Rows(rows[a:b], sample[a:b], None if label is None else label[a:b]) for a, b in CUTS]


class Source:
    """Anything with `.blocks()`."""

    def blocks(self):
        return iter(cut())


def dataset():
    return h5py.File.in_memory().create_dataset("x", data=X)


@pytest.mark.parametrize(
    "x",
    [
        cut(),
        tuple(cut()),
        [X[a:b] for a, b in CUTS],
        [torch.tensor(X[a:b]) for a, b in CUTS],
        Rows(X, np.arange(300)),
        Source(),
        dataset(),
        torch._neg_view(torch.tensor(-X)),
    ],
    ids=["blocks", "tuple", "arrays", "tensors", "block", "source", "dataset", "negated"],
)
@pytest.mark.parametrize("engine", ["cpu", "torch:cpu"])
def test_rows_count_alike_however_they_are_held(x, engine):
    one, other = (ppp.project(rows, engine=engine, null=None) for rows in (X, x))
    np.testing.assert_array_equal(other.kept, one.kept)
    np.testing.assert_array_equal(other.sampled.rows, X)


def test_numbers_given_here_never_meet_those_of_blocks():
    numbered = Rows(X[:10], np.arange(1, 11))
    for blocks in ([numbered, X[10:20]], [X[10:20], numbered._replace(sample=np.arange(9, 19))]):
        assert ppp.project(blocks, null=None).tally.inputs.sum() == 20


def test_half_precision_that_may_not_be_written_to_is_read():
    half = X.astype(np.float16)
    expected = ppp.project(half.astype(np.float32), null=None).kept
    half.flags.writeable = False
    np.testing.assert_array_equal(ppp.project(half, null=None).kept, expected)


def test_a_list_of_blocks_can_be_read_again():
    label = np.arange(300) % 2
    blocks = cut(label=label)
    assert as_stream(blocks).shape == (300, 5)
    for of in (lambda x: ppp.project(x, preprocess="centre", null=None).kept, ppp.points):
        np.testing.assert_array_equal(getattr(of(blocks), "w", 0), getattr(of(X), "w", 0))
    found = ppp.project_classes(blocks, null=None)
    assert [each.tally.rows for each in found.values()] == [150, 150]
    with pytest.raises(ValueError, match="hits are more than max_points = 3"):
        ppp.points(blocks, max_points=3)


def changed(**fields):
    """Blocks of which the second one was changed."""
    blocks = cut(label=np.arange(300) % 2)
    blocks[1] = blocks[1]._replace(**fields)
    return blocks


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (changed(label=np.zeros(60)), "label needs one entry a row: 120 rows, got 60"),
        (changed(label=np.zeros((120, 2))), r"one class a row, got shape \(120, 2\)"),
        (changed(label=np.full(120, np.nan)), "label must not be NaN, got 120 of 120"),
        (changed(label=[None] * 120), r"numbers or texts, got dtype object: use label.astype"),
        (changed(sample=np.arange(60)), "sample needs one entry a row: 120 rows, got 60"),
        (changed(sample=np.arange(200)), "sample needs one entry a row: 120 rows, got 200"),
        (changed(sample=None), r"sample must hold one input a row, got shape \(\)"),
        (
            changed(sample=np.tile(np.arange(60), 2)),
            "must stand next to each other, got those of input 0 in 2 places: sort the rows",
        ),
        (
            changed(sample=np.r_[9, np.arange(11, 130)]),
            "whole inputs, got rows of input 9 at the end of one block and at the beginning of the",
        ),
        (changed(rows=X[10:130, 0]), "must be a matrix"),
        (changed(rows=X[10:130, :4]), "one width: got 4 after 5"),
        (changed(rows=X[10:130] + 1j), "real numbers, got dtype complex128"),
    ],
)
@pytest.mark.parametrize("made", [iter, list])
@pytest.mark.parametrize("method", [ppp.project, srm.sweep])
def test_blocks_that_do_not_fit_are_refused(blocks, message, made, method):
    with pytest.raises(ValueError, match=message):
        method(made(blocks), epsilon=0.75)


@pytest.mark.parametrize(
    ("label", "found"), [(None, "none and numbers"), (["cat"] * 120, "numbers and texts")]
)
def test_labels_are_of_one_kind_in_all_blocks(label, found):
    for blocks in (changed(label=label), changed(label=label)[::-1] * 20):
        with pytest.raises(ValueError, match=f"labels must be .* or none, got {found}"):
            ppp.project(blocks, workers=2)
    empty = Rows(X[:0], np.arange(0))
    assert ppp.project([empty, *cut(label=np.arange(300) % 2), empty], null=None).tally.rows == 300
    first, second = Reservoir(), Reservoir()
    first.append(Prepared.of(changed(label=label)[0]))
    second.append(Prepared.of(Rows(X, np.arange(300), label and label[:100] * 3)))
    with pytest.raises(ValueError, match=f"got {found}"):
        first.merge(second)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (np.arange(300) / 3, "whole numbers below 2\\*\\*63, got dtype float64: number the inputs"),
        (np.full(300, np.nan), "got dtype float64"),
        (np.arange(300).astype(str), "got dtype <U"),
        (np.arange(300).astype(np.uint64) + 2**63, "got dtype uint64"),
        (np.arange(300)[:, None], r"one input a row, got shape \(\d+, 1\)"),
        (7, r"one input a row, got shape \(\)"),
    ],
)
def test_inputs_are_whole_numbers(sample, message):
    with pytest.raises(ValueError, match=message):
        ppp.project(X, sample=sample)
    if np.ndim(sample):
        with pytest.raises(ValueError, match=message):
            ppp.project(cut(sample=sample))


def test_inputs_and_labels_may_be_tensors_and_whole_floats():
    sample, label = torch.arange(300) // 3, (torch.arange(300) // 150).bfloat16()
    found = ppp.project(X, sample=sample.double(), label=label, null=None)
    assert found.tally.classes == (0.0, 1.0)
    assert found.tally.inputs.tolist() == [50, 50]
    np.testing.assert_array_equal(found.sampled.sample, sample)


def test_masked_rows_are_not_counted_in_silence():
    masked = np.ma.masked_array(X, mask=X > 4)
    with pytest.raises(ValueError, match="must not be masked: leave masked rows out, or fill"):
        ppp.project(masked, null=None)
    filled = ppp.project(masked.astype(float).filled(np.nan), null=None)
    assert filled.tally.nonfinite == masked.mask.any(axis=1).sum() > 0
    assert ppp.project(np.ma.masked_array(X), null=None).hits == ppp.project(X, null=None).hits


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.coo_matrix])
def test_sparse_rows_are_told_to_be_dense(kind):
    with pytest.raises(ValueError, match=f"dense, got a {kind.__name__}: use .toarray"):
        ppp.project(kind(X))


@pytest.mark.parametrize("x", ["acts.npy", b"acts.npy", {"layer": X}])
def test_names_and_mappings_are_no_activations(x):
    with pytest.raises(TypeError, match=f"activations must be an .* got {type(x).__name__}"):
        ppp.project(x)


def test_rows_of_several_types_are_kept_without_looking_at_empty_places():
    reservoir = Reservoir()
    reservoir.append(Prepared(X[:10].astype(np.float32), np.arange(10), None))
    room = reservoir._kept
    room._rows[~room.used] = np.array([0x7FA00000], np.uint32).view(np.float32)  # signals
    with np.errstate(all="raise"):
        reservoir.append(Prepared(X[10:], np.arange(10, 300), None))
    np.testing.assert_array_equal(reservoir.finish().rows[10:], X[10:])


@pytest.mark.parametrize("engine", ["cpu", "torch:cpu"])
def test_an_input_has_one_label(engine):
    sample, label = np.arange(300) // 3, np.arange(300) % 2
    with pytest.raises(ValueError, match="same in all rows of an input, got 0 and 1 in input 0: "):
        ppp.project(X, sample=sample, label=label, engine=engine, null=None)
    found = ppp.project_classes(X, sample=sample, label=label, engine=engine, null=None)
    assert [each.tally.rows for each in found.values()] == [150, 150]
    whole = ppp.project(X, sample=sample, label=sample % 2, engine=engine, null=None).tally
    assert whole.inputs.tolist() == [50, 50]


@pytest.mark.parametrize("also", [ppp.Radial(), [ppp.Radial], "all", (ppp.Radial() for _ in "a")])
def test_other_methods_come_in_a_list(also):
    with pytest.raises(ValueError, match=r"also must be a list of methods such as \[ppp.Radial"):
        ppp.project(X, also=also)


def test_a_profile_under_the_rule_of_distance_has_no_isotropic_tail():
    profile = ppp.project(X, epsilon=0, distance=1.0, also=[ppp.Radial(5)], null=None).also[0]
    assert profile.tail[0] == 1
    assert np.isnan(profile.expected_tail).all()
    assert "a rule of distance depends on the norms" in profile.note


def test_in_two_dimensions_a_profile_has_no_isotropic_tail():
    profile = ppp.project(X[:, :2], also=[ppp.Radial(5)], null=None).also[0]
    assert profile.tail[-2] == 1
    assert np.isnan(profile.expected_tail).all()
    assert "in two dimensions every sample has ρ = 1" in profile.note


@pytest.mark.parametrize("most", [0, -1, None, "all"])
def test_points_are_limited_by_a_number(most):
    with pytest.raises(ValueError, match=f"max_points must be .* at least 1, got {most!r}"):
        ppp.points(X, max_points=most)


@pytest.mark.parametrize("make", [ppp.Frame.given, ppp.weight_frame])
def test_masked_vectors_are_no_frame(make):
    with pytest.raises(ValueError, match="must not be masked: leave masked ones out"):
        make(np.ma.masked_array(np.eye(3), mask=np.eye(3) > 0))
