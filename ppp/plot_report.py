"""One self-contained page: figures, sortable numbers, findings and provenance of results."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppp.report_text import sentences
from ppp.table import Table, readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ppp.result import PPPResult

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b1b1f}
body{max-width:1200px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem} h2{font-size:1.15rem;margin-top:2.2rem} figure{margin:1rem 0}
figure img{max-width:100%;cursor:zoom-in} figure img.whole{max-width:none;cursor:zoom-out}
.scroll{overflow-x:auto} table{border-collapse:collapse;font-size:.85rem;white-space:nowrap}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #e3e3e8}
th{cursor:pointer;border-bottom:2px solid #6b6b76} th:hover{background:#f0f0f3}
td.text,th.text{text-align:left} tbody tr:hover{background:#f7f4ef}
input{font:inherit;padding:.3rem .6rem;margin:.5rem 0;width:20rem}
details{margin:.4rem 0} summary{cursor:pointer}
pre{background:#f7f7f9;padding:.7rem;overflow-x:auto}
"""
#: Sort by a click on a heading, show the rows that hold a word, enlarge a figure by a click.
SCRIPT = """
for (const head of document.querySelectorAll('th')) head.onclick = () => {
  const body = head.closest('table').tBodies[0], at = head.cellIndex;
  const down = head.dataset.down = head.dataset.down === '1' ? '' : '1';
  const key = row => { const c = row.cells[at]; const v = c.dataset.value;
    return v === undefined ? c.textContent : v === '' ? NaN : +v; };
  const order = (a, b) => { const x = key(a), y = key(b);
    if (x !== x || y !== y) return (x !== x) - (y !== y);
    return (x > y ? 1 : x < y ? -1 : 0) * (down ? 1 : -1); };
  [...body.rows].sort(order).forEach(row => body.append(row));
};
for (const box of document.querySelectorAll('input')) box.oninput = () => {
  const word = box.value.toLowerCase();
  for (const row of document.querySelector('table').tBodies[0].rows)
    row.hidden = !row.textContent.toLowerCase().includes(word);
};
for (const image of document.querySelectorAll('img'))
  image.onclick = () => image.classList.toggle('whole');
"""


def page(
    title: str,
    figures: Mapping[str, Figure],
    numbers: Table,
    results: Mapping[str, PPPResult],
    dpi: int = 130,
) -> str:
    """Return a page of HTML that needs nothing but itself.

    Parameters
    ----------
    title : str
        Heading of the page.
    figures : mapping of str to matplotlib Figure
        Figures by their headings, embedded as PNG.
    numbers : Table
        All numbers; a click on a heading sorts them, a word filters them.
    results : mapping of str to PPPResult
        By name: what each says in words, and its provenance.
    dpi : int
        Pixels per inch of the figures.

    Returns
    -------
    str
        No script, style, font or picture is loaded from anywhere.

    Examples
    --------
    >>> import numpy as np, ppp
    >>> result = ppp.project(np.random.default_rng(0).laplace(size=(300, 6)), null=None)
    >>> text = page("Noise", {}, result.table(), {"noise": result})
    >>> text.startswith("<!doctype html>"), "http" in text
    (True, False)
    """
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        *(_finding(name, result) for name, result in results.items()),
        *(_figure(name, figure, dpi) for name, figure in figures.items()),
        "<h2>Numbers</h2>",
        '<input placeholder="show rows with …" aria-label="filter rows">',
        f'<div class="scroll">{_table(numbers)}</div>',
        "<h2>In words, and where it came from</h2>",
        *(_words(name, result) for name, result in results.items()),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}<script>{SCRIPT}</script></body></html>"
    )


def _figure(name: str, figure: Figure, dpi: int) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi)
    data = base64.b64encode(out.getvalue()).decode()
    escaped = html.escape(name)
    return (
        f'<h2>{escaped}</h2><figure><img alt="{escaped}" src="data:image/png;base64,{data}">'
        "</figure>"
    )


def _table(numbers: Table) -> str:
    """Return the table with each number's full value beside the digits shown."""
    textual = [any(isinstance(entry, str) for entry in column) for column in _columns(numbers)]
    head = "".join(
        f'<th class="{_kind(text)}">{html.escape(name)}</th>'
        for name, text in zip(numbers.columns, textual, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(_cell(entry, text) for entry, text in zip(row, textual, strict=True))
        + "</tr>"
        for row in numbers.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _columns(numbers: Table) -> Sequence[tuple[Any, ...]]:
    return list(zip(*numbers.rows, strict=True)) if numbers.rows else [()] * len(numbers.columns)


def _kind(textual: bool) -> str:
    return "text" if textual else "number"


def _cell(entry: Any, textual: bool) -> str:
    shown = html.escape(readable(entry))
    if textual:
        return f'<td class="text">{shown}</td>'
    value = entry[0] if isinstance(entry, tuple) else entry
    return f'<td data-value="{"" if value is None else float(value)!r}">{shown}</td>'


def _finding(name: str, result: PPPResult) -> str:
    """Return the verdict of a result in one paragraph; nothing where it was not tested."""
    if result.verdict is None:
        return ""
    return f"<p><b>{html.escape(name)}</b>: {html.escape(result.verdict.text)}</p>"


def _words(name: str, result: PPPResult) -> str:
    said = "".join(f"<p>{html.escape(line)}</p>" for line in sentences(result))
    source = json.dumps(result.provenance, indent=2, ensure_ascii=False, default=str)
    return (
        f"<details><summary>{html.escape(name)}</summary>{said}"
        f"<pre>{html.escape(source)}</pre></details>"
    )
