"""Full draws of a null, to be drawn beside an observation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ppp.null import prepare_changed
from ppp.scan import tally_of

if TYPE_CHECKING:
    from ppp.result import PPPResult


def with_draws(result: PPPResult, draws: int) -> PPPResult:
    """Return a result that carries full draws of its null, for figures.

    Parameters
    ----------
    result : PPPResult
        Projected with a null control.
    draws : int
        How many, at least 1 and at most the repeats of its null.

    Returns
    -------
    PPPResult
        Itself where it carries as many already. Otherwise the draws are the first of those that
        the tests use, made again on the tested rows with their grids; figures scale their
        densities to the number of rows observed.

    Raises
    ------
    ValueError
        If the result has no null control, or fewer repeats.

    Examples
    --------
    >>> import ppp
    >>> x = np.random.default_rng(0).laplace(size=(500, 6))
    >>> result = with_draws(ppp.project(x, null="gaussian", null_repeats=9), 2)
    >>> [tally.valid for tally in result.drawn]
    [500, 500]
    """
    if result.plan is None or result.sampled is None:
        raise ValueError('a result without a null has no draws: project it with null="rotation"')
    if not 1 <= draws <= result.plan.repeats:
        raise ValueError(f"draws must lie in [1, {result.plan.repeats}], the repeats, got {draws}")
    if len(result.drawn) >= draws:
        return result
    usable = np.isfinite(result.sampled.rows).all(axis=1)
    rows, sample = result.sampled.rows[usable], result.sampled.sample[usable]
    plan = result.plan
    _, draw = prepare_changed(rows, result.planes, plan.kind, plan.preprocessing, sample)
    tallies = []
    for index in range(draws):
        made, planes = draw(np.random.default_rng([result.plan.seed, index]))
        tallies.append(tally_of(made, planes, result.rule, detailed=True))
    return replace(result, drawn=tuple(tallies))
