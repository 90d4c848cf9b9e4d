"""What tells trainings apart: a checkpoint of other data or of another activation is refused."""

import dataclasses
import functools
import subprocess
import sys

import numpy as np
import pytest
import torch
from trainings import images, stopped

from isotropic.composed import Mixture, Radial
from isotropic.ensemble import train_ensemble
from isotropic.identity import identity_of
from isotropic.modules import Tanh
from isotropic.protocol import Protocol
from isotropic.saved import Checkpoint
from isotropic.train import train_autoencoder

SETTINGS = {"width": 3, "protocol": Protocol(epochs=3)}


def one_of_an_ensemble(data, form, **settings):
    return train_ensemble(data, [form], repeats=1, **settings)


TRAINERS = pytest.mark.parametrize("train", [train_autoencoder, one_of_an_ensemble])


@TRAINERS
@pytest.mark.parametrize(
    ("now", "what"),
    [
        ({"scale": 2.0}, "scale differ .scale: 1.0 there, 2.0 here"),
        ({"pixels": images().pixels.astype(np.float32)}, "checksum, pixels differ"),
    ],
)
def test_other_training_images_are_refused(train, now, what, tmp_path):
    data, path = images(), tmp_path / "c.pt"
    with stopped(1):
        train(data, "tanh", checkpoint=path, **SETTINGS)
    with pytest.raises(ValueError, match=f"another training: {what}"):
        train(dataclasses.replace(data, **now), "tanh", checkpoint=path, **SETTINGS)


@TRAINERS
def test_other_test_images_are_refused(train, tmp_path):
    sets = [None, images(20, seed=1), images(20, seed=2)]
    for k, (before, now) in enumerate([(0, 1), (1, 0), (1, 2)]):
        path = tmp_path / f"{k}.pt"
        with stopped(1):
            train(images(), "tanh", test=sets[before], checkpoint=path, **SETTINGS)
        with pytest.raises(ValueError, match="another training: test differ"):
            train(images(), "tanh", test=sets[now], checkpoint=path, **SETTINGS)
        train(images(), "tanh", test=sets[before], checkpoint=path, **SETTINGS)


@TRAINERS
def test_another_frame_is_refused_and_the_same_goes_on(train, tmp_path):
    frame, path = torch.eye(3, dtype=torch.double), tmp_path / "c.pt"
    with stopped(1):
        train(images(), Tanh(frame), checkpoint=path, **SETTINGS)
    with pytest.raises(ValueError, match=r"another training: activations? differ"):
        train(images(), Tanh(-frame), checkpoint=path, **SETTINGS)
    train(images(), Tanh(frame.clone()), checkpoint=path, **SETTINGS)
    assert not path.exists()


def test_a_checkpoint_that_records_less_is_refused_and_says_what_it_lacks(tmp_path):
    path = tmp_path / "c.pt"
    with stopped(1):
        train_autoencoder(images(), "tanh", checkpoint=path, **SETTINGS)
    content = torch.load(path, weights_only=True)
    content.pop("format")
    for key in ("pixels", "scale", "test"):
        del content["fingerprint"][key]
    Checkpoint(**content).save(path)
    with pytest.raises(ValueError, match=r"pixels, scale, test differ .*'not recorded' there"):
        train_autoencoder(images(), "tanh", checkpoint=path, **SETTINGS)


def scaled(factor):
    return lambda r: torch.tanh(factor * r)


def powered(r, power=3):
    return r / (1 + r.abs() ** power)


class Steep(torch.nn.Module):
    def __init__(self, steepness):
        super().__init__()
        self.steepness = steepness

    def forward(self, r):
        return torch.tanh(self.steepness * r)


def make(kind):
    """Two activations whose printed forms are equal, or nearly."""
    return {
        "constants": lambda k: Radial(lambda r: torch.tanh((2, 3)[k] * r)),
        "names": lambda k: Radial((lambda r: torch.tanh(r), lambda r: torch.atan(r))[k]),
        "inner functions": lambda k: Radial(
            (lambda r: (lambda q: q**3)(r), lambda r: (lambda q: q**5)(r))[k]
        ),
        "closures": lambda k: Radial(scaled(2 + k)),
        "tensors closed over": lambda k: Radial(scaled(torch.tensor(2.0 + k))),
        "functions closed over": lambda k: Radial(
            functools.wraps(powered)((lambda f: lambda r: f(r))((torch.tanh, torch.atan)[k]))
        ),
        "keywords": lambda k: Radial(functools.partial(powered, power=4 + 2 * k)),
        "modules": lambda k: Radial(Steep(2 + k)),
        "weights": lambda k: Mixture("tanh", "isotropic-tanh", 0.5 + 1e-9 * k),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "constants",
        "names",
        "inner functions",
        "closures",
        "tensors closed over",
        "functions closed over",
        "keywords",
        "modules",
        "weights",
    ],
)
def test_activations_that_print_alike_are_told_apart(kind):
    one, again, other = (make(kind)(k) for k in (0, 0, 1))
    assert repr(one) == repr(other)
    assert identity_of(one) == identity_of(again)
    assert identity_of(one) != identity_of(other)


def test_a_function_that_calls_itself_has_an_identity():
    def halved(r, times=2):
        return halved(torch.tanh(r), times - 1) if times else r

    assert "checksum" in identity_of(Radial(halved))


def test_an_activation_has_one_identity_in_every_process():
    code = (
        "import torch, test_isotropic_identity as t\n"
        "f = lambda r: torch.tanh(r) if r.dtype in {torch.half, 'a', 'b', 'c'} else torch.atan(r)\n"
        "print([t.identity_of(x) for x in (t.Radial(f), t.make('closures')(0), t.Steep(object()))])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".:tests"},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
