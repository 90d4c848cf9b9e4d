"""Sparse equivalents: function, exact counts against the formulas, QR, joint optimisation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_adapt_mlp import D, filled

import isotropic
from isotropic import adapt

# 3072 inputs, ten outputs: hidden width, hidden layers, parameters before and after (paper, Tab. 6,
# recounted from its code).
TABLE = [
    (500, 2, 1_792_522, 1_543_022),
    (500, 3, 2_043_523, 1_794_023),
    (500, 4, 2_294_524, 1_795_524),
    (500, 5, 2_545_525, 2_046_525),
    (500, 6, 2_796_526, 2_048_026),
]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=3, max_size=8), st.integers(0, 10**6), st.booleans())
def test_a_sparse_network_computes_the_same(widths, seed, triangular):
    net = filled(widths, seed)
    sparse = adapt.sparsify(net, triangular)
    x = torch.randn(5, widths[0], dtype=D)
    assert (sparse(x) - net(x)).abs().max() < 1e-12
    forms = [layer.form for layer in sparse.layers]
    expected = [
        "diagonal" if i % 2 == 1 and i < len(forms) - 1 else "dense" for i in range(len(forms))
    ]
    if triangular and len(forms) % 2 == 0:
        expected[-2] = "triangular"
    assert forms == expected
    assert all(layer.form == "dense" for layer in net.layers)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(2, 11), st.booleans(), st.booleans())
def test_counts_are_the_formulas(width, depth, extras, triangular):
    kinds = {} if extras else {"omega": "absent", "psi": "absent"}
    net = isotropic.MLP([width] * (depth + 1), **kinds)
    sparse = adapt.sparsify(net, triangular)
    fraction = adapt.count_parameters(sparse) / adapt.count_parameters(net)
    assert fraction == pytest.approx(
        adapt.retained_fraction(width, depth, extras, triangular), rel=1e-14
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50), st.integers(1, 30))
def test_the_formulas_as_printed(n, k):
    odd = ((k + 1) * (n + 1) + 2 * k) / ((2 * k + 1) * (n + 1))
    assert adapt.retained_fraction(n, 2 * k + 1) == pytest.approx(odd, rel=1e-14)
    even = ((k + 1) * (n + 1) + 2 * (k - 1)) / (2 * k * (n + 1))
    assert adapt.retained_fraction(n, 2 * k) == pytest.approx(even, rel=1e-14)
    dense = n * n + n
    odd = ((k + 1) * dense + 2 * k * n + 2 * k * (n + 1)) / ((2 * k + 1) * dense + 2 * k * (n + 1))
    assert adapt.retained_fraction(n, 2 * k + 1, extras=True) == pytest.approx(odd, rel=1e-14)
    even = ((k + 1) * dense + 2 * (k - 1) * n + (2 * k - 1) * (n + 1)) / (
        2 * k * dense + (2 * k - 1) * (n + 1)
    )
    assert adapt.retained_fraction(n, 2 * k, extras=True) == pytest.approx(even, rel=1e-14)


@pytest.mark.parametrize(("width", "hidden", "before", "after"), TABLE)
def test_counts_of_the_papers_architectures(width, hidden, before, after):
    with torch.device("meta"):
        net = isotropic.MLP([3072, *[width] * hidden, 10])
    assert adapt.count_parameters(net) == before
    diagonal = sum(1 for layer in range(1, hidden, 2))
    assert before - diagonal * (width**2 - width) == after


def test_one_of_them_for_real_and_nonzero_agrees():
    torch.manual_seed(0)
    net = isotropic.MLP([40, 30, 30, 30, 5], omega="absent", psi="absent", dtype=D)
    with torch.no_grad():
        for layer in net.layers:
            layer.weight.normal_()
            layer.bias.normal_()
    sparse = adapt.sparsify(net)
    assert adapt.nonzero_parameters(sparse, 1e-9) == adapt.count_parameters(sparse)
    dense = adapt.nonzero_parameters(net, 1e-9)
    assert dense - adapt.nonzero_parameters(sparse, 1e-9) == 30 * 30 - 30


def test_a_sparse_state_dict_loads_and_trains():
    net = adapt.sparsify(filled([6, 5, 4, 7, 3]), triangular=True)
    other = isotropic.MLP([6, 5, 4, 7, 3], dtype=D)
    other.load_state_dict(net.state_dict())
    x = torch.randn(5, 6, dtype=D)
    assert torch.equal(other(x), net(x))
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    other(x).square().sum().backward()
    optimizer.step()
    assert other.layers[2].matrix().tril(-1).abs().max() == 0
    assert not torch.equal(other(x), net(x))


def test_joint_optimisation_keeps_the_function_and_lowers_its_proxy():
    net = filled([6, 6, 6, 6, 6])
    x = torch.randn(8, 6, dtype=D)
    for start in ("given", "alternating"):
        result = adapt.optimise_sparsity(net, steps=60, start=start)
        assert (result.network(x) - net(x)).abs().max() < 1e-11
        assert result.gain > 0
        assert len(result.proxy) == 61
        total = sum(
            float(((layer.weight.detach() ** 2 + 1e-6).sqrt() - 1e-3).sum())
            for layer in result.network.layers
        )
        assert total == pytest.approx(result.proxy[-1], rel=1e-9)


def test_joint_optimisation_finds_a_hidden_identity():
    # A network that is a rotated copy of a very sparse one.
    net = filled([5, 5, 5], psi="absent")
    with torch.no_grad():
        for layer in net.layers:
            layer.weight.copy_(torch.diag(torch.arange(1.0, 6.0)))
    before = adapt.nonzero_parameters(net)
    torch.manual_seed(1)
    generator = torch.randn(5, 5, dtype=D) * 0.1
    adapt.rotate(net, 0, torch.linalg.matrix_exp(generator - generator.T))
    assert adapt.nonzero_parameters(net) > before + 30
    result = adapt.optimise_sparsity(net, steps=400, rate=0.01, start="given")
    weights = torch.cat([layer.weight.detach().flatten() for layer in result.network.layers])
    assert int((weights.abs() > 0.05).sum()) == 10


def test_bad_input():
    net = filled([4, 4, 3])
    with pytest.raises(ValueError, match="start must be 'alternating' or 'given'"):
        adapt.optimise_sparsity(net, start="random")
    with pytest.raises(ValueError, match="steps must be at least 1"):
        adapt.optimise_sparsity(net, steps=0)
    with pytest.raises(ValueError, match="width must be at least 1 and depth at least 2"):
        adapt.retained_fraction(5, 1)
    with pytest.raises(ValueError, match="each neuron by itself"):
        adapt.sparsify(isotropic.MLP([4, 4, 3], activation="tanh"))
    with pytest.raises(ValueError, match="must be dense"):
        adapt.sparsify(adapt.sparsify(filled([4, 4, 4, 3])))
