"""Everything in isotropic on the CPU and on an accelerator: the same numbers in both places."""

from __future__ import annotations

import copy
import warnings
from contextlib import contextmanager

import pytest
import torch
from places import DEVICES, D, draw, lies, near, present
from torch import nn

import isotropic
from isotropic import affine, functional, initialisers, intrinsic, saved
from isotropic.data import digits
from isotropic.modules import FORMS
from isotropic.symmetry import group_elements

CLOSE = {D: 1e-10, torch.float32: 2e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}


@pytest.fixture(params=DEVICES)
def device(request):
    return present(request.param)


@contextmanager
def unwaiting(device):
    """Raise where the CPU waits for the accelerator."""
    if device == "cpu":
        yield
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is a prototype
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def run(module, x, back):
    """Value, gradient by the input, and by every parameter."""
    x = x.detach().requires_grad_()
    module.zero_grad()
    y = module(x)
    y.backward(back)
    return [y.detach(), x.grad, *(p.grad for p in module.parameters() if p.grad is not None)]


def same_on(device, module, width, tolerance=1e-10, seed=0):
    """A module's copy on the device does what it does on the CPU, and is left as it is."""
    theirs = copy.deepcopy(module).to(device)
    x, back = 2 * draw(40, width, seed=seed), draw(*module(draw(40, width)).shape, seed=seed + 1)
    theirs(draw(40, width).to(device))
    found, wanted = run(theirs, x.to(device), back.to(device)), run(module, x, back)
    lies(device, *found, *theirs.state_dict().values())
    found, wanted = [*found, *theirs.buffers()], [*wanted, *module.buffers()]
    for one, other in zip(found, wanted, strict=True):
        near(one, other, tolerance)


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("name", sorted(FORMS))
def test_forms_and_their_gradients(device, name, dtype):
    f, x, back = FORMS[name](), (2 * draw(60, 5)).to(dtype), draw(60, 5, seed=1).to(dtype)
    found = run(f, x.to(device), back.to(device))
    lies(device, *found)
    assert {t.dtype for t in found} == {dtype}
    for one, other in zip(found, run(f, x.to(D), back.to(D)), strict=True):
        near(one, other, CLOSE[dtype])


@pytest.mark.parametrize("name", sorted(FORMS))
def test_forms_commute_with_their_groups(device, name):
    f, x = isotropic.activation(name), 2 * draw(60, 5).to(device)
    for turn in group_elements(f.group, 5, 4, torch.Generator().manual_seed(2)).to(device):
        near(f(x @ turn.T), f(x) @ turn.T)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "leaky-relu"])
def test_frames_follow_the_vectors(device, name):
    frame = nn.functional.normalize(draw(7, 5))
    f, x = isotropic.activation(name, frame=frame, gain="tight"), draw(9, 5, seed=1)
    moved = isotropic.activation(name, frame=frame.to(device), gain="tight")
    for form in (f, moved, copy.deepcopy(f).to(device)):
        near(form(x.to(device)), f(x))
    with pytest.raises(ValueError, match="row 0 has length 2"):
        isotropic.activation(name, frame=2 * frame.to(device))


@pytest.mark.parametrize("name", sorted(FORMS))
def test_no_form_makes_the_cpu_wait(device, name):
    f, x = isotropic.activation(name), draw(60, 5).float().to(device).requires_grad_()
    back = torch.ones_like(x)
    with unwaiting(device):
        f(x).backward(back)
    assert bool(x.grad.isfinite().all())


def test_no_step_of_training_makes_the_cpu_wait(device):
    net = isotropic.MLP([5, 6, 4, 3], device=device)
    x, y = draw(20, 5).float().to(device), draw(20, 3).float().to(device)
    optimiser = isotropic.EquivariantAdam(net.parameters(), lr=0.01)
    with unwaiting(device):
        for _ in range(2):
            optimiser.zero_grad()
            (((net(x) - y).square().mean()) + net.penalty()).backward()
            optimiser.step()
    assert all(bool(p.isfinite().all()) for p in net.parameters())


class Bent(nn.Module):
    """An odd profile with a parameter."""

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(0.7, dtype=D))

    def forward(self, m):
        return torch.atan(self.rate * m)


class Straight(Bent):
    def forward(self, m):
        return self.rate * m


def test_composed_forms(device):
    same_on(device, isotropic.Radial(Bent(), omega=0.3), 5)
    same_on(device, isotropic.Mixture("tanh", "isotropic-tanh", 0.3), 5)
    profile, x = Bent().to(device), draw(8, 5)
    near(functional.radial(profile)(x.to(device)), functional.radial(Bent())(x))
    near(isotropic.Radial(profile)(x.to(device)), isotropic.Radial(Bent())(x))


