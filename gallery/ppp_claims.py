"""What the PPP paper claims about its training figures, as numbers with a null and a verdict.

Rows are networks, ``rows["tanh 0"][epoch]`` a projection; networks of one activation form a group.
The unit of every test is the network: with two of them an activation no exact test can fall below
p = .25, and the verdict then says that the claim cannot be tested on so few.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import scipy.stats

import ppp
from ppp.shape import SECTORS, find_beams, sector_counts

Columns = dict[int, ppp.PPPResult]
Rows = dict[str, Columns]
Groups = dict[str, list[Columns]]
LEVEL = 0.05


@dataclass(frozen=True)
class Claim:
    """One claim: what the paper says, what is found, against which null, and whether it is seen."""

    says: str
    found: str
    null: str
    seen: str

    def __str__(self) -> str:
        return f"* {self.says}\n    {self.found}\n    null: {self.null}\n    seen: {self.seen}"


def grouped(rows: Rows) -> Groups:
    """Put networks of one activation together."""
    groups: Groups = {}
    for network, columns in rows.items():
        groups.setdefault(network.rsplit(" ", 1)[0], []).append(columns)
    return groups


def of_figure(rows: Rows) -> list[Claim]:
    """Return the claims that every training figure of the paper bears on."""
    groups = grouped(rows)
    return [structure(groups), rise(groups), refined(groups), merged(groups), growth(groups)]


def dicts(claims: Sequence[Claim]) -> list[dict[str, str]]:
    """Return claims as plain values."""
    return [asdict(claim) for claim in claims]


def _plain(groups: Groups) -> list[str]:
    """Return the groups that are not isotropic."""
    return [name for name in groups if not name.startswith("isotropic")]


def _last(columns: Columns) -> ppp.PPPResult:
    return columns[max(columns)]


def _trained(columns: Columns) -> bool:
    """Whether anything is left after the first epoch; diverged networks may have no more."""
    return max(columns) > 0


def structure(groups: Groups) -> Claim:
    """Structure repeats over networks and is absent in the ablation."""
    found, told = [], {}
    for name, members in groups.items():
        ps = [_last(columns).statistics["combined"].p for columns in members]
        hits = sum(p is not None and p <= LEVEL for p in ps)
        chance = float(scipy.stats.binom.sf(hits - 1, len(ps), LEVEL)) if hits else 1.0
        told[name] = (hits, len(ps), chance)
        kappa = [_last(columns).statistics["kappa"].value for columns in members]
        found.append(
            f"{name}: {hits} of {len(ps)} networks told from random frames (chance alone: "
            f"p {chance:.2g}), mean kappa {np.mean([k for k in kappa if k is not None]):.3f}"
        )
    everywhere = all(told[name][0] == told[name][1] for name in _plain(groups))
    ablated = all(told[name][2] > LEVEL for name in groups if name not in _plain(groups))
    seen = ("yes" if ablated else "in part: the ablation has it too") if everywhere else "no"
    if everywhere and len(groups) == len(_plain(groups)):
        seen = "yes, without an ablation beside it"
    return Claim(
        "structure repeats across networks and is absent in the ablation",
        "; ".join(found),
        "a network counts at combined p <= .05 over random frames",
        seen,
    )


def rise(groups: Groups) -> Claim:
    """Kept samples rise by two orders of magnitude, and stay level in isotropic networks."""
    found, rises = [], {}
    for name, members in groups.items():
        pairs = [
            (columns[min(columns)], _last(columns)) for columns in members if _trained(columns)
        ]
        decades = [np.log10(b.hits / a.hits) for a, b in pairs if a.hits and b.hits]
        empty = len(pairs) - len(decades)
        rises[name] = float(np.mean(decades)) if decades else float("nan")
        ps = [p for a, b in pairs if (p := _rise_p(a, b)) is not None]
        shown = f"{rises[name]:+.2f} decades" if decades else "undefined, nothing kept"
        found.append(
            f"{name}: {shown}"
            + (f" (sd {np.std(decades):.2f})" if len(decades) > 1 else "")
            + (f", p of each network {', '.join(f'{p:.2g}' for p in ps)}" if ps else "")
            + (f", {empty} without hits" if empty else "")
        )
    plain = [rises[name] for name in _plain(groups)]
    level = [rises[name] for name in groups if name not in _plain(groups)]
    flat = all(abs(value) < 0.5 for value in level)
    if not all(value >= 1 for value in plain):
        seen = "no: no rise of a decade"
    elif not flat:
        seen = "no: the isotropic ones do not stay level"
    else:
        near = all(value >= 1.5 for value in plain)
        seen = "yes" if near else "in part: nearer to tenfold than to a hundredfold"
    if not level:
        seen += "; no isotropic networks beside them"
    return Claim(
        "kept samples rise a hundredfold in elementwise networks, and stay level in isotropic ones",
        "; ".join(found),
        "the same change in random frames",
        seen,
    )


def _rise_p(first: ppp.PPPResult, last: ppp.PPPResult) -> float | None:
    """Two-sided Monte-Carlo p of the change of log Q among changes in random frames."""
    if first.nulls is None or last.nulls is None:
        return None
    observed = last.nulls.observed["log_q"] - first.nulls.observed["log_q"]
    draws = last.nulls.values["log_q"] - first.nulls.values["log_q"]
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(observed) or not len(draws):
        return None
    above, below = (draws >= observed).sum() + 1, (draws <= observed).sum() + 1
    return float(min(1.0, 2 * min(above, below) / (len(draws) + 1)))


def refined(groups: Groups) -> Claim:
    """Directions are set early and refined."""
    found, verdicts = [], []
    for name, members in groups.items():
        epochs = sorted(set.intersection(*(set(columns) for columns in members)))
        late = epochs[-1]
        early = next((epoch for epoch in epochs if epoch >= late / 4), late)
        if early == late:
            found.append(f"{name}: no two snapshots to compare")
            continue
        table = np.array(
            [[_alike(a[early].tally.angle, b[late].tally.angle) for b in members] for a in members]
        )
        same, p, least = _matched(table)
        other = np.nanmean(table[~np.eye(len(table), dtype=bool)]) if len(table) > 1 else np.nan
        found.append(
            f"{name}: epochs {early} and {late} correlate {same:.2f} in a network, {other:.2f} "
            f"between networks (p {p:.2g}, the least possible {least:.2g})"
        )
        if name in _plain(groups):
            verdicts.append("yes" if p <= LEVEL else "no" if least <= LEVEL else "too few networks")
    return Claim(
        "directions are set early and refined",
        "; ".join(found),
        "early and late snapshots of different networks (all exchanges)",
        " and ".join(dict.fromkeys(verdicts)) or "nothing to compare",
    )


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlate angular histograms, by sectors of 22.5 degrees."""
    a, b = (sector_counts(angle).astype(float) for angle in (one, other))
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else float("nan")


