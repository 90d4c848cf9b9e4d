"""Training of the reference autoencoders, with their activations kept along the way."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from isotropic.data import Images, Standardiser
from isotropic.models import Autoencoder
from isotropic.protocol import Protocol

#: Inputs per forward where nothing is trained; also the size of a block in a store.
PASS = 2048


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
    """

    model: Autoencoder
    history: list[dict[str, float]] = field(default_factory=list)
    path: Path | None = None
    diverged: int | None = None
    activation: str = ""
    seed: int = 0

    @property
    def weights(self) -> Path | None:
        """Where an ensemble keeps the network's weights at its snapshots."""
        return None if self.path is None else self.path.with_suffix(".weights.pt")


@dataclass(frozen=True)
class Task:
    """Tensors that a network is trained on, standardised where the protocol says so."""

    inputs: torch.Tensor
    labels: torch.Tensor
    test: torch.Tensor | None
    weights: torch.Tensor

    @classmethod
    def of(cls, data: Images, test: Images | None, standardise: bool) -> Task:
        """Prepare ``data`` and ``test``; ``weights`` turn raw errors into standardised ones."""
        images = data.images
        standard = Standardiser.fit(images)
        held_out = None if test is None else test.images
        if standardise:
            images = standard(images)
            held_out = None if held_out is None else standard(held_out)
        scale = np.ones(data.features) if standardise else standard.deviation**-2.0
        return cls(
            torch.from_numpy(images),
            torch.from_numpy(data.labels),
            None if held_out is None else torch.from_numpy(held_out),
            torch.from_numpy(scale),
        )


def train_autoencoder(
    data: Images,
    activation: str | nn.Module = "isotropic-tanh",
    *,
    width: int = 18,
    blocks: int = 0,
    protocol: Protocol | None = None,
    test: Images | None = None,
    store: str | Path | None = None,
    progress: bool = False,
) -> Run:
    """Train one autoencoder by the protocol of the PPP paper.

    Parameters
    ----------
    data : Images
        The training set.
    activation : str or Module, default "isotropic-tanh"
        See :func:`isotropic.activation`.
    width, blocks : int, default 18 and 0
        Neurons per latent layer, hidden blocks.
    protocol : Protocol, optional
        Epochs, rates, seed; by default the paper's.
    test : Images, optional
        Held-out images; their loss is measured after every epoch.
    store : path, optional
        Where to keep the activations of all latent layers over the training set, one snapshot
        for each epoch that the protocol names. None keeps nothing.
    progress : bool, default False
        Show a bar over the steps.

    Returns
    -------
    Run
        ``run.diverged`` says whether the loss stopped being finite; the store then ends with the
        last snapshot before.

    Raises
    ------
    ValueError
        A size is too small, or the test images have another shape.

    Notes
    -----
    Emergence of quantised representations, App. E. Runs on one thread: networks this small are
    many times slower when several threads share one. Equal seeds pair initial weights and batch
    orders across activations.

    Examples
    --------
    >>> from isotropic.data import digits
    >>> run = train_autoencoder(digits(), "tanh", width=4, protocol=Protocol(epochs=1))
    >>> [entry["epoch"] for entry in run.history]
    [0, 1]
    """
    protocol = protocol or Protocol()
    if test is not None and test.shape != data.shape:
        raise ValueError(f"test images must have shape {data.shape}, got {test.shape}")
    generator = torch.Generator().manual_seed(protocol.seed)
    model = Autoencoder(data.features, width, blocks, activation, generator=generator)
    path = None if store is None else Path(store)
    run = Run(model, path=path, activation=name_of(activation), seed=protocol.seed)
    task = Task.of(data, test, protocol.standardise)
    with one_thread(), recorder_for(run, data, protocol) as recorder:
        _train(run, task, protocol, generator, recorder, progress)
    return run


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch at one thread, and give back what it had."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    run: Run,
    task: Task,
    protocol: Protocol,
    generator: torch.Generator,
    recorder: Any,
    progress: bool,
) -> None:
    from tqdm import tqdm

    model, wanted = run.model, set(protocol.snapshot_epochs)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=protocol.rate, momentum=protocol.momentum, fused=True
    )
    steps = -(-len(task.inputs) // protocol.batch)
    name = getattr(run.path, "name", "training")
    with tqdm(total=protocol.epochs * steps, desc=name, unit="step", disable=not progress) as bar:
        for epoch in range(protocol.epochs + 1):
            loss = (
                _epoch(model, optimiser, task.inputs, protocol.batch, generator, bar.update)
                if epoch
                else mean_loss(model, task.inputs)
            )
            if not np.isfinite(loss):
                run.diverged = epoch
                return
            entry = {
                "epoch": epoch,
                "step": epoch * steps,
                "loss": loss,
                **held_out_losses(model, task),
            }
            run.history.append(entry)
            if recorder is not None and epoch in wanted:
                keep_snapshot(recorder, model, task, entry)


def _epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    inputs: torch.Tensor,
    batch: int,
    generator: torch.Generator,
    tick: Callable[[int], Any],
) -> float:
    """Take one step a batch, in a fresh order; return the mean loss over the inputs."""
    total = torch.zeros((), dtype=inputs.dtype)
    order = torch.randperm(len(inputs), generator=generator)
    for chunk in order.split(64 * batch):  # the bar moves every 64 steps: it costs more than a step
        batches = chunk.split(batch)
        for index in batches:
            x = inputs.index_select(0, index)
            output = model(x)
            # The gradient of the mean squared error, handed over: the loss node would allocate
            # and fault in three more batches a step, a third of the time of a network this small.
            error = output.detach() - x
            optimiser.zero_grad()
            output.backward(error * (2 / error.numel()))
            optimiser.step()
            total += error.flatten().dot(error.flatten())
        tick(len(batches))
    return float(total / inputs.numel())


