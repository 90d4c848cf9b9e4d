"""`ppp-store`: look at a store, check it, keep what a killed capture left, join several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@contextmanager
def _plainly() -> Iterator[None]:
    """Turn a user's mistake into one line and exit code 2."""
    from hooks.errors import HooksError

    try:
        yield
    except (HooksError, OSError) as problem:
        click.echo(f"error: {problem}", err=True)
        raise SystemExit(2) from problem


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  ppp-store info acts.h5\n  ppp-store verify runs/tanh.store\n"
    "  ppp-store recover acts.h5\n  ppp-store merge monday.h5 tuesday.h5 -o week.h5",
)
def store() -> None:
    """Look at activation stores, check them, recover and merge them.

    Exit code 0: all is well. 1: there is something to know (an unfinished capture, rows that are
    not finite). 2: it cannot be done, or the store is broken.
    """


@store.command(epilog="\b\nExample:\n  ppp-store info acts.h5")
@click.argument("path", type=_PATH)
def info(path: Path) -> None:
    """Say what a store holds: layers, rows, snapshots, provenance."""
    with _plainly():
        from hooks.store import ActivationStore
        from hooks.summary import describe

        opened = ActivationStore(path, incomplete=True)
        click.echo(describe(opened))
    raise SystemExit(0 if opened.complete else 1)


@store.command(epilog="\b\nExample:\n  ppp-store verify acts.h5")
@click.argument("path", type=_PATH)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=3600.0,
    show_default=True,
    help="Seconds after which a file that HDF5 hangs on is given up.",
)
def verify(path: Path, timeout: float) -> None:
    """Read every block and compare it with its checksum."""
    with _plainly():
        from hooks.checking import verify as check

        report = check(path, timeout=timeout)
    for line in report.problems:
        click.echo(f"broken: {line}", err=True)
    for line in report.notes:
        click.echo(f"note: {line}")
    click.echo(f"{path}: {report.blocks} blocks, {report.rows} rows as they were written")
    raise SystemExit(2 if report.problems else 1 if report.notes else 0)


@store.command(epilog="\b\nExample:\n  ppp-store recover acts.h5")
@click.argument("path", type=_PATH)
@click.option("--accept", is_flag=True, help="Take what is there for the whole: mark it complete.")
def recover(path: Path, accept: bool) -> None:
    """Keep what an unfinished capture had committed.

    PATH is the store's name; its PATH.partial is read and removed.
    """
    with _plainly():
        from hooks.settling import recover as keep
        from hooks.summary import describe

        opened = keep(path, accept=accept)
        click.echo(describe(opened))
    raise SystemExit(0 if opened.complete else 1)


@store.command(
    epilog="\b\nExample:\n  ppp-store merge monday.h5 tuesday.h5 -o week.h5 --overlap renumber"
)
@click.argument("paths", type=_PATH, nargs=-1, required=True)
@click.option("-o", "--output", type=_PATH, required=True, help="The new store, NAME.h5.")
@click.option(
    "--overlap",
    type=click.Choice(["refuse", "drop", "renumber"]),
    default="refuse",
    show_default=True,
    help="Where two stores have the same input ids: refuse, keep the first, or give new ids.",
)
def merge(paths: tuple[Path, ...], output: Path, overlap: str) -> None:
    """Join stores of one network: other inputs, layers or snapshots."""
    with _plainly():
        from hooks.combining import merge as join
        from hooks.summary import describe

        click.echo(describe(join(paths, output, overlap=overlap)))
