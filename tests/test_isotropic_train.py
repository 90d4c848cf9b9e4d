"""Training: the protocol against a plain loop, pairing, snapshots, divergence."""

import numpy as np
import pytest
import torch
from trainings import images, stopped

import isotropic
from isotropic.data import Standardiser
from isotropic.ensemble import train_ensemble
from isotropic.models import Autoencoder
from isotropic.modes import one_thread
from isotropic.protocol import SCHEDULE, Protocol, schedule
from isotropic.runs import Run
from isotropic.train import Task, _Lone, mean_loss, train_autoencoder


def one_of_an_ensemble(data, form, **settings):
    (run,) = train_ensemble(data, [form], repeats=1, **settings)
    return run


class Recorder:
    """Keeps what a store would, in a list."""

    def __init__(self):
        self.snapshots = []

    def record(self, model, loader, layers, *, snapshot, attrs, labels):
        assert labels
        x = torch.cat([x for x, _ in loader])
        y = torch.cat([y for _, y in loader])
        rows = {name: model.get_submodule(name) for name in layers}
        self.snapshots.append((snapshot, attrs, model.encoder(x).detach(), y, list(rows)))


def plain_loop(data, activation, protocol, width, blocks):
    """The protocol as one would write it from the paper: module, loss, optimiser."""
    generator = torch.Generator().manual_seed(protocol.seed)
    model = Autoencoder(data.features, width, blocks, activation, generator=generator)
    x = data.images
    x = torch.from_numpy(Standardiser.fit(x)(x) if protocol.standardise else x)
    optimiser = torch.optim.SGD(model.parameters(), lr=protocol.rate, momentum=protocol.momentum)
    losses = []
    for _ in range(protocol.epochs):
        total = 0.0
        for index in torch.randperm(len(x), generator=generator).split(protocol.batch):
            loss = torch.nn.functional.mse_loss(model(x[index]), x[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(index)
        losses.append(total / len(x))
    return model, losses


@pytest.mark.parametrize("activation", ["tanh", "isotropic-tanh"])
@pytest.mark.parametrize("standardise", [True, False])
def test_training_is_the_plain_loop(activation, standardise):
    data, protocol = images(), Protocol(epochs=4, standardise=standardise, seed=3)
    run = train_autoencoder(data, activation, width=3, blocks=1, protocol=protocol)
    model, losses = plain_loop(data, activation, protocol, 3, 1)
    np.testing.assert_allclose([entry["loss"] for entry in run.history[1:]], losses, rtol=1e-10)
    for ours, theirs in zip(run.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert losses[-1] < losses[0]


def test_the_same_seed_repeats_exactly_and_another_does_not():
    data = images()
    runs = [
        train_autoencoder(data, width=3, protocol=Protocol(epochs=2, seed=s)) for s in (1, 1, 2)
    ]
    same, again, other = (run.history[-1]["loss"] for run in runs)
    assert same == again
    assert same != other


def test_batches_are_paired_across_activations():
    data, seen = images(), {}
    for name in ("tanh", "isotropic-tanh"):
        inputs = []
        model = Autoencoder(6, 3, activation=name, generator=torch.Generator().manual_seed(4))
        model.register_forward_pre_hook(
            lambda _, args, kept=inputs: (
                kept.append(args[0].clone()) if torch.is_grad_enabled() else None
            )
        )
        task, protocol = Task.of(data, None, True), Protocol(epochs=2)
        _Lone(Run(model), task, protocol, torch.Generator().manual_seed(9)).train()
        seen[name] = inputs
    assert len(seen["tanh"]) == 2 * 3
    for left, right in zip(seen["tanh"], seen["isotropic-tanh"], strict=True):
        assert torch.equal(left, right)


def test_snapshots_hold_every_latent_layer_over_the_training_set():
    data, protocol, recorder = images(), Protocol(epochs=4), Recorder()
    model = Autoencoder(6, 3, 2, generator=torch.Generator().manual_seed(0))
    before = model.encoder(torch.from_numpy(Standardiser.fit(data.images)(data.images))).detach()
    run = Run(model)
    task = Task.of(data, images(20, seed=1), True)
    _Lone(run, task, protocol, torch.Generator().manual_seed(0), recorder).train()
    names = [snapshot[0] for snapshot in recorder.snapshots]
    assert names == ["epoch-000", "epoch-001", "epoch-002", "epoch-004"]
    _, attrs, rows, labels, layers = recorder.snapshots[0]
    assert torch.equal(rows, before)
    assert layers == ["encoder", "hidden.0", "hidden.1"]
    np.testing.assert_array_equal(labels, data.labels)
    assert attrs["epoch"] == attrs["step"] == 0
    last = recorder.snapshots[-1][1]
    assert last["step"] == 4 * 3
    assert last["loss"] == run.history[-1]["loss"]
    assert {"test_loss", "test_loss_standardised"} <= set(last)


def test_raw_errors_are_also_given_on_the_standardised_scale():
    data, test = images(), images(20, seed=1)
    run = train_autoencoder(
        data, width=3, protocol=Protocol(epochs=1, standardise=False), test=test
    )
    standard = Standardiser.fit(data.images)
    with torch.no_grad():
        output = run.model(torch.from_numpy(test.images)).numpy()
    wanted = np.mean((standard(output) - standard(test.images)) ** 2)
    assert run.history[-1]["test_loss_standardised"] == pytest.approx(wanted, rel=1e-12)
    assert run.history[-1]["test_loss"] == pytest.approx(np.mean((output - test.images) ** 2))


def test_a_diverging_training_stops_with_its_epoch_and_keeps_what_was_there():
    data, recorder = images(), Recorder()
    model = Autoencoder(6, 3, activation="tanh", generator=torch.Generator().manual_seed(0))
    run = Run(model)
    with np.errstate(all="ignore"):
        task, protocol = Task.of(data, None, True), Protocol(epochs=60, rate=60.0)
        _Lone(run, task, protocol, torch.Generator(), recorder).train()
    assert run.diverged is not None
    assert run.diverged == len(run.history)
    assert all(np.isfinite(entry["loss"]) for entry in run.history)
    assert all(p.isfinite().all() for p in run.model.parameters())
    kept = [attrs["epoch"] for _, attrs, *_ in recorder.snapshots]
    assert kept == [epoch for epoch in SCHEDULE if epoch < run.diverged]


def test_threads_are_given_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_mean_loss_is_the_mean_over_everything():
    x = torch.randn(5000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = torch.nn.Linear(4, 4, dtype=torch.float64)
    with torch.no_grad():
        wanted = torch.nn.functional.mse_loss(model(x), x)
    assert mean_loss(model, x) == pytest.approx(float(wanted), rel=1e-12)


@pytest.mark.parametrize(
    ("epochs", "at", "wanted"),
    [
        (125, None, SCHEDULE),
        (30, None, (0, 1, 2, 4, 6, 8, 13, 18, 24, 30)),
        (7, None, (0, 1, 2, 4, 6, 7)),
        (0, None, (0,)),
        (5, (3, 3, 9), (3, 5)),
    ],
)
def test_the_schedule_is_cut_to_the_run(epochs, at, wanted):
    assert schedule(epochs, at) == wanted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"epochs": 2.5}, "epochs must be a whole number, got 2.5"),
        ({"batch": 2.5}, "batch must be a whole number, got 2.5"),
        ({"seed": 2**63}, r"seed must be below 2\^63"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"snapshots": (0, 1.5)}, "snapshot epochs must be a whole number, got 1.5"),
        ({"rate": 0.0}, "rate must be above 0 and finite, got 0.0"),
        ({"rate": float("nan")}, "rate must be above 0 and finite, got nan"),
        ({"rate": float("inf")}, "rate must be above 0 and finite, got inf"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"standardise": "no"}, "standardise must be True or False, got 'no'"),
        ({"standardise": 0}, "standardise must be True or False, got 0"),
        ({"seed": -3}, "seed must be at least 0, got -3"),
        ({"snapshots": (-1,)}, "snapshot epochs must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**settings)


def test_test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"test images must have shape \(6,\), got \(5,\)"):
        train_autoencoder(images(), test=images(d=5))