@torch.no_grad()
def mean_loss(model: nn.Module, inputs: torch.Tensor, weights: torch.Tensor | None = None) -> float:
    """Return the mean squared reconstruction error over ``inputs (N, d)``.

    Parameters
    ----------
    model : Module
        Reconstructs a batch.
    inputs : (N, d) tensor
        Inputs and targets at once.
    weights : (d,) tensor, optional
        Factor of each element's squared error.

    Returns
    -------
    float
    """
    total = torch.zeros((), dtype=inputs.dtype)
    for x in inputs.split(PASS):
        error = (model(x) - x).square_()
        total += (error if weights is None else error * weights).sum()
    return float(total / inputs.numel())


def held_out_losses(model: nn.Module, task: Task) -> dict[str, float]:
    """Return the losses on the held-out images, as trained and on the standardised scale."""
    if task.test is None:
        return {}
    # Raw and standardised networks are compared on one scale: App. D standardises raw errors.
    return {
        "test_loss": mean_loss(model, task.test),
        "test_loss_standardised": mean_loss(model, task.test, task.weights),
    }


def keep_snapshot(recorder: Any, model: Autoencoder, task: Task, entry: dict[str, float]) -> None:
    """Record all latent layers over the training set, as the snapshot of the entry's epoch."""
    loader = list(zip(task.inputs.split(PASS), task.labels.split(PASS), strict=True))
    recorder.record(
        model,
        loader,
        list(model.latent_layers),
        snapshot=f"epoch-{entry['epoch']:03d}",
        attrs=dict(entry),
        labels=True,
    )


def name_of(activation: str | nn.Module) -> str:
    """Return the name of an activation, or of its class where a module was given."""
    return activation if isinstance(activation, str) else type(activation).__name__


def recorder_for(run: Run, data: Images, protocol: Protocol, *, overwrite: bool = False) -> Any:
    """Return a recorder for the run's store, or a context that yields None where it has none."""
    if run.path is None:
        return nullcontext()
    import hooks

    run.path.parent.mkdir(parents=True, exist_ok=True)
    return hooks.Recorder(
        run.path, provenance=provenance_of(run, data, protocol), overwrite=overwrite
    )


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