def _matched(table: np.ndarray) -> tuple[float, float, float]:
    """Mean of the diagonal, its exact p over all permutations of columns, the smallest possible."""
    count = len(table)
    same = float(np.nanmean(np.diag(table))) if np.isfinite(np.diag(table)).any() else np.nan
    means = [
        np.nanmean([table[i, j] for i, j in enumerate(order)])
        for order in itertools.permutations(range(count))
        if np.isfinite([table[i, j] for i, j in enumerate(order)]).any()
    ]
    if not means:
        return same, 1.0, 1.0
    return same, float(np.mean(np.array(means) >= same - 1e-12)), 1 / len(means)


def merged(groups: Groups) -> Claim:
    """Beams drift and merge."""
    found, falls = [], {}
    for name, members in groups.items():
        counts = []
        for columns in members:
            epochs = [epoch for epoch in sorted(columns) if epoch > 0] or [0]
            counts.append([len(_beams(columns[epoch])) for epoch in (epochs[0], epochs[-1])])
        first, last = np.array(counts).T
        falls[name] = (int((last < first).sum()), int((last != first).sum()))
        common = np.sum([np.bincount(_beams(_last(c)), minlength=SECTORS) for c in members], axis=0)
        shared = [f"{22.5 * at:g}" for at in np.flatnonzero(common == len(members))]
        found.append(
            f"{name}: {first.mean():.1f} beams after the first epoch shown, {last.mean():.1f} at "
            f"last, fewer in {falls[name][0]} of {len(members)}; in all networks at "
            f"{', '.join(shared) + ' degrees' if shared else 'no angle'}"
        )
    tests = {
        name: scipy.stats.binomtest(*falls[name], alternative="greater").pvalue
        if falls[name][1]
        else 1.0
        for name in _plain(groups)
    }
    least = 0.5 ** max(falls[name][1] for name in _plain(groups))
    fewest = min(tests.values())
    verdict = "yes" if fewest <= LEVEL else "no" if least <= LEVEL else "no, or too few networks"
    return Claim(
        "beams drift and merge",
        "; ".join(found),
        f"sign test over networks, p {fewest:.2g}",
        verdict,
    )


