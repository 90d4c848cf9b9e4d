"""project_classes: one projection for every class of labelled activations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ppp.prepared import as_array
from ppp.row_checks import check_labels
from ppp.streams import Rows, as_stream

if TYPE_CHECKING:
    from ppp.result import PPPResult

#: Most classes that are projected one by one.
CLASSES = 100


class OfClass:
    """The rows of one class of a stream.

    Parameters
    ----------
    stream : object
        With `blocks()` that carry labels.
    label : hashable
        The class.
    rows : int
        How many rows it has.
    """

    def __init__(self, stream: Any, label: Any, rows: int) -> None:
        self._stream, self.label = stream, label
        self.shape = (rows, stream.shape[1])

    def blocks(self) -> Iterator[Rows]:
        """Yield the blocks that hold rows of the class, without the others."""
        for block in self._stream.blocks():
            here = np.asarray(block.label) == self.label
            if here.any():
                yield Rows(as_array(block.rows)[here], np.asarray(block.sample)[here])


def project_classes(
    x: Any,
    *,
    sample: np.ndarray | None = None,
    label: np.ndarray | None = None,
    **options: Any,
) -> dict[Any, PPPResult]:
    """Project every class of labelled activations on its own.

    Parameters
    ----------
    x : (N, n) array or tensor, or store layer
        Activations that can be read several times: once for the labels, once for each class.
    sample, label : (N,) arrays, optional
        Input and class of each row, for arrays; a store layer carries them.
    **options
        Passed to `ppp.project`; preprocessing is fitted to each class.

    Returns
    -------
    dict label -> PPPResult
        In the order of the labels.

    Raises
    ------
    ValueError
        If the rows carry no labels, can be read only once, or have more than 100 classes.

    Notes
    -----
    As many tests as classes are made: `ppp.family_table` adjusts their p. `ppp.by_class` has the
    statistics of the classes from one pass, without pictures.

    Examples
    --------
    >>> x = np.random.default_rng(0).laplace(size=(600, 8))
    >>> found = project_classes(x, label=np.arange(600) % 3, null=None)
    >>> [(label, result.tally.valid) for label, result in found.items()]
    [(0, 200), (1, 200), (2, 200)]
    """
    from ppp.analysis import project

    stream = as_stream(x, sample, label)
    if stream.shape[0] is None:
        raise ValueError(
            "classes are read one after the other: give an array or a store layer, which can be "
            "read again"
        )
    sizes: dict[Any, int] = {}
    for block in stream.blocks():
        if getattr(block, "label", None) is None:
            raise ValueError(
                "the activations carry no labels: give label=, or store them (vectors and images "
                "are none: labels=lambda batch: batch[1].argmax(1) makes classes of one-hot ones)"
            )
        labels = check_labels(np.asarray(block.label))
        for each, rows in zip(*np.unique(labels, return_counts=True), strict=True):
            sizes[each.item()] = sizes.get(each.item(), 0) + int(rows)
        if len(sizes) > CLASSES:
            raise ValueError(f"at most {CLASSES} classes are projected one by one, got more")
    return {key: project(OfClass(stream, key, sizes[key]), **options) for key in sorted(sizes)}
