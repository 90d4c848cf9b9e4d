"""Random numbers drawn where their generator is, and taken to where they are wanted.

A generator serves its own device only. Drawn there, its numbers depend on its seed alone: a network
on an accelerator and its copy on the CPU start from the same ones.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Fill = Callable[[Tensor, torch.Generator | None], Tensor]


def drawn_on(generator: torch.Generator | None, device: torch.device) -> torch.device:
    """Return where to draw numbers that are wanted on a device.

    Parameters
    ----------
    generator : torch.Generator or None
        None stands for the generator of the device itself.
    device : torch.device
        Where they are wanted.

    Returns
    -------
    torch.device

    Examples
    --------
    >>> drawn_on(torch.Generator(), torch.device("meta"))
    device(type='cpu')
    """
    return device if generator is None else generator.device


def normal(
    *shape: int,
    generator: torch.Generator | None,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Draw standard normal numbers.

    Parameters
    ----------
    *shape : int
        How many.
    generator : torch.Generator or None
        On any device.
    dtype, device
        Of the result.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> normal(2, 3, generator=None, dtype=torch.float32, device=torch.device("cpu")).shape
    torch.Size([2, 3])
    """
    place = drawn_on(generator, device)
    return torch.randn(shape, generator=generator, dtype=dtype, device=place).to(device)


@torch.no_grad()
def fill(weight: Tensor, how: Fill, generator: torch.Generator | None) -> None:
    """Fill a tensor in place.

    Parameters
    ----------
    weight : Tensor
        On any device.
    how : callable
        Fills a tensor on the generator's device, and returns it.
    generator : torch.Generator or None
        On any device.

    Examples
    --------
    >>> weight = torch.zeros(2)
    >>> fill(weight, lambda t, g: t.normal_(generator=g), torch.Generator().manual_seed(0))
    >>> bool((weight != 0).all())
    True
    """
    place = drawn_on(generator, weight.device)
    weight.copy_(how(torch.empty_like(weight, device=place), generator))
