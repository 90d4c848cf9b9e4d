"""Do kept samples rise in elementwise networks, and stay level in isotropic ones?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from claims import Claim, Groups, elementwise, last_of, trained
from network_tests import LEVEL

import ppp
from ppp.ranks import p_value


def rise(groups: Groups) -> Claim:
    """Kept samples rise by two orders of magnitude, and stay level in isotropic networks."""
    found, rises = [], {}
    for name, members in groups.items():
        pairs = [
            (columns[min(columns)], last_of(columns)) for columns in members if trained(columns)
        ]
        rises[name] = [(_decades(a, b), _rise_p(a, b)) for a, b in pairs]
        decades = np.array([d for d, _ in rises[name] if np.isfinite(d)])
        ps = [p for _, p in rises[name] if p is not None]
        found.append(
            (f"{name}: {decades.mean():+.2f} decades" if len(decades) else f"{name}: nothing kept")
            + (f" (sd {np.std(decades):.2f})" if len(decades) > 1 else "")
            + (f", p of each network {', '.join(f'{p:.2g}' for p in ps)}" if ps else "")
            + _empty(pairs)
        )
    plain = [each for name in elementwise(groups) for each in rises[name]]
    level = [d for name in groups if name not in elementwise(groups) for d, _ in rises[name]]
    return Claim(
        "kept samples rise a hundredfold in elementwise networks, and stay level in isotropic ones",
        "; ".join(found),
        "the same change in random frames",
        risen(plain, level if len(groups) > len(elementwise(groups)) else None),
    )


def _decades(first: ppp.PPPResult, last: ppp.PPPResult) -> float:
    """Return how many decades kept samples rise; none counts as one, NaN without any in either."""
    if not first.hits and not last.hits:
        return float("nan")
    return float(np.log10(max(last.hits, 1) / max(first.hits, 1)))


def _empty(pairs: Sequence[tuple[ppp.PPPResult, ppp.PPPResult]]) -> str:
    empty = sum(not a.hits or not b.hits for a, b in pairs)
    return f", {empty} without hits at first or last (counted as one)" if empty else ""


def risen(plain: Sequence[tuple[float, float | None]], level: Sequence[float] | None) -> str:
    """Return the verdict on rises, decades and p each, and on decades that should be level."""
    decades = [d for d, _ in plain]
    risen = sum(d >= 1 for d in decades)
    beyond = sum(d >= 1 and p is not None and p <= LEVEL for d, p in plain)
    known = [d for d in level or () if np.isfinite(d)]
    moved = sum(abs(d) >= 0.5 for d in known)
    if 2 * risen <= len(plain):
        return f"no: a rise of a decade in {risen} of {len(plain)}"
    if known and moved == len(known):
        return "no: the isotropic ones do not stay level"
    lacking = []
    if risen < len(plain):
        lacking.append(f"a decade in {risen} of {len(plain)}")
    if beyond < risen:
        lacking.append(f"beyond random frames in {beyond} of {len(plain)}")
    if risen == len(plain) and np.mean(decades) < 1.5:
        lacking.append("nearer to tenfold than to a hundredfold")
    if moved:
        lacking.append(f"{moved} of {len(known)} isotropic ones do not stay level")
    if level is not None and not known:
        lacking.append("the isotropic ones keep nothing to compare")
    seen = "in part: " + "; ".join(lacking) if lacking else "yes"
    return seen if level is not None else seen + "; no isotropic networks beside them"


def _rise_p(first: ppp.PPPResult, last: ppp.PPPResult) -> float | None:
    """Two-sided Monte-Carlo p of the change of log Q among changes in random frames."""
    if first.nulls is None or last.nulls is None:
        return None
    observed = last.nulls.observed["log_q"] - first.nulls.observed["log_q"]
    draws = last.nulls.values["log_q"] - first.nulls.values["log_q"]
    draws = draws[np.isfinite(draws)]
    return p_value(observed, draws) if np.isfinite(observed) and len(draws) else None
