"""What a test could have seen: the smallest planted effect it would have found.

An absence of evidence means something only beside the size of effect that would have shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppp.draws import Nulls
from ppp.frame import Frame
from ppp.planes import Planes
from ppp.ranks import min_p
from ppp.rule import Rule
from ppp.scan import tally_of
from ppp.statistics import HEADLINE, from_sums
from ppp.table import percent
from ppp.tally import CLASS_LIMIT, MOMENTS
from ppp.value_checks import check_share

Array = NDArray[np.float64]

#: Kinds of beam that can be planted.
PLANTS = ("axis", "diagonal", "dense")
#: Planted rows, of which each trial takes as many as it needs.
PLANTED_ROWS = CLASS_LIMIT
#: Shares of rows that are tried, from one in 100 000 to all.
SHARES = np.geomspace(1e-5, 1.0, 51)
#: Where the sums over hits begin, and end.
HITS, QUARTIC = MOMENTS.index("hits"), MOMENTS.index("quartic")
#: Draws that stand in for data sets; all of them are ranked against all the others.
TRIALS = 40


@dataclass(frozen=True)
class Detectable:
    """The smallest planted share of rows that the combined test would have found.

    Attributes
    ----------
    plant : str
        "axis", "diagonal" or "dense".
    share : float or None
        Share of the rows, one row at least; None when not even a whole layer of such rows would
        show.
    power, alpha : float
        How often the test had to find it, at which level.
    degrees : float
        Typical angle between a planted row and its beam.
    """

    plant: str
    share: float | None
    power: float
    alpha: float
    degrees: float

    @property
    def place(self) -> str:
        """Where the planted rows lie, in words."""
        return {
            "axis": "along single vectors of the frame",
            "diagonal": "along diagonals of its planes",
            "dense": "along ±1 combinations of all its vectors",
        }[self.plant]

    def __str__(self) -> str:
        """Return the finding in words."""
        if self.share is None:
            return f"no share of rows {self.place} would have been seen"
        return f"{percent(self.share)} of the rows {self.place} would have been seen"


def plant_rows(frame: Frame, plant: str, rows: int, degrees: float, seed: int) -> Array:
    """Make rows that lie close to beams of one kind.

    Parameters
    ----------
    frame : Frame
        The distinguished vectors.
    plant : {"axis", "diagonal", "dense"}
        Rows along ``±b_i``, along ``±b_i ± b_j``, or along ``sum_i ±b_i``.
    rows : int
        Number of rows.
    degrees : float
        Typical angle from the beam.
    seed : int
        Seed of the rows.

    Returns
    -------
    (rows, n) float64 array

    Raises
    ------
    ValueError
        For an unknown kind of beam.

    Examples
    --------
    >>> plant_rows(Frame.standard(3), "axis", 2, degrees=0.0, seed=0).tolist()
    [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
    """
    if plant not in PLANTS:
        raise ValueError(f"plant must be one of {', '.join(PLANTS)}, got {plant!r}")
    rng = np.random.default_rng(seed)
    weight = np.zeros((rows, frame.m))
    signs = rng.choice([-1.0, 1.0], size=weight.shape)
    every = np.arange(rows)
    first = rng.integers(0, frame.m, rows)
    if plant == "dense":
        weight = signs
    else:
        weight[every, first] = np.where(signs[:, 0] > 0, 1.0, -1.0)
    if plant == "diagonal":
        second = (first + rng.integers(1, frame.m, rows)) % frame.m
        weight[every, second] = signs[:, 1]
    beam = weight @ frame.vectors
    length = np.linalg.norm(beam, axis=1, keepdims=True)
    # Antipodal or parallel vectors may cancel in an over-complete frame: such rows stay zero.
    np.divide(beam, length, out=beam, where=length > 0)
    noise = rng.standard_normal(beam.shape) * (math.tan(math.radians(degrees)) / math.sqrt(frame.n))
    return np.asarray(beam + noise)


def detectable(
    nulls: Nulls,
    planes: Planes,
    rule: Rule,
    plant: str = "axis",
    alpha: float = 0.05,
    power: float = 0.8,
    degrees: float = 10.0,
    seed: int = 0,
) -> Detectable:
    """Find the smallest planted share of rows that the combined test would have found.

    Parameters
    ----------
    nulls : Nulls
        Draws of the null that was used: each stands for a data set without alignment.
    planes, rule
        As tested.
    plant : {"axis", "diagonal", "dense"}
        Kind of beam.
    alpha, power : float
        The combined p must be at most alpha in a share `power` of the trials.
    degrees : float
        Typical angle between a planted row and its beam.
    seed : int
        Seed of the planted rows.

    Returns
    -------
    Detectable

    Raises
    ------
    ValueError
        When the draws are too few for the level, a share does not lie between 0 and 1, or the
        rule is one of distance and the nulls hold no norms.

    Notes
    -----
    k whole rows of the N of a draw are replaced by planted ones, each trial by others: its sums
    become ``(1 - k/N) * sums`` and those of the k rows. Nothing is counted anew, so every negative
    result can carry this number. At the observed n, N, epsilon, frame and data; under a rule of
    distance, which depends on the norms, those of planted rows are drawn from the tested rows'.

    Examples
    --------
    >>> from ppp.null import run_nulls
    >>> x = np.random.default_rng(0).standard_normal((2000, 12))
    >>> planes, rule = Planes.of(Frame.standard(12), "combination"), Rule(0.75)
    >>> nulls = run_nulls(x, None, None, planes, rule)
    >>> 0 < detectable(nulls, planes, rule).share < 0.1
    True
    """
    check_share(power=power, alpha=alpha)
    if 1 / nulls.repeats > alpha:
        raise ValueError(
            f"{nulls.repeats} draws cannot show what is detectable at alpha = {alpha:g}: at least "
            f"{math.ceil(1 / alpha)} are needed"
        )
    made = plant_rows(planes.frame, plant, PLANTED_ROWS, degrees, seed)
    if rule.distance is not None:
        made = _resized(made, nulls.norms, seed)
    # every row a class of its own: the sums of each
    each = tally_of(made, planes, rule, label=np.arange(len(made))).moments
    sums = nulls.sums.sum(axis=1)
    rows = max(1, round(float(sums[:, 0].mean())))
    trials = [np.random.default_rng([seed, trial]) for trial in range(min(TRIALS, len(sums)))]
    added = np.array([np.cumsum(rng.permutation(each), axis=0) for rng in trials])
    counts = np.unique(np.clip(np.rint(SHARES * rows), 1, rows)).astype(int)
    low, high = 0, len(counts)
    while low < high:  # a larger share is only easier to see
        middle = (low + high) // 2
        if _power(int(counts[middle]), rows, sums, added, nulls, alpha) >= power:
            high = middle
        else:
            low = middle + 1
    share = float(counts[low] / rows) if low < len(counts) else None
    return Detectable(plant, share, power, alpha, degrees)


def _resized(rows: Array, norms: Array, seed: int) -> Array:
    """Give rows the norms of others, drawn at random; rows that are zero stay."""
    if not norms.size:
        raise ValueError(
            "a rule of distance needs the norms of the tested rows, which these nulls do not hold: "
            "run them again"
        )
    wanted = np.random.default_rng(seed).choice(norms, (len(rows), 1))
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows * np.divide(wanted, length, out=np.zeros_like(length), where=length > 0)


def _power(count: int, rows: int, sums: Array, added: Array, nulls: Nulls, alpha: float) -> float:
    """Share of the trials whose combined p is at most alpha after planting so many rows."""
    left = (1 - count / rows) * sums[: len(added)]
    left[left[:, HITS] < 1, HITS:QUARTIC] = 0.0  # less than a hit is none
    made = added.shape[1]
    planted = left + added[:, min(count, made) - 1] * (max(count, made) / made)
    values = {name: from_sums(name, sums, nulls.geometry) for name in HEADLINE}
    after = {name: from_sums(name, planted, nulls.geometry) for name in HEADLINE}
    seen = 0
    for trial in range(len(added)):
        observed = {name: float(after[name][trial]) for name in HEADLINE}
        others = {name: np.delete(values[name], trial) for name in HEADLINE}
        seen += min_p(observed, others) <= alpha
    return seen / len(added)
