"""A trained network and how it came about."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isotropic.data import Images
from isotropic.models import Autoencoder
from isotropic.protocol import Protocol


@dataclass
class Run:
    """A trained network and how it came about.

    Parameters
    ----------
    model : Autoencoder
        As it stood at the end.
    history : list of dict
        One entry an epoch, from 0: ``epoch``, ``step``, ``loss`` (training set, mean over the
        epoch's batches; for epoch 0, of the untrained network), ``test_loss``.
    path : Path or None
        The store with the snapshots.
    diverged : int or None
        The epoch in which the loss stopped being finite.
    activation : str
        Name of the activation, or of its class.
    seed : int
        Of weights and batch order.

    Examples
    --------
    >>> Run(Autoencoder(4, width=2), path=Path("runs/net.h5")).weights.name
    'net.weights.pt'
    """

    model: Autoencoder
    history: list[dict[str, float]] = field(default_factory=list)
    path: Path | None = None
    diverged: int | None = None
    activation: str = ""
    seed: int = 0

    @property
    def weights(self) -> Path | None:
        """Where the network's weights at its snapshots are kept."""
        return None if self.path is None else self.path.with_suffix(".weights.pt")


def name_of(activation: str | nn.Module) -> str:
    """Return the name of an activation, or of its class where a module was given."""
    return activation if isinstance(activation, str) else type(activation).__name__


def provenance_of(run: Run, data: Images, protocol: Protocol) -> dict[str, Any]:
    """Return data, network, protocol and versions as plain values, for a store's record."""
    return {
        "data": {"name": data.name, "inputs": len(data), "shape": list(data.shape)}
        | dict(data.provenance),
        "network": {
            "kind": "autoencoder",
            "activation": run.activation,
            "width": run.model.width,
            "blocks": run.model.blocks,
        },
        "protocol": protocol.provenance() | {"seed": run.seed},
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
