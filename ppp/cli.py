"""The command ``ppp-plot``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

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
FIGURES = (".png", ".pdf", ".svg", ".html")
SHOWN = ("density", "maps", "points", "training", "networks")
TABLES = (".csv", ".json")

EPILOG = """\b
Examples:
  ppp-plot acts.h5 --layer encoder.2 -o figure.png
  ppp-plot runs/tanh runs/isotropic-tanh --grid snapshots -o grid.png
  ppp-plot acts.h5 --null rotation --null-repeats 8 -o null.png
  ppp-plot acts.h5 --layer encoder.2 --grid classes -o classes.png
  ppp-plot acts.h5 --srm -o srm.png
  ppp-plot acts.npy --epsilon auto --pairs permutation -o figure.png
  ppp-plot acts.safetensors --layer "mlp.*" --null none --table numbers.csv
  ppp-plot runs/tanh runs/isotropic-tanh --show training -o training.png
  ppp-plot acts.h5 --layer encoder.2 -o report.html

\b
Exit codes: 0 done, 1 could not be finished, 2 wrong input or options.
"""


#: Options of projections that a sweep has no use for.
PROJECTION_ONLY = ("grid", "show", "distance", "scale", "normalise", "size", "engine")


class Threshold(click.ParamType):
    """A number in [−1, 1], or "auto"."""

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
        if not -1 <= epsilon <= 1:
            self.fail(
                f"epsilon must lie in (0, 1], got {value} (in [-1, 1] with --srm)", param, ctx
            )
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
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Figure: .png, .pdf, .svg, or a whole report: .html.",
)
@click.option("--table", type=click.Path(path_type=Path), help="All numbers as .csv or .json, too.")
@click.option(
    "--grid",
    type=click.Choice(["snapshots", "classes"]),
    help="One row a network, one column a snapshot or a label class, one colour scale a row.",
)
@click.option(
    "--show",
    type=click.Choice(SHOWN),
    default="density",
    show_default=True,
    help="What the figure shows: densities, one density against its null as ratio and z, kept "
    "samples by their angle to the plane, the statistics over training, or groups of networks as "
    "dots.",
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
    "--distance",
    type=float,
    metavar="NUMBER",
    help="Keep only samples at most this far from the plane, too; alone with --epsilon 0.",
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
    "--normalise",
    type=click.Choice(["isotropic", "null"]),
    help="Divide the density by the closed form of isotropy, or by the mean of the null's draws.",
)
@click.option(
    "--size",
    type=click.IntRange(min=16, max=4096),
    default=256,
    show_default=True,
    help="Pixels along a panel.",
)
@click.option("--srm", is_flag=True, help="Draw spotlight sweeps (SRM) instead of densities.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Who counts: cpu, torch (the first accelerator) or torch:DEVICE.",
)
@click.option(
    "--no-labels",
    is_flag=True,
    help="Leave stored labels out: those that are no classes, as targets of a regression.",
)
@click.option("--quiet", is_flag=True, help="No progress bars.")
def plot(paths: tuple[Path, ...], **options: Any) -> None:
    """Draw privileged-plane projections beside their null, and print the numbers.

    PATHS are stores (NAME.h5 or NAME.store), folders of stores (one figure row each), or arrays:
    .npy, .npz, .safetensors, one sample a row.
    """
    check_outputs(options["output"], options["table"])
    if options["no_labels"] and options["grid"] == "classes":
        raise click.UsageError("--grid classes goes by the labels: leave --no-labels out")
    if options.pop("srm"):
        check_sweep(options)
        with mistakes():
            draw_sweeps(paths, options)
        return
    epsilon = options["epsilon"]
    if epsilon != "auto" and epsilon < 0:  # 0 leaves the rule to --distance
        raise click.UsageError(f"epsilon must lie in (0, 1], got {epsilon:g}")
    with mistakes():
        from ppp.plot_job import gather, headline, verdicts, write_outputs

        found = gather(paths, options, open_store)
        click.echo(headline(found))
        for line in verdicts(found, options):
            click.echo(line)
        written = write_outputs(found, options)
    for what, path in written:
        click.echo(f"{what}: {path}")


def draw_sweeps(paths: tuple[Path, ...], options: dict[str, Any]) -> None:
    """Sweep a spotlight over every layer asked for; write the curves and draw them."""
    import matplotlib

    import srm
    from ppp.files import replacing
    from ppp.plot_job import swept
    from ppp.table import Table

    matplotlib.use("agg")
    repeats = options["null_repeats"] if options["null"] == "rotation" else 0

    def sweep(rows: Any, epsilon: float) -> Any:
        return srm.sweep(
            rows,
            epsilon=epsilon,
            pairs=options["pairs"],
            per_plane=False,
            null_repeats=repeats,
            seed=options["seed"],
            progress=not options["quiet"],
        )

    curves, lines = {}, []
    for name, epsilon, curve in swept(paths, options, open_store, sweep):
        curves[name] = curve
        found = curve.test(seed=options["seed"]).rotation if repeats else None
        p = None if found is None else float(found.p)
        lines.append((name, epsilon, float(curve.pooled.max()), float(curve.expected), p))
    table = Table(("network", "epsilon", "greatest share", "isotropic", "p rotation"), tuple(lines))
    click.echo(table)
    if options["table"] is not None:
        text = table.to_json() if options["table"].suffix == ".json" else table.to_csv()
        with replacing(options["table"]) as part:
            part.write_text(text, encoding="utf-8")
        click.echo(f"table: {options['table']}")
    if options["output"] is not None:
        with replacing(options["output"]) as part:
            srm.plot_sweeps(curves).savefig(part, dpi=150)
        click.echo(f"figure: {options['output']}")


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


def check_sweep(options: dict[str, Any]) -> None:
    """Refuse, before any work, what a sweep would not heed."""
    context = click.get_current_context()
    for name in PROJECTION_ONLY:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} is for projections: leave it out with --srm")
    if options["null"] not in ("rotation", "none"):
        raise click.UsageError(
            "a sweep is tested against rotations: with --srm --null must be rotation or none, got "
            f"{options['null']}"
        )
    output = options["output"]
    if output is not None and output.suffix.lower() == ".html":
        raise click.UsageError(
            f"with --srm --output must end in {', '.join(FIGURES[:-1])}, got {output.name!r}"
        )


def open_store(path: Path) -> Any:
    """Open a store with the package that knows its format."""
    import hooks

    return hooks.ActivationStore(path)
