"""Training of the reference autoencoders, with their activations kept along the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from isotropic.data import Images, Standardiser
from isotropic.identity import identity_of
from isotropic.models import Autoencoder
from isotropic.modes import evaluating, on_cpu, one_thread
from isotropic.protocol import Protocol
from isotropic.runs import Run, name_of, provenance_of
from isotropic.saved import Checkpoint, fingerprint, save_weights

#: Inputs per forward where nothing is trained; also the size of a block in a store.
PASS = 2048


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


@on_cpu()
def train_autoencoder(
    data: Images,
    activation: str | nn.Module = "isotropic-tanh",
    *,
    width: int = 18,
    blocks: int = 0,
    protocol: Protocol | None = None,
    test: Images | None = None,
    store: str | Path | None = None,
    checkpoint: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Run:
    """Train one autoencoder by the protocol of the PPP paper.

    On the CPU, whatever the default device: networks this small are no work for another.

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
        for each epoch that the protocol names. None keeps nothing. Beside it go the network's
        weights at its snapshots, ``NAME.weights.pt``.
    checkpoint : path, optional
        Written after every epoch and removed at the end. Where there is one already, the training
        goes on from it, exactly as if it had never stopped. One of other settings, images, test
        images or another activation is refused, as far as
        :func:`isotropic.identity.identity_of` can tell activations apart.
    overwrite : bool, default False
        Replace a store that is there, and start anew in spite of a checkpoint.
    progress : bool, default False
        Show a bar over the steps.

    Returns
    -------
    Run
        ``run.diverged`` says whether the loss stopped being finite; store and model then end with
        the last snapshot before.

    Raises
    ------
    TypeError
        The images are no :class:`isotropic.data.Images`.
    ValueError
        A size is too small, the test images have another shape, or the checkpoint is of another
        training.

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
    require_images(data, test)
    path = None if checkpoint is None else Path(checkpoint)
    generator = torch.Generator().manual_seed(protocol.seed)
    model = Autoencoder(data.features, width, blocks, activation, generator=generator)
    run = Run(
        model,
        path=None if store is None else Path(store),
        activation=name_of(activation),
        seed=protocol.seed,
    )
    spec = {"activation": identity_of(activation), "width": width, "blocks": blocks}
    saved = Checkpoint(fingerprint(data, test, protocol.provenance() | spec))
    resuming = path is not None and path.exists() and not overwrite
    if resuming and path is not None:
        saved = Checkpoint.load(path, saved.fingerprint)
    # Killed before its first checkpoint, a training leaves a part of a store, nothing more.
    fresh = path is not None and run.path is not None and not run.path.exists()
    replace = overwrite or resuming or fresh
    with one_thread(), recorder_for(run, data, protocol, overwrite=replace) as recorder:
        task = Task.of(data, test, protocol.standardise)
        _Lone(run, task, protocol, generator, recorder, saved, path).train(progress)
    if path is not None:
        path.unlink(missing_ok=True)
    return run


