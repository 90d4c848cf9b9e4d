"""compare: groups of networks against each other, the network as the unit.

Hits, rows and inputs of one network depend on each other and on its seed: that a structure
repeats is shown by several networks, and their number is what a p-value rests on.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ppp.permutations import label_test, sign_test
from ppp.ranks import adjust, p_value
from ppp.shape import SECTORS, find_beams, sector_counts
from ppp.statistics import NAMES
from ppp.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ppp.result import PPPResult

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Difference of one statistic between two groups of networks.

    Attributes
    ----------
    statistic, first, second : str
        What is compared: `first` minus `second`.
    value : float or None
        Difference of the means; None when undefined, and then `note` says why.
    p, p_adjusted : float or None
        Exact permutation p over networks; the same adjusted over all differences
        (Benjamini-Hochberg).
    least : float or None
        The smallest p that so many networks can give.
    separated : bool or None
        Whether every network of one group lies above every network of the other.
    note : str
        Why something is undefined.
    """

    statistic: str
    first: str
    second: str
    value: float | None
    p: float | None = None
    p_adjusted: float | None = None
    least: float | None = None
    separated: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """What sets groups of networks apart, and how alike the networks of one group are.

    Attributes
    ----------
    values : mapping statistic -> mapping group -> (R,) array
        One value a network, NaN where undefined.
    differences : tuple of Difference
        One for each statistic and pair of groups.
    paired : bool
        Whether network k of every group shares its seed.
    consistency : mapping group -> float or None
        Mean correlation of the beams (hits by sector of 22.5 degrees) between the networks of a
        group; None with fewer than two networks that have hits.
    consistency_p : mapping group -> float or None
        Whether that is more than give frames that are all turned alike, at random: Monte-Carlo p
        against the rotation null, upper-sided; None where undefined, and then `consistency_note`
        says why.
    consistency_note : mapping group -> str
    beams : mapping group -> (16,) int array
        Networks with a beam in each sector, sector 0 along the first vector of a plane.
    """

    values: Mapping[str, Mapping[str, Array]]
    differences: tuple[Difference, ...]
    paired: bool
    consistency: Mapping[str, float | None]
    consistency_p: Mapping[str, float | None]
    consistency_note: Mapping[str, str]
    beams: Mapping[str, NDArray[np.int64]]

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(self.consistency)

    def table(self) -> Table:
        """Return the differences as a table, one row each."""
        columns = (
            "statistic", "first", "second", "difference", "p", "p_adjusted", "least_p",
            "separated", "note",
        )  # fmt: skip
        rows = tuple(
            (
                d.statistic, d.first, d.second, d.value, d.p, d.p_adjusted, d.least,
                None if d.separated is None else ("yes" if d.separated else "no"), d.note,
            )
            for d in self.differences
        )  # fmt: skip
        return Table(columns, rows)

    def summary(self) -> str:
        """Return in words which statistics separate the groups, and on how many networks."""
        sizes = {name: len(each) for name, each in next(iter(self.values.values())).items()}
        counted = ", ".join(f"{size} × {name}" for name, size in sizes.items())
        lines = [
            f"Unit: the network ({counted}); exact permutation test, "
            f"{'paired by seed' if self.paired else 'unpaired'}."
        ]
        for pair in dict.fromkeys((d.first, d.second) for d in self.differences):
            apart = [d for d in self.differences if (d.first, d.second) == pair and d.separated]
            names = ", ".join(f"{d.statistic} (p = {d.p:.2g})" for d in apart)
            lines.append(f"{pair[0]} and {pair[1]} are fully separated by: {names or 'nothing'}.")
        for name, alike in self.consistency.items():
            p, note = self.consistency_p[name], self.consistency_note[name]
            said = "undefined, because fewer than two have hits that differ by sector"
            if alike is not None:
                said = f"{round(alike, 2) + 0.0:.2f} ({note or f'p = {p:.2g} against rotation'})"
            lines.append(f"Beams of {name} correlate between networks: {said}.")
        return "\n".join([*lines, "", str(self.table())])

    def plot(self, **options: Any) -> Figure:
        """Draw the groups beside each other, one dot a network, one panel a statistic.

        Parameters
        ----------
        **options
            Passed to `ppp.plot_comparison`: statistics, title.

        Returns
        -------
        matplotlib Figure
        """
        from ppp.plot_networks import plot_comparison

        return plot_comparison(self, **options)


