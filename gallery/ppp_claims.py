"""What the PPP paper claims about its training figures, as numbers with a null and a verdict.

The unit of every test is the network: with two of them an activation no exact test over networks
can fall below p = .17, and the verdict then says that the claim cannot be tested on so few.
"""

from __future__ import annotations

import itertools

import numpy as np
from claim_rise import rise
from claim_structure import structure
from claims import Claim, Groups, Rows, elementwise, grouped, last_of, trained
from network_tests import LEVEL, TIE, sign_test

import ppp
from ppp.shape import SECTORS, find_beams, sector_counts


def of_figure(rows: Rows) -> list[Claim]:
    """Return the claims that every training figure of the paper bears on."""
    groups = grouped(rows)
    return [structure(groups), rise(groups), refined(groups), merged(groups), growth(groups)]


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
        if name in elementwise(groups):
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
    if not means or np.isnan(same):
        return same, 1.0, 1.0
    return same, float(np.mean(np.array(means) >= same - TIE)), 1 / len(means)


def merged(groups: Groups) -> Claim:
    """Beams drift and merge."""
    found, falls = [], {}
    for name, members in groups.items():
        counts = []
        for columns in members:
            epochs = [epoch for epoch in sorted(columns) if epoch > 0] or [0]
            counts.append([len(_beams(columns[epoch])) for epoch in (epochs[0], epochs[-1])])
        first, last = np.array(counts).T
        falls[name] = (int((last < first).sum()), int((last > first).sum()))
        common = np.sum(
            [np.bincount(_beams(last_of(c)), minlength=SECTORS) for c in members], axis=0
        )
        shared = [f"{22.5 * at:g}" for at in np.flatnonzero(common == len(members))]
        found.append(
            f"{name}: {first.mean():.1f} beams after the first epoch shown, {last.mean():.1f} at "
            f"last, fewer in {falls[name][0]} of {len(members)}; in all networks at "
            f"{', '.join(shared) + ' degrees' if shared else 'no angle'}"
        )
    p = max(sign_test(*falls[name]) for name in elementwise(groups))
    least = max(0.5 ** sum(falls[name]) for name in elementwise(groups))
    return Claim(
        "beams drift and merge",
        "; ".join(found),
        f"sign test over networks, p {p:.2g}, the least possible {least:.2g}",
        "yes" if p <= LEVEL else "no" if least <= LEVEL else "no, or too few networks",
    )


def _beams(result: ppp.PPPResult) -> list[int]:
    return find_beams(sector_counts(result.tally.angle))


def growth(groups: Groups) -> Claim:
    """Norms grow with training."""
    found, ps, every = [], {}, True
    for name, members in groups.items():
        ratios = [
            _length(last_of(columns)) / _length(columns[min(columns)])
            for columns in members
            if trained(columns)
        ]
        grown = sum(ratio > 1 for ratio in ratios)
        every &= grown == len(ratios) > 0
        ps[name] = sign_test(grown, len(ratios) - grown)
        found.append(
            f"{name}: median length times {np.mean(ratios):.2f}, grown in {grown} of {len(ratios)}"
            if ratios
            else f"{name}: diverged before the first snapshot"
        )
    unsure = "in every network, but too few for a test" if every else "no"
    return Claim(
        "norms grow with training",
        "; ".join(found),
        f"sign test over networks, p {max(ps.values()):.2g}",
        "yes" if max(ps.values()) <= LEVEL else unsure,
    )


def _length(result: ppp.PPPResult) -> float:
    rows = result.tested_rows
    return float("nan") if rows is None else float(np.median(np.linalg.norm(rows, axis=1)))


def errors(last: dict[str, np.ndarray]) -> Claim:
    """Compare held-out errors of isotropic networks with their elementwise twins, seed by seed.

    ``last`` maps "setting activation" to one error a seed, NaN where a network diverged. Networks
    of one seed start alike and see the same batches in all settings: the seed is what is counted.
    """
    found, changes = [], []
    for where, values in last.items():
        setting, activation = where.rsplit(" ", 1)
        twin = last.get(f"{setting} isotropic-{activation}")
        if twin is None:
            continue
        changes.append((twin - values) / values)
        known = changes[-1][np.isfinite(changes[-1])]
        shown = f"{known.mean():+.1%}" if len(known) else "no pair left"
        found.append(f"{setting}: isotropic {shown}")
    table = np.array(changes)
    seeds = [np.median(seed[np.isfinite(seed)]) for seed in table.T if np.isfinite(seed).any()]
    better, worse = (sum(sign * change > 0 for change in seeds) for sign in (-1, 1))
    p = sign_test(better, worse)
    if p <= LEVEL:
        seen = "yes"
    elif sign_test(worse, better) <= LEVEL:
        seen = "no, the opposite"
    elif 0.5 ** len(seeds) <= LEVEL:
        seen = "no"
    else:
        every = seeds and better == len(seeds)
        seen = "in every seed, but too few for a test" if every else "too few seeds for a test"
    return Claim(
        "isotropic networks reconstruct better",
        f"{'; '.join(found)}; lower in {(table < 0).sum()} of {np.isfinite(table).sum()} pairs, "
        f"by the median over settings in {better} of {len(seeds)} seeds",
        f"sign test over seeds, one-sided p {p:.2g}",
        seen,
    )
