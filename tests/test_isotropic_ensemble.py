"""Ensembles: equal to separate training, paired, resumed exactly, diverging one by one."""

import numpy as np
import pytest
import torch
from trainings import images, stopped

import hooks
import isotropic
from isotropic import Mixture, train_ensemble
from isotropic.campaign import Campaign
from isotropic.data import digits
from isotropic.models import Autoencoder
from isotropic.protocol import Protocol
from isotropic.saved import Checkpoint, load_network
from isotropic.stacked import Stack
from isotropic.train import train_autoencoder

FORMS = ("tanh", "isotropic-tanh")


def gap(left, right):
    """Largest relative distance between two networks' parameters."""
    return max(
        float((p - q).detach().norm() / q.detach().norm().clamp_min(1e-12))
        for p, q in zip(left.parameters(), right.parameters(), strict=True)
    )


@pytest.mark.parametrize("blocks", [0, 2])
def test_an_ensemble_equals_separate_training_over_a_hundred_steps(blocks):
    data = digits()
    settings = {"width": 7, "blocks": blocks}
    protocol = Protocol(epochs=2, seed=5)  # 120 steps, and a last batch that is not full
    runs = train_ensemble(data, FORMS, repeats=2, protocol=protocol, **settings)
    assert [(run.activation, run.seed) for run in runs] == [(f, s) for f in FORMS for s in (5, 6)]
    for run in runs:
        alone = train_autoencoder(
            data, run.activation, protocol=Protocol(epochs=2, seed=run.seed), **settings
        )
        assert gap(run.model, alone.model) < 1e-10
        for ours, theirs in zip(run.history, alone.history, strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-10)


def test_loss_curves_agree_over_the_first_epochs():
    data, protocol = digits(), Protocol(epochs=8)
    (run,) = train_ensemble(data, ["leaky-relu"], repeats=1, width=6, protocol=protocol)
    alone = train_autoencoder(data, "leaky-relu", width=6, protocol=protocol)
    curves = [[entry["loss"] for entry in r.history] for r in (run, alone)]
    np.testing.assert_allclose(*curves, rtol=1e-6)
    assert curves[0][-1] < 0.7 * curves[0][0]


def test_weights_start_paired_across_activations_and_differ_across_seeds():
    runs = train_ensemble(images(), FORMS, repeats=2, width=3, protocol=Protocol(epochs=0))
    by_key = {(run.activation, run.seed): run.model for run in runs}
    assert gap(by_key["tanh", 1], by_key["isotropic-tanh", 1]) == 0
    assert gap(by_key["tanh", 0], by_key["tanh", 1]) > 0.1


def test_stacking_and_unstacking_give_the_parameters_back():
    rows = [[Autoencoder(6, 3, 2, form) for form in FORMS] for _ in range(3)]
    wanted = [[[p.detach().clone() for p in net.parameters()] for net in row] for row in rows]
    stack = Stack(rows, 0.1, 0.9)
    for row in rows:
        for net in row:
            net.reset(torch.Generator().manual_seed(99))
    stack.unstack(rows)
    for row, kept in zip(rows, wanted, strict=True):
        for net, parameters in zip(row, kept, strict=True):
            for p, q in zip(net.parameters(), parameters, strict=True):
                assert torch.equal(p, q)


def test_modules_train_too_and_parameters_in_them_are_refused():
    mixed = Mixture("tanh", "isotropic-tanh", 0.5)
    (run,) = train_ensemble(images(), [mixed], repeats=1, width=3, protocol=Protocol(epochs=2))
    alone = train_autoencoder(images(), mixed, width=3, protocol=Protocol(epochs=2))
    assert run.activation == "Mixture"
    assert gap(run.model, alone.model) < 1e-12
    with pytest.raises(ValueError, match="must have no parameters, got PReLU"):
        train_ensemble(images(), [torch.nn.PReLU(dtype=torch.float64)], repeats=1)


def test_a_stopped_training_goes_on_exactly(tmp_path):
    data, checkpoint = images(), tmp_path / "run.checkpoint.pt"
    settings = {"repeats": 2, "width": 3, "blocks": 1, "protocol": Protocol(epochs=6, seed=1)}
    settings["test"] = images(9, seed=1)
    whole = train_ensemble(data, FORMS, **settings)
    with stopped(3):
        train_ensemble(data, FORMS, checkpoint=checkpoint, **settings)
    assert checkpoint.exists()
    resumed = train_ensemble(data, FORMS, checkpoint=checkpoint, **settings)
    assert not checkpoint.exists()
    for one, other in zip(whole, resumed, strict=True):
        assert gap(one.model, other.model) == 0
        assert one.history == other.history


def test_a_stopped_training_is_not_in_the_way_of_another_in_its_folder(tmp_path):
    one, other = (
        Campaign.prepare("digits", [form], width=3, epochs=2) for form in ("tanh", "leaky-relu")
    )
    with stopped():
        one.run(tmp_path)
    assert one.checkpoint(tmp_path).exists()
    other.run(tmp_path)
    assert one.checkpoint(tmp_path).exists()  # still there to go on from
    one.run(tmp_path)
    assert len(list(tmp_path.glob("*/*.h5"))) == 2
    assert not list(tmp_path.glob("*.checkpoint.pt"))


