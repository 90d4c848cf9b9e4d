"""The training protocol of the PPP paper's Appendix E, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isotropic.checks import require_number, require_whole

#: Epochs after which the paper takes a snapshot.
SCHEDULE = (0, 1, 2, 4, 6, 8, 13, 18, 24, 30, 40, 50, 60, 75, 90, 105, 125)

#: The generators take seeds below this, and repeats count up from one.
SEEDS = 2**63


def schedule(epochs: int, at: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the epochs of the snapshots of a run, its last epoch always among them.

    Parameters
    ----------
    epochs : int
        Length of the run, at least 0.
    at : sequence of int, optional
        The epochs wanted; by default those of the paper. Those beyond the run are left out.

    Returns
    -------
    tuple of int
        Increasing.

    Examples
    --------
    >>> schedule(5)
    (0, 1, 2, 4, 5)
    """
    require_whole("epochs", epochs, 0)
    wanted = SCHEDULE if at is None else at
    for epoch in wanted:
        require_whole("snapshot epochs", epoch, 0)
    return tuple(sorted({epoch for epoch in wanted if epoch <= epochs} | {epochs}))


@dataclass(frozen=True)
class Protocol:
    """How a network is trained; the defaults are the paper's.

    Parameters
    ----------
    epochs : int, default 125
        Passes over the training set.
    batch : int, default 24
        Inputs per step; the last, smaller batch of an epoch is kept.
    rate : float, default 0.08
        Learning rate of SGD.
    momentum : float, default 0.9
        Of SGD, in PyTorch's form.
    standardise : bool, default True
        Inputs *and* targets are standardised element by element with training-set statistics
        ("norm"); otherwise they stay in [0, 1] ("raw").
    seed : int, default 0
        Fixes the initial weights and the order of the batches, whatever the activation.
    snapshots : tuple of int, optional
        Epochs at which activations are kept, see :func:`schedule`.

    Raises
    ------
    TypeError
        Rate or momentum is no number.
    ValueError
        A number is out of its range, or ``standardise`` is no truth value.

    Examples
    --------
    >>> Protocol(epochs=2).snapshot_epochs
    (0, 1, 2)
    """

    epochs: int = 125
    batch: int = 24
    rate: float = 0.08
    momentum: float = 0.9
    standardise: bool = True
    seed: int = 0
    snapshots: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        schedule(self.epochs, self.snapshots)
        require_whole("batch", self.batch, 1)
        if not isinstance(self.standardise, bool):
            raise ValueError(f"standardise must be True or False, got {self.standardise!r}")
        require_number("rate", self.rate)
        require_number("momentum", self.momentum)
        if not 0 < self.rate < float("inf"):
            raise ValueError(f"rate must be above 0 and finite, got {self.rate}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {self.momentum}")
        if require_whole("seed", self.seed, 0) >= SEEDS:
            raise ValueError(f"seed must be below 2^63, got {self.seed}")

    @property
    def snapshot_epochs(self) -> tuple[int, ...]:
        """Epochs at which activations are kept."""
        return schedule(self.epochs, self.snapshots)

    def provenance(self) -> dict[str, Any]:
        """Return the settings as plain values, for a store's record."""
        return asdict(self) | {
            "snapshots": list(self.snapshot_epochs),
            "optimiser": "SGD",
            "loss": "MSE",
            "initialisation": "Xavier-normal weights, zero biases",
        }
