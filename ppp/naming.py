"""The word for what was found, and the numbers that carry it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ppp.ranks import ample_repeats, least_repeats
from ppp.rule import Rule
from ppp.statistics import FEW, READABLE, Statistic
from ppp.table import counted, plain

if TYPE_CHECKING:
    from ppp.draws import Nulls
    from ppp.planes import Planes

#: What alignment looks like, by kind.
SHAPED = {
    "aligned": "aligned with the vectors of this frame",
    "anti-aligned": "anti-aligned: along diagonals between the vectors of this frame",
    "superposed": "along the vectors of this frame and along diagonals between them",
    "concentrated": "concentrated on some vectors of this frame, in directions not resolved",
    "dense": "spread over many vectors of this frame at once, more evenly than by chance",
    "related": "related to this frame, in a way not resolved",
}
#: What may have carried a word: the first one that rejects is shown.
CARRIERS = {
    "aligned": ("a4", "b4"),
    "anti-aligned": ("b4", "diagonal_contrast"),
    "superposed": ("b8", "diagonal_contrast"),
}
#: Names as the text prints them.
LABELS = {
    "kappa": "kappa", "log_q": "log Q", "a4": "A4", "b4": "B4", "a8": "A8", "b8": "B8",
    "diagonal_contrast": "diagonal contrast",
}  # fmt: skip


def kind_of(statistics: Mapping[str, Statistic], planes: Planes, rule: Rule, alpha: float) -> str:
    """Name the structure from the statistics that reject on their own, by their side."""

    def side(name: str) -> int:
        return _side(statistics, name, alpha)

    # Sectors of the pooled histogram lie at the diagonals only where vectors are orthogonal.
    across = side("diagonal_contrast") if planes.frame.orthonormal else -side("b4")
    along, hits = side("b4"), side("a4") if rule.epsilon > READABLE else 0
    # A row near a diagonal that noise lifts over epsilon hits beside its vectors as if aligned:
    # the votes, one a row, must lean that way too.
    if along > 0 or (along == 0 and across <= 0 and hits > 0 and _leans(statistics, "b4") > 0):
        return "superposed" if across > 0 and side("b8") >= 0 else "aligned"
    if across > 0:
        beside = along == 0 and (hits > 0 or side("axis_contrast") > 0)
        return "superposed" if beside else "anti-aligned"
    if side("kappa") > 0:
        return "concentrated"
    if side("kappa") < 0 and planes.frame.m == 2:
        return "anti-aligned"  # both of two vectors at once: their diagonals
    return "dense" if side("kappa") < 0 else "related"


def unnamed(
    kind: str, statistics: Mapping[str, Statistic], nulls: Nulls, rule: Rule, alpha: float
) -> str:
    """Say so where there are too few draws for a statistic to name the structure by itself."""
    if kind not in ("concentrated", "related"):
        return ""
    needed = least_repeats(alpha, "two")
    if nulls.repeats < needed:
        return f" ({needed} rotations or more may name it, here {nulls.repeats})"
    name = "a4" if rule.epsilon > READABLE else "b4"
    value, defined = statistics[name].value, nulls.defined(name)
    if value is None or defined >= needed:
        return ""
    drawn = counted(nulls.repeats, "rotation")
    wider = "a lower epsilon" if rule.distance is None else "a larger distance"
    have = f"none of {drawn} has hits; {wider} may do"
    if defined:
        ample = ample_repeats(defined / nulls.repeats, alpha)
        have = f"only {defined} of {drawn} have hits; null_repeats={ample} would do"
    return f" (not tested: {LABELS[name]} = {plain(value, 3)}, but {have})"


def _leans(statistics: Mapping[str, Statistic], name: str) -> int:
    """Return on which side of its null a statistic lies, 0 where it has no z."""
    s = statistics.get(name)
    return 0 if s is None or s.z is None else int(np.sign(s.z))


def _side(statistics: Mapping[str, Statistic], name: str, alpha: float) -> int:
    """Return on which side a statistic rejects, 0 where it does not."""
    s = statistics.get(name)
    return 0 if s is None or s.p is None or s.p > alpha else _leans(statistics, name)


def evidence(kind: str, statistics: Mapping[str, Statistic], alpha: float) -> str:
    """Numbers that carry the verdict: value, interval, n_eff."""
    carried = [name for name in CARRIERS.get(kind, ()) if _side(statistics, name, alpha)]
    shown = (*carried[:1], "kappa")
    parts = []
    for name in shown:
        s = statistics[name]
        if s.value is None:
            continue
        interval = (
            "" if s.interval is None else f" [{plain(s.interval[0], 3)}, {plain(s.interval[1], 3)}]"
        )
        null = "" if s.null_mean is None else f" (rotated: {plain(s.null_mean, 3)})"
        parts.append(f"{LABELS[name]} = {plain(s.value, 3)}{interval}{null}")
    n_eff = statistics[shown[0]].n_eff
    if n_eff is not None:
        few = ", few" if n_eff < FEW else ""
        parts.append(f"n_eff = {n_eff:,.0f}{few}")
    return "; " + ", ".join(parts) + no_hits(statistics)


def no_hits(statistics: Mapping[str, Statistic]) -> str:
    """Say so when no sample passes."""
    note = statistics["log_q"].note
    if statistics["log_q"].value is None and "no sample passes" in note:
        said = note.removeprefix("undefined, because ").split("; ")
        return "; " + ", ".join(said[:2])  # what comes behind is about z
    return ""
