"""The command ppp-train, end to end."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

import hooks
from isotropic.cli import train


def run(*words):
    return CliRunner().invoke(train, [str(word) for word in words], catch_exceptions=False)


QUICK = ("--data", "digits", "--epochs", 2, "--width", 4, "--quiet")


def test_stores_are_written_where_the_output_says(tmp_path):
    result = run(
        *QUICK, "--activation", "tanh", "isotropic-tanh", "--repeats", 2, "--out", tmp_path
    )
    assert result.exit_code == 0, result.output
    paths = sorted(tmp_path.glob("*/*.h5"))
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        f"{name}/digits-norm-n4-L0-seed{seed}.h5"
        for name in ("isotropic-tanh", "tanh")
        for seed in (0, 1)
    ]
    for path in paths:
        assert str(path) in result.output
        store = hooks.ActivationStore(path)
        assert store["encoder", "epoch-000"].shape == (1438, 4)
        assert store["encoder", "epoch-002"].shape == (1438, 4)
        assert store.provenance["protocol"]["standardise"] is True
        assert store.provenance["network"]["activation"] == path.parent.name
        assert store.provenance["data"]["name"] == "digits"
    assert not list(tmp_path.glob("*.checkpoint.pt"))


def test_a_second_run_does_not_overwrite_unless_asked(tmp_path):
    words = (*QUICK, "--activation", "tanh", "--out", tmp_path, "--raw")
    assert run(*words).exit_code == 0
    again = run(*words)
    assert again.exit_code == 1
    assert "exists" in again.output
    assert run(*words, "--overwrite").exit_code == 0
    assert (tmp_path / "tanh" / "digits-raw-n4-L0-seed0.h5").exists()


def test_the_rate_is_trained_with_and_kept_apart_from_the_papers(tmp_path):
    words = (*QUICK, "--activation", "tanh", "--out", tmp_path)
    assert run(*words).exit_code == 0
    slow = run(*words, "--rate", ".02")
    assert slow.exit_code == 0, slow.output
    paper, other = (
        hooks.ActivationStore(tmp_path / "tanh" / f"digits-norm-n4-L0{rate}-seed0.h5")
        for rate in ("", "-rate0.02")
    )
    assert [s.provenance["protocol"]["rate"] for s in (paper, other)] == [0.08, 0.02]
    first, last = (
        [s.snapshots[key]["loss"] for s in (paper, other)] for key in ("epoch-000", "epoch-002")
    )
    assert first[0] == first[1]
    assert last[0] < last[1]  # slower


def test_a_rate_at_which_training_diverges_ends_with_code_one_and_the_epoch(tmp_path):
    words = (*QUICK, "--activation", "leaky-relu", "tanh", "--out", tmp_path, "--rate", "1e9")
    result = run(*words)
    assert result.exit_code == 1
    assert "leaky-relu/digits-norm-n4-L0-rate1e+09-seed0.h5: the loss was not finite in" in (
        result.output
    )
    kept = hooks.ActivationStore(tmp_path / "leaky-relu" / "digits-norm-n4-L0-rate1e+09-seed0.h5")
    assert "epoch-000" in kept.snapshots


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--activation", "tanhh"), "did you mean 'tanh'"),
        (("--data", "digit"), "did you mean 'digits'"),
        (("--data", "fashion-mnist", "--data-path", "/nowhere"), "train-images-idx3-ubyte"),
        (("--width", "0"), "width must be at least 1"),
        (("--repeats", "0"), "repeats must be at least 1"),
        (("--epochs", "-1"), "epochs must be at least 0"),
        (("--seed", "-1"), "seed must be at least 0"),
        (("--activation", "--width", "3"), "--activation needs at least one value, got --width"),
        (("--rate", "0"), "rate must be above 0 and finite, got 0.0"),
        (("--rate", "inf"), "rate must be above 0 and finite, got inf"),
        (("--rate", "fast"), "not a valid float"),
        (("--seed", str(2**70)), "seed must be below 2^63"),
        (("--width", "x"), "not a valid integer"),
        (("--nonsense",), "No such option"),
    ],
)
def test_mistakes_end_with_code_two_and_a_message(tmp_path, words, message):
    result = run("--out", tmp_path, "--quiet", *words)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_ends_with_code_one(tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = run(*QUICK, "--out", tmp_path / "file" / "deep")
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_help_shows_examples_and_loads_nothing_heavy():
    code = "import sys; from isotropic.cli import train; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
    result = run("--help")
    assert result.exit_code == 0
    assert "ppp-train --data digits --activation tanh isotropic-tanh" in result.output
    assert "--rate FLOAT" in result.output
