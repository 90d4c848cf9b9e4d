"""Frames of repelling points: vectors spread as evenly as they can be."""

from __future__ import annotations

import numpy as np

from ppp.frame import GRAM_LIMIT, Frame
from ppp.value_checks import check_whole


def thomson_frame(m: int, n: int, seed: int = 0, steps: int = 2000) -> Frame:
    """Return m unit vectors of R^n that repel each other, at rest.

    Parameters
    ----------
    m : int
        Number of vectors, at least 2; fewer or more than n.
    n : int
        Width of the space, at least 2.
    seed : int
        Seed of the random start.
    steps : int
        Most steps of the descent; `source` says where they did not suffice to come to rest.

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If m or n is below 2, or there are more vectors than 8 192, each of which repels all others.

    Notes
    -----
    The Thomson problem on the sphere: Σ 1/|b_i − b_j| is least. n + 1 vectors come to rest on a
    simplex, cosines −1/n; 2n on a cross-polytope; other numbers in a local minimum, which depends
    on the seed.

    Examples
    --------
    >>> simplex = thomson_frame(4, 3)
    >>> bool(np.allclose(simplex.gram[0, 1:], -1 / 3, atol=1e-6))
    True
    """
    check_whole(m=m, n=n, seed=seed, steps=steps)
    if m < 2 or n < 2:
        raise ValueError(f"m and n must be at least 2, got m={m}, n={n}")
    if m > GRAM_LIMIT:
        raise ValueError(
            f"at most {GRAM_LIMIT:,} vectors can repel each other here, got m={m:,}: take fewer, "
            "or random ones (Frame.given), which are nearly as even"
        )
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    start = rng.standard_normal((m, n))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    upper = np.triu_indices(m, 1)

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        free = flat.reshape(m, n)
        length = np.linalg.norm(free, axis=1, keepdims=True)
        unit = free / length
        square = np.maximum(2 - 2 * (unit @ unit.T), 1e-12)
        inverse = square**-0.5
        np.fill_diagonal(inverse, 0)
        cube = inverse**3
        # d/db_i of Σ 1/|b_i − b_j| on the sphere: only Σ_j b_j/|b_i − b_j|³ is left
        pull = cube @ unit
        slope = (pull - (pull * unit).sum(axis=1, keepdims=True) * unit) / length
        return float(inverse[upper].sum()), slope.ravel()

    found = minimize(
        energy,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-15, "gtol": 1e-10},
    )
    source = f"Thomson frame of {m} in R^{n}, seed {seed}"
    if found.status == 1:
        source += f", not at rest after {steps:,} steps"
    return Frame.given(found.x.reshape(m, n), source=source)
