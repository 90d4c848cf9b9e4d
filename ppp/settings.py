"""Settings: what a user asked of an analysis, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppp.closed import epsilon_for_hits, epsilon_for_retention
from ppp.controls import check_kind
from ppp.engines import check_engine
from ppp.frame import Frame, as_frame
from ppp.planes import PAIRS, Planes
from ppp.rule import Rule
from ppp.scan import Companion
from ppp.value_checks import check_whole

#: The paper's epsilon, and the largest automatic one.
PAPER_EPSILON = 0.75
#: Hits that isotropy should give at an automatic epsilon.
AUTO_HITS = 1000


@dataclass(frozen=True)
class Settings:
    """What a user asked for, checked once.

    Parameters
    ----------
    frame, epsilon, pairs, null, null_repeats, null_limit, null_draws, seed, bins, engine, \
    distance, also
        As in `analyze`.
    """

    frame: Frame | str | np.ndarray = "standard"
    epsilon: float | str = PAPER_EPSILON
    pairs: str = "combination"
    null: str | None = "rotation"
    null_repeats: int = 99
    null_limit: int | None = None
    null_draws: int = 0
    seed: int = 0
    bins: int = 1024
    progress: bool = False
    engine: str = "auto"
    distance: float | None = None
    also: Sequence[Companion] = ()

    def __post_init__(self) -> None:
        for name in ("seed", "null_repeats", "null_draws", "null_limit"):
            value = getattr(self, name)
            if value is None and name == "null_limit":
                continue
            check_whole(**{name: value})
            object.__setattr__(self, name, int(value))  # NumPy's cannot be written as JSON
        check_engine(self.engine)
        if isinstance(self.epsilon, str):
            asked_epsilon(self.epsilon)  # raises, naming what epsilon may be
        Rule(1.0 if isinstance(self.epsilon, str) else self.epsilon, self.bins, 720, self.distance)
        if self.pairs not in PAIRS:
            raise ValueError(f'pairs must be "combination" or "permutation", got {self.pairs!r}')
        if self.null is not None:
            check_kind(self.null)
            if self.null_repeats < 1:
                raise ValueError(f"null_repeats must be at least 1, got {self.null_repeats}")
            if self.null_limit is not None and self.null_limit < self.null_repeats:
                raise ValueError(
                    f"null_limit must be at least null_repeats = {self.null_repeats}, got "
                    f"{self.null_limit}"
                )
        listed = self.also if isinstance(self.also, Sequence) else [self.also]
        if listed is not self.also or any(
            isinstance(each, type) or not hasattr(each, "plan") for each in listed
        ):
            raise ValueError(
                f"also must be a list of methods such as [ppp.Radial()], got {self.also!r}"
            )
        if self.null_draws < 0:
            raise ValueError(f"null_draws must not be negative, got {self.null_draws}")
        if not isinstance(self.frame, str):
            frame = self.frame if isinstance(self.frame, Frame) else Frame.given(self.frame)
            object.__setattr__(self, "frame", frame)
        elif self.frame not in ("standard", "haar"):
            as_frame(self.frame, 2)  # raises, naming what a frame may be


def asked_epsilon(epsilon: str) -> tuple[str, float]:
    """Read an epsilon that is written as a wish: "auto", "hits=1000" or "retention=0.01".

    Parameters
    ----------
    epsilon : str
        The wish.

    Returns
    -------
    kind : str
    value : float
        NaN for "auto".

    Raises
    ------
    ValueError
        If it is none of these.

    Examples
    --------
    >>> asked_epsilon("retention=0.01")
    ('retention', 0.01)
    """
    kind, _, number = epsilon.partition("=")
    try:
        value = float(number) if kind in ("hits", "retention") else float("nan")
    except ValueError:
        kind = ""
    if epsilon != "auto" and not (kind in ("hits", "retention") and value > 0):
        raise ValueError(
            'epsilon must be a number in (0, 1] or "auto", or a target such as "hits=1000" or '
            f'"retention=0.01", got {epsilon!r}'
        )
    return kind, value


def chosen_epsilon(asked: str, rows: int, planes: Planes) -> tuple[float, str]:
    """Return the epsilon that a wish amounts to, and the reason in words.

    Parameters
    ----------
    asked : str
        See `asked_epsilon`.
    rows : int
        Samples.
    planes : Planes
        Planes, each counted once.

    Returns
    -------
    epsilon : float
    why : str

    Examples
    --------
    >>> planes = Planes.of(Frame.standard(64), "combination")
    >>> round(chosen_epsilon("retention=0.01", 10_000, planes)[0], 3)
    0.372
    """
    kind, value = asked_epsilon(asked)
    n = planes.frame.n
    if kind == "hits":
        epsilon = epsilon_for_hits(rows, n, value, planes.unordered)
        return float(epsilon), f"isotropy would give {value:g} hits in {rows:,} rows"
    if kind == "retention":
        return float(epsilon_for_retention(n, value)), f"isotropy would keep {value:g} a plane"
    return automatic_epsilon(rows, planes)


def automatic_epsilon(rows: int, planes: Planes) -> tuple[float, str]:
    """Return min(.75, the epsilon at which isotropy would give 1 000 hits), and the reason.

    Parameters
    ----------
    rows : int
        Samples.
    planes : Planes
        Planes, each counted once.

    Returns
    -------
    epsilon : float
    why : str
        In words, for the result.

    Examples
    --------
    >>> epsilon, why = automatic_epsilon(10_000, Planes.of(Frame.standard(64), "combination"))
    >>> round(epsilon, 3)
    0.523
    """
    n = planes.frame.n
    if n == 2:
        return PAPER_EPSILON, "auto: in two dimensions every plane keeps every sample"
    # with few rows and planes 1 000 hits may be more than there are: then a tenth of all
    hits = min(AUTO_HITS, rows * planes.unordered / 10)
    epsilon = epsilon_for_hits(rows, n, hits, planes.unordered)
    if epsilon >= PAPER_EPSILON:
        return PAPER_EPSILON, f"auto: the paper's {PAPER_EPSILON}"
    return float(epsilon), f"auto: isotropy would give {hits:.0f} hits in {rows:,} rows"
