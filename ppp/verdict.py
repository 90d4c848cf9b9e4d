"""Verdicts: what the numbers allow to be said, in words that claim no more than was tested."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ppp.frame import Frame
from ppp.naming import SHAPED, evidence, kind_of, no_hits, unnamed
from ppp.ranks import least_repeats
from ppp.rule import Rule
from ppp.sensitivity import PLANTS, detectable
from ppp.statistics import Statistic
from ppp.table import counted, percent, plain

if TYPE_CHECKING:
    from ppp.draws import Nulls
    from ppp.planes import Planes

#: Cosine to the nearest diagonal of the hypercube from which a row counts as lying near it.
NEAR_DIAGONAL = 0.95
#: Isotropic rows from which the share near a hypercube's diagonals is estimated.
REFERENCE_ROWS = 20_000

#: What a rejection says, by control; only rotation speaks of the frame.
REJECTED = {
    "recolour": "The sample departs from Gaussian data of the same mean and covariance; this is "
    "not about alignment alone, heavy tails are enough",
    "gaussian": "The sample departs from isotropic Gaussian data; correlation alone is enough for "
    "that",
    "sign-flip": "The signs of the coordinates carry structure",
    "column-permutation": "The coordinates depend on each other",
}


@dataclass(frozen=True)
class Verdict:
    """A verdict in a word and in sentences.

    Attributes
    ----------
    kind : str
        "aligned", "anti-aligned", "superposed", "concentrated", "dense" or "related" to the
        frame; "none" when nothing was found; "other" for a control that does not speak of the
        frame; "undefined" when the test cannot be made.
    text : str
        The finding.
    alpha : float
        Level of the tests behind it.
    notes : tuple of str
        What could not have been seen.

    Examples
    --------
    >>> print(Verdict("none", "No alignment found.", 0.05))
    No alignment found.
    """

    kind: str
    text: str
    alpha: float
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return all sentences, one a line."""
        return "\n".join([self.text, *self.notes])


def judge(
    statistics: Mapping[str, Statistic],
    nulls: Nulls,
    planes: Planes,
    rule: Rule,
    diagonal: float | None = None,
    alpha: float = 0.05,
) -> Verdict:
    """Say what the statistics of one result show against its null.

    Parameters
    ----------
    statistics : mapping name -> Statistic
        As `ppp.statistics.against` gives them.
    nulls : Nulls
        The draws they were tested against.
    planes, rule
        As tested.
    diagonal : float, optional
        Share of the tested rows near the hypercube's diagonals, where it was looked at.
    alpha : float
        Level of every test.

    Returns
    -------
    Verdict
        Named by statistics that reject at `alpha` alone: direction by one vote a sample (B4) and
        by the contrast of hits near diagonals, dense or concentrated by kappa. A negative
        carries what could have been seen.

    Examples
    --------
    >>> import ppp
    >>> result = ppp.project(np.random.default_rng(0).laplace(size=(2000, 12)))
    >>> judge(result.statistics, result.nulls, result.planes, result.rule).kind
    'aligned'
    """
    combined = statistics["combined"].p
    notes = invisible(planes.frame, rule, diagonal)
    if nulls.kind not in ("rotation", *REJECTED):
        text = (
            f"The {nulls.kind} control is for pictures: a p beside it ranks a value among its "
            "draws, and no verdict follows."
        )
        return Verdict("undefined", text, alpha, notes)
    # Of signs a single statistic is tested, two-sided; else the combination of several.
    needed = least_repeats(alpha, "two" if nulls.kind == "sign-flip" else "upper")
    if combined is None or nulls.repeats < needed:
        text = (
            f"No verdict: {counted(nulls.repeats, 'repeat')} of the null cannot give "
            f"p <= {alpha:g}; at least {needed} are needed."
        )
        return Verdict("undefined", text, alpha, notes)
    if nulls.kind == "sign-flip":
        return _judge_signs(statistics, alpha, notes)
    if combined > alpha:
        said = f"p = {readable_p(combined)}{no_hits(statistics)}"
        text = f"No departure from {_null(nulls)} was found, {said}."
        return Verdict("none", text, alpha, notes + _seen(nulls, planes, rule, alpha))
    if nulls.kind != "rotation":
        text = f"{REJECTED[nulls.kind]}; p = {readable_p(combined)}."
        return Verdict("other", text, alpha, notes)
    kind = kind_of(statistics, planes, rule, alpha)
    said = f"{SHAPED[kind]}{unnamed(kind, statistics, nulls, rule, alpha)}"
    carried = evidence(kind, statistics, alpha)
    text = f"{said}, beyond rotation, p = {readable_p(combined)}{carried}."
    return Verdict(kind, text[0].upper() + text[1:], alpha, notes)


def _judge_signs(
    statistics: Mapping[str, Statistic], alpha: float, notes: tuple[str, ...]
) -> Verdict:
    """Judge by the resultant: what the headline combines has the same value in every draw."""
    why = "the headline statistics do not change when signs are flipped"
    s = statistics.get("resultant")
    if s is None or s.value is None or s.p is None:
        text = f"No verdict: {why}, and the resultant, which does, is undefined"
        return Verdict("undefined", f"{text}{no_hits(statistics)}.", alpha, notes)
    found = f"resultant = {plain(s.value, 3)}, p = {readable_p(s.p)}; {why}."
    if s.p > alpha:
        text = f"No structure in the signs of the coordinates was found: {found}"
        return Verdict("none", text, alpha, notes)
    return Verdict("other", f"{REJECTED['sign-flip']}: {found}", alpha, notes)


