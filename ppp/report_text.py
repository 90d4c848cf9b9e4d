"""What a result says in words."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

from ppp.table import counted, readable

if TYPE_CHECKING:
    from ppp.planes import Planes
    from ppp.result import PPPResult

#: Pairs of parallel vectors that are named; the others are counted.
NAMED = 4


def summarise(result: PPPResult) -> str:
    """Return the summary of a result as plain text.

    Parameters
    ----------
    result : PPPResult
        The result.

    Returns
    -------
    str
        What was counted, beside what isotropy expects; caveats that apply; the statistics.
    """
    return "\n".join([*sentences(result), "", str(result.table())])


def sentences(result: PPPResult) -> list[str]:
    """Return the summary's sentences, without the table.

    Parameters
    ----------
    result : PPPResult
        The result.

    Returns
    -------
    list of str
    """
    tally, planes, frame = result.tally, result.planes, result.planes.frame
    lines = [
        f"{counted(tally.valid, 'sample')} of width {frame.n} in {counted(planes.count, 'plane')} "
        f"({planes.pairs}, {frame.source}).",
        f"Kept: {result.hits:,} at epsilon = {result.rule.epsilon:.4g}"
        f"{_why(result)}; {_expectation(result)}.",
    ]
    dropped = [(tally.zero, "all zero"), (tally.nonfinite, "NaN or infinite")]
    if any(count for count, _ in dropped):
        parts = ", ".join(f"{count:,} {what}" for count, what in dropped if count)
        lines.append(f"Left out of {tally.rows:,} rows: {parts}.")
    if len(planes.degenerate):
        pairs = len(planes.degenerate)
        lines.append(
            f"{counted(pairs, 'pair')} of vectors {'is' if pairs == 1 else 'are'} parallel or "
            f"antipodal and span no plane: skipped ({_skipped(planes)})."
        )
    beyond = tally.beyond
    if beyond:
        lie = "lies" if beyond == 1 else "lie"
        lines.append(
            f"{counted(beyond, 'hit')} {lie} beyond the grid's half-width "
            f"{tally.half_width:g}: counted, not drawn."
        )
    if result.nulls is not None:
        nulls = result.nulls
        lines.append(
            f"Null control: {nulls.kind}, {counted(nulls.repeats, 'repeat')} on "
            f"{counted(nulls.rows, 'row')} of {counted(nulls.inputs, 'input')}, seed {nulls.seed}."
        )
    if result.verdict is not None:
        lines += [result.verdict.text, *result.verdict.notes]
    return lines


def _skipped(planes: Planes) -> str:
    """Name the first pairs that span no plane."""
    labels = planes.frame.labels
    named = [f"{labels[i]} and {labels[j]}" for i, j in planes.degenerate[:NAMED]]
    more = len(planes.degenerate) - len(named)
    return "; ".join([*named, f"{more:,} more in `planes.degenerate`"] if more else named)


def as_html(result: PPPResult) -> str:
    """Return figure, sentences and table as one HTML fragment.

    Parameters
    ----------
    result : PPPResult
        The result.

    Returns
    -------
    str
    """
    from ppp.plot import as_png

    image = base64.b64encode(as_png(result.plot())).decode()
    text = "".join(f"<p>{html.escape(line)}</p>" for line in sentences(result))
    picture = f'<img alt="in-plane density" src="data:image/png;base64,{image}">'
    return f"<div>{picture}{text}{result.table()._repr_html_()}</div>"


def _expectation(result: PPPResult) -> str:
    distance = result.rule.distance
    if distance is None:
        return f"isotropy expects {readable(float(result.expected))}"
    return f"and at most {distance:g} from the plane, for which isotropy has no closed form"


def _why(result: PPPResult) -> str:
    reason = result.provenance.get("epsilon_rule")
    return f" ({reason})" if reason else ""
