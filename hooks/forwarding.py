"""One forward that leaves the model, its mode and the random state as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from hooks.batches import Batch
from hooks.errors import CaptureError, HooksError
from hooks.generators import Seeds, left_as_found
from hooks.structure import leaves, spell_leaf

_FUSED = (nn.TransformerEncoder, nn.TransformerEncoderLayer)


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's inputs belong: the device of its first parameter or buffer.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    torch.device

    Examples
    --------
    >>> device_of(nn.Linear(2, 2))
    device(type='cpu')
    """
    for tensor in chain(model.parameters(), model.buffers()):
        return tensor.device
    return torch.device("cpu")


@contextmanager
def eager(model: nn.Module, modules: Sequence[nn.Module] | None = None) -> Iterator[None]:
    """Run compiled and fused parts of a model as written, so that hooks see what they should.

    Parameters
    ----------
    model : torch.nn.Module
    modules : sequence of torch.nn.Module, optional
        All its modules, where they are known.

    Raises
    ------
    CaptureError
        If this torch cannot do so.

    Notes
    -----
    Hooks that are added after compiling never fire. torch's own transformer encoder packs padded
    batches into nested tensors for a fused kernel, which hooked layers cannot take.
    """
    parts = list(model.modules()) if modules is None else modules
    with _unfused(parts), _uncompiled(parts):
        yield


@contextmanager
def _unfused(modules: Sequence[nn.Module]) -> Iterator[None]:
    mha = torch.backends.mha
    if not (mha.get_fastpath_enabled() and any(isinstance(m, _FUSED) for m in modules)):
        yield
        return
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(True)


@contextmanager
def _uncompiled(modules: Sequence[nn.Module]) -> Iterator[None]:
    if not any(map(_is_compiled, modules)):
        yield
        return
    if not hasattr(torch.compiler, "set_stance"):
        raise CaptureError(
            f"the model has compiled modules, whose hooks torch {torch.__version__} does not run: "
            "use torch 2.6 or later, or capture the model as it was before torch.compile"
        )
    with torch.compiler.set_stance("force_eager"):
        yield


def _is_compiled(module: nn.Module) -> bool:
    # looked up where they are kept: asking a module for what it lacks is slow
    return "_orig_mod" in module._modules or vars(module).get("_compiled_call_impl") is not None


@contextmanager
def at_rest(
    model: nn.Module, eval_mode: bool = True, seeds: Seeds | None = None, number: int = 0
) -> Iterator[None]:
    """Run what is inside without gradients and in eval mode; put everything back afterwards.

    Parameters
    ----------
    model : torch.nn.Module
    eval_mode : bool
        False leaves every module's mode as it is; what the buffers of those in training mode learn
        is put back.
    seeds : Seeds, optional
        What a model that draws does so from; by default the generators go on as they are.
    number : int
        The batch's place in the pass: with the same seeds, each draws numbers of its own. The
        first one draws on from the generators as they are, as a forward by itself would.

    Notes
    -----
    The state of the random generators of torch (CPU and the model's devices), NumPy and Python is
    put back too: a capture must not change what a training run draws next.
    """
    modules = list(model.modules())
    devices = _cuda(modules)
    mode = _mode(model, modules, eval_mode)
    learning = [] if eval_mode else [module for module in modules if module.training]
    with left_as_found(devices), torch.no_grad(), mode, _unlearned(learning), eager(model, modules):
        if seeds is not None and number > 0:
            seeds.sow(number, devices)
        yield


@contextmanager
def _mode(model: nn.Module, modules: list[nn.Module], eval_mode: bool) -> Iterator[None]:
    """Run what is inside in eval mode, if so wanted; put every module's mode back."""
    modes = [module.training for module in modules]
    quieted = eval_mode and any(modes)
    try:
        if quieted:
            model.eval()
        yield
    finally:
        try:
            if quieted:
                _undo_eval(modules, modes)
        finally:
            for module, mode in zip(modules, modes, strict=True):
                if module.training != mode:
                    module.training = mode


@contextmanager
def _unlearned(modules: list[nn.Module]) -> Iterator[None]:
    """Put back what buffers hold: batch norm in training mode averages over every forward."""
    held = [
        (module, name, buffer, _copied(buffer))
        for module in modules
        for name, buffer in module._buffers.items()
        if buffer is None or not is_lazy(buffer)
    ]
    try:
        yield
    finally:
        for module, name, buffer, kept in held:
            module._buffers[name] = buffer
            if buffer is not None and kept is not None:
                _put_back(buffer, kept)


def _copied(buffer: torch.Tensor | None) -> torch.Tensor | None:
    # sparse matrices cannot be compared, and are graphs rather than averages
    if buffer is None or buffer.is_meta or buffer.layout != torch.strided:
        return None
    return buffer.clone()


def _put_back(buffer: torch.Tensor, kept: torch.Tensor) -> None:
    """Write what a buffer held into it, past autograd's count of changes.

    So a backward of the user's finds what it left. What did not change is not written to: it may
    be one number seen many times.
    """
    if buffer.shape != kept.shape:
        buffer.data = kept  # observers of quantised layers grow with the first batch
        return
    alike = (buffer == kept) | ((buffer != buffer) & (kept != kept))  # NaN is what NaN was
    if not bool(alike.all()):
        buffer.data.copy_(kept)


def _undo_eval(modules: list[nn.Module], modes: list[bool]) -> None:
    """Let modules with a `train` of their own undo what theirs did: merged weights come apart."""
    for module, mode in zip(modules, modes, strict=True):
        if type(module).train is not nn.Module.train:
            module.train(mode)


def _cuda(modules: list[nn.Module]) -> list[int]:
    """Return which CUDA devices have parameters or buffers of these modules."""
    if not torch.cuda.is_initialized():
        return []
    # their own dicts: going through a model's parameters by name takes as long as a small forward
    held = (
        tensor
        for module in modules
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    )
    return sorted({tensor.device.index for tensor in held if tensor.device.type == "cuda"})


def call(model: nn.Module, batch: Batch, number: int, device: torch.device) -> Any:
    """Run the model on one batch.

    Parameters
    ----------
    model : torch.nn.Module
    batch : Batch
    number : int
        The batch's place in the loader, for the message.
    device : torch.device

    Returns
    -------
    Any
        What the model gives.

    Raises
    ------
    CaptureError
        If the model cannot take what the loader gave; the message shows both.
    """
    args, kwargs = batch.on(device)
    try:
        return model(*args, **kwargs)
    except HooksError:
        raise
    except (
        RuntimeError,
        TypeError,
        ValueError,
        AttributeError,
        LookupError,
        AssertionError,
    ) as problem:
        way_out = "Say with inputs= what the model takes"
        if number > 0:
            way_out = "The batches before it went through: look at what is different in this one"
        if isinstance(problem, torch.cuda.OutOfMemoryError):
            way_out = "Load smaller batches"
        raise CaptureError(
            f"the model could not take batch {number} ({_shapes(args, kwargs)}): "
            f"{type(problem).__name__}: {problem}. {way_out}"
        ) from problem


def _shapes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    found = leaves(args) + leaves(kwargs)
    if not found:
        return ", ".join(type(v).__name__ for v in (*args, *kwargs.values())) or "nothing"
    return ", ".join(
        f"{spell_leaf(path)} {tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}"
        for path, t in found[:8]
    )
