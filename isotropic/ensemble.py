"""All repeats and all activations of an autoencoder trained at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isotropic.checks import require_whole
from isotropic.data import Images
from isotropic.identity import identity_of
from isotropic.models import Autoencoder
from isotropic.modes import on_cpu, one_thread
from isotropic.protocol import Protocol
from isotropic.runs import Run, name_of
from isotropic.saved import Checkpoint, fingerprint, save_weights
from isotropic.stacked import Stack
from isotropic.train import (
    Task,
    enter_epoch,
    keep_snapshot,
    mean_loss,
    recorder_for,
    require_images,
    weights_of,
)

#: Steps between two moves of the progress bar, which costs as much as a step.
TICK = 64


@on_cpu()
def train_ensemble(
    data: Images,
    activations: Sequence[str | nn.Module] = ("tanh", "isotropic-tanh"),
    *,
    repeats: int = 5,
    width: int = 18,
    blocks: int = 0,
    protocol: Protocol | None = None,
    test: Images | None = None,
    stores: Callable[[str, int], Path] | None = None,
    checkpoint: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> list[Run]:
    """Train every activation with every seed, all networks in step.

    Each network is the one that :func:`isotropic.train_autoencoder` trains with the same seed, to
    rounding; together they take a fraction of the time. On the CPU, as there.

    Parameters
    ----------
    data : Images
        The training set.
    activations : sequence of str or Module
        See :func:`isotropic.activation`; modules must be free of parameters and act on each
        vector, the last dimension, alone.
    repeats : int, default 5
        Networks per activation; their seeds count up from the protocol's.
    width, blocks : int, default 18 and 0
        Of every network.
    protocol : Protocol, optional
        By default the paper's.
    test : Images, optional
        Held-out images; their losses are measured after every epoch.
    stores : callable, optional
        From activation name and seed to the path of a store. Beside each store go the network's
        weights at its snapshots, ``NAME.weights.pt``.
    checkpoint : path, optional
        Written after every epoch and removed at the end. Where there is one already, the training
        goes on from it, exactly as if it had never stopped; one of another training is refused,
        see :func:`isotropic.train_autoencoder`.
    overwrite : bool, default False
        Replace stores that are there, and start anew in spite of a checkpoint.
    progress : bool, default False
        Show a bar over the steps.

    Returns
    -------
    list of Run
        Activation by activation, seed by seed.

    Raises
    ------
    TypeError
        The images are no :class:`isotropic.data.Images`.
    ValueError
        A setting out of range, an activation that cannot be stacked, one store for two networks, or
        the checkpoint is of another training.

    Examples
    --------
    >>> from isotropic.data import digits
    >>> runs = train_ensemble(digits(), repeats=2, width=4, protocol=Protocol(epochs=1))
    >>> [(run.activation, run.seed) for run in runs]
    [('tanh', 0), ('tanh', 1), ('isotropic-tanh', 0), ('isotropic-tanh', 1)]
    """
    protocol = protocol or Protocol()
    require_whole("repeats", repeats, 1)
    require_images(data, test)
    if isinstance(activations, str) or not activations:
        raise ValueError(
            f"activations must be a list of at least one activation, got {activations!r}"
        )
    path = None if checkpoint is None else Path(checkpoint)
    spec = _spec(activations, repeats, width, blocks, protocol)
    saved = Checkpoint(fingerprint(data, test, spec))
    resuming = path is not None and path.exists() and not overwrite
    if resuming and path is not None:
        saved = Checkpoint.load(path, saved.fingerprint)
    with one_thread(), ExitStack() as exits:
        networks, generators = _draw(data, activations, repeats, width, blocks, protocol)
        runs = _runs(networks, activations, protocol, stores)
        # Killed before its first checkpoint, a training leaves parts of stores, nothing more.
        fresh = path is not None and not any(run.path and run.path.exists() for run in runs)
        replace = overwrite or resuming or fresh
        contexts = [recorder_for(run, data, protocol, overwrite=replace) for run in runs]
        ensemble = _Ensemble(
            protocol,
            networks,
            generators,
            Stack(networks, protocol.rate, protocol.momentum),
            runs,
            [exits.enter_context(context) for context in contexts],
            Task.of(data, test, protocol.standardise),
        )
        if resuming:
            ensemble.restore(saved)
        else:
            ensemble.begin(saved)
        ensemble.train(saved, path, progress)
        ensemble.finish(saved)
    if path is not None:
        path.unlink(missing_ok=True)
    return runs


@dataclass
class _Ensemble:
    """The networks in training, their stack and where they are recorded."""

    protocol: Protocol
    networks: list[list[Autoencoder]]
    generators: list[torch.Generator]
    stack: Stack
    runs: list[Run]
    recorders: list[Any]
    task: Task

    def begin(self, saved: Checkpoint) -> None:
        """Measure the untrained networks and take their snapshots."""
        saved.networks = [{"history": [], "diverged": None, "snapshots": {}} for _ in self.runs]
        self._after_epoch(0, [mean_loss(run.model, self.task.inputs) for run in self.runs], saved)

    def restore(self, saved: Checkpoint) -> None:
        """Take over a checkpoint, and record anew what the lost stores held."""
        self.stack.load(saved.state)
        for generator, state in zip(self.generators, saved.generators, strict=True):
            generator.set_state(state)
        for run, recorder, kept in zip(self.runs, self.recorders, saved.networks, strict=True):
            run.history, run.diverged = kept["history"], kept["diverged"]
            for epoch, weights in kept["snapshots"].items():
                run.model.load_state_dict(weights)
                self._record(recorder, run, run.history[epoch])
        self.stack.unstack(self.networks)

    def train(self, saved: Checkpoint, path: Path | None, progress: bool) -> None:
        """Run the epochs that are left."""
        from tqdm import tqdm

        steps = -(-len(self.task.inputs) // self.protocol.batch)
        bar = tqdm(
            total=self.protocol.epochs * steps,
            initial=saved.epoch * steps,
            desc=f"{len(self.runs)} networks",
            unit="step",
            disable=not progress,
        )
        with bar:
            for epoch in range(saved.epoch + 1, self.protocol.epochs + 1):
                if all(run.diverged is not None for run in self.runs):
                    return
                losses = self._epoch(bar.update)
                self.stack.unstack(self.networks)
                self._after_epoch(epoch, losses, saved)
                if path is not None:
                    saved.state = self.stack.state()
                    saved.generators = [generator.get_state() for generator in self.generators]
                    saved.save(path)

    def finish(self, saved: Checkpoint) -> None:
        """Leave every model as its last snapshot or epoch had it, and keep the weights."""
        for run, kept in zip(self.runs, saved.networks, strict=True):
            if run.diverged is not None and kept["snapshots"]:
                run.model.load_state_dict(kept["snapshots"][max(kept["snapshots"])])
            if run.weights is not None:
                save_weights(run.weights, run.model, run.activation, kept["snapshots"], run.history)

    def _epoch(self, tick: Callable[[int], Any]) -> list[float]:
        """Take one step a batch, each seed in its own order; return each network's mean loss."""
        inputs, batch = self.task.inputs, self.protocol.batch
        orders = torch.stack(
            [torch.randperm(len(inputs), generator=generator) for generator in self.generators]
        )
        errors = inputs.new_zeros(self.stack.seeds, self.stack.forms)
        for count, index in enumerate(orders.split(batch, dim=1), start=1):
            self.stack.step(inputs, index, errors)
            if count % TICK == 0:
                tick(TICK)
        tick(count % TICK)
        return [float(loss) for loss in (errors / inputs.numel()).T.flatten()]

    def _after_epoch(self, epoch: int, losses: Sequence[float], saved: Checkpoint) -> None:
        steps = -(-len(self.task.inputs) // self.protocol.batch)
        together = zip(self.runs, self.recorders, saved.networks, losses, strict=True)
        for run, recorder, kept, loss in together:
            if run.diverged is not None:
                continue
            entry = enter_epoch(run, self.task, epoch, epoch * steps, loss)
            kept["history"], kept["diverged"] = run.history, run.diverged
            if entry is not None and epoch in self.protocol.snapshot_epochs:
                kept["snapshots"][epoch] = weights_of(run.model)
                self._record(recorder, run, entry)
        saved.epoch = epoch

    def _record(self, recorder: Any, run: Run, entry: Mapping[str, float]) -> None:
        if recorder is not None:
            keep_snapshot(recorder, run.model, self.task, dict(entry))


def _draw(
    data: Images,
    activations: Sequence[str | nn.Module],
    repeats: int,
    width: int,
    blocks: int,
    protocol: Protocol,
) -> tuple[list[list[Autoencoder]], list[torch.Generator]]:
    """Draw the weights, those of one seed equal across activations, and the orders' generators."""
    networks, generators = [], []
    for seed in range(protocol.seed, protocol.seed + repeats):
        row = []
        for form in activations:
            # Anew for each: all draw the same weights, and leave the same state for the order.
            generator = torch.Generator().manual_seed(seed)
            row.append(Autoencoder(data.features, width, blocks, form, generator=generator))
        networks.append(row)
        generators.append(generator)
    return networks, generators


def _runs(
    networks: Sequence[Sequence[Autoencoder]],
    activations: Sequence[str | nn.Module],
    protocol: Protocol,
    stores: Callable[[str, int], Path] | None,
) -> list[Run]:
    """Return a run for every network, activation by activation, each with a store of its own."""
    runs: list[Run] = []
    for a, form in enumerate(activations):
        for seed, row in enumerate(networks, start=protocol.seed):
            path = stores(name_of(form), seed) if stores else None
            if path is not None and any(run.path == path for run in runs):
                raise ValueError(
                    f"stores must give every network a path of its own, got {path} for two of "
                    f"{name_of(form)!r}: give modules of one class classes of their own, or train "
                    "them apart"
                )
            runs.append(Run(row[a], path=path, activation=name_of(form), seed=seed))
    return runs


def _spec(
    activations: Sequence[str | nn.Module],
    repeats: int,
    width: int,
    blocks: int,
    protocol: Protocol,
) -> dict[str, Any]:
    return protocol.provenance() | {
        "activations": [identity_of(form) for form in activations],
        "repeats": repeats,
        "width": width,
        "blocks": blocks,
    }
