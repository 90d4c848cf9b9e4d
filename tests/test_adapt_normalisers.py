"""Normalisers between the layers: which rotations and widths pass, and how they say so."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_adapt_mlp import D, filled
from torch import nn

from isotropic import adapt
from isotropic.adapt.covariance import hidden_rows
from isotropic.normalise import (
    DiagonalBatchNorm,
    FrobNorm,
    L2Norm,
    MeanNorm,
    RMSNorm,
    WeightedLayerNorm,
    Whitening,
)

X = torch.randn(40, 5, dtype=D, generator=torch.Generator().manual_seed(0))
EXACT = {
    "l2": lambda n: L2Norm(),
    "rms": lambda n: RMSNorm(),
    "torch rms": lambda n: nn.RMSNorm(n, elementwise_affine=False),
    "mean": lambda n: MeanNorm().double(),
    "frob": lambda n: FrobNorm().double(),
    "weighted": lambda n: WeightedLayerNorm(1 + torch.rand(n, dtype=D)),
    "whitening": lambda n: Whitening(n).double(),
}


def network(kind, seed=0):
    """A network whose normalisers have seen data."""
    net = filled([5, 6, 4, 3], seed, normaliser=kind)
    for _ in range(40):
        net(X)
    return net.eval()


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(EXACT)), st.integers(0, 10**6))
def test_equivariant_normalisers_let_diagonalisation_pass(name, seed):
    net = network(EXACT[name], seed)
    before = net(X)
    # Whitening divides by the roots of tiny variances, and so magnifies rounding.
    allowed = 1e-9 if name == "whitening" else 1e-11
    adapt.diagonalise(net, 1, "full")
    adapt.diagonalise(net, 0)
    assert (net(X) - before).abs().max() < allowed
    sparse = adapt.sparsify(net)
    assert (sparse(X) - before).abs().max() < allowed


class Stubborn(WeightedLayerNorm):
    """Claims to turn along and does not."""

    def rotate(self, rotation):
        """Leave the direction where it is."""


def test_a_direction_that_stays_would_be_noticed():
    net = network(lambda n: Stubborn(1 + torch.rand(n, dtype=D)))
    before = net(X)
    adapt.diagonalise(net, 0)
    assert (net(X) - before).abs().max() > 1e-2


@pytest.mark.parametrize(
    "kind", [DiagonalBatchNorm, lambda n: nn.BatchNorm1d(n, affine=False)], ids=["ours", "torch"]
)
def test_diagonal_statistics_turn_only_on_request(kind):
    net = network(lambda n: kind(n).double())
    before = net(X)
    with pytest.raises(ValueError, match="only approximately"):
        adapt.diagonalise(net, 0)
    assert torch.equal(net(X), before)
    adapt.diagonalise(net, 0, approximate=True)
    change = (net(X) - before).abs().max()
    assert 1e-6 < change < before.abs().max()
    # In the eigenbasis of the covariance it is the whitening, exactly.
    net = network(lambda n: kind(n).double())
    variances = adapt.diagonalise_covariance(net, 0, X)
    turned = hidden_rows(net, 0, X)
    out = net.norms[0](turned)
    expected = torch.diag(variances / (variances + net.norms[0].eps))
    assert (out.T @ out / len(out) - expected).abs().max() < 1e-10


@pytest.mark.parametrize(("name", "grows"), [("mean", True), ("l2", True), ("rms", False)])
def test_which_normalisers_let_widths_grow(name, grows):
    net = network(EXACT[name])
    before = net(X)
    if grows:
        adapt.resize(net, 0, 9)
        assert (net(X) - before).abs().max() < 1e-12
    else:
        with pytest.raises(ValueError, match="RMSNorm behind layer 0 does not let its width"):
            adapt.resize(net, 0, 9)


@pytest.mark.parametrize("name", ["mean", "l2"])
@pytest.mark.parametrize("change", [adapt.grow, adapt.resize])
def test_a_normaliser_sees_new_biases(name, change):
    net = network(EXACT[name])
    before = net(X)
    count = 1 if change is adapt.grow else 7
    with pytest.raises(ValueError, match="divides by a norm that new biases add to: use biases='z"):
        change(net, 0, count, columns="zero", biases="length")
    assert torch.equal(net(X), before)
    change(net, 0, count, columns="normal", biases="zero")
    assert net.widths[1] == 7
    assert (net(X) - before).abs().max() < 1e-12


def test_an_adapter_that_could_not_grow_is_refused_before_it_changes_anything():
    with pytest.raises(ValueError, match=r"MeanNorm behind layer . .* use biases='zero'"):
        adapt.NeuroAdapter(network(EXACT["mean"]), columns="zero", biases="length")
    adapt.NeuroAdapter(network(EXACT["mean"]))


@pytest.mark.parametrize("name", ["l2", "frob", "weighted", "whitening"])
def test_only_the_mean_norm_lets_a_layer_be_pruned(name):
    with pytest.raises(ValueError, match="pruned one takes its share of the norm along"):
        adapt.resize(network(EXACT[name]), 0, 4)
    net = network(EXACT["mean"])
    adapt.diagonalise(net, 0)
    with torch.no_grad():
        net.layers[0].weight[5] = 0
        net.layers[0].bias[5] = 0
    before = net(X)
    adapt.resize(net, 0, 5)
    assert (net(X) - before).abs().max() < 1e-12


def test_state_dicts_with_normalisers_load_at_other_widths():
    net = network(EXACT["mean"])
    adapt.resize(net, 0, 9)
    other = filled([5, 2, 2, 3], seed=1, normaliser=EXACT["mean"]).eval()
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(X), net(X))


def test_components_of_our_own_batchnorm():
    net = network(lambda n: DiagonalBatchNorm(n).double())
    adapt.diagonalise_covariance(net, 1, X)
    before = net(X)
    turn, _ = adapt.find_components(net, 1, X)
    part = adapt.represent_components(net, 1, turn, "full")
    assert (part(X) - before).abs().max() < 1e-9


def load_itself(net):
    net.load_state_dict(net.state_dict())


def load_another_width(net):
    wider = filled([5, 9, 4, 3], normaliser=lambda n: DiagonalBatchNorm(n).double())
    net.load_state_dict(wider.state_dict())


@pytest.mark.parametrize(
    "change",
    [
        lambda net: adapt.diagonalise_covariance(net, 1, X),
        lambda net: hidden_rows(net, 1, X),
        lambda net: adapt.densify(net, 0),
        load_itself,
        load_another_width,
    ],
    ids=["covariance", "rows", "dense", "itself", "width"],
)
def test_modules_keep_the_mode_they_were_given(change):
    net = network(lambda n: DiagonalBatchNorm(n).double()).train()
    net.norms[0].eval()
    net.layers[0].eval()
    change(net)
    held = [name for name, module in net.named_modules() if not module.training]
    assert held == ["layers.0", "norms.0"]