def _null(nulls: Nulls) -> str:
    rows = counted(nulls.rows, "row")
    if nulls.kind == "rotation":
        return f"a frame oriented at random ({counted(nulls.repeats, 'rotation')}, {rows})"
    return f"the {nulls.kind} null ({counted(nulls.repeats, 'draw')}, {rows})"


def _seen(nulls: Nulls, planes: Planes, rule: Rule, alpha: float) -> tuple[str, ...]:
    """Say what an absence rules out."""
    unsized = rule.distance is not None and not nulls.norms.size  # in files of earlier versions
    if nulls.kind != "rotation" or 1 / nulls.repeats > alpha or unsized:
        return ()
    found = [detectable(nulls, planes, rule, plant, alpha) for plant in PLANTS]
    seen = [f"{percent(each.share)} {each.place}" for each in found if each.share is not None]
    notes = []
    if seen:
        notes.append(
            f"It would have been found in 4 of 5 such samples had {', or '.join(seen)} been "
            "planted among the rows."
        )
    notes += [f"{str(each).capitalize()}." for each in found if each.share is None]
    return tuple(notes)


def hides_diagonals(frame: Frame, rule: Rule) -> bool:
    """Return whether no plane can keep rows along ±1 combinations of all vectors.

    Parameters
    ----------
    frame : Frame
        The distinguished vectors.
    rule : Rule
        The rule that keeps samples.

    Returns
    -------
    bool
        False for oblique frames and rules of distance, of which this is not known.

    Examples
    --------
    >>> [hides_diagonals(Frame.standard(8), Rule(epsilon)) for epsilon in (0.75, 0.4)]
    [True, False]
    """
    short = rule.epsilon > math.sqrt(2 / frame.m)
    return short and frame.orthonormal and rule.distance is None


def invisible(frame: Frame, rule: Rule, diagonal: float | None = None) -> tuple[str, ...]:
    """Say which dense structure no plane can keep at this epsilon.

    Parameters
    ----------
    frame : Frame
        The distinguished vectors.
    rule : Rule
        The rule that keeps samples.
    diagonal : float, optional
        Share of rows near the hypercube's diagonals, which is reported beside it.

    Returns
    -------
    tuple of str
        Empty when ``epsilon <= sqrt(2/n)``, when the frame is not orthonormal, and under a rule of
        distance.

    Notes
    -----
    A ±1 combination of m orthonormal vectors has length ``sqrt(2/m)`` in each of their planes.

    Examples
    --------
    >>> invisible(Frame.standard(8), Rule(0.4))
    ()
    >>> invisible(Frame.standard(8), Rule(0.75))[0].split(":")[0]
    'epsilon = 0.75 > sqrt(2/8) = 0.5'
    """
    if not hides_diagonals(frame, rule):
        return ()
    m = frame.m
    text = (
        f"epsilon = {rule.epsilon:.3g} > sqrt(2/{m}) = {math.sqrt(2 / m):.3g}: rows along ±1 "
        "combinations of all vectors give no hit, only kappa sees them"
    )
    if diagonal is not None:
        expected = _isotropic_mass(m, frame.n)
        text += (
            f"; {percent(diagonal)} of the tested rows lie within 18° of such a diagonal "
            f"({percent(expected)} under isotropy)"
        )
    return (text + ".",)


def hypercube_mass(rows: NDArray[np.floating], frame: Frame) -> float:
    """Share of rows within 18 degrees (cosine .95) of a diagonal of the frame's hypercube.

    Parameters
    ----------
    rows : (N, n) array
        Activations; rows that are zero or not finite are left out.
    frame : Frame
        Orthonormal vectors.

    Returns
    -------
    float
        Share with ``sum_i |c_i| >= .95 sqrt(m) |v|``.

    Examples
    --------
    >>> hypercube_mass(np.array([[1.0, -1.0, 1.0], [1.0, 0.0, 0.0]]), Frame.standard(3))
    0.5
    """
    data = np.asarray(rows, dtype=np.float64)
    data = data[np.isfinite(data).all(axis=1)]
    largest = np.abs(data).max(axis=1, initial=0.0, keepdims=True)
    data = data[largest[:, 0] > 0] / largest[largest[:, 0] > 0]
    if not len(data):
        raise ValueError("no row is finite and non-zero: nothing can lie near a diagonal")
    reach = np.abs(data @ frame.vectors.T).sum(axis=1) / math.sqrt(frame.m)
    return float(np.mean(reach >= NEAR_DIAGONAL * np.linalg.norm(data, axis=1)))


def _isotropic_mass(m: int, n: int) -> float:
    """Share of isotropic rows near a hypercube's diagonals, by a seeded Monte Carlo."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((max(100, REFERENCE_ROWS * 24 // max(n, 24)), n))
    reach = np.abs(rows[:, :m]).sum(axis=1) / math.sqrt(m)
    return float(np.mean(reach >= NEAR_DIAGONAL * np.linalg.norm(rows, axis=1)))


def readable_p(p: float) -> str:
    """Print a p-value without claiming digits it does not have.

    Examples
    --------
    >>> readable_p(0.02), readable_p(0.4321), readable_p(0.0002)
    ('0.02', '0.43', '0.0002')
    """
    return f"{p:.2g}"
