"""Normalisers between the layers: which rotations and widths pass, and how they say so."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_adapt_mlp import D, filled
from torch import nn

from isotropic import adapt


class MeanNorm(nn.Module):
    """Division by a running mean of the norms: one scalar, any width (paper, Eqn 35)."""

    any_width = True

    def __init__(self, width):
        super().__init__()
        self.register_buffer("mean", torch.ones((), dtype=D))

    def forward(self, h):
        if self.training:
            self.mean.copy_(h.detach().norm(dim=-1).mean())
        return h / self.mean

    def rotate_(self, turn):
        """A scalar does not turn."""


class WeightedLayerNorm(nn.Module):
    """Paper, Eqn 37: the direction of the mean is a parameter that turns along."""

    def __init__(self, width):
        super().__init__()
        self.direction = nn.Parameter(torch.ones(width, dtype=D) + torch.rand(width, dtype=D))

    def forward(self, h):
        unit = self.direction / self.direction.norm()
        left = h - (h @ unit)[..., None] * unit
        return h.shape[-1] ** 0.5 * left / left.norm(dim=-1, keepdim=True)

    @torch.no_grad()
    def rotate_(self, turn):
        self.direction.copy_(turn.to(self.direction) @ self.direction)


class FixedLayerNorm(WeightedLayerNorm):
    """The same with a direction that stays: what a rotation must not pass."""

    def rotate_(self, turn):
        """Wrongly claims that nothing needs to turn."""


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([MeanNorm, WeightedLayerNorm]), st.integers(0, 10**6))
def test_equivariant_normalisers_let_diagonalisation_pass(kind, seed):
    net = filled([5, 6, 4, 3], seed, normaliser=kind)
    x = torch.randn(20, 5, dtype=D)
    net(x)
    net.eval()
    before = net(x)
    adapt.diagonalise(net, 1, "full")
    assert (net(x) - before).abs().max() < 1e-11
    adapt.diagonalise(net, 0)
    assert (net(x) - before).abs().max() < 1e-11


def test_a_direction_that_stays_would_be_noticed():
    net = filled([5, 6, 4, 3], normaliser=FixedLayerNorm)
    x = torch.randn(20, 5, dtype=D)
    before = net(x)
    adapt.diagonalise(net, 0)
    assert (net(x) - before).abs().max() > 1e-2


def test_scalar_normalisers_let_widths_change():
    net = filled([5, 6, 4, 3], normaliser=MeanNorm)
    x = torch.randn(20, 5, dtype=D)
    net(x)
    net.eval()
    before = net(x)
    adapt.resize(net, 0, 9)
    assert (net(x) - before).abs().max() < 1e-12
    with pytest.raises(ValueError, match="held by WeightedLayerNorm"):
        adapt.resize(filled([5, 6, 3], normaliser=WeightedLayerNorm), 0, 7)


def test_state_dicts_with_normalisers_load_at_other_widths():
    net = filled([5, 6, 4, 3], normaliser=MeanNorm)
    x = torch.randn(20, 5, dtype=D)
    net(x)
    net.eval()
    adapt.resize(net, 0, 9)
    other = filled([5, 2, 2, 3], seed=1, normaliser=MeanNorm).eval()
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), net(x))
