"""The work of ``ppp-plot``: project what was asked for, tabulate it, draw it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ppp.analysis import project
from ppp.class_projection import project_classes
from ppp.comparison import compare
from ppp.files import replacing
from ppp.frame import Frame
from ppp.pictures import with_draws
from ppp.planes import Planes
from ppp.plot import plot_density, plot_grid, plot_with_null
from ppp.plot_networks import plot_comparison, plot_training
from ppp.plot_null import plot_against_null
from ppp.plot_report import page
from ppp.plot_scatter import plot_points
from ppp.point_listing import points
from ppp.result import PPPResult
from ppp.settings import automatic_epsilon
from ppp.sources import Network, SourceError, networks
from ppp.streams import Unlabelled, as_stream
from ppp.table import Table, counted

#: Most null draws that are counted in full, to be drawn.
DRAWS = 8
#: Most classes in one figure.
COLUMNS = 30
#: What the printed table shows; a file takes all.
HEADLINE = ("kappa", "log_q", "a4", "b4", "combined")

#: Rows by network and layer, columns by snapshot.
Found = dict[str, dict[str, PPPResult]]


def gather(
    paths: Sequence[Path], options: dict[str, Any], open_store: Callable[[Path], Any]
) -> Found:
    """Project everything asked for: rows by network and layer, columns by snapshot."""
    found: Found = {}
    for network in networks(paths, open_store):
        layers = network.choose(options["layers"])
        keys: list[str | None] = list(network.pick(options["snapshots"]))
        if along_training(options):
            if not keys:
                raise SourceError(
                    f"{network.path} holds no snapshots: leave {asked(options)} out, or give "
                    "stores that were recorded during training (ppp-train writes them)"
                )
        elif len(options["snapshots"]) > 1:
            raise SourceError("several snapshots are drawn with --grid snapshots")
        else:
            keys = keys[-1:] or [None]
        for layer in layers:
            row = network.name if len(layers) == 1 else f"{network.name} {layer}"
            found[row] = {}
            if options["grid"] == "classes":
                found[row] = classes(network, layer, keys[-1], options)
                continue
            for key in keys:
                title = "" if key is None else network.title(key)
                pictured = key == keys[-1]
                found[row][title] = projected(network, layer, key, pictured, options)
    return found


def swept(
    paths: Sequence[Path],
    options: dict[str, Any],
    open_store: Callable[[Path], Any],
    sweep: Callable[[Any, float], Any],
) -> Iterator[tuple[str, float, Any]]:
    """Yield name, epsilon and sweep of every layer that a spotlight is asked to turn through."""
    for network in networks(paths, open_store):
        layers = network.choose(options["layers"])
        keys: list[str | None] = list(network.pick(options["snapshots"]))
        # of many that nobody chose among, the last
        keys = keys if options["snapshots"] else keys[-1:]
        for layer, key in itertools.product(layers, keys or [None]):
            name = network.name if len(layers) == 1 else f"{network.name} {layer}"
            with naming(network, layer, key):
                rows = network.read(layer, key)
                rows = Unlabelled(as_stream(rows)) if options["no_labels"] else rows
                epsilon = epsilon_of(rows, options)
                found = sweep(rows, epsilon)
            yield name if key is None else f"{name}, {network.title(key)}", epsilon, found


def epsilon_of(rows: Any, options: dict[str, Any]) -> float:
    """Return the epsilon of a sweep of these rows, after the checks that projections make."""
    count, width = as_stream(rows).shape
    if not count:
        raise ValueError("no activations: the input is empty")
    if options["epsilon"] != "auto":
        return float(options["epsilon"])
    planes = Planes.of(Frame.standard(width), options["pairs"])
    return automatic_epsilon(count, planes)[0]


def along_training(options: dict[str, Any]) -> bool:
    """Return whether all snapshots are wanted rather than the last."""
    return options["grid"] == "snapshots" or options["show"] == "training"


def asked(options: dict[str, Any]) -> str:
    """Return the option that asked for all snapshots."""
    return "--grid snapshots" if options["grid"] else "--show training"


def projected(
    network: Network, layer: str, key: str | None, pictured: bool, options: dict[str, Any]
) -> PPPResult:
    """Project one layer of one network at one snapshot."""
    draws = DRAWS if pictured else 0
    with naming(network, layer, key):
        wanted = asked_of_project(options, draws) | {"labels": not options["no_labels"]}
        found = project(network.read(layer, key), **wanted)
        return finished(found, options, draws)


def classes(
    network: Network, layer: str, key: str | None, options: dict[str, Any]
) -> dict[str, PPPResult]:
    """Project every label class of one layer on its own."""
    with naming(network, layer, key):
        found = project_classes(network.read(layer, key), **asked_of_project(options, 0))
        if len(found) > COLUMNS:
            raise ValueError(f"--grid classes draws at most {COLUMNS} classes, got {len(found)}")
        return {f"class {label}": finished(one, options, 0) for label, one in found.items()}


def asked_of_project(options: dict[str, Any], draws: int) -> dict[str, Any]:
    """Return what the options ask of `ppp.project`, with so many full draws at most."""
    null = None if options["null"] == "none" else options["null"]
    return {
        "epsilon": options["epsilon"],
        "distance": options["distance"],
        "pairs": options["pairs"],
        "engine": options["engine"],
        "null": null,
        "null_repeats": options["null_repeats"],
        "null_draws": drawn_of(options, draws) if null == "rotation" else 0,
        "seed": options["seed"],
        "progress": not options["quiet"],
    }


def drawn_of(options: dict[str, Any], draws: int) -> int:
    """Return how many full draws a figure has room for."""
    return min(1 if along_training(options) else draws, draws, options["null_repeats"])


def finished(result: PPPResult, options: dict[str, Any], draws: int) -> PPPResult:
    """Return a result whose tests have run, with its full draws."""
    _ = result.statistics
    draws = drawn_of(options, draws)
    return with_draws(result, draws) if result.plan is not None and draws else result


@contextmanager
def naming(network: Network, layer: str, key: str | None) -> Iterator[None]:
    """Say in an error which network, layer and snapshot it is about."""
    where = f"{network.path}{f', {layer}' if len(network.layers) > 1 else ''}"
    where += "" if key is None else f", {network.title(key)}"
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error


def headline(found: Found) -> Table:
    """Return one line a result with the headline statistics."""
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
    return _without_empty(Table(columns, tuple(lines)))


def verdicts(found: Found, options: dict[str, Any]) -> list[str]:
    """Return each network's finding at its last snapshot, or those of all its classes.

    A single one comes with what it cannot see.
    """
    lines = []
    for row, cells in found.items():
        last = list(cells)[0 if options["grid"] == "classes" else -1 :]
        for column in last:
            verdict = cells[column].verdict
            if verdict is not None:
                lines.append(f"{row}{f', {column}' if column else ''}: {verdict.text}")
                lines += verdict.notes if len(found) == len(last) == 1 else ()
    return lines


def full_table(found: Found) -> Table:
    """Return every statistic of every result, one line each."""
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
    written = []
    if options["table"] is not None:
        numbers = full_table(found)
        text = numbers.to_json() if options["table"].suffix == ".json" else numbers.to_csv()
        with replacing(options["table"]) as part:
            part.write_text(text, encoding="utf-8")
        written.append(("table", options["table"]))
    if options["output"] is not None:
        write_figure(options["output"], found, options)
        written.append(("figure", options["output"]))
    return written


def write_figure(path: Path, found: Found, options: dict[str, Any]) -> None:
    """Write the figure, or the report with all figures that the results allow."""
    import matplotlib

    matplotlib.use("agg")
    if path.suffix.lower() != ".html":
        figure = draw(found, options, options["show"])
        with replacing(path) as part:
            figure.savefig(part, dpi=150)
        return
    figures = {
        name: draw(found, options, show) for name, show in worthwhile(found, options).items()
    }
    named = {f"{row} {column}".strip(): one for (row, column), one in _flat(found).items()}
    text = page(f"Privileged planes: {', '.join(found)}", figures, full_table(found), named)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def worthwhile(found: Found, options: dict[str, Any]) -> dict[str, str]:
    """Return the figures of a report by their headings: those that the results have data for."""
    figures = {"Density": "density"}
    results = list(_flat(found).values())
    if len(results) == 1 and len(results[0].drawn) > 1:
        figures["Against the null"] = "maps"
    if len(results) == 1:
        figures["Kept samples"] = "points"
    if options["grid"] == "classes":
        return figures
    if all(len(cells) > 1 for cells in found.values()):
        figures["Over training"] = "training"
    if len(grouped(found)) > 1 and all(len(group) > 1 for group in grouped(found).values()):
        figures["Groups of networks"] = "networks"
    return figures


def grouped(found: Found) -> dict[str, list[PPPResult]]:
    """Return each group's networks at their last snapshot; a group is a folder of stores."""
    groups: dict[str, list[PPPResult]] = {}
    for row, cells in found.items():
        groups.setdefault(row.split("/")[0], []).append(list(cells.values())[-1])
    return groups


