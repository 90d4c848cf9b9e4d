"""Tables of numbers for the pages of the documentation."""

from __future__ import annotations

from ppp.table import Table, readable


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    head = [table.columns, tuple("---" for _ in table.columns)]
    lines = [*head, *(tuple(map(readable, row)) for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
