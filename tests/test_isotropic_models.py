"""The autoencoder of Appendix E."""

import pytest
import torch

import isotropic
from isotropic.functional import isotropic_tanh, tanh


def seeded(seed=0, **settings):
    generator = torch.Generator().manual_seed(seed)
    return isotropic.Autoencoder(20, generator=generator, **settings)


@pytest.mark.parametrize(("name", "form"), [("tanh", tanh), ("isotropic-tanh", isotropic_tanh)])
@pytest.mark.parametrize("blocks", [0, 2])
def test_the_network_is_the_formula_of_the_paper(name, form, blocks):
    model = seeded(width=5, blocks=blocks, activation=name)
    parameters = [p.detach() for p in model.parameters()]
    x = torch.randn(7, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    z = x @ parameters[0].T + parameters[1]
    for layer in range(1, blocks + 2):
        z = form(z) @ parameters[2 * layer].T + parameters[2 * layer + 1]
    assert torch.allclose(model(x), z, rtol=1e-13, atol=1e-14)
    assert len(parameters) == 2 * (blocks + 2)
    assert all(p.dtype == torch.float64 for p in parameters)


def test_latent_layers_hold_what_comes_before_the_activation():
    model = seeded(width=4, blocks=2)
    x = torch.randn(3, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert model.latent_layers == ("encoder", "hidden.0", "hidden.1")
    z = model.get_submodule(model.latent_layer(0))(x)
    assert torch.equal(z, x @ model.encoder.weight.T + model.encoder.bias)
    for k in (1, 2):
        z = model.get_submodule(model.latent_layer(k))(z)
    assert torch.equal(model.decoder(z), model(x))
    with pytest.raises(ValueError, match=r"must lie in 0 ... 2, got 3"):
        model.latent_layer(3)


def test_weights_are_xavier_normal_and_biases_zero():
    model = isotropic.Autoencoder(500, width=300, generator=torch.Generator().manual_seed(3))
    for layer in (model.encoder, model.decoder[1]):
        assert float(layer.weight.detach().std()) == pytest.approx((2 / 800) ** 0.5, rel=0.01)
        assert abs(float(layer.weight.detach().mean())) < 1e-3
        assert not layer.bias.any()


def test_equal_seeds_pair_the_weights_of_different_activations():
    one, other = seeded(7, blocks=3, activation="tanh"), seeded(7, blocks=3)
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(one.encoder.weight, seeded(8, blocks=3).encoder.weight)


def test_images_come_back_in_their_shape():
    model = isotropic.Autoencoder(12, width=3)
    assert model(torch.zeros(4, 2, 2, 3, dtype=torch.float64)).shape == (4, 2, 2, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": 0}, "features must be at least 1, got 0"),
        ({"features": 4, "width": 0}, "width must be at least 1, got 0"),
        ({"features": 4, "blocks": -1}, "blocks must be at least 0, got -1"),
        ({"features": 4, "activation": "tanhh"}, "did you mean 'tanh'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        isotropic.Autoencoder(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 2.5}, "width must be a whole number, got 2.5"),
        ({"width": "3"}, "width must be a whole number, got '3'"),
        ({"blocks": True}, "blocks must be a whole number, got True"),
    ],
)
def test_sizes_must_be_whole_numbers(settings, message):
    with pytest.raises(ValueError, match=message):
        isotropic.Autoencoder(64, **settings)


def test_inputs_of_another_size_are_refused():
    for shape, told in (((2, 5), r"\(2, 5\)"), ((64,), r"\(64,\)"), ((0, 5), r"\(0, 5\)")):
        with pytest.raises(ValueError, match=r"must be \(B, ...\) of 64 numbers each, got " + told):
            isotropic.Autoencoder(64)(torch.zeros(shape, dtype=torch.float64))
    assert isotropic.Autoencoder(64)(torch.zeros(0, 8, 8)).shape == (0, 8, 8)


@pytest.mark.parametrize("given", [torch.float16, torch.float32, torch.float64])
def test_an_autoencoder_takes_rows_of_any_precision(given):
    model = isotropic.Autoencoder(12, width=4)
    x = torch.rand(5, 3, 4, generator=torch.Generator().manual_seed(0)).to(given)
    out = model(x)
    assert (out.dtype, out.shape) == (torch.float64, x.shape)
    torch.testing.assert_close(out, model(x.double()), rtol=0, atol=0)


def test_a_frame_must_be_as_wide_as_the_layers():
    with pytest.raises(ValueError, match="as wide as the layers, got 5 and 3"):
        isotropic.Autoencoder(4, 3, activation=isotropic.Tanh(frame=torch.eye(5)))
    mixed = isotropic.Mixture(isotropic.Tanh(frame=torch.eye(5)), "isotropic-tanh", 0.5)
    with pytest.raises(ValueError, match="as wide as the layers, got 5 and 3"):
        isotropic.Autoencoder(4, 3, activation=mixed)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_radial_activation_squashes_long_vectors_in_half_precision(dtype):
    form = isotropic.RadialActivation("isotropic-tanh")
    got = form(torch.tensor([[300.0, 400.0]], dtype=dtype))
    assert got.dtype == dtype
    assert torch.allclose(got.float(), torch.tensor([[0.6, 0.8]]), rtol=torch.finfo(dtype).eps)


def test_an_mlp_has_whole_widths():
    with pytest.raises(ValueError, match=r"widths must be a whole number, got 6.7"):
        isotropic.MLP([4, 6.7, 3])