def draw(found: Found, options: dict[str, Any], show: str) -> Any:
    """Draw one figure of the results."""
    size, scale = options["size"], options["scale"]
    single = {row: next(iter(cells.values())) for row, cells in found.items()}
    row, first = next(iter(single.items()))
    if show == "training":
        return plot_training(found)
    if show == "networks":
        return plot_comparison(compare(grouped(found)))
    alone = f"--show {show}" if show in ("maps", "points") else ""
    if show == "density" and options["normalise"]:
        alone = "--normalise"
    if alone and len(_flat(found)) > 1:
        names = ", ".join(f"{row} {column}".strip() for row, column in _flat(found))
        raise ValueError(f"{alone} draws one network at a time, got {names}")
    if alone == "--normalise":
        by = options["normalise"]
        return plot_density(first, size=size, scale=scale, title=row, normalise=by).figure
    if alone:
        return plot_against_null(first, title=row) if show == "maps" else scatter(first, row)
    if options["grid"]:
        return plot_grid(found, size=size, scale=scale, draws=1)
    if all(result.drawn for result in single.values()):
        return plot_with_null(single, size=size, scale=scale)
    if len(single) == 1:
        return plot_density(first, size=size, scale=scale, title=row).figure
    return plot_grid(found, size=size, scale=scale)


def scatter(result: PPPResult, name: str) -> Any:
    """Draw the tested rows that are kept, by their angle to the plane."""
    rule, planes = result.rule, result.planes
    found = points(
        result.tested_rows, planes.frame, rule.epsilon, planes.pairs, distance=rule.distance
    )
    rows = counted(len(result.sampled or ()), "row")
    return plot_points(found, title=f"{name}: kept samples of {rows}").figure


def _flat(found: Found) -> dict[tuple[str, str], PPPResult]:
    return {(row, column): one for row, cells in found.items() for column, one in cells.items()}


def _without_empty(table: Table) -> Table:
    """Leave out columns that say nothing in any line."""
    kept = [
        k for k in range(len(table.columns)) if any(row[k] not in (None, "") for row in table.rows)
    ]
    rows = tuple(tuple(row[k] for k in kept) for row in table.rows)
    return Table(tuple(table.columns[k] for k in kept), rows)
