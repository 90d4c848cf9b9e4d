"""Stored layers: chosen by name and analysed, here or on a cluster's workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ppp.layer_analysis import LayerAnalysis
from ppp.preprocessing import fitted
from ppp.streams import Unlabelled, watched

if TYPE_CHECKING:
    from ppp.result import PPPResult
    from ppp.settings import Settings


def analyse_stored(
    layer: Any,
    settings: Settings,
    client: Any,
    workers: int | None,
    preprocess: str | Sequence[str] | None,
    labels: bool = True,
) -> PPPResult:
    """Analyse one stored layer, here or on a client's workers.

    Parameters
    ----------
    layer : hooks.StoreLayer
        The rows.
    settings : Settings
        What was asked for.
    client : dask.distributed.Client, concurrent.futures.Executor or None
        Where to count; None counts here.
    workers : int or None
        Worker threads here.
    preprocess : str, sequence of str or None
        As in `ppp.project`.
    labels : bool
        Whether labels are classes.

    Returns
    -------
    PPPResult
    """
    provenance = {
        "layer": layer.layer,
        "snapshot": layer.snapshot,
        "store": os.path.basename(os.fspath(layer.path)),
    }
    rows = layer if labels else Unlabelled(layer)
    change = fitted(rows, preprocess)
    analysis = LayerAnalysis(settings, layer.shape[0], provenance=provenance, preprocessing=change)
    if client is None:
        blocks = watched(rows.blocks(), layer.shape[0], layer.layer, settings.progress)
        result = analysis.count(blocks, workers)
    else:
        from ppp.distributed import run_on

        result = analysis.result(run_on(client, rows, analysis.plan))
    _ = result.statistics  # with its progress bar, now rather than on first use
    return result


def chosen_layer(store: Any, layer: str | None, snapshot: str | None) -> Any:
    """Return the layer asked for, or the only one there is.

    Parameters
    ----------
    store : hooks.ActivationStore
        With one layer or several.
    layer, snapshot : str or None
        What was asked for.

    Returns
    -------
    hooks.StoreLayer

    Raises
    ------
    ValueError
        If there are several and none was asked for.
    """
    names = list(store.layers)
    if layer is None:
        if len(names) != 1:
            raise ValueError(
                f"the store has {len(names)} layers, say which: {', '.join(map(repr, names))}"
            )
        layer = names[0]
    return store[layer] if snapshot is None else store[layer, snapshot]
