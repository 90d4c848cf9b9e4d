"""Random generators: left as found around a forward, and what each batch draws from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator

#: What NumPy draws from in a forward, seeded anew for each: making one takes longer than the rest.
_TWISTER = np.random.MT19937(0)


@contextmanager
def left_as_found(devices: Sequence[int]) -> Iterator[None]:
    """Put the generators of torch, NumPy and Python back after what is inside.

    Parameters
    ----------
    devices : sequence of int
        CUDA devices whose generators are put back beside the CPU's.
    """
    numpy_bits = get_bit_generator()
    numpy_state, python_state = np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        set_bit_generator(numpy_bits)
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


@dataclass(frozen=True)
class Seeds:
    """What the random numbers of one pass follow from, by generator.

    Parameters
    ----------
    torch, numpy, python : int
        Seeds, to which a batch's number is added.

    Notes
    -----
    A batch draws by its number, not from where the batch before it stopped: a resumed pass leaves
    batches out and draws the same for the others.

    Examples
    --------
    >>> seeds = Seeds.found()
    >>> with left_as_found([]):
    ...     seeds.sow(0, [])
    ...     first = torch.rand(2)
    ...     seeds.sow(1, [])
    ...     second = torch.rand(2)
    ...     seeds.sow(0, [])
    ...     again = torch.rand(2)
    >>> torch.equal(first, again), torch.equal(first, second)
    (True, False)
    >>> Seeds.found() == seeds
    True
    """

    torch: int
    numpy: int
    python: int

    @classmethod
    def found(cls) -> Seeds:
        """Return seeds that follow from the generators' states, which stay as they are.

        Returns
        -------
        Seeds
        """
        own = torch.Generator()
        own.set_state(torch.get_rng_state())
        python = random.Random()
        python.setstate(random.getstate())
        return cls(
            int(torch.randint(1 << 62, (), generator=own)),
            int(deepcopy(get_bit_generator()).random_raw()),
            python.getrandbits(62),
        )

    def sow(self, number: int, devices: Sequence[int]) -> None:
        """Seed every generator for one batch.

        Parameters
        ----------
        number : int
            The batch's place in the whole pass, over all processes.
        devices : sequence of int
            CUDA devices to seed too.
        """
        # torch's CPU generator and NumPy heed 32 bits: added, seeds never meet; hashed, some would
        seed = (self.torch + number) % (1 << 62)
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        set_bit_generator(_TWISTER)
        np.random.seed((self.numpy + number) % (1 << 32))  # noqa: NPY002
        random.seed(self.python + number)
