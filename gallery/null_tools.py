"""What the null figures of the PPP paper's appendix A share: independent draws, their numbers.

Preset ``paper`` has the settings of the paper; it prints no number of panels, so ours is three rows
of eight.
"""

from __future__ import annotations

import numpy as np
from presets import choose, keep, show

import ppp
from ppp.controls import prepare
from ppp.table import Table

#: Settings of the paper, and few draws of few samples for a first look.
PRESETS = {
    "quick": {"samples": 10_000, "rows": 2, "columns": 4, "thinned": False},
    "paper": {"samples": 60_000, "rows": 3, "columns": 8, "thinned": True},
}
NEURONS = 24
EPSILON = 0.75
SHOWN = ("log_q", "kappa", "a4", "b4")

Draws = dict[str, dict[str, ppp.PPPResult]]


def figure(number: int, kind: str, title: str) -> None:
    """Draw fresh data in a fresh random frame, once a panel, and print what chance alone gives."""
    preset, settings = choose(PRESETS)
    thinned = settings.pop("thinned")
    draws = independent(kind, **settings)
    ppp.plot_grid(draws, title=f"{title}, preset {preset}", thinned=thinned)
    show(f"fig{number:02d}", preset)
    numbers = spread(draws)
    print(numbers)
    keep(f"fig{number:02d}", preset, list(numbers))


def independent(kind: str, samples: int, rows: int, columns: int) -> Draws:
    """Project fresh data onto a fresh random orthogonal frame, once a panel.

    `kind` names the data: a control of ``ppp.controls`` that makes them.
    """
    planes = ppp.Planes.of(ppp.Frame.standard(NEURONS), "combination")
    make = prepare(np.ones((samples, NEURONS)), planes, kind)
    draws: Draws = {}
    for row in range(rows):
        name = f"draws {row * columns}–{(row + 1) * columns - 1}"
        draws[name] = {}
        for column in range(columns):
            seed = row * columns + column
            data, _ = make(np.random.default_rng([2, seed]))
            draws[name][f"column {column}"] = ppp.project(
                data, frame=ppp.Frame.haar(NEURONS, seed), epsilon=EPSILON, null=None
            )
    return draws


def spread(draws: Draws) -> Table:
    """Mean, spread and ends over all draws; draws without hits define only some statistics."""
    results = [one for row in draws.values() for one in row.values()]
    found = {"hits": [one.hits for one in results], "expected": [one.expected for one in results]}
    found |= {name: [one.statistics[name].value for one in results] for name in SHOWN}
    lines = []
    for name, values in found.items():
        defined = np.array([value for value in values if value is not None], dtype=float)
        sd = float(defined.std(ddof=1)) if len(defined) > 1 else None
        ends = (float(defined.min()), float(defined.max())) if len(defined) else None
        mean = float(defined.mean()) if len(defined) else None
        lines.append((name, len(defined), mean, sd, ends))
    return Table(("statistic", "draws", "mean", "sd", "ends"), tuple(lines))