def test_images_that_are_not_finite_diverge_before_the_first_epoch():
    data = images()
    data.pixels[3, 2] = np.nan
    run = train_autoencoder(data, width=3, protocol=Protocol(epochs=2))
    assert run.diverged == 0
    assert run.history == []
    (one,) = train_ensemble(data, ["tanh"], repeats=1, width=3, protocol=Protocol(epochs=2))
    assert one.diverged == 0


def test_a_stopped_training_goes_on_exactly(tmp_path):
    data, path = images(), tmp_path / "run.checkpoint.pt"
    settings = {"width": 3, "blocks": 1, "protocol": Protocol(epochs=6, seed=1), "test": data}
    whole = train_autoencoder(data, "tanh", **settings)
    with stopped(3):
        train_autoencoder(data, "tanh", checkpoint=path, **settings)
    with pytest.raises(ValueError, match=r"another training: activation differ .*'tanh' there"):
        train_autoencoder(data, "isotropic-tanh", checkpoint=path, **settings)
    resumed = train_autoencoder(data, "tanh", checkpoint=path, **settings)
    assert not path.exists()
    assert resumed.history == whole.history
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


class Slowed(torch.nn.Module):
    """An activation with a parameter that is not trained."""

    def __init__(self):
        super().__init__()
        self.rate = torch.nn.Parameter(torch.full((), 0.5, dtype=torch.double), requires_grad=False)

    def forward(self, x):
        return torch.tanh(self.rate * x)