def test_stores_of_a_stopped_training_are_whole_after_it_went_on(tmp_path):
    data, settings = images(), {"repeats": 1, "width": 3, "protocol": Protocol(epochs=6)}
    train_ensemble(data, FORMS, stores=lambda form, _: tmp_path / f"{form}-whole.h5", **settings)
    again = {"stores": lambda form, _: tmp_path / f"{form}.h5", "checkpoint": tmp_path / "c.pt"}
    with stopped(3):
        train_ensemble(data, FORMS, **again, **settings)
    assert not (tmp_path / "tanh.h5").exists()
    train_ensemble(data, FORMS, **again, **settings)
    for form in FORMS:
        whole, resumed = (
            hooks.ActivationStore(tmp_path / f"{form}{end}.h5") for end in ("-whole", "")
        )
        assert list(whole.snapshots) == list(resumed.snapshots)
        for key, about in whole.snapshots.items():
            assert resumed.snapshots[key]["loss"] == about["loss"]
            one, other = (store["encoder", key].blocks() for store in (whole, resumed))
            for left, right in zip(one, other, strict=True):
                assert torch.equal(torch.as_tensor(left.rows), torch.as_tensor(right.rows))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    data, path = images(), tmp_path / "c.pt"
    Checkpoint({"width": 4, "epochs": 2}).save(path)
    with pytest.raises(ValueError, match=r"checkpoint of another training: .*width.*overwrite it"):
        train_ensemble(data, FORMS, width=3, checkpoint=path, protocol=Protocol(epochs=1))
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="but is damaged or something else") as caught:
        train_ensemble(data, FORMS, width=3, checkpoint=path, protocol=Protocol(epochs=1))
    assert "weights_only" not in str(caught.value)  # torch's advice to read pickles after all
    torch.save([1], path)
    with pytest.raises(ValueError, match="must be a file of"):
        train_ensemble(data, FORMS, width=3, checkpoint=path, protocol=Protocol(epochs=1))
    runs = train_ensemble(
        data,
        FORMS,
        repeats=1,
        width=3,
        checkpoint=path,
        overwrite=True,
        protocol=Protocol(epochs=1),
    )
    assert len(runs) == 2


class Cubic(torch.nn.Module):
    """Without bound: training at the usual rate overflows."""

    def forward(self, x):
        return 30 * x**3


def test_a_diverging_member_stops_alone():
    data, protocol = images(), Protocol(epochs=8)
    wild, tame = train_ensemble(data, [Cubic(), "tanh"], repeats=1, width=3, protocol=protocol)
    alone = train_autoencoder(data, "tanh", width=3, protocol=protocol)
    assert wild.diverged is not None
    assert len(wild.history) == wild.diverged
    assert all(p.isfinite().all() for p in wild.model.parameters())
    assert tame.diverged is None
    assert gap(tame.model, alone.model) < 1e-12


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        train_ensemble(images(), repeats=0)
    for forms in ([], "tanh"):
        with pytest.raises(ValueError, match="list of at least one activation, got"):
            train_ensemble(images(), forms)
    with pytest.raises(ValueError, match=r"must have shape \(6,\)"):
        train_ensemble(images(), test=images(d=5))


@pytest.mark.parametrize(
    "form",
    [
        torch.nn.Sequential(isotropic.Tanh(), isotropic.DiagonalBatchNorm(3)),
        isotropic.IsotropicTanh(dim=1),
        isotropic.MeanNorm(),
    ],
    ids=["batch norm", "other dimension", "mean norm"],
)
def test_what_would_mix_networks_is_refused(form):
    with pytest.raises(ValueError, match="must act on each vector, the last dimension, alone"):
        train_ensemble(images(), [form], repeats=2, width=3, protocol=Protocol(epochs=1))


def test_two_networks_never_share_a_store(tmp_path):
    mixtures = [Mixture("tanh", "isotropic-tanh", weight) for weight in (0.2, 0.5)]
    with pytest.raises(ValueError, match=r"path of its own, got .*Mixture.h5 for two of 'Mixture'"):
        train_ensemble(
            images(), mixtures, repeats=1, stores=lambda name, _: tmp_path / f"{name}.h5"
        )
    assert not list(tmp_path.iterdir())


def test_weights_are_kept_beside_the_store_and_load_again(tmp_path):
    data = images()
    runs = train_ensemble(
        data,
        FORMS,
        repeats=1,
        width=3,
        protocol=Protocol(epochs=3),
        stores=lambda name, seed: tmp_path / name / f"net-{seed}.h5",
    )
    for run in runs:
        assert run.weights == tmp_path / run.activation / "net-0.weights.pt"
        assert gap(load_network(run.weights), run.model) == 0
        assert gap(load_network(run.weights, 0), run.model) > 0
        with pytest.raises(ValueError, match=r"epoch must be one of \[0, 1, 2, 3\]"):
            load_network(run.weights, 7)


def test_a_network_trained_with_a_module_says_so_when_loaded(tmp_path):
    store = tmp_path / "net.h5"
    form = Mixture("tanh", "isotropic-tanh", 0.5)
    run = train_autoencoder(images(), form, width=3, protocol=Protocol(epochs=1), store=store)
    with pytest.raises(ValueError, match="trained with the module Mixture: give one"):
        load_network(run.weights)
    assert gap(load_network(run.weights, activation=form), run.model) == 0
