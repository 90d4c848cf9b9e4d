"""Jacobians and gradient steps of the paper's appendix, against autograd and finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_adapt_mlp import D, filled

from isotropic import adapt
from isotropic.intrinsic import RadialActivation


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.floats(1e-8, 4.0), st.floats(0.0, 5.0), st.integers(0, 10**6))
def test_jacobian_with_intrinsic_length(n, omega, size, seed):
    """J = t I + (t'/M) x x^T: adaptive-topology paper, Eqn 19 with omega."""
    x = torch.randn(n, dtype=D, generator=torch.Generator().manual_seed(seed)) * size
    f = RadialActivation(omega="fixed", initial_omega=omega, dtype=D)
    found = torch.autograd.functional.jacobian(lambda v: f(v), x)
    m = (x.square().sum() + omega).sqrt()
    t = m.tanh() / m
    slope = (1 - m.tanh() ** 2 - t) / m
    by_formula = t * torch.eye(n, dtype=D) + slope / m * torch.outer(x, x)
    # The formula cancels where m is small; the code does not.
    assert (found - by_formula).abs().max() < 1e-10 / min(1.0, float(m)) ** 2
    h = 1e-6
    columns = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in torch.eye(n, dtype=D)]
    assert (found - torch.stack(columns, 1)).abs().max() < 1e-8


def test_gradcheck_at_the_origin_and_of_omega():
    f = RadialActivation(omega="trainable", initial_omega=0.3).double()
    x = torch.zeros(2, 3, dtype=D, requires_grad=True)

    def call(v, log_omega):
        return torch.func.functional_call(f, {"log_omega": log_omega}, (v,))

    log_omega = f.log_omega.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(call, (x, log_omega))
    y = torch.randn(2, 3, dtype=D, requires_grad=True)
    assert torch.autograd.gradcheck(call, (y, log_omega))


def test_gradients_of_a_diagonalised_pair():
    """Eqn 32, the whole of it, against autograd."""
    net = filled([5, 4, 3])
    adapt.diagonalise(net, 0)
    first, last = net.layers
    x = torch.randn(5, dtype=D)
    y = net(x[None])[0]
    g = torch.randn(3, dtype=D)
    (y * g).sum().backward()
    z = (first.weight @ x + first.bias).detach()
    m = (z.square().sum() + net.activations[0].omega).sqrt()
    t = m.tanh() / m
    slope = (1 - m.tanh() ** 2 - t) / m
    assert torch.allclose(last.weight.grad, torch.outer(g, t * z))
    back = last.weight.detach().T @ g
    # psi meets t as well: its share of dL/dz is (t'/M) (psi . g) z.
    dz = t * back + slope / m * (z @ back + last.psi.detach() @ g) * z
    assert torch.allclose(first.bias.grad, dz)
    assert torch.allclose(first.weight.grad, torch.outer(dz, x))
    star = t * back[3] + slope / m * z[3] * (z @ back + last.psi.detach() @ g)
    assert torch.allclose(first.bias.grad[3], star)


@pytest.mark.parametrize("three", [False, True])
def test_factors_take_another_step_than_their_product(three):
    """Eqns 28-30, with two and with three factors, to first order in the rate."""
    torch.manual_seed(0)
    U, S, Vh = torch.linalg.svd(torch.randn(4, 4, dtype=D))
    x, g = torch.randn(4, dtype=D), torch.randn(4, dtype=D)
    rate = 1e-7
    factors = [U, torch.diag(S), Vh] if three else [U * S, Vh]
    leaves = [factor.clone().requires_grad_() for factor in factors]
    vector = x
    for leaf in reversed(leaves):
        vector = leaf @ vector
    (vector * g).sum().backward()
    if three:
        # Only the diagonal of S is a parameter.
        leaves[1].grad = torch.diag(torch.diagonal(leaves[1].grad))
    moved = x
    for leaf in reversed(leaves):
        moved = (leaf - rate * leaf.grad).detach() @ moved
    change = (moved - vector.detach()) / -rate
    product = x.square().sum() * g
    c = Vh @ x
    if three:
        expected = (
            (S * c).square().sum() * g
            + U @ ((U.T @ g) * c.square())
            + x.square().sum() * U @ (S**2 * (U.T @ g))
        )
    else:
        A = U * S
        expected = c.square().sum() * g + x.square().sum() * A @ (A.T @ g)
    assert (change - expected).abs().max() < 1e-5
    assert (change - product).abs().max() > 0.1
