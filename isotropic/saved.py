"""What is kept of a training beside activations: weights at the snapshots, and checkpoints."""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from isotropic.data import Images
from isotropic.models import Autoencoder
from isotropic.modules import FORMS

WEIGHTS_FORMAT = "privileged-planes/weights"
CHECKPOINT_FORMAT = "privileged-planes/checkpoint"

#: How the readers of archives and of torch refuse what is none, or was cut, or holds changed bits;
#: the last is torch's word for what is not plain tensors and containers.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    RuntimeError,
    torch.serialization.pickle.UnpicklingError,
)

#: Stands for a setting that a checkpoint of another version does not name.
NOT_RECORDED = "not recorded"


@dataclass
class Checkpoint:
    """Everything an ensemble needs to go on where it stopped.

    Parameters
    ----------
    fingerprint : dict
        Settings and data; a run with others cannot go on from here.
    epoch : int
        The last finished epoch.
    state : list of list of tensor
        Parameters and momenta of the stack; None for the momentum of what has none.
    generators : list of tensor
        State of each seed's generator of batch orders.
    networks : list of dict
        For each network ``history``, ``diverged`` and ``snapshots``, the weights by epoch.
    """

    fingerprint: dict[str, Any]
    epoch: int = 0
    state: list[list[Any]] = field(default_factory=list)
    generators: list[torch.Tensor] = field(default_factory=list)
    networks: list[dict[str, Any]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write to ``path`` in one step, so that a kill leaves the old checkpoint or the new."""
        _save({"format": CHECKPOINT_FORMAT} | _shallow(self), path)

    @classmethod
    def load(cls, path: Path, fingerprint: dict[str, Any]) -> Checkpoint:
        """Read ``path``, and refuse it where the fingerprint differs.

        So is a checkpoint of a version that recorded less of the settings and data.
        """
        content = _load(path, CHECKPOINT_FORMAT)
        saved = content["fingerprint"]
        differing = sorted(
            key
            for key in fingerprint.keys() | saved.keys()
            if fingerprint.get(key, NOT_RECORDED) != saved.get(key, NOT_RECORDED)
        )
        if differing:
            key = differing[0]
            raise ValueError(
                f"{path} is the checkpoint of another training: {', '.join(differing)} differ "
                f"({key}: {saved.get(key, NOT_RECORDED)!r} there, "
                f"{fingerprint.get(key, NOT_RECORDED)!r} here): use the same settings, another "
                "folder, or overwrite it"
            )
        return cls(**content)


def fingerprint(data: Images, test: Images | None, spec: dict[str, Any]) -> dict[str, Any]:
    """Return settings and checksums of the images, to tell one training from another.

    Parameters
    ----------
    data, test : Images
        The training set and, where there is one, the test set.
    spec : dict
        Plain settings; activations as :func:`isotropic.identity.identity_of` tells them apart.

    Returns
    -------
    dict
    """
    return spec | _told(data) | {"test": None if test is None else _told(test)}


def _told(images: Images) -> dict[str, Any]:
    return {
        "data": images.name,
        "images": len(images),
        "pixels": images.pixels.dtype.str,
        "scale": float(images.scale),
        "checksum": zlib.crc32(np.ascontiguousarray(images.pixels).tobytes()),
    }


def save_weights(
    path: Path,
    network: Autoencoder,
    activation: str,
    snapshots: dict[int, dict[str, torch.Tensor]],
    history: list[dict[str, float]],
) -> None:
    """Write a network's weights at its snapshots, with its losses.

    Parameters
    ----------
    path : Path
        The file.
    network : Autoencoder
        Gives the sizes.
    activation : str
        Its name.
    snapshots : dict
        Epoch to ``state_dict``.
    history : list of dict
        Losses by epoch.
    """
    spec = {
        "features": network.features,
        "width": network.width,
        "blocks": network.blocks,
        "activation": activation,
    }
    content = {"spec": spec, "snapshots": snapshots, "history": history}
    _save({"format": WEIGHTS_FORMAT} | content, path)


def load_network(
    path: str | Path, epoch: int | None = None, activation: nn.Module | None = None
) -> Autoencoder:
    """Return a trained network as it stood at one of its snapshots.

    Parameters
    ----------
    path : path
        ``NAME.weights.pt``, written beside a store.
    epoch : int, optional
        Of the snapshot; by default the last.
    activation : Module, optional
        Needed where the network was trained with a module instead of a name.

    Returns
    -------
    Autoencoder

    Raises
    ------
    ValueError
        Not such a file, a module is needed, or no snapshot at that epoch; the message lists those
        there are.

    Examples
    --------
    >>> import tempfile
    >>> from isotropic.data import digits
    >>> from isotropic.protocol import Protocol
    >>> from isotropic.train import train_autoencoder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Path(folder, "digits.h5")
    ...     run = train_autoencoder(digits(), width=4, protocol=Protocol(epochs=1), store=store)
    ...     untrained = load_network(run.weights, epoch=0)
    >>> untrained.width
    4
    """
    content = _load(Path(path), WEIGHTS_FORMAT)
    snapshots = content["snapshots"]
    wanted = max(snapshots, default=None) if epoch is None else epoch
    if wanted not in snapshots:
        raise ValueError(f"epoch must be one of {sorted(snapshots)} in {path}, got {epoch}")
    spec = content["spec"]
    if activation is None and spec["activation"] not in FORMS:
        raise ValueError(
            f"the network in {path} was trained with the module {spec['activation']}: give one as "
            "the activation"
        )
    network = Autoencoder(
        spec["features"], spec["width"], spec["blocks"], activation or spec["activation"]
    )
    network.load_state_dict(snapshots[wanted])
    return network


def _shallow(checkpoint: Checkpoint) -> dict[str, Any]:
    return {item.name: getattr(checkpoint, item.name) for item in fields(checkpoint)}


def _save(content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _load(path: Path, wanted: str) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:  # torch reads on whatever the checksums say
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} has another checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError):
        raise
    except DAMAGE as error:
        # Torch's message advises to read pickles after all: it stays behind, as the cause.
        raise ValueError(
            f"{path} must be a file of {wanted}, but is damaged or something else"
        ) from error
    if not isinstance(content, dict) or content.pop("format", None) != wanted:
        raise ValueError(f"{path} must be a file of {wanted}, but is something else")
    return content