@dataclass
class _Lone:
    """One network in training, and where it is recorded."""

    run: Run
    task: Task
    protocol: Protocol
    generator: torch.Generator
    recorder: Any = None
    saved: Checkpoint = field(default_factory=lambda: Checkpoint({}))
    path: Path | None = None

    def __post_init__(self) -> None:
        self.steps = -(-len(self.task.inputs) // self.protocol.batch)
        self.optimiser = torch.optim.SGD(
            self.run.model.parameters(),
            lr=self.protocol.rate,
            momentum=self.protocol.momentum,
            fused=True,
        )

    def train(self, progress: bool = False) -> None:
        """Run the epochs that are left, from the checkpoint's where there is one."""
        from tqdm import tqdm

        begun = self.restore() if self.saved.networks else self.begin()
        bar = tqdm(
            total=self.protocol.epochs * self.steps,
            initial=self.saved.epoch * self.steps,
            desc=getattr(self.run.path, "name", "training"),
            unit="step",
            disable=not progress,
        )
        with bar:
            for epoch in range(begun, self.protocol.epochs + 1):
                if self.run.diverged is not None:
                    break
                self._after_epoch(epoch, self._loss(epoch, bar.update))
        self.finish()

    def begin(self) -> int:
        """Start with an empty record; return the first epoch, of the untrained network."""
        self.saved.networks = [{"history": self.run.history, "diverged": None, "snapshots": {}}]
        return 0

    @torch.no_grad()
    def restore(self) -> int:
        """Take over the checkpoint, record anew what the lost store held; return the next epoch."""
        model, kept = self.run.model, self.saved.networks[0]
        self.run.history = kept["history"]
        for epoch, weights in kept["snapshots"].items():
            model.load_state_dict(weights)
            self._record(self.run.history[epoch])
        tensors, momenta = self.saved.state
        model.load_state_dict(dict(zip(model.state_dict(), tensors, strict=True)))
        for parameter, momentum in zip(model.parameters(), momenta, strict=True):
            if momentum is not None:
                self.optimiser.state[parameter]["momentum_buffer"] = momentum.clone()
        self.generator.set_state(self.saved.generators[0])
        return self.saved.epoch + 1

    def finish(self) -> None:
        """Leave a diverged network as its last snapshot had it, and keep the weights."""
        run, snapshots = self.run, self.saved.networks[0]["snapshots"]
        if run.diverged is not None and snapshots:
            run.model.load_state_dict(snapshots[max(snapshots)])
        if run.weights is not None:
            save_weights(run.weights, run.model, run.activation, snapshots, run.history)

    def _loss(self, epoch: int, tick: Callable[[int], Any]) -> float:
        model, inputs = self.run.model, self.task.inputs
        if not epoch:
            return mean_loss(model, inputs)
        return _epoch(model, self.optimiser, inputs, self.protocol.batch, self.generator, tick)

    def _after_epoch(self, epoch: int, loss: float) -> None:
        model = self.run.model
        entry = enter_epoch(self.run, self.task, epoch, epoch * self.steps, loss)
        if entry is None:
            return
        if epoch in self.protocol.snapshot_epochs:
            self.saved.networks[0]["snapshots"][epoch] = weights_of(model)
            self._record(entry)
        if self.path is not None and epoch:
            self.saved.epoch, self.saved.generators = epoch, [self.generator.get_state()]
            # SGD without momentum keeps none, and neither does a parameter that is not trained.
            state = [self.optimiser.state.get(p, {}) for p in model.parameters()]
            momenta = [each.get("momentum_buffer") for each in state]
            self.saved.state = [list(model.state_dict().values()), momenta]
            self.saved.save(self.path)

    def _record(self, entry: dict[str, float]) -> None:
        if self.recorder is not None:
            keep_snapshot(self.recorder, self.run.model, self.task, entry)


@torch.enable_grad()
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
        Reconstructs a batch; it runs in evaluation mode.
    inputs : (N, d) tensor
        Inputs and targets at once.
    weights : (d,) tensor, optional
        Factor of each element's squared error.

    Returns
    -------
    float
    """
    total = torch.zeros((), dtype=inputs.dtype)
    with evaluating(model):
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


def enter_epoch(
    run: Run, task: Task, epoch: int, step: int, loss: float
) -> dict[str, float] | None:
    """Add an epoch to a run's history and return it; or None, where the run diverged in it.

    A mean over the epoch's batches can be finite when its last step was not: the losses and the
    weights that it left behind count too.
    """
    losses = {"loss": loss}
    if np.isfinite(loss):
        losses |= held_out_losses(run.model, task)
    weights = (bool(p.isfinite().all()) for p in run.model.parameters())
    if not (np.isfinite(list(losses.values())).all() and all(weights)):
        run.diverged = epoch
        return None
    run.history.append({"epoch": epoch, "step": step} | losses)
    return run.history[-1]


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of a model's parameters and buffers, by name."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def require_images(data: Images, test: Images | None) -> None:
    """Refuse whatever is not a training set with a test set of its shape."""
    for name, given in (("data", data), ("test", test)):
        if not isinstance(given, Images) and not (name == "test" and given is None):
            raise TypeError(
                f"{name} must be isotropic.data.Images, got {type(given).__name__}: wrap rows as "
                "Images(name, rows, labels, shape)"
            )
    if test is not None and test.shape != data.shape:
        raise ValueError(f"test images must have shape {data.shape}, got {test.shape}")


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


def recorder_for(run: Run, data: Images, protocol: Protocol, *, overwrite: bool = False) -> Any:
    """Return a recorder for the run's store, or a context that yields None where it has none."""
    if run.path is None:
        return nullcontext()
    import hooks

    run.path.parent.mkdir(parents=True, exist_ok=True)
    return hooks.Recorder(
        run.path, provenance=provenance_of(run, data, protocol), overwrite=overwrite
    )
