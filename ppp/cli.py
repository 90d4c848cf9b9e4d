"""The command ``ppp-plot``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ppp.result import PPPResult
    from ppp.sources import Network
    from ppp.table import Table

#: Most null draws that are counted in full, to be drawn.
DRAWS = 8
NULLS = (
    "rotation",
    "recolour",
    "gaussian",
    "uniform-embedded",
    "uniform-standardised",
    "gaussian-embedded",
    "sign-flip",
    "column-permutation",
)
FIGURES = (".png", ".pdf", ".svg")
TABLES = (".csv", ".json")
#: What the printed table shows; a file takes all.
HEADLINE = ("kappa", "log_q", "a4", "b4", "combined")

EPILOG = """\b
Examples:
  ppp-plot acts.h5 --layer encoder.2 -o figure.png
  ppp-plot runs/tanh runs/isotropic-tanh --grid snapshots -o grid.png
  ppp-plot acts.h5 --null rotation --null-repeats 8 -o null.png
  ppp-plot acts.npy --epsilon auto --pairs permutation -o figure.png
  ppp-plot acts.safetensors --layer "mlp.*" --null none --table numbers.csv

\b
Exit codes: 0 done, 1 could not be finished, 2 wrong input or options.
"""


class Threshold(click.ParamType):
    """A number in (0, 1], or "auto"."""

    name = "NUMBER|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """Read the text of an option."""
        if value == "auto":
            return "auto"
        try:
            epsilon = float(value)
        except ValueError:
            self.fail(f'epsilon must be a number in (0, 1] or "auto", got {value!r}', param, ctx)
        if not 0 < epsilon <= 1:
            self.fail(f"epsilon must lie in (0, 1], got {value}", param, ctx)
        return epsilon


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Layer of a store, or array of a file; globs and several are allowed.",
)
@click.option(
    "--snapshot",
    "snapshots",
    multiple=True,
    metavar="KEY",
    help="Snapshot by key or epoch; several with --grid.  [default: the last; all with --grid]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Figure: .png, .pdf, .svg.")
@click.option("--table", type=click.Path(path_type=Path), help="All numbers as .csv or .json, too.")
@click.option(
    "--grid",
    type=click.Choice(["snapshots"]),
    help="One row a network, one column a snapshot, one colour scale a row.",
)
@click.option(
    "--null",
    type=click.Choice([*NULLS, "none"]),
    default="rotation",
    show_default=True,
    metavar="NAME",
    help=f"Null control behind every p: {', '.join(NULLS)}, or none.",
)
@click.option(
    "--null-repeats",
    type=click.IntRange(min=1),
    default=99,
    show_default=True,
    help="Draws of the null; up to eight are drawn beside the density.",
)
@click.option(
    "--epsilon",
    type=Threshold(),
    default="auto",
    show_default=True,
    help="Keep a sample when its in-plane share of the norm is at least this.",
)
@click.option(
    "--pairs",
    type=click.Choice(["combination", "permutation"]),
    default="combination",
    show_default=True,
    help="Take every pair of vectors once, or in both orders.",
)
@click.option(
    "--scale",
    type=click.Choice(["row", "max", "shared"]),
    default="row",
    show_default=True,
    help="Colours end at each row's mean + 5 std, its maximum, or one maximum for all.",
)
@click.option(
    "--size",
    type=click.IntRange(min=16, max=4096),
    default=256,
    show_default=True,
    help="Pixels along a panel.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
@click.option("--engine", default="auto", show_default=True, help="Which kernels count.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def plot(paths: tuple[Path, ...], **options: Any) -> None:
    """Draw privileged-plane projections beside their null, and print the numbers.

    PATHS are stores (NAME.h5 or NAME.store), folders of stores (one figure row each), or arrays:
    .npy, .npz, .safetensors, one sample a row.
    """
    check_outputs(options["output"], options["table"])
    with mistakes():
        found = gather(paths, options)
        print_table(found)
        written = write_outputs(found, options)
    for what, path in written:
        click.echo(f"{what}: {path}")


@contextmanager
def mistakes() -> Iterator[None]:
    """Turn errors into one line and an exit code: 2 for wrong input, 1 for all that failed."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (OSError, MemoryError) as error:
        raise click.ClickException(str(error) or "out of memory") from error


def check_outputs(output: Path | None, table: Path | None) -> None:
    """Refuse, before any work, what could not be written after it."""
    if output is None and table is None:
        raise click.UsageError("say what to write: -o FIGURE, --table FILE, or both")
    for flag, path, endings in (("--output", output, FIGURES), ("--table", table, TABLES)):
        if path is None:
            continue
        if path.suffix.lower() not in endings:
            raise click.UsageError(f"{flag} must end in {', '.join(endings)}, got {path.name!r}")
        if not path.parent.is_dir():
            raise click.UsageError(
                f"the folder {path.parent} of {flag} is not there: make it first"
            )


Found = dict[str, dict[str, "PPPResult"]]