def _beams(result: ppp.PPPResult) -> list[int]:
    return find_beams(sector_counts(result.tally.angle))


def growth(groups: Groups) -> Claim:
    """Norms grow with training."""
    found, ps = [], {}
    for name, members in groups.items():
        ratios = [
            _length(_last(columns)) / _length(columns[min(columns)])
            for columns in members
            if _trained(columns)
        ]
        grown = sum(ratio > 1 for ratio in ratios)
        ps[name] = 0.5 ** len(ratios) if grown == len(ratios) and ratios else 1.0
        found.append(
            f"{name}: median length times {np.mean(ratios):.2f}, grown in {grown} of {len(ratios)}"
            if ratios
            else f"{name}: diverged before the first snapshot"
        )
    every = all(p < 1 for p in ps.values())
    firm = "yes" if max(ps.values()) <= LEVEL else "in every network, but too few for a test"
    return Claim(
        "norms grow with training",
        "; ".join(found),
        f"sign test over networks, p {max(ps.values()):.2g}",
        firm if every else "no",
    )


def _length(result: ppp.PPPResult) -> float:
    rows = result.tested_rows
    return float("nan") if rows is None else float(np.median(np.linalg.norm(rows, axis=1)))


def errors(last: dict[str, np.ndarray]) -> Claim:
    """Compare held-out errors of isotropic networks with their elementwise twins, seed by seed.

    ``last`` maps "setting activation" to one error a seed, NaN where a network diverged.
    """
    found, better, worse = [], 0, 0
    for where, values in last.items():
        setting, activation = where.rsplit(" ", 1)
        twin = last.get(f"{setting} isotropic-{activation}")
        if twin is None:
            continue
        change = (twin - values) / values
        change = change[np.isfinite(change)]
        better, worse = better + int((change < 0).sum()), worse + int((change > 0).sum())
        shown = f"{change.mean():+.1%}" if len(change) else "no pair left"
        found.append(f"{setting}: isotropic {shown}")
    pairs = better + worse
    p = scipy.stats.binomtest(better, pairs, alternative="greater").pvalue if pairs else 1.0
    if p <= LEVEL:
        seen = "yes"
    elif pairs and scipy.stats.binomtest(worse, pairs, alternative="greater").pvalue <= LEVEL:
        seen = "no, the opposite"
    else:
        seen = "too few pairs for a test" if 0.5**pairs > LEVEL else "no"
    return Claim(
        "isotropic networks reconstruct better",
        "; ".join(found) + f"; lower in {better} of {pairs} pairs",
        f"sign test over pairs of networks with equal seeds, one-sided p {p:.2g}",
        seen,
    )
