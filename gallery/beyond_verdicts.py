"""Verdicts of the scripts beyond the paper's figures, from p-values and counts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from claim_structure import repeated
from network_tests import LEVEL, by_chance, more_often, sign_test


def _isotropic(network: str) -> bool:
    return network.startswith("isotropic")


def onset(
    epochs: Sequence[int], ps: Sequence[float | None], zs: Sequence[float | None]
) -> int | None:
    """Return the epoch from which on a network is told to the end, on one side of its null.

    A network that turns from dense to aligned has its structure from the turn on; None if the last
    snapshot is not told.
    """
    since = None
    for epoch, p, z in reversed(list(zip(epochs, ps, zs, strict=True))):
        if p is None or p > LEVEL or z is None or zs[-1] is None or z * zs[-1] <= 0:
            break
        since = epoch
    return since


def set_in(onsets: Mapping[str, int | None], epochs: int) -> str:
    """Say whether structure sets in within the first quarter of training, and stays.

    ``onsets`` is the epoch from which on a network is told from random frames, None if never;
    what is there at epoch 0 no training brought about.
    """
    plain = [at for network, at in onsets.items() if not _isotropic(network)]
    ablation = [at for network, at in onsets.items() if _isotropic(network)]
    early = sum(at is not None and 0 < at <= epochs / 4 for at in plain)
    before = sum(at == 0 for at in plain)
    ablated = len(ablation) - ablation.count(None)
    lacking = [f"in {early} of {len(plain)} elementwise networks"] * (early < len(plain))
    lacking += [f"before any training in {before}"] * (before > 0)
    lacking += [f"in {ablated} of {len(ablation)} of the ablation too"] * (ablated > 0)
    if not lacking:
        return "yes"
    return ("in part: " if early else "no: ") + "; ".join(lacking)


def within_classes(told: Mapping[str, int], whole: Mapping[str, float], count: int) -> str:
    """Say whether structure is there within most classes, and in no class of the ablation.

    ``told`` of ``count`` classes of a network pass; ``whole`` is the network's own p.
    """
    plain = [network for network in told if not _isotropic(network)]
    if not any(told[network] or whole[network] <= LEVEL for network in plain):
        return "no structure to place, neither in the whole nor in a class"
    if not any(told[network] for network in plain):
        return "no, only in the whole"
    lacking = [f"{told[n]} of {count} in {n}" for n in plain if told[n] <= count / 2]
    lacking += [
        f"the ablation has it too, {of} of {count} in {network}"
        for network, of in told.items()
        if of and _isotropic(network)
    ]
    return "in part: " + "; ".join(lacking) if lacking else "yes"


def agreement(ps: Sequence[tuple[float, float]]) -> tuple[str, float, str]:
    """Compare two methods on the same networks: what each tells, chance, whether they agree.

    Returns
    -------
    found : str
    p : float
        Fisher's exact one-sided p of so many networks told by both, given how many each tells.
    seen : str
        That neither tells anything is no agreement.
    """
    told = [(one <= LEVEL, other <= LEVEL) for one, other in ps]
    both, neither = told.count((True, True)), told.count((False, False))
    first, second = told.count((True, False)), told.count((False, True))
    p = more_often(both, both + first, second, second + neither)
    found = (
        f"of {len(told)} networks both tell {both}, the first alone {first}, the second alone "
        f"{second}, neither {neither}"
    )
    if neither == len(told):
        return found, p, "nothing to agree on: neither tells a network"
    if not both:
        return found, p, f"no: none is told by both, {first + second} by one alone"
    if first + second:
        return found, p, f"in part: both tell {both}, one alone {first + second}"
    return found, p, "yes" if neither else "yes, but both tell every network"


def learned(
    trained: Mapping[str, Sequence[tuple[float, float]]], untrained: Sequence[float]
) -> str:
    """Say whether weights show structure once trained, none before, none in the ablation.

    ``trained`` lists kappa and its p network by network, by activation, ``untrained`` p alone.
    """
    kinds = {
        name: [None if p > LEVEL else "aligned" if kappa > 1 else "dense" for kappa, p in each]
        for name, each in trained.items()
    }
    seen = repeated(kinds, [name for name in kinds if not _isotropic(name)])
    before, of = sum(p <= LEVEL for p in untrained), len(untrained)
    if seen == "no" or not before:
        return seen
    if by_chance(before, of) <= LEVEL:
        return f"no: untrained rows show it too, {before} of {of}"
    return f"{seen}; untrained {before} of {of}, by chance p {by_chance(before, of):.2g}"


def higher(one: np.ndarray, other: np.ndarray) -> tuple[str, float, str]:
    """Compare values of paired networks, (forms, seeds) each; the seed is what is counted.

    Returns
    -------
    found : str
    p : float
        One-sided sign test over seeds, by the mean over the forms that share them.
    seen : str
    """
    gain = np.asarray(one) - np.asarray(other)
    by_seed = gain.mean(axis=0)
    up, down = int((by_seed > 0).sum()), int((by_seed < 0).sum())
    p = sign_test(up, down)
    found = f"higher in {(gain > 0).sum()} of {gain.size} pairs, in {up} of {len(by_seed)} seeds"
    if p <= LEVEL:
        return found, p, "yes"
    if up == len(by_seed):
        return found, p, "in every seed, but too few for a test"
    return found, p, "no" if 0.5 ** len(by_seed) <= LEVEL else "no, or too few seeds"
