"""The command ``ppp-train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

#: Options that take several values after one flag.
MULTIPLE = ("--activation",)

EPILOG = """\b
Examples:
  ppp-train --data digits --activation tanh isotropic-tanh --width 18 --repeats 5 --out runs
  ppp-train --data fashion-mnist --epochs 30 --repeats 2 --out runs
  ppp-train --data digits --raw --blocks 3 --epochs 8 --out runs/raw
  ppp-train --activation leaky-relu isotropic-leaky-relu --rate .02 --out runs

\b
Then:
  ppp-plot runs/tanh runs/isotropic-tanh --grid snapshots -o figure.png
"""


class ManyValues(click.Command):
    """A command whose options in ``MULTIPLE`` take all values that follow them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before each of its values, as click expects it."""
        spread: list[str] = []
        flag = None
        for position, word in enumerate(args):
            if word.startswith("-"):
                if flag and args[position - 1] == flag:
                    raise click.UsageError(f"{flag} needs at least one value, got {word}", ctx)
                flag = word if word in MULTIPLE else None
            elif flag and args[position - 1] != flag:
                spread.append(flag)
            spread.append(word)
        return super().parse_args(ctx, spread)


@click.command(
    cls=ManyValues, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--data",
    "data_name",
    default="digits",
    show_default=True,
    help="Data set: digits, patches, gaussian, uniform (bundled), mnist, fashion-mnist, emnist, "
    "emnist-a-j, cifar-10, cifar-100, caltech-256 (from files).",
)
@click.option(
    "--data-path", type=click.Path(path_type=Path), help="Folder of the data set's files."
)
@click.option("--download", is_flag=True, help="Download the data set's files if need be.")
@click.option(
    "--activation",
    "activations",
    multiple=True,
    default=("tanh", "isotropic-tanh"),
    metavar="NAME...",
    help="One or more activations.  [default: tanh isotropic-tanh]",
)
@click.option("--width", default=18, show_default=True, help="Neurons per latent layer.")
@click.option("--blocks", default=0, show_default=True, help="Hidden blocks L.")
@click.option("--epochs", default=125, show_default=True, help="Passes over the training set.")
@click.option(
    "--rate",
    default=0.08,
    show_default=True,
    help="Learning rate. The isotropic leaky-ReLU diverges at the paper's on standardised data "
    "with pixels that are almost always black: half of it will do.",
)
@click.option("--repeats", default=1, show_default=True, help="Networks per activation.")
@click.option(
    "--seed", default=0, show_default=True, help="Seed of the first repeat; the next ones count up."
)
@click.option(
    "--standardise/--raw",
    default=True,
    show_default=True,
    help="Standardise inputs and targets element-wise, or leave them in [0, 1].",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder for the stores.",
)
@click.option("--overwrite", is_flag=True, help="Replace stores that are there, and start anew.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def train(**options: Any) -> None:
    """Train autoencoders by the protocol of the PPP paper and keep their activations.

    Writes one store per network, OUT/ACTIVATION/NAME.h5, with a snapshot of all latent layers
    after 0, 1, 2, 4, 6, 8, 13, 18, 24, 30, ... epochs. Networks with the same seed start from
    the same weights and see the same batches, whatever their activation. The command, given
    again after an interruption, goes on where it stopped.
    """
    from hooks import HooksError
    from isotropic.campaign import Campaign

    quiet, out, overwrite = (options.pop(key) for key in ("quiet", "out", "overwrite"))
    try:
        campaign = Campaign.prepare(**options)
    except (ValueError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:  # no network, no permission, no room
        raise click.ClickException(str(error)) from error
    try:
        runs = campaign.run(out, overwrite=overwrite, progress=not quiet)
    except (OSError, ValueError, HooksError) as error:
        raise click.ClickException(str(error)) from error
    _report(runs)


def _report(runs: list[Any]) -> None:
    """Print what was trained, its losses, and where it is."""
    click.echo(f"{'epochs':>6}  {'loss':>10}  {'held out':>10}  store")
    for run in runs:
        last = run.history[-1] if run.history else {}
        click.echo(
            f"{last.get('epoch', 0):>6}  {last.get('loss', float('nan')):>10.5f}  "
            f"{last.get('test_loss', float('nan')):>10.5f}  {run.path}"
        )
    for run in runs:
        if run.diverged is not None:
            click.echo(f"{run.path}: the loss was not finite in epoch {run.diverged}", err=True)
    if any(run.diverged is not None for run in runs):
        raise click.exceptions.Exit(1)
