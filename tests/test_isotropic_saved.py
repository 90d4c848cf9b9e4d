"""Files of weights and checkpoints that were damaged, cut or are not there."""

import random

import pytest
import torch
from trainings import images

from isotropic.protocol import Protocol
from isotropic.saved import CHECKPOINT_FORMAT, Checkpoint, load_network
from isotropic.train import train_autoencoder

PRINT = {"width": 2}


@pytest.fixture
def checkpoint(tmp_path):
    """A small checkpoint; gives its path and its bytes."""
    path = tmp_path / "run.checkpoint.pt"
    Checkpoint(dict(PRINT), 3, [[torch.arange(40.0)]], [torch.zeros(5)]).save(path)
    return path, path.read_bytes()


def outcome(path):
    """Read a checkpoint: its numbers, or the refusal."""
    try:
        read = Checkpoint.load(path, dict(PRINT))
    except ValueError as error:
        return str(error)
    return read.epoch, read.state[0][0].tolist(), read.generators[0].tolist()


def test_a_flipped_bit_is_refused_or_changes_nothing(checkpoint):
    path, raw = checkpoint
    whole, refused = outcome(path), f"{path} must be a file of {CHECKPOINT_FORMAT}, but is"
    found = set()
    for place in random.Random(0).sample(range(8 * len(raw)), 2500):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        got = outcome(path)
        assert got == whole or str(got).startswith(refused), (place, got)
        found.add(got == whole)
    assert found == {True, False}  # the padding between tensors means nothing


def test_a_flipped_bit_of_a_number_is_refused(checkpoint):
    path, raw = checkpoint
    place = raw.index(torch.arange(40.0).numpy().tobytes()) + 7
    path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
    with pytest.raises(ValueError, match=r"run.checkpoint.pt must be .*, but is damaged"):
        Checkpoint.load(path, dict(PRINT))


def test_a_file_that_was_cut_is_refused(checkpoint):
    path, raw = checkpoint
    for size in (0, 1, 30, 100, *range(0, len(raw), 37)):
        path.write_bytes(raw[:size])
        with pytest.raises(ValueError, match=r"run.checkpoint.pt must be .*, but is damaged"):
            Checkpoint.load(path, dict(PRINT))


def test_weights_that_were_damaged_are_refused(tmp_path):
    run = train_autoencoder(
        images(), "tanh", width=3, protocol=Protocol(epochs=1), store=tmp_path / "net.h5"
    )
    raw = bytearray(run.weights.read_bytes())
    place = raw.index(run.model.encoder.weight.detach().numpy().tobytes())
    raw[place] ^= 1
    run.weights.write_bytes(raw)
    with pytest.raises(ValueError, match=r"net.weights.pt must be .*, but is damaged"):
        load_network(run.weights)


def test_a_file_that_is_not_there_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "none.weights.pt")
