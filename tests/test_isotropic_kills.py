"""Trainings killed without warning go on and end as if they had never stopped, bit for bit."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import hooks
from isotropic import Protocol, train_autoencoder, train_ensemble
from isotropic.data import Images
from isotropic.saved import load_network

HERE = Path(__file__).parent


def train(kind, out, epochs=8):
    """Train into a folder, alone or as an ensemble; go on where a checkpoint is."""
    rng = np.random.default_rng(0)
    images = rng.random((1200, 3)) @ rng.random((3, 40))
    data = Images("made", images, rng.integers(0, 3, 1200), (40,))
    settings = {
        "width": 5,
        "blocks": 1,
        "protocol": Protocol(epochs=epochs, seed=3),
        "test": data,
        "checkpoint": out / "c.pt",
    }
    if kind == "alone":
        train_autoencoder(data, "isotropic-tanh", store=out / "isotropic-tanh-3.h5", **settings)
    else:
        train_ensemble(
            data,
            ["tanh", "isotropic-tanh"],
            repeats=2,
            stores=lambda form, seed: out / f"{form}-{seed}.h5",
            **settings,
        )


def start(kind, out):
    """Start a training and wait until its imports are behind it."""
    code = (
        f"import sys; sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]\n"
        "from pathlib import Path; from test_isotropic_kills import train\n"
        f"print('ready', flush=True); train({kind!r}, Path({str(out)!r}))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n", child.stderr.read()
    return child


def rows_of(path):
    """Snapshot → what is known of it and all rows of every layer."""
    store = hooks.ActivationStore(path)
    return {
        key: (
            {name: about[name] for name in ("epoch", "step", "loss", "test_loss")},
            [
                torch.cat([torch.as_tensor(block.rows) for block in store[layer, key].blocks()])
                for layer in ("encoder", "hidden.0")
            ],
        )
        for key, about in store.snapshots.items()
    }


def assert_equal(one, other):
    stores = sorted(path.name for path in one.glob("*.h5"))
    assert stores == sorted(path.name for path in other.glob("*.h5"))
    assert stores
    for name in stores:
        left, right = rows_of(one / name), rows_of(other / name)
        assert list(left) == list(right)
        for key, (about, layers) in left.items():
            assert about == right[key][0]
            assert all(torch.equal(a, b) for a, b in zip(layers, right[key][1], strict=True))
        weights = (folder / Path(name).with_suffix(".weights.pt") for folder in (one, other))
        states = [load_network(path).state_dict() for path in weights]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def killed(kind, out, kills, longest, seed):
    """Kill a training at random moments, each time going on; return how many kills hit it."""
    moments, hit = random.Random(seed), 0
    for _ in range(kills):
        child = start(kind, out)
        time.sleep(moments.uniform(0, longest))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        if child.returncode == 0:  # it was done before
            return hit
        hit += 1
    train(kind, out)
    return hit


@pytest.mark.parametrize("kind", ["alone", "ensemble"])
def test_a_killed_training_ends_as_if_it_had_never_stopped(tmp_path, kind):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(kind, whole)
    child = start(kind, stopped)
    while not (stopped / "c.pt").exists():
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    train(kind, stopped)
    assert not (stopped / "c.pt").exists()
    assert_equal(whole, stopped)


@pytest.mark.parametrize("kind", ["alone", "ensemble"])
def test_what_a_kill_before_the_first_checkpoint_left_is_no_hindrance(tmp_path, kind):
    name = "isotropic-tanh-3.h5" if kind == "alone" else "tanh-3.h5"
    recorder = hooks.Recorder(tmp_path / name)
    with pytest.raises(RuntimeError, match="killed"), recorder:
        raise RuntimeError("killed")
    part = tmp_path / f"{name}.partial"
    part.mkdir(exist_ok=True)
    (part / "p0000-left.h5").write_bytes(b"cut off")
    train(kind, tmp_path, 1)
    assert len(rows_of(tmp_path / name)) == 2


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", ["alone", "ensemble"])
def test_many_kills_at_random_moments_change_nothing(tmp_path, kind, seed):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    began = time.monotonic()
    train(kind, whole)
    seconds = time.monotonic() - began
    # A quarter of the time at most: six kills on average come before the end.
    assert killed(kind, stopped, 6, seconds / 4, seed) >= 5
    assert_equal(whole, stopped)
