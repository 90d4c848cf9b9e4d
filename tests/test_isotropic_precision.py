"""Corrected layers and the optimiser at the ends of every precision."""

import copy
import math

import pytest
import torch

import isotropic

DOUBLE = torch.float64
LAYERS = [isotropic.CorrectedLinear, isotropic.DirectionLinear, isotropic.RateCorrectedLinear]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_corrected_layers_know_lengths_beyond_half_precision(kind, dtype):
    torch.manual_seed(0)
    layer = kind(2, 3).to(dtype)
    x = torch.tensor([[300.0, 400.0], [0.0, 0.0], [3.0, 4.0]], dtype=dtype)
    wide = copy.deepcopy(layer).double()
    eps = torch.finfo(dtype).eps
    got, wanted = layer(x), wide(x.double())
    assert got.dtype == dtype
    assert torch.allclose(got.double(), wanted, rtol=8 * eps, atol=8 * eps)
    got.sum().backward()
    wanted.sum().backward()
    for half, full in zip(layer.parameters(), wide.parameters(), strict=True):
        assert torch.allclose(half.grad.double(), full.grad, rtol=16 * eps, atol=8 * eps)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e160, 1e300])
def test_corrected_layers_take_inputs_of_any_length(size):
    x = size * torch.tensor([[3.0, 4.0]], dtype=DOUBLE)
    for kind, wanted in (
        (isotropic.CorrectedLinear, lambda w, b: (w @ x[0] + b) / math.hypot(1, 5 * size)),
        (isotropic.DirectionLinear, lambda w, b: w @ torch.tensor([0.6, 0.8], dtype=DOUBLE) + b),
    ):
        layer = kind(2, 3, dtype=DOUBLE)
        expected = wanted(layer.weight, layer.bias)
        assert torch.allclose(layer(x)[0], expected, rtol=1e-12, atol=0)


def stepped(gradient, dtype, **settings):
    weight = torch.nn.Parameter(torch.ones(3, dtype=dtype))
    optimiser = isotropic.EquivariantAdam([weight], lr=0.125, **settings)
    weight.grad = torch.full((3,), gradient, dtype=dtype)
    optimiser.step()
    return weight.detach()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, DOUBLE])
def test_a_gradient_of_zero_moves_nothing(dtype):
    assert torch.equal(stepped(0.0, dtype), torch.ones(3, dtype=dtype))
    assert torch.equal(stepped(0.0, dtype, eps=0.0), torch.ones(3, dtype=dtype))


@pytest.mark.parametrize("gradient", [1e-4, 1.0, 6e4])
def test_half_precision_steps_by_the_rate_whatever_the_gradient(gradient):
    moved = stepped(gradient, torch.float16) - 1
    assert torch.allclose(moved, torch.full((3,), -0.125).half(), rtol=2e-2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": math.inf}, "lr must be at least 0 and finite, got inf"),
        ({"betas": (0.9,)}, "betas must be two numbers"),
    ],
)
def test_settings_that_are_none_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        isotropic.EquivariantAdam([torch.nn.Parameter(torch.ones(1))], **settings)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("frame", [True, False])
def test_elementwise_forms_are_rounded_once(dtype, frame):
    generator = torch.Generator().manual_seed(0)
    x = (3 * torch.randn(50, 6, generator=generator)).to(dtype)
    vectors = torch.nn.functional.normalize(torch.randn(40, 6, generator=generator), dim=1)
    forms = (isotropic.Tanh(vectors), isotropic.ReLU(vectors))
    for form in forms if frame else (isotropic.HyperoctahedralLeakyReLU(),):
        wanted = form(x.float()).to(dtype)
        assert torch.allclose(form(x), wanted, rtol=torch.finfo(dtype).eps / 2, atol=0)


def test_a_form_keeps_its_own_copy_of_the_frame():
    frame = torch.eye(3)
    form = isotropic.Tanh(frame)
    frame.mul_(2)
    assert torch.equal(form.frame, torch.eye(3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_orthogonal_weights_of_half_precision_are_drawn_in_single(dtype):
    torch.manual_seed(5)
    single = isotropic.MLP([6, 5, 3])
    torch.manual_seed(5)
    net = isotropic.MLP([6, 5, 3], dtype=dtype)
    for half, layer in zip(net.layers, single.layers, strict=True):
        assert torch.equal(half.weight, layer.weight.to(dtype))
    column = isotropic.adapt.new_columns("semi-orthogonal", net.layers[1].weight.detach().T, 1)
    assert (net.layers[1].weight.double() @ column.double()).abs().max() < torch.finfo(dtype).eps
    assert net(torch.ones(2, 6, dtype=dtype)).dtype == dtype
    drawn = isotropic.initialise(net, "haar", torch.Generator().manual_seed(3))
    wanted = isotropic.initialise(single, "haar", torch.Generator().manual_seed(3))
    for half, layer in zip(drawn.layers, wanted.layers, strict=True):
        assert torch.equal(half.weight, layer.weight.to(dtype))
