"""Preprocessing of live captures: the loader is gone through before it is projected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppp.fitting import Fitter, check_steps
from ppp.preprocessing import Preprocessing

if TYPE_CHECKING:
    from ppp.result import PPPResult

#: What to do about a loader that does not give the same rows twice.
WAY_OUT = 'keep the rows with store="acts.h5", or give a DataLoader or a list of batches'


def fitted_live(
    flow: Callable[[], Iterable[tuple[str, Any]]],
    loader: Any,
    names: Sequence[str],
    steps: str | Sequence[str] | None,
) -> tuple[dict[str, Preprocessing], dict[str, int]]:
    """Fit the steps of several layers whose blocks come interleaved.

    Parameters
    ----------
    flow : callable
        Starts a pass: returns (layer, block) pairs, the same every time.
    loader : iterable
        What a pass reads.
    names : sequence of str
        The layers.
    steps : str, sequence of str or None
        As `Preprocessing.fit` takes them.

    Returns
    -------
    fitted : dict of str to Preprocessing
        Empty where no steps are asked for: then no pass is made.
    rows : dict of str to int
        Rows of each layer in its last pass.

    Raises
    ------
    ValueError
        If steps are asked for and the loader ends after one pass.

    Examples
    --------
    >>> import numpy as np
    >>> from ppp.streams import Rows
    >>> blocks = [("a", Rows(np.eye(2), np.arange(2)))]
    >>> fitted, rows = fitted_live(lambda: blocks, [], ["a"], "centre")
    >>> fitted["a"].fitted[0].offset.tolist(), rows
    ([0.5, 0.5], {'a': 2})
    """
    wanted = check_steps(steps)
    if wanted and isinstance(loader, Iterator):
        raise ValueError(
            "preprocess goes through the loader twice, but it ends after one pass "
            f"({type(loader).__name__}): {WAY_OUT}"
        )
    fitters = {name: Fitter(wanted) for name in names} if wanted else {}
    while going := {name: fitter for name, fitter in fitters.items() if not fitter.finished}:
        for name, block in flow():
            if name in going:
                going[name].append(block.rows)
        for fitter in going.values():
            fitter.end_pass()
    made = {name: Preprocessing(fitter.width, fitter.fitted) for name, fitter in fitters.items()}
    return made, {name: fitter.rows for name, fitter in fitters.items()}


def check_same_rows(results: Mapping[str, PPPResult], rows: Mapping[str, int]) -> None:
    """Raise a ValueError where the fitted rows are not those that were projected."""
    for name, expected in rows.items():
        if results[name].tally.rows != expected:
            raise ValueError(
                f"the loader gave {expected:,} rows of layer {name!r} in one pass and "
                f"{results[name].tally.rows:,} in the next, but what is fitted must be what is "
                f"projected: {WAY_OUT}"
            )