@pytest.mark.parametrize("name", sorted(intrinsic.SCALES))
def test_intrinsic_lengths(device, name):
    made = {"omega": "trainable", "initial_omega": 0.4, "track_scale": True}
    f = isotropic.RadialActivation(name, dtype=D, device=device, **made)
    lies(device, *f.state_dict().values())
    same_on(device, isotropic.RadialActivation(name, dtype=D, **made), 5)


NORMS = [
    isotropic.L2Norm(),
    isotropic.RMSNorm(),
    isotropic.MeanNorm(),
    isotropic.FrobNorm(),
    isotropic.WeightedLayerNorm(draw(5, seed=3)),
    isotropic.Whitening(5),
    isotropic.DiagonalBatchNorm(5),
]


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: type(norm).__name__)
def test_normalisers(device, norm):
    turn = group_elements("O(n)", 5, 1, torch.Generator().manual_seed(0))[0]
    norm = copy.deepcopy(norm).double()
    same_on(device, norm, 5, 1e-8)
    same_on(device, norm.eval(), 5, 1e-8)
    moved = copy.deepcopy(norm).to(device)
    for each in (norm, moved):
        getattr(each, "rotate", lambda turn: None)(turn)
    for one, other in zip(moved.buffers(), norm.buffers(), strict=True):
        near(one, other)
    near(moved(draw(9, 5).to(device)), norm(draw(9, 5)), 1e-8)


@pytest.mark.parametrize("name", sorted(initialisers.INITIALISERS))
def test_weights_of_one_seed_do_not_depend_on_the_device(device, name):
    drawn = [
        isotropic.initialise(
            nn.Linear(6, 4, device=place), name, torch.Generator().manual_seed(7)
        ).weight
        for place in ("cpu", device)
    ]
    lies(device, drawn[1])
    assert torch.equal(drawn[1].cpu(), drawn[0])
    theirs = isotropic.initialise(nn.Linear(6, 4), name, torch.Generator(device).manual_seed(7))
    lies("cpu", theirs.weight)
    assert bool(theirs.weight.any())


@pytest.mark.parametrize("form", sorted(affine.FORMS))
@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_affine_forms(device, form, shape):
    def filled(place):
        layer = affine.FORMS[form](*shape, dtype=D, device=place)
        lies(place, *layer.state_dict().values(), *layer.buffers())
        with torch.no_grad():
            for number, parameter in enumerate(layer.parameters()):
                parameter.copy_(draw(*parameter.shape, seed=number))
        return layer

    x, back = draw(9, shape[0]), draw(9, shape[1], seed=1)
    found, wanted = run(filled(device), x.to(device), back.to(device)), run(filled("cpu"), x, back)
    for one, other in zip(found, wanted, strict=True):
        near(one, other)


def test_corrected_layers(device):
    for kind in ("CorrectedLinear", "DirectionLinear", "RateCorrectedLinear"):
        same_on(device, getattr(isotropic, kind)(5, 4, dtype=D), 5)


@pytest.mark.parametrize("kind", ["sgd", "equivariant"])
def test_autoencoders_train_alike(device, kind):
    def trained(place):
        seed = torch.Generator().manual_seed(0)
        net = isotropic.Autoencoder(8, 4, 1, Bent().to(device), generator=seed).to(place)
        theirs = isotropic.EquivariantAdam(net.parameters(), lr=0.01)
        ours = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        optimiser = {"sgd": ours, "equivariant": theirs}[kind]
        x = draw(30, 8).to(place)
        for _ in range(5):
            optimiser.zero_grad()
            (net(x) - x).square().mean().backward()
            optimiser.step()
        lies(place, net(x), *net.parameters())
        return net

    for one, other in zip(trained(device).parameters(), trained("cpu").parameters(), strict=True):
        near(one, other)
    net = isotropic.Autoencoder(8, 4).to(device)
    net.reset(torch.Generator().manual_seed(3))
    again = isotropic.Autoencoder(8, 4, generator=torch.Generator().manual_seed(3))
    near(net.encoder.weight, again.encoder.weight, 0)


@pytest.mark.parametrize("dtype", [torch.float16, D])
def test_an_optimiser_goes_on_elsewhere(device, dtype):
    grad = (1e-4 * draw(3, 2)).to(dtype)  # in half precision its square vanishes

    def made(place, start):
        weight = nn.Parameter(start.detach().to(place, copy=True))
        return weight, isotropic.EquivariantAdam([weight], lr=0.01)

    def step(weight, optimiser):
        weight.grad = grad.to(weight.device)
        optimiser.step()

    wanted, found = (made("cpu", torch.full((3, 2), 0.5, dtype=dtype)) for _ in range(2))
    for _ in range(3):
        step(*wanted)
    step(*found)
    for place in (device, "cpu"):
        weight, optimiser = made(place, found[0])
        optimiser.load_state_dict(found[1].state_dict())
        lies(place, *(optimiser.state[weight][key] for key in ("exp_avg", "exp_avg_sq")))
        found = weight, optimiser
        step(*found)
    near(found[0], wanted[0], 1e-3 if dtype == torch.float16 else 1e-12)


