"""What tests of training share: images of low rank, and a kill in the middle."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from isotropic.data import Images
from isotropic.saved import Checkpoint


class StoppedError(Exception):
    """Stands for a kill."""


def images(count=50, d=6, seed=0):
    """Images of rank two, in three classes."""
    rng = np.random.default_rng(seed)
    low = rng.random((count, 2)) @ rng.random((2, d))
    return Images("made", low, rng.integers(0, 3, count), (d,))


@contextmanager
def stopped(epoch=0):
    """Stop the training within once its checkpoint of an epoch, or of a later one, is kept."""
    save = Checkpoint.save

    def killed(self, path):
        save(self, path)
        if self.epoch >= epoch:
            raise StoppedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", killed)
        with pytest.raises(StoppedError):
            yield