@pytest.mark.parametrize(("form", "momentum"), [("tanh", 0.0), (Slowed(), 0.9)])
def test_a_training_goes_on_where_a_parameter_has_no_momentum(tmp_path, form, momentum):
    data, path = images(), tmp_path / "run.checkpoint.pt"
    settings = {"width": 3, "protocol": Protocol(epochs=4, momentum=momentum)}
    whole = train_autoencoder(data, form, **settings)
    with stopped(2):
        train_autoencoder(data, form, checkpoint=path, **settings)
    resumed = train_autoencoder(data, form, checkpoint=path, **settings)
    assert resumed.history == whole.history


def test_networks_with_running_statistics_are_measured_in_evaluation_mode():
    data = images()
    form = torch.nn.Sequential(isotropic.Tanh(), isotropic.DiagonalBatchNorm(3).double())
    run = train_autoencoder(data, form, width=3, protocol=Protocol(epochs=2), test=data)
    inputs = Task.of(data, None, True).inputs
    with torch.no_grad():
        wanted = float((run.model.eval()(inputs) - inputs).square().mean())
    assert run.history[-1]["test_loss"] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("train", [train_autoencoder, one_of_an_ensemble])
def test_what_the_last_step_of_an_epoch_broke_counts_to_it(train):
    data = images(24)  # one step an epoch: its loss is measured before it
    run = train(data, "leaky-relu", width=3, protocol=Protocol(epochs=4, rate=1e160), test=data)
    assert run.diverged == 1
    assert [entry["epoch"] for entry in run.history] == [0]
    assert np.isfinite(list(run.history[0].values())).all()


@pytest.mark.parametrize("train", [train_autoencoder, one_of_an_ensemble])
def test_bare_arrays_are_refused_with_what_to_wrap_them_in(train):
    with pytest.raises(TypeError, match=r"data must be .*Images, got ndarray: wrap rows as Images"):
        train(np.zeros((4, 3)), "tanh", width=3)
    with pytest.raises(TypeError, match=r"test must be .*Images, got Tensor"):
        train(images(), "tanh", width=3, test=torch.zeros(4, 6))


@pytest.mark.parametrize("train", [train_autoencoder, one_of_an_ensemble])
def test_training_needs_no_gradient_mode(train):
    settings = {"width": 3, "protocol": Protocol(epochs=2)}
    wanted = train(images(), "isotropic-tanh", **settings)
    with torch.no_grad():
        found = train(images(), "isotropic-tanh", **settings)
    assert found.history == wanted.history
