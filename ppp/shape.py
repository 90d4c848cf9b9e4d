"""Shape statistics: what the angles and the planes of the hits look like, read off a tally.

They know nothing of an expected value: their meaning comes from null draws alone, and all of
them depend on the number of hits (few hits look uneven by chance).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHAPES = (
    "kl", "resultant", "rayleigh", "beams", "beam_width", "axis_contrast", "diagonal_contrast",
    "gini", "fullest", "emptiest",
)  # fmt: skip
#: Sectors of 22.5 degrees, centred on the multiples of 22.5 degrees: axes and diagonals.
SECTORS = 16
#: A beam is a sector that stands this far above the mean, and above the noise of its count.
BEAM_HEIGHT = 1.5
BEAM_NOISE = 4.0


def shape(angle: NDArray[np.int64], pairs: NDArray[np.int64]) -> dict[str, float]:
    """Shape statistics of the hits.

    Parameters
    ----------
    angle : (A,) int64 array
        Histogram of the in-plane angle phi over [0, 2 pi), A a multiple of 16.
    pairs : (P,) int64 array
        Hits of each plane, each plane once; empty when there is no such table.

    Returns
    -------
    dict name -> float
        "kl": Kullback-Leibler divergence of the 16-sector histogram from uniform, nats.
        "resultant": ``|mean e^{i phi}|``: one-sidedness, such as ReLU's positive quadrant.
        "rayleigh": hits times the squared resultant, Rayleigh's statistic.
        "beams": number of sectors that stand out from both neighbours.
        "beam_width": mean full width of the beams, degrees.
        "axis_contrast", "diagonal_contrast": density of hits within 11.25 degrees of the axes
        (of the diagonals), as a share of that plus the density half-way between; 0.5 when even.
        "gini": inequality of the hits over planes, 0 when all planes keep alike.
        "fullest", "emptiest": most and fewest hits of any plane.
        NaN where undefined (no hits; no beam for the width; no table of planes).

    Examples
    --------
    >>> angle = np.zeros(720, int)
    >>> angle[0] = angle[180] = 400  # hits at phi = 0 and 90 degrees
    >>> found = shape(angle, np.array([400, 400]))
    >>> found["beams"], round(found["resultant"], 3), found["gini"]
    (2.0, 0.707, 0.0)
    """
    hits = int(angle.sum())
    if hits == 0:
        return dict.fromkeys(SHAPES, float("nan"))
    sectors = sector_counts(angle)
    share = sectors[sectors > 0] / hits
    centre = (np.arange(angle.size) + 0.5) * (2 * np.pi / angle.size)
    resultant = float(np.abs(np.dot(angle, np.exp(1j * centre)))) / hits
    beams = find_beams(sectors)
    widths = [beam_width(angle, at) for at in beams]
    return {
        "kl": float(np.dot(share, np.log(share * SECTORS))),
        "resultant": resultant,
        "rayleigh": hits * resultant**2,
        "beams": float(len(beams)),
        "beam_width": float(np.mean(widths)) if widths else float("nan"),
        "axis_contrast": _contrast(sectors, 0),
        "diagonal_contrast": _contrast(sectors, 2),
        "gini": gini(pairs),
        "fullest": float(pairs.max()) if pairs.size else float("nan"),
        "emptiest": float(pairs.min()) if pairs.size else float("nan"),
    }


def _contrast(sectors: NDArray[np.int64], first: int) -> float:
    """Hits in every fourth sector, as a share of them and half the hits of the odd sectors."""
    here, between = sectors[first::4].sum(), sectors[1::2].sum() / 2
    return float(here / (here + between)) if here + between else float("nan")


def sector_counts(angle: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hits by sector of 22.5 degrees; sector 0 is centred on phi = 0, sector 2 on 45 degrees.

    Bins that straddle two sectors go to the upper one, so A should be a multiple of 32.
    """
    width = angle.size / SECTORS
    sector = np.floor((np.arange(angle.size) + 0.5) / width + 0.5).astype(np.int64) % SECTORS
    return np.bincount(sector, weights=angle, minlength=SECTORS).astype(np.int64)


def find_beams(sectors: NDArray[np.int64]) -> list[int]:
    """Sectors that hold more than both neighbours, 1.5 times the mean and 4 sigma above it."""
    mean = sectors.mean()
    floor = max(BEAM_HEIGHT * mean, mean + BEAM_NOISE * np.sqrt(mean))
    higher = (sectors > np.roll(sectors, 1)) & (sectors >= np.roll(sectors, -1))
    return [int(at) for at in np.flatnonzero(higher & (sectors > floor))]


def beam_width(angle: NDArray[np.int64], sector: int) -> float:
    """Full width of the beam in a sector, degrees: twice the circular spread around its centre.

    The spread is the root mean square angle from the beam's own mean, over the hits within one
    sector of its centre.
    """
    degrees = (np.arange(angle.size) + 0.5) * (360.0 / angle.size)
    offset = (degrees - sector * 360.0 / SECTORS + 180.0) % 360.0 - 180.0
    near = np.abs(offset) < 360.0 / SECTORS
    weight = angle[near].astype(np.float64)
    centre = np.average(offset[near], weights=weight)
    return 2.0 * float(np.sqrt(np.average((offset[near] - centre) ** 2, weights=weight)))


def gini(counts: NDArray[np.int64]) -> float:
    """Gini coefficient of counts: 0 when all are equal, towards 1 when one holds all.

    Examples
    --------
    >>> gini(np.array([0, 0, 0, 8]))
    0.75
    """
    total = float(counts.sum())
    if total == 0:
        return float("nan")
    ranked = np.sort(counts).astype(np.float64)
    rank = np.arange(1, ranked.size + 1)
    return float(2 * np.dot(rank, ranked) / (ranked.size * total) - (ranked.size + 1) / ranked.size)
