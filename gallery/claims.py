"""Claims as numbers with a null and a verdict, and the groups of networks that they are about.

Rows are networks, ``rows["tanh 0"][epoch]`` a projection; networks of one activation form a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import ppp

Columns = dict[int, ppp.PPPResult]
Rows = dict[str, Columns]
Groups = dict[str, list[Columns]]


@dataclass(frozen=True)
class Claim:
    """One claim: what the paper says, what is found, against which null, and whether it is seen."""

    says: str
    found: str
    null: str
    seen: str

    def __str__(self) -> str:
        return f"* {self.says}\n    {self.found}\n    null: {self.null}\n    seen: {self.seen}"


def dicts(claims: Sequence[Claim]) -> list[dict[str, str]]:
    """Return claims as plain values."""
    return [asdict(claim) for claim in claims]


def grouped(rows: Rows) -> Groups:
    """Put networks of one activation together."""
    groups: Groups = {}
    for network, columns in rows.items():
        groups.setdefault(network.rsplit(" ", 1)[0], []).append(columns)
    return groups


def elementwise(groups: Groups) -> list[str]:
    """Return the groups that are not isotropic."""
    return [name for name in groups if not name.startswith("isotropic")]


def last_of(columns: Columns) -> ppp.PPPResult:
    """Return the last snapshot."""
    return columns[max(columns)]


def trained(columns: Columns) -> bool:
    """Whether anything is left after the first epoch; diverged networks may have no more."""
    return max(columns) > 0
