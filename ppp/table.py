"""Table: rows and columns for reading, CSV, JSON and notebooks, without pandas."""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Named columns over rows.

    Parameters
    ----------
    columns : tuple of str
        Names.
    rows : tuple of tuple
        One entry a column: str, number, pair of numbers, or None where nothing is defined.

    Examples
    --------
    >>> table = Table(("statistic", "value"), (("kappa", 1.25), ("log_q", None)))
    >>> print(table)
    statistic  value
    kappa      1.25
    log_q      –
    >>> table["value"]
    [1.25, None]
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield every row as a mapping from column to entry."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """Return a column."""
        if column not in self.columns:
            raise KeyError(f"no column {column!r}; there are {', '.join(self.columns)}")
        at = self.columns.index(column)
        return [row[at] for row in self.rows]

    def __str__(self) -> str:
        """Return the table as aligned text."""
        cells = [self.columns, *(tuple(map(readable, row)) for row in self.rows)]
        widths = [max(len(row[k]) for row in cells) for k in range(len(self.columns))]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in cells
        )
        return "\n".join(line.rstrip() for line in lines)

    def to_csv(self) -> str:
        """Return the table as CSV; a pair becomes two columns, `name_low` and `name_high`."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        paired = [any(_is_pair(entry) for entry in self[name]) for name in self.columns]
        header: list[str] = []
        for name, pair in zip(self.columns, paired, strict=True):
            header += [f"{name}_low", f"{name}_high"] if pair else [name]
        writer.writerow(header)
        for row in self.rows:
            line: list[Any] = []
            for entry, pair in zip(row, paired, strict=True):
                line += list(entry or ("", "")) if pair else ["" if _is_missing(entry) else entry]
            writer.writerow(line)
        return out.getvalue()

    def to_json(self) -> str:
        """Return the table as a JSON list of objects; what is missing or NaN is null."""
        found = [
            {name: None if _is_missing(entry) else entry for name, entry in row.items()}
            for row in self
        ]
        return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(readable(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def readable(entry: Any) -> str:
    """Write an entry for people: four digits, pairs in brackets, a dash for nothing.

    Parameters
    ----------
    entry : str, number, pair or None
        A cell.

    Returns
    -------
    str

    Examples
    --------
    >>> readable(0.123456), readable((0.1, 0.25)), readable(1234567), readable(None)
    ('0.1235', '[0.1, 0.25]', '1,234,567', '–')
    >>> readable(12321.6), readable(5.748e-46)
    ('12,322', '5.748e-46')
    """
    if _is_missing(entry):
        return "–"
    if isinstance(entry, bool):
        return "yes" if entry else "no"
    if isinstance(entry, int):
        return f"{entry:,}"
    if isinstance(entry, float):
        return plain(entry, 4)
    if _is_pair(entry):
        return f"[{readable(entry[0])}, {readable(entry[1])}]"
    return str(entry)


def plain(value: float, digits: int = 2) -> str:
    """Write a number with some digits; with an exponent only where nobody would want the zeros.

    Parameters
    ----------
    value : float
        Finite.
    digits : int
        Significant digits; whole numbers keep all of theirs.

    Returns
    -------
    str

    Examples
    --------
    >>> plain(0.1234), plain(100.0), plain(2209.4, 4), plain(1e-9)
    ('0.12', '100', '2,209', '1e-09')
    """
    if min(10**digits, 1000) <= abs(value) + 0.5 < 1e15:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def counted(number: int, noun: str) -> str:
    """Write a number of things, one or several.

    Examples
    --------
    >>> counted(1, "row"), counted(10_000, "row")
    ('1 row', '10,000 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """Write a share in percent, two digits and no exponent.

    Examples
    --------
    >>> percent(1.0), percent(0.005), percent(1e-5)
    ('100 %', '0.5 %', '0.001 %')
    """
    from numpy import format_float_positional

    return f"{format_float_positional(float(f'{100 * share:.2g}'), trim='-')} %"


def _is_missing(entry: Any) -> bool:
    return entry is None or (isinstance(entry, float) and math.isnan(entry))


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) == 2
