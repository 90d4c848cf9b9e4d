"""The same numbers on the CPU and on an accelerator: what the tests of devices share."""

from __future__ import annotations

import pytest
import torch

D = torch.float64

#: Where the tests run; an accelerator only where there is one, see `present`.
DEVICES = ("cpu", pytest.param("cuda", marks=pytest.mark.gpu))


def present(name):
    """Return the device's name, or skip."""
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no cuda device here")
    return name


def draw(*shape, seed=0):
    """Normal numbers in double precision on the CPU."""
    seeded = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=seeded, dtype=D, device="cpu")


def near(found, wanted, tolerance=1e-10):
    """Compare two tensors, wherever they are."""
    found, wanted = (t.detach().cpu().to(D) for t in (found, wanted))
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


def lies(device, *tensors):
    """Compare where tensors are."""
    assert {t.device.type for t in tensors} == {device}