@pytest.mark.parametrize("place", ["meta", *DEVICES])
def test_trainers_train_on_the_cpu_whatever_the_default_device(place, tmp_path):
    present(place)
    protocol = isotropic.Protocol(epochs=1, batch=200)
    options = {"width": 3, "protocol": protocol, "test": digits("test")}
    wanted = isotropic.train_autoencoder(digits(), **options)
    with torch.device(place):
        run = isotropic.train_autoencoder(digits(), store=tmp_path / "a.h5", **options)
        (each,) = isotropic.train_ensemble(digits(), ["isotropic-tanh"], repeats=1, **options)
    assert run.history == wanted.history
    assert each.history[-1] == pytest.approx(wanted.history[-1])
    lies("cpu", *run.model.parameters(), *each.model.parameters())


def test_diagnostics(device):
    f, x, alphas = isotropic.activation("tanh"), draw(12, 3), torch.tensor([0.5, 3.0])
    net = nn.Sequential(nn.Linear(3, 4, dtype=D), isotropic.IsotropicTanh())
    pairs = [
        (isotropic.deflection(f, x.to(device), alphas), isotropic.deflection(f, x, alphas)),
        (isotropic.limit_points(f, x.to(device)), isotropic.limit_points(f, x)),
        (isotropic.jacobian_spectrum(f, x.to(device)), isotropic.jacobian_spectrum(f, x)),
        (
            isotropic.radial_spectrum(torch.tanh, x.to(device), 0.1),
            isotropic.radial_spectrum(torch.tanh, x, 0.1),
        ),
        (
            isotropic.deflection_map(f, alphas.to(device), 8)[1],
            isotropic.deflection_map(f, alphas, 8)[1],
        ),
    ]
    for found, wanted in pairs:
        lies(device, found)
        near(found, wanted)
    found = isotropic.update_deflection(f, x.to(device), (x + 1).to(device)).by_orthant()
    wanted = isotropic.update_deflection(f, x, x + 1).by_orthant()
    assert found == {key: pytest.approx(value) for key, value in wanted.items()}
    moved = isotropic.affine_divergence(copy.deepcopy(net).to(device), x.to(device))
    assert moved[0].variance == pytest.approx(isotropic.affine_divergence(net, x)[0].variance)


def test_symmetries_of_a_network_on_the_device(device):
    turn = group_elements("O(n)", 4, 1, torch.Generator().manual_seed(0))[0]
    form = isotropic.Tanh(frame=turn.to(device))
    assert isotropic.symmetry_report(form, 4, frame=turn.to(device)).group == "B_n"
    net = nn.Sequential(isotropic.IsotropicTanh(), nn.Linear(4, 4, False, dtype=D)).to(device)
    with torch.no_grad():
        net[1].weight.copy_(3 * torch.eye(4))
    assert isotropic.symmetry_report(net, 4).group == "O(n)"
    with torch.device("meta"):  # whatever the default device
        assert isotropic.symmetry_report(isotropic.Tanh(), 4).group == "B_n"


def test_weights_saved_from_the_device_load_on_the_cpu(device, tmp_path):
    net = isotropic.Autoencoder(6, 3).to(device)
    path = tmp_path / "a.weights.pt"
    saved.save_weights(path, net, "isotropic-tanh", {0: net.state_dict()}, [])
    # Where there is no accelerator, a tensor saved from one loads nowhere but on the CPU.
    loaded = isotropic.load_network(path)
    lies("cpu", *loaded.parameters())
    near(loaded(draw(4, 6)), net(draw(4, 6).to(device)))


def test_a_state_of_other_widths_loads_from_and_onto_the_device(device, tmp_path):
    made = {"normaliser": isotropic.DiagonalBatchNorm, "dtype": D}
    net = isotropic.MLP([5, 6, 4, 3], device=device, **made)
    lies(device, *net.state_dict().values())
    net(draw(20, 5).to(device))
    torch.save(net.eval().state_dict(), tmp_path / "net.pt")
    state = torch.load(tmp_path / "net.pt", map_location="cpu", weights_only=True)
    ours = isotropic.MLP([5, 3], **made)
    ours.load_state_dict(state)
    near(ours.eval()(draw(9, 5)), net(draw(9, 5).to(device)), 1e-6)
    for widths in ([5, 3], [5, 2, 2, 3], [5, 6, 4, 4, 3]):
        theirs = isotropic.MLP(widths, **made).to(device)
        theirs.load_state_dict(ours.state_dict())
        lies(device, *theirs.state_dict().values())
        near(theirs.eval()(draw(9, 5).to(device)), net(draw(9, 5).to(device)))


def test_bent_profiles_are_asked_for_where_their_parameters_are(device):
    with pytest.raises(ValueError, match="profile must bend"):
        isotropic.Radial(Straight().to(device))
