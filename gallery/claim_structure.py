"""Does structure repeat over networks, and is it absent in the ablation?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from claims import Claim, Groups, elementwise, last_of
from network_tests import LEVEL, TIE, by_chance, more_often

import ppp

#: Verdicts that all say: along the vectors of the frame.
ALONG = ("aligned", "superposed", "concentrated")
#: What each network of a group shows, None where it is not told from random frames.
Kinds = Mapping[str, Sequence[str | None]]


def structure(groups: Groups) -> Claim:
    """One structure repeats over networks and is absent in the ablation."""
    told = {
        name: [_kind(last_of(columns)) for columns in members] for name, members in groups.items()
    }
    plain = elementwise(groups)
    found = []
    for name, kinds in told.items():
        hits, of = len(kinds) - kinds.count(None), len(kinds)
        kappa = [last_of(columns).statistics["kappa"].value for columns in groups[name]]
        found.append(
            f"{name}: {hits} of {of} networks told from random frames (chance alone: "
            f"p {by_chance(hits, of):.2g}{_listed(kinds)}), "
            f"mean kappa {np.mean([k for k in kappa if k is not None]):.3f}"
        )
    null = "a network counts at combined p <= .05 over random frames"
    ablation = _told(told, set(groups) - set(plain))
    if ablation[1]:
        p = more_often(*_told(told, plain), *ablation)
        null += f"; told more often than the ablation: exact p {p:.2g}"
    return Claim(
        "structure repeats across networks and is absent in the ablation",
        "; ".join(found),
        null,
        repeated(told, plain),
    )


def _kind(result: ppp.PPPResult) -> str | None:
    """Say what tells a network from random frames, None where nothing does."""
    p = result.statistics["combined"].p
    if p is None or p > LEVEL or result.verdict is None:
        return None
    return "aligned" if result.verdict.kind in ALONG else result.verdict.kind


def _listed(kinds: Sequence[str | None]) -> str:
    counts = Counter(kind for kind in kinds if kind)
    return "".join(f", {count} {kind}" for kind, count in counts.most_common())


def _told(told: Kinds, names: Iterable[str]) -> tuple[int, int]:
    """Return how many networks of some groups are told, and of how many."""
    kinds = [kind for name in names for kind in told[name]]
    return len(kinds) - kinds.count(None), len(kinds)


def repeated(told: Kinds, plain: Sequence[str]) -> str:
    """Return the verdict on groups whose networks show a kind of structure or None."""
    hits, of = _told(told, plain)
    others, of_others = _told(told, set(told) - set(plain))
    if by_chance(hits, of) > LEVEL:
        return "no"
    apart = more_often(hits, of, others, of_others) <= LEVEL + TIE
    lacking = []
    if hits < of:
        lacking.append(f"told in {hits} of {of} elementwise networks")
    for name in plain:
        if len(set(told[name]) - {None}) > 1:
            lacking.append(f"not one structure in all of {name}{_listed(told[name])}")
    if others and (by_chance(others, of_others) <= LEVEL or not apart):
        lacking.append(f"the ablation has it too, {others} of {of_others}")
    if lacking:
        return "in part: " + "; ".join(lacking)
    if not of_others:
        return "yes, without an ablation beside it"
    if others:
        return f"yes, but for {others} of {of_others} isotropic networks"
    return "yes" if apart else "yes, on too few networks to test them against the ablation"
