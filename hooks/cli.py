"""`ppp-store`: look at a store, check it, keep what a killed capture left, join several."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  ppp-store info acts.h5\n  ppp-store info runs/tanh.store",
)
def store() -> None:
    """Look at activation stores."""


@store.command()
@click.argument("path", type=click.Path(path_type=Path))
def info(path: Path) -> None:
    r"""Say what a store holds: layers, rows, snapshots, provenance.

    \b
    Example:
      ppp-store info acts.h5
    """
    from hooks.errors import HooksError
    from hooks.store import ActivationStore
    from hooks.summary import describe

    try:
        opened = ActivationStore(path, incomplete=True)
        click.echo(describe(opened))
    except HooksError as problem:
        click.echo(f"error: {problem}", err=True)
        raise SystemExit(2) from problem
    raise SystemExit(0 if opened.complete else 1)