def compare(
    groups: Mapping[str, Sequence[PPPResult | Mapping[str, Any]]],
    paired: bool = False,
    statistics: Sequence[str] = NAMES,
    seed: int = 0,
) -> Comparison:
    """Compare groups of networks, each network one observation.

    Parameters
    ----------
    groups : mapping name -> sequence of PPPResult
        At least two groups, one result a network; where `paired`, in the order of their seeds.
    paired : bool
        Whether network k of every group shares its seed, so that only networks of one seed may
        be exchanged.
    statistics : sequence of str
        Statistics compared.
    seed : int
        Of random relabellings, where there are too many to try all.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        For fewer than two groups, fewer than two networks in one, unequal sizes where paired,
        an unknown statistic, or results of different width, epsilon or preprocessing.

    Notes
    -----
    PPP paper, Sec. 3: structure has to repeat across networks and be absent in the ablation.
    With R pairs no p falls below 2/2^R, whatever the effect; `least` says so.

    That beams repeat is tested against the rotation null: draw b of every network makes one draw
    of the group's mean correlation. So all networks of a group have to be projected with one
    `seed`, which gives them the same rotations: turned each for itself, networks would lose what
    they share in any direction, and p would call that beams of this frame. This runs the null of
    results that have not run theirs, on their tested rows.

    Examples
    --------
    >>> import ppp
    >>> draw = np.random.default_rng(0)
    >>> sparse = [ppp.project(draw.laplace(size=(500, 8))) for _ in range(5)]
    >>> round_ = [ppp.project(draw.standard_normal((500, 8))) for _ in range(5)]
    >>> found = compare({"tanh": sparse, "isotropic": round_})
    >>> found.differences[0].statistic, found.differences[0].separated
    ('kappa', True)
    """
    sizes = _check(groups, statistics)
    if paired and len(set(sizes.values())) > 1:
        raise ValueError(f"paired groups need one network per seed in each, got {sizes}")
    _check_alike(groups, statistics)
    values = {
        name: {
            group: np.array([_value(result, name) for result in results], dtype=np.float64)
            for group, results in groups.items()
        }
        for name in statistics
    }
    differences = [
        _difference(name, pair, values[name], paired, seed)
        for pair in itertools.combinations(groups, 2)
        for name in statistics
    ]
    sectors = {group: _sectors(results) for group, results in groups.items()}
    tested = {group: _consistency_p(results) for group, results in groups.items()}
    return Comparison(
        values, _adjusted(differences), paired,
        {group: _consistency(each) for group, each in sectors.items()},
        {group: p for group, (p, _) in tested.items()},
        {group: note for group, (_, note) in tested.items()},
        {group: _beams(each) for group, each in sectors.items()},
    )  # fmt: skip


def _check(groups: Mapping[str, Sequence[Any]], statistics: Sequence[str]) -> dict[str, int]:
    unknown = [name for name in statistics if name not in NAMES]
    if unknown:
        raise ValueError(f"statistics must be among {', '.join(NAMES)}, got {unknown[0]!r}")
    if not isinstance(groups, Mapping):
        raise ValueError(
            'groups must be a mapping from name to networks, as {"a": [...], "b": [...]}, got '
            f"{type(groups).__name__}"
        )
    if len(groups) < 2:
        raise ValueError(f"a comparison needs at least two groups, got {len(groups)}")
    sizes = {name: len(results) for name, results in groups.items()}
    small = [name for name, size in sizes.items() if size < 2]
    if small:
        raise ValueError(
            f"every group needs at least two networks, got {sizes[small[0]]} in {small[0]!r}: one "
            "network cannot show that a structure repeats"
        )
    return sizes