def gather(paths: tuple[Path, ...], options: dict[str, Any]) -> Found:
    """Project everything asked for: rows by network and layer, columns by snapshot."""
    from ppp.sources import SourceError, networks

    found: Found = {}
    for network in networks(paths, open_store):
        layers = network.choose(options["layers"])
        keys: list[str | None] = list(network.pick(options["snapshots"]))
        if options["grid"] and not keys:
            raise SourceError(
                f"{network.path} holds no snapshots: leave --grid out, or give stores that were "
                "recorded during training (ppp-train writes them)"
            )
        if not options["grid"]:
            if len(options["snapshots"]) > 1:
                raise SourceError("several snapshots are drawn with --grid snapshots")
            keys = keys[-1:] or [None]
        for layer in layers:
            row = network.name if len(layers) == 1 else f"{network.name} {layer}"
            found[row] = {}
            for key in keys:
                title = "" if key is None else network.title(key)
                pictured = key == keys[-1]
                found[row][title] = projected(network, layer, key, pictured, options)
    return found


def open_store(path: Path) -> Any:
    """Open a store with the package that knows its format."""
    import hooks

    return hooks.ActivationStore(path)


def projected(
    network: Network, layer: str, key: str | None, pictured: bool, options: dict[str, Any]
) -> PPPResult:
    """Project one layer of one network at one snapshot."""
    import ppp

    null = None if options["null"] == "none" else options["null"]
    draws = min(1 if options["grid"] else DRAWS, options["null_repeats"]) if pictured else 0
    where = f"{network.path}{f', {layer}' if len(network.layers) > 1 else ''}"
    where += "" if key is None else f", {network.title(key)}"
    try:
        result = ppp.project(
            network.read(layer, key),
            epsilon=options["epsilon"],
            pairs=options["pairs"],
            engine=options["engine"],
            null=null,
            null_repeats=options["null_repeats"],
            null_draws=draws if null else 0,
            seed=options["seed"],
            progress=not options["quiet"],
        )
        _ = result.statistics
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error
    return result


def print_table(found: Found) -> None:
    """Print one line a result with the headline statistics."""
    from ppp.table import Table

    lines = []
    for (row, column), result in _flat(found).items():
        one = {name: result.statistics.get(name) for name in HEADLINE}
        cells: list[Any] = [row, column, result.tally.valid, result.hits, float(result.expected)]
        for name, statistic in one.items():
            if name != "combined":
                cells.append(None if statistic is None else statistic.value)
            cells.append(None if statistic is None else statistic.p)
        lines.append(tuple(cells))
    names = [each for name in HEADLINE[:-1] for each in (name, f"p {name}")]
    columns = ("network", "snapshot", "samples", "hits", "expected", *names, "p combined")
    click.echo(_without_empty(Table(columns, tuple(lines))))


def full_table(found: Found) -> Table:
    """Return every statistic of every result, one line each."""
    from ppp.table import Table

    lines: list[tuple[Any, ...]] = []
    columns: tuple[str, ...] = ()
    for (row, column), result in _flat(found).items():
        numbers = result.table()
        columns = numbers.columns
        frame = result.planes.frame
        head = (row, column, frame.n, result.tally.valid, result.rule.epsilon, result.hits)
        lines += [(*head, float(result.expected), *line) for line in numbers.rows]
    head_columns = ("network", "snapshot", "n", "samples", "epsilon", "hits", "expected")
    return Table((*head_columns, *columns), tuple(lines))


def write_outputs(found: Found, options: dict[str, Any]) -> list[tuple[str, Path]]:
    """Write table and figure, each whole or not at all."""
    from ppp.files import replacing

    written = []
    if options["table"] is not None:
        numbers = full_table(found)
        text = numbers.to_json() if options["table"].suffix == ".json" else numbers.to_csv()
        with replacing(options["table"]) as part:
            part.write_text(text, encoding="utf-8")
        written.append(("table", options["table"]))
    if options["output"] is not None:
        figure = draw(found, options)
        with replacing(options["output"]) as part:
            figure.savefig(part, dpi=150)
        written.append(("figure", options["output"]))
    return written


def draw(found: Found, options: dict[str, Any]) -> Any:
    """Choose and draw the figure that the results call for."""
    import matplotlib

    matplotlib.use("agg")
    import ppp

    size, scale = options["size"], options["scale"]
    single = {row: next(iter(cells.values())) for row, cells in found.items()}
    if options["grid"]:
        return ppp.plot_grid(found, size=size, scale=scale, draws=1)
    if all(result.drawn for result in single.values()):
        return ppp.plot_with_null(single, size=size, scale=scale)
    if len(single) == 1:
        row, result = next(iter(single.items()))
        return ppp.plot_density(result, size=size, scale=scale, title=row).figure
    return ppp.plot_grid(found, size=size, scale=scale)


def _flat(found: Found) -> dict[tuple[str, str], PPPResult]:
    return {(row, column): one for row, cells in found.items() for column, one in cells.items()}


def _without_empty(table: Table) -> Table:
    """Leave out columns that say nothing in any line."""
    from ppp.table import Table

    kept = [
        k for k in range(len(table.columns)) if any(row[k] not in (None, "") for row in table.rows)
    ]
    rows = tuple(tuple(row[k] for k in kept) for row in table.rows)
    return Table(tuple(table.columns[k] for k in kept), rows)
