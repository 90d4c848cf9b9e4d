"""Normalisers, corrected layers, initialisers and the optimiser that commutes with rotations."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import isotropic
from isotropic.functional import isotropic_tanh
from isotropic.initialisers import INITIALISERS
from isotropic.symmetry import group_elements

DOUBLE = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def haar(n, seed=0):
    return group_elements("O(n)", n, 1, torch.Generator().manual_seed(seed))[0]


# Normalisers


ROTATING = {
    "l2": lambda n: isotropic.L2Norm(),
    "rms": lambda n: isotropic.RMSNorm(),
    "mean": lambda n: isotropic.MeanNorm(),
    "frob": lambda n: isotropic.FrobNorm(),
    "whitening": lambda n: isotropic.Whitening(n).double(),
}


@pytest.mark.parametrize("name", ROTATING)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6))
def test_normalisers_commute_with_a_rotation_of_the_batch(name, seed, n):
    x, r = 3 * draw(20, n, seed=seed) + 1, haar(n, seed)
    norm = ROTATING[name](n)
    assert norm.group == "O(n)"
    torch.testing.assert_close(norm(x @ r.T), norm(x) @ r.T, rtol=1e-9, atol=1e-10)


def test_batchnorm_commutes_with_signed_permutations_alone():
    x, norm = draw(30, 4) + 2, isotropic.DiagonalBatchNorm(4).double()
    signed = group_elements("B_n", 4, 1, torch.Generator().manual_seed(1))[0]
    torch.testing.assert_close(norm(x @ signed.T), norm(x) @ signed.T)
    assert (norm(x @ haar(4).T) - norm(x) @ haar(4).T).abs().max() > 0.05


def test_normalisers_are_their_equations():
    x = draw(7, 3)
    lengths = [sum(v * v for v in row) ** 0.5 for row in x.tolist()]
    mean = sum(lengths) / 7
    square = sum(length**2 for length in lengths) / 21
    for norm, factors in (
        (isotropic.L2Norm(), [1 / length for length in lengths]),
        (isotropic.RMSNorm(), [3**0.5 / length for length in lengths]),
        (isotropic.MeanNorm(eps=0.25), [1 / (mean + 0.25)] * 7),
        (isotropic.FrobNorm(eps=0.25), [1 / (square + 0.25) ** 0.5] * 7),
    ):
        wanted = torch.tensor(factors, dtype=DOUBLE).unsqueeze(1) * x
        torch.testing.assert_close(norm(x), wanted, rtol=1e-12, atol=0)


def test_a_length_norm_removes_the_only_nonlinearity():
    x, norm = draw(6, 4), isotropic.L2Norm()
    torch.testing.assert_close(norm(isotropic_tanh(x)), norm(x))
    ratio = isotropic_tanh(norm(x)) / norm(x)
    torch.testing.assert_close(ratio, torch.full_like(ratio, torch.tanh(torch.ones(()))))


@pytest.mark.parametrize("norm", [isotropic.L2Norm(), isotropic.RMSNorm()])
def test_zero_stays_zero_with_a_finite_gradient(norm):
    x = torch.zeros(2, 3, dtype=DOUBLE, requires_grad=True)
    norm(x).sum().backward()
    assert not norm(x).any()
    assert x.grad.isfinite().all()


def test_layernorm_is_the_weighted_one_along_the_diagonal():
    x = draw(9, 5)
    ours = isotropic.WeightedLayerNorm(torch.ones(5, dtype=DOUBLE))
    torch.testing.assert_close(
        ours(x), nn.functional.layer_norm(x, (5,), eps=0), rtol=1e-10, atol=1e-12
    )
    with_eps = isotropic.WeightedLayerNorm(torch.ones(5, dtype=DOUBLE), eps=1e-5)
    torch.testing.assert_close(
        with_eps(x), nn.functional.layer_norm(x, (5,)), rtol=1e-10, atol=1e-12
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6))
def test_the_weighted_layernorm_turns_with_its_direction(seed, n):
    x, w, r = draw(8, n, seed=seed), draw(n, seed=seed + 1), haar(n, seed)
    norm = isotropic.WeightedLayerNorm(w)
    before = norm(x)
    norm.rotate(r)
    torch.testing.assert_close(norm(x @ r.T), before @ r.T, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(
        before @ (w / w.norm()), torch.zeros(8, dtype=DOUBLE), atol=1e-7, rtol=0
    )


def test_a_vector_along_the_direction_gives_zero_and_no_nan():
    norm = isotropic.WeightedLayerNorm(torch.tensor([1.0, 0.0], dtype=DOUBLE))
    x = torch.tensor([[2.0, 0.0]], dtype=DOUBLE, requires_grad=True)
    norm(x).sum().backward()
    assert not norm(x).any()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("direction", [torch.zeros(3), torch.full((2,), torch.nan), torch.eye(2)])
def test_directions_that_are_none_are_refused(direction):
    with pytest.raises(ValueError, match="finite vector other than zero"):
        isotropic.WeightedLayerNorm(direction)


def test_whitening_and_batchnorm_remove_covariance_and_variances():
    x = draw(400, 3) @ draw(3, 3, seed=1) + 5
    white = isotropic.Whitening(3, eps=0.0).double()(x)
    torch.testing.assert_close(white.T @ white / 400, torch.eye(3, dtype=DOUBLE))
    ours = isotropic.DiagonalBatchNorm(3).double()(x)
    torch.testing.assert_close(ours, nn.functional.batch_norm(x, None, None, training=True))


@pytest.mark.parametrize("kind", [isotropic.Whitening, isotropic.DiagonalBatchNorm])
def test_running_statistics_turn_with_the_data(kind):
    x, r = draw(200, 3) * torch.tensor([1.0, 2.0, 5.0], dtype=DOUBLE) + 1, haar(3, 4)
    x = (x - x.mean(0)) @ torch.linalg.cholesky(torch.linalg.inv(x.T.cov())) * torch.tensor(
        [1.0, 2.0, 5.0], dtype=DOUBLE
    ) + 1  # exactly uncorrelated: there BatchNorm's rule is exact too
    norm, turned = (kind(3, momentum=1.0).double() for _ in range(2))
    norm(x), turned(x @ r.T)
    norm.rotate(r)
    for name, value in norm.named_buffers():
        torch.testing.assert_close(value, turned.get_buffer(name), rtol=1e-9, atol=1e-9)


def test_evaluation_uses_running_statistics():
    for norm in (
        isotropic.MeanNorm(0.5),
        isotropic.FrobNorm(0.5),
        isotropic.Whitening(3, 0.5),
        isotropic.DiagonalBatchNorm(3, 0.5),
    ):
        norm.double()
        before = {name: b.clone() for name, b in norm.named_buffers()}
        norm(5 * draw(50, 3))
        moved = {name: b.clone() for name, b in norm.named_buffers()}
        assert any(not torch.equal(before[k], moved[k]) for k in before)
        norm.eval()
        row = draw(1, 3, seed=3)
        torch.testing.assert_close(norm(row), norm(torch.cat([row, 100 * row]))[:1])
        assert all(torch.equal(moved[k], b) for k, b in norm.named_buffers())


@pytest.mark.parametrize("kind", [isotropic.MeanNorm, isotropic.FrobNorm])
def test_statistics_out_of_range_are_refused(kind):
    with pytest.raises(ValueError, match=r"momentum must lie in \(0, 1\], got 0"):
        kind(momentum=0)
    with pytest.raises(ValueError, match="eps must be at least 0, got -1"):
        kind(eps=-1)


# Corrected layers


@pytest.mark.parametrize(
    ("kind", "factor"),
    [
        (nn.Linear, lambda q: q + 1),
        (isotropic.CorrectedLinear, lambda q: 1.0),
        (isotropic.DirectionLinear, lambda q: 2.0),
        (isotropic.RateCorrectedLinear, lambda q: 1.0),
    ],
)
def test_a_step_moves_the_output_by_the_factor_of_its_layer(kind, factor):
    layer, x, eta = kind(4, 3, dtype=DOUBLE), 2 * draw(1, 4), 0.01
    target = draw(1, 3, seed=1)
    z = layer(x)
    z.retain_grad()
    (z - target).square().sum().backward()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.sub_(eta * parameter.grad)
        wanted = z - eta * factor(float(x.square().sum())) * z.grad
        torch.testing.assert_close(layer(x), wanted, rtol=1e-10, atol=1e-12)


def test_the_rate_form_changes_nothing_but_parameter_gradients():
    ours, plain = isotropic.RateCorrectedLinear(4, 3, dtype=DOUBLE), nn.Linear(4, 3, dtype=DOUBLE)
    plain.load_state_dict(ours.state_dict())
    x, y = (draw(5, 4).requires_grad_() for _ in range(2))
    torch.testing.assert_close(ours(x), plain(y), rtol=0, atol=1e-15)
    ours(x).square().sum().backward()
    g = 2 * plain(y).detach()
    plain(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    weighed = (g / (1 + y.detach().square().sum(1, keepdim=True))).T @ y.detach()
    torch.testing.assert_close(ours.weight.grad, weighed)


def test_corrected_layers_are_their_equations_and_differentiable():
    x = draw(5, 4).requires_grad_()
    layer = isotropic.CorrectedLinear(4, 3, dtype=DOUBLE)
    rows = [(layer.weight @ row + layer.bias) / (1 + row @ row) ** 0.5 for row in x]
    torch.testing.assert_close(layer(x), torch.stack(rows))
    direction = isotropic.DirectionLinear(4, 3, dtype=DOUBLE)
    rows = [direction.weight @ (row / row.norm()) + direction.bias for row in x]
    torch.testing.assert_close(direction(x), torch.stack(rows))
    torch.testing.assert_close(direction(torch.zeros(1, 4, dtype=DOUBLE))[0], direction.bias)
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradcheck(direction, (x,))


# Initialisers


def kurtosis(weights):
    return float((weights.flatten() / weights.std()).pow(4).mean())


@pytest.mark.parametrize("name", INITIALISERS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_initialisers_have_the_invariance_they_declare(name, side):
    generator = torch.Generator().manual_seed(0)
    layer, n = nn.Linear(3, 3, dtype=DOUBLE), 4000
    weights = torch.stack(
        [isotropic.initialise(layer, name, generator).weight.detach().clone() for _ in range(n)]
    )
    r = haar(3, 2)
    turned = r @ weights if side == "left" else weights @ r
    change = kurtosis(turned) - kurtosis(weights)
    if getattr(INITIALISERS[name], side) == "O(n)":
        assert abs(change) < 0.12
    else:
        assert change > 0.3


def test_initialising_reaches_every_layer_and_zeroes_biases():
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2, bias=False))
    isotropic.initialise(net, "haar", torch.Generator().manual_seed(1))
    assert torch.allclose(net[0].weight.T @ net[0].weight, torch.eye(3), atol=1e-6)
    assert torch.allclose(net[2].weight @ net[2].weight.T, torch.eye(2), atol=1e-6)
    assert not net[0].bias.any()
    again = isotropic.initialise(nn.Linear(3, 5), "haar", torch.Generator().manual_seed(1))
    assert torch.equal(again.weight, net[0].weight)
    with pytest.raises(ValueError, match="got 'xavier': did you mean 'xavier-"):
        isotropic.initialise(net, "xavier")


def test_initialising_reaches_the_layers_of_an_mlp():
    net = isotropic.MLP([4, 6, 5, 3])
    with torch.no_grad():
        for layer in net.layers:
            layer.bias.fill_(1.0)
    net.layers[1].psi.data.fill_(1.0)
    isotropic.initialise(net, "normal", torch.Generator().manual_seed(0))
    plain = isotropic.initialise(nn.Linear(4, 6), "normal", torch.Generator().manual_seed(0))
    assert torch.equal(net.layers[0].weight, plain.weight)
    assert not any(layer.bias.any() for layer in net.layers)
    assert not net.layers[1].psi.any()
    with pytest.raises(ValueError, match="must hold a linear layer, got a Tanh without one"):
        isotropic.initialise(nn.Tanh())
    sparse = isotropic.adapt.sparsify(net)
    with pytest.raises(ValueError, match=r"must be dense, .* initialise before diagonalising"):
        isotropic.initialise(sparse)


# The optimiser


def trained(optimiser, rotation, steps=40):
    """Train a small isotropic network whose hidden space is turned; give what it computes."""
    generator = torch.Generator().manual_seed(3)
    x, y = draw(30, 4, seed=5), draw(30, 2, seed=6)
    w1, w2 = (torch.randn(*s, dtype=DOUBLE, generator=generator) for s in ((5, 4), (2, 5)))
    r = torch.eye(5, dtype=DOUBLE) if rotation is None else rotation
    w1, w2, b = (
        (r @ w1).requires_grad_(),
        (w2 @ r.T).requires_grad_(),
        torch.zeros(5, dtype=DOUBLE, requires_grad=True),
    )
    steps_of = optimiser([w1, w2, b])
    for _ in range(steps):
        steps_of.zero_grad()
        (isotropic_tanh(x @ w1.T + b) @ w2.T - y).square().mean().backward()
        steps_of.step()
    return (isotropic_tanh(x @ w1.T + b) @ w2.T).detach(), r.T @ w1.detach()


def test_the_equivariant_adam_commutes_with_rotations_and_adam_does_not():
    gaps = {}
    for name, optimiser in (
        ("ours", lambda p: isotropic.EquivariantAdam(p, lr=0.02, weight_decay=0.1)),
        ("adam", lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1)),
    ):
        plain, turned = trained(optimiser, None), trained(optimiser, haar(5, 1))
        gaps[name] = max(float((a - b).abs().max()) for a, b in zip(plain, turned, strict=True))
    assert gaps["ours"] < 1e-11
    assert gaps["adam"] > 1e-3


def test_the_equivariant_adam_is_adam_for_single_numbers():
    target = torch.tensor([0.3], dtype=DOUBLE)
    found = []
    for kind in (isotropic.EquivariantAdam, torch.optim.AdamW):
        p = torch.tensor([2.0], dtype=DOUBLE, requires_grad=True)
        optimiser = kind([p], lr=0.05, betas=(0.8, 0.9), weight_decay=0.2)
        for _ in range(25):
            optimiser.zero_grad()
            (p - target).pow(4).sum().backward()
            optimiser.step()
        found.append(p.detach().clone())
    torch.testing.assert_close(*found, rtol=1e-12, atol=0)


def test_the_equivariant_adam_resumes_from_its_state():
    def run(steps, p, optimiser):
        for _ in range(steps):
            optimiser.zero_grad()
            (p - 1).pow(2).sum().backward()
            optimiser.step()

    whole, half = (torch.zeros(3, dtype=DOUBLE, requires_grad=True) for _ in range(2))
    run(8, whole, isotropic.EquivariantAdam([whole], lr=0.1))
    first = isotropic.EquivariantAdam([half], lr=0.1)
    run(4, half, first)
    second = isotropic.EquivariantAdam([half], lr=0.1)
    second.load_state_dict(first.state_dict())
    run(4, half, second)
    assert torch.equal(whole, half)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1}, "lr must be at least 0 and finite, got -1"),
        ({"betas": (0.9, 1.0)}, r"betas must be two numbers in \[0, 1\)"),
        ({"eps": -1e-9}, "eps must be at least 0"),
        ({"weight_decay": -1}, "weight_decay must be at least 0"),
    ],
)
def test_optimiser_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        isotropic.EquivariantAdam([torch.zeros(1, requires_grad=True)], **settings)


def test_sparse_gradients_are_refused():
    table = nn.Embedding(3, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="gradients must be dense"):
        isotropic.EquivariantAdam(table.parameters()).step()


@pytest.mark.parametrize("kind", [isotropic.Whitening, isotropic.DiagonalBatchNorm])
def test_vectors_of_another_width_are_refused(kind):
    with pytest.raises(ValueError, match="vectors must have 4 numbers, got 5"):
        kind(4)(torch.randn(8, 5))