def _check_alike(groups: Mapping[str, Sequence[Any]], statistics: Sequence[str]) -> None:
    """Raise where a difference would be one of settings rather than of networks."""
    for what, way_out, of in (
        ("width", "", lambda r: r.planes.frame.n),
        (
            "epsilon",
            ': give one, such as epsilon=0.75, instead of "auto"',
            lambda r: r.rule.epsilon,
        ),
        ("distance", "", lambda r: r.rule.distance),
        ("preprocessing", "", lambda r: (r.provenance.get("preprocess") or {}).get("steps", [])),
    ):
        if what in ("epsilon", "distance") and tuple(statistics) == ("kappa",):
            continue  # not from hits
        found = [of(result) for results in groups.values() for result in results]
        other = next((each for each in found if each != found[0]), None)
        if other is not None:
            raise ValueError(
                f"networks are compared under one {what}, got {found[0]} and {other}{way_out}"
            )


def _value(result: Any, name: str) -> float:
    """Value of a statistic over all rows of a network; NaN where undefined."""
    from ppp.statistics import Geometry, from_sums

    sums = result.tally.moments.sum(axis=0)
    # From the sums, so that log Q of a network without hits still ranks below those with some.
    return float(from_sums(name, sums, Geometry.of(result.planes, result.rule)))


def _difference(
    name: str, pair: tuple[str, str], values: Mapping[str, Array], paired: bool, seed: int
) -> Difference:
    first, second = values[pair[0]], values[pair[1]]
    for group, each in zip(pair, (first, second), strict=True):
        lost = int(np.isnan(each).sum())
        if lost:
            note = f"undefined, because {lost} of {len(each)} networks of {group} have no hits"
            return Difference(name, *pair, None, note=note)
    if paired:
        p, least = sign_test(list(first - second), seed)
    else:
        p, least = label_test(list(first), list(second), seed)
    separated = bool(first.min() > second.max() or second.min() > first.max())
    return Difference(name, *pair, float(first.mean() - second.mean()), p, None, least, separated)


def _adjusted(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    adjusted = adjust([d.p for d in differences])
    return tuple(replace(d, p_adjusted=p) for d, p in zip(differences, adjusted, strict=True))


def _sectors(results: Sequence[Any]) -> NDArray[np.int64]:
    """Hits by sector, one row a network."""
    return np.array([sector_counts(result.tally.angle) for result in results])


def _consistency(sectors: NDArray[np.int64]) -> float | None:
    """Mean correlation between the networks' shares of hits by sector."""
    present = sectors[sectors.sum(axis=1) > 0].astype(np.float64)
    varying = present[present.std(axis=1) > 0]
    if len(varying) < 2:
        return None
    correlation = np.corrcoef(varying)
    return float(correlation[np.triu_indices(len(varying), 1)].mean())


def _consistency_p(results: Sequence[Any]) -> tuple[float | None, str]:
    """Rank the networks' mean correlation among those of their rotations; say why not, if not."""
    nulls = [result.nulls for result in results]
    if any(each is None or each.kind != "rotation" for each in nulls):
        return None, "no p, because not every network has a rotation null"
    if any(each.observed_sectors.size == 0 for each in nulls):
        return None, "no p, because the null did not count angles"
    seeds = sorted({each.seed for each in nulls})
    if len(seeds) > 1:
        return None, (
            f"no p, because the networks were turned by rotations of different seeds, {seeds[0]} "
            f"and {seeds[1]}: project all networks of a group with one seed"
        )
    observed = _consistency(np.stack([each.observed_sectors for each in nulls]))
    repeats = min(len(each.sectors) for each in nulls)
    drawn = [_consistency(np.stack([each.sectors[b] for each in nulls])) for b in range(repeats)]
    defined = [alike for alike in drawn if alike is not None]
    if observed is None or not defined:
        return None, "no p, because fewer than two networks have tested hits that differ by sector"
    return p_value(observed, defined, "upper"), ""


def _beams(sectors: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.zeros(SECTORS, dtype=np.int64)
    for each in sectors:
        counts[find_beams(each)] += 1
    return counts
