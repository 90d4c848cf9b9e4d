"""Several networks trained together, each into its own store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isotropic.checks import require_whole
from isotropic.data import Images, fetch, load
from isotropic.ensemble import train_ensemble
from isotropic.models import Autoencoder
from isotropic.protocol import Protocol
from isotropic.runs import Run


@dataclass(frozen=True)
class Campaign:
    """Networks to train: every activation with every seed, on one data set.

    Parameters
    ----------
    data, test : Images
        Training and held-out images.
    activations : tuple of str
        Names known to :func:`isotropic.activation`.
    width, blocks : int
        Of every network.
    repeats : int
        Networks per activation; their seeds count up from the protocol's.
    protocol : Protocol
        Of every network but for the seed.

    Examples
    --------
    >>> campaign = Campaign.prepare("digits", ["tanh", "relu"], width=4, epochs=1, rate=0.02)
    >>> campaign.store(Path("runs"), "tanh", seed=0).name
    'digits-norm-n4-L0-rate0.02-seed0.h5'
    >>> [run.activation for run in campaign.train()]
    ['tanh', 'relu']
    """

    data: Images
    test: Images
    activations: tuple[str, ...]
    width: int
    blocks: int
    repeats: int
    protocol: Protocol

    @classmethod
    def prepare(
        cls,
        data_name: str,
        activations: Sequence[str],
        *,
        data_path: Path | None = None,
        download: bool = False,
        width: int = 18,
        blocks: int = 0,
        repeats: int = 1,
        **settings: float | bool,
    ) -> Campaign:
        """Check every setting and load the data, before anything is trained.

        Parameters
        ----------
        data_name : str
            Name of the data set.
        activations : sequence of str
            Names of the activations; repeated ones count once.
        data_path : path, optional
            Folder of the data set's files.
        download : bool, default False
            Fetch the files that are not there.
        width, blocks, repeats : int
            See :class:`Campaign`.
        **settings
            Fields of :class:`isotropic.Protocol`.

        Returns
        -------
        Campaign

        Raises
        ------
        ValueError, FileNotFoundError
            A setting out of range, an unknown name, missing files.
        """
        require_whole("repeats", repeats, 1)
        protocol = Protocol(**settings)  # type: ignore[arg-type]
        names = tuple(dict.fromkeys(activations))
        for name in names:
            Autoencoder(1, width, blocks, name)
        if download:
            data_path = fetch(data_name, data_path, progress=True)
        return cls(
            load(data_name, "train", data_path),
            load(data_name, "test", data_path),
            names,
            width,
            blocks,
            repeats,
            protocol,
        )

    def store(self, out: Path, activation: str, seed: int) -> Path:
        """Return where the network's activations go."""
        kind = "norm" if self.protocol.standardise else "raw"
        # Another rate is another training, and may run beside this one.
        usual = self.protocol.rate == Protocol.rate
        rate = "" if usual else f"-rate{self.protocol.rate:g}"
        name = f"{self.data.name}-{kind}-n{self.width}-L{self.blocks}{rate}-seed{seed}.h5"
        return out / activation / name

    def checkpoint(self, out: Path) -> Path:
        """Return where an interrupted training goes on from."""
        last = self.protocol.seed + self.repeats - 1
        store = self.store(out, "", self.protocol.seed)
        # Other activations in the same folder are another training, and may run beside this one.
        return out / f"{'+'.join(self.activations)}-{store.stem}-{last}.checkpoint.pt"

    def run(self, out: Path, *, overwrite: bool = False, progress: bool = False) -> list[Run]:
        """Train all networks at once, each into a store of its own.

        Parameters
        ----------
        out : Path
            Folder for the stores, one folder per activation.
        overwrite : bool, default False
            Replace stores that are there, and start anew in spite of a checkpoint.
        progress : bool, default False
            Show a bar.

        Returns
        -------
        list of Run
        """
        return self.train(
            stores=lambda activation, seed: self.store(out, activation, seed),
            checkpoint=self.checkpoint(out),
            overwrite=overwrite,
            progress=progress,
        )

    def train(self, **options: Any) -> list[Run]:
        """Train all networks at once, keeping what the options say.

        Parameters
        ----------
        **options
            `stores`, `checkpoint`, `overwrite` and `progress` of
            :func:`isotropic.train_ensemble`; by default nothing is kept but the runs.

        Returns
        -------
        list of Run
        """
        return train_ensemble(
            self.data,
            self.activations,
            repeats=self.repeats,
            width=self.width,
            blocks=self.blocks,
            protocol=self.protocol,
            test=self.test,
            **options,
        )
