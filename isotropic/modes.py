"""States held for a while and given back: evaluation mode, one thread, the default device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put a model into evaluation mode, and each of its modules back into the mode it had.

    Parameters
    ----------
    model : Module
        Training mode would measure with a batch's statistics, and move running ones.

    Yields
    ------
    Module
        The model.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch at one thread, and give back what it had."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def on_cpu() -> Iterator[None]:
    """Make new tensors on the CPU, whatever the default device."""
    # Only where that is another one: a device mode slows every operation down.
    usual = torch.get_default_device().type == "cpu"
    with nullcontext() if usual else torch.device("cpu"):
        yield
