"""analyze, analyze_store, project: from activations to results."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ppp.fitting import check_steps
from ppp.frame import Frame
from ppp.layer_analysis import LayerAnalysis, analyse_flow
from ppp.live_fitting import WAY_OUT, check_same_rows, fitted_live
from ppp.preprocessing import Preprocessing, fitted
from ppp.result import PPPResult
from ppp.scan import Companion
from ppp.settings import PAPER_EPSILON, Settings
from ppp.stored_analysis import analyse_stored, chosen_layer
from ppp.streams import Unlabelled, as_stream, watched

#: Full draws of the null that are kept for pictures, at most.
PICTURE_DRAWS = 8


def project(
    x: Any,
    frame: Frame | str | np.ndarray = "standard",
    epsilon: float | str = PAPER_EPSILON,
    pairs: str = "combination",
    engine: str = "auto",
    *,
    sample: np.ndarray | None = None,
    label: np.ndarray | None = None,
    labels: bool = True,
    distance: float | None = None,
    also: Sequence[Companion] = (),
    preprocess: str | Sequence[str] | None = None,
    null: str | None = "rotation",
    null_repeats: int = 99,
    null_limit: int | None = None,
    null_draws: int = 0,
    seed: int = 0,
    bins: int = 1024,
    workers: int | None = None,
    progress: bool = False,
) -> PPPResult:
    """Project activations onto every privileged plane and count the samples each one keeps.

    Parameters
    ----------
    x : (N, n) array or tensor, store layer, or iterable of blocks
        Activations, one sample a row, of any floating type.
    frame : "standard", "haar", (m, n) array or Frame
        The distinguished vectors: the neurons' axes by default.
    epsilon : float or "auto"
        Keep a sample when ‖w‖/‖x‖ ≥ ε, in (0, 1]; "auto" takes min(.75, the ε at which isotropy
        would give 1 000 hits), "hits=N" the one at which it would give N, "retention=p" the one
        at which each plane would keep the share p.
    pairs : {"combination", "permutation"}
        Every pair of vectors once, or in both orders.
    engine : str
        "cpu" (numba), "torch:DEVICE", "torch" (on the device of the rows, or the first
        accelerator), or "auto": torch for tensors on an accelerator, else "cpu". All count alike;
        the provenance says which did.
    sample, label : (N,) arrays, optional
        Input and class of each row, for arrays; rows of one input next to each other.
    labels : bool
        Whether labels are classes; False for those that are not, as targets of a regression.
    distance : float, optional
        Keep only samples at most this far from the plane, too; with epsilon 0 this is the rule.
    also : sequence, optional
        Other methods that the same pass feeds, such as `srm.Sweeping()`; see `PPPResult.also`.
    preprocess : str or sequence of str, optional
        "centre", "scale", "whiten", "drop-outliers", "clip-outliers", in this order of work; the
        null goes through the same steps, and the result records them. See `ppp.Preprocessing`.
    null : str or None
        The null control behind every p: "rotation" (random Haar frames) or another of
        `ppp.controls.CONTROLS`; None for counts and intervals alone. It runs when `nulls`,
        `statistics` or `summary()` is first asked for.
    null_repeats : int
        Draws K of the null; the smallest two-sided p is 2/(K + 1).
    null_limit : int, optional
        Let K grow tenfold at a time, up to this, while p is too small for K to tell: p stays valid.
    null_draws : int
        Rotations counted over all rows too, to be drawn beside the density.
    seed : int
        Seed of everything random here.
    bins : int
        Bins along each side of the in-plane grid.
    workers : int, optional
        Worker threads, as many as cores by default. Counts do not depend on it.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    PPPResult

    Raises
    ------
    ValueError
        If an argument is out of range, the frame has another width, or no row can be projected.

    Notes
    -----
    PPP paper, Sec. 3. Rows that are zero or not finite are never kept; they are counted.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).laplace(size=(2000, 8))
    >>> result = project(x)
    >>> result.kept.shape, result.hits > result.expected
    ((28,), True)
    """
    settings = Settings(
        frame, epsilon, pairs, null, null_repeats, null_limit, null_draws, seed, bins, progress,
        engine, distance, also,
    )  # fmt: skip
    stream = as_stream(x, sample, label)
    stream = stream if labels else Unlabelled(stream)
    layer = LayerAnalysis(
        settings,
        stream.shape[0],
        provenance={"source": _describe(x)},
        preprocessing=fitted(stream, preprocess),
    )
    blocks = watched(stream.blocks(), stream.shape[0], "rows", progress)
    return layer.count(blocks, workers)


def analyze(
    model: Any,
    loader: Any,
    layer: Any,
    *,
    preprocess: str | Sequence[str] | None = None,
    epsilon: float | str = "auto",
    frame: Frame | str | np.ndarray = "standard",
    pairs: str = "combination",
    null: str | None = "rotation",
    null_repeats: int = 99,
    null_limit: int | None = None,
    null_draws: int = PICTURE_DRAWS,
    seed: int = 0,
    bins: int = 1024,
    store: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    labels: bool = True,
    engine: str = "auto",
    distance: float | None = None,
    also: Sequence[Companion] = (),
    progress: bool = True,
    **capture: Any,
) -> PPPResult | dict[str, PPPResult]:
    """Capture layers of a torch model and analyse them, in one pass over the loader.

    With `preprocess` the steps are fitted in a pass before.

    Parameters
    ----------
    model : torch.nn.Module
        Any model; it is left as it was found.
    loader : iterable
        Batches: (x, y), x alone, or a dict.
    layer : str or list
        A layer's name, glob, regex, module or callable; a list of these (or a pattern that
        finds several layers) gives a mapping from name to result.
    preprocess : str or sequence of str, optional
        As in `project`, for each layer. With `store` the rows are stored first and read from
        there; without, the loader is gone through twice (a third time for steps behind
        "clip-outliers" that clips) and must give the same data each time.
    epsilon, frame, pairs, null, null_repeats, null_limit, seed, bins, engine, distance, also
        As in `project`; epsilon is chosen automatically by default, and the result says how.
    null_draws : int
        Rotations counted over all rows, at most eight by default, to be drawn beside the density.
    store : path, optional
        Keep the rows in this HDF5 store too; None streams them.
    overwrite, resume : bool
        Replace a store of that name, or go on with the unfinished one that an error or a kill
        left, as in `hooks.Recorder`. Resumed rows are read from the store when all are there.
    labels : bool
        Whether the batches' labels become classes.
    progress : bool
        Whether to show progress bars.
    **capture
        Passed to `hooks.stream`: inputs and the like.

    Returns
    -------
    PPPResult or dict of str to PPPResult

    Raises
    ------
    ValueError
        If a layer is not there (the nearest names are given), the loader is empty or, with
        `preprocess` and without `store`, can be read only once, or nothing can be projected.
    hooks.StoreError
        If a store, or an unfinished one, is there already.

    Examples
    --------
    >>> import torch, ppp
    >>> model = torch.nn.Sequential(torch.nn.Linear(20, 8), torch.nn.Tanh())
    >>> loader = [torch.randn(64, 20) for _ in range(10)]
    >>> result = ppp.analyze(model, loader, "1", progress=False)
    >>> result.tally.rows, result.planes.count
    (640, 28)
    """
    import hooks

    settings = Settings(
        frame, epsilon, pairs, null, null_repeats, null_limit, null_draws, seed, bins, progress,
        engine, distance, also,
    )  # fmt: skip
    names = hooks.select(model, layer)
    capture |= {"labels": labels, "progress": progress}

    about = {"model": type(model).__name__}
    kept = {"overwrite": overwrite, "resume": resume}
    if store is None:
        if overwrite or resume:
            raise ValueError("overwrite and resume are of a store, got none: name it, store=PATH")
        results = _analyse_live(model, loader, names, settings, preprocess, about, capture)
    elif check_steps(preprocess) or resume:
        with hooks.Recorder(store, provenance=about, **kept) as recorder:
            recorder.record(model, loader, names, **capture)
        whole = hooks.ActivationStore(store)
        results = {
            name: analyse_stored(whole[name], settings, None, None, preprocess, labels)
            for name in names
        }
    else:
        layers = _layers(names, settings, loader, about)
        with hooks.Recorder(store, provenance=about, **kept) as recorder:
            results = analyse_flow(recorder.stream(model, loader, names, **capture), layers)
    for result in results.values():
        _ = result.statistics  # with its progress bar, now rather than on first use
    return results if isinstance(layer, list | tuple) or len(names) > 1 else results[names[0]]


def analyze_store(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    layer: str | None = None,
    client: Any = None,
    *,
    snapshot: str | None = None,
    labels: bool = True,
    preprocess: str | Sequence[str] | None = None,
    epsilon: float | str = "auto",
    frame: Frame | str | np.ndarray = "standard",
    pairs: str = "combination",
    null: str | None = "rotation",
    null_repeats: int = 99,
    null_limit: int | None = None,
    null_draws: int = PICTURE_DRAWS,
    seed: int = 0,
    bins: int = 1024,
    engine: str = "auto",
    distance: float | None = None,
    also: Sequence[Companion] = (),
    workers: int | None = None,
    progress: bool = True,
) -> PPPResult | dict[str, PPPResult]:
    """Analyse activations that were stored before.

    Parameters
    ----------
    paths : path or list of paths
        A store: one file, or a folder of its shards. A list, one store a network, gives a
        mapping from path to result.
    layer : str, optional
        Which layer; may be left out when the store has just one.
    client : dask.distributed.Client or concurrent.futures.Executor, optional
        Counts ranges of blocks on its workers: anything whose `submit` returns futures with
        `result`. The counts do not depend on it.
    snapshot : str, optional
        Which training snapshot, where the store has several.
    labels, preprocess, epsilon, frame, pairs, null, null_repeats, null_limit, null_draws, seed, \
    bins, engine, distance, also, workers, progress
        As in `analyze` and `project`.

    Returns
    -------
    PPPResult or dict of path to PPPResult
        Equal, to the last count, to that of `analyze` on the same model, data and epsilon.

    Raises
    ------
    hooks.StoreError
        If there is no whole store there, or it lacks layer or snapshot.

    Examples
    --------
    >>> import tempfile, torch, hooks, ppp
    >>> model, path = torch.nn.Sequential(torch.nn.Tanh()), tempfile.mkdtemp() + "/acts.h5"
    >>> store = hooks.record(model, [torch.randn(64, 8)], "0", path, progress=False)
    >>> ppp.analyze_store(path, progress=False).tally.rows
    64
    """
    import hooks

    settings = Settings(
        frame, epsilon, pairs, null, null_repeats, null_limit, null_draws, seed, bins, progress,
        engine, distance, also,
    )  # fmt: skip
    many = isinstance(paths, list | tuple)
    listed: list[Any] = list(paths) if isinstance(paths, list | tuple) else [paths]
    results = {
        os.fspath(path): analyse_stored(
            chosen_layer(hooks.ActivationStore(path), layer, snapshot),
            settings,
            client,
            workers,
            preprocess,
            labels,
        )
        for path in listed
    }
    return results if many else results[os.fspath(listed[0])]


def _analyse_live(
    model: Any,
    loader: Any,
    names: Sequence[str],
    settings: Settings,
    preprocess: str | Sequence[str] | None,
    about: Mapping[str, Any],
    capture: Mapping[str, Any],
) -> dict[str, PPPResult]:
    """Analyse layers of a model and keep no row; with `preprocess` in a second pass."""
    import hooks

    def flow() -> Iterable[tuple[str, Any]]:
        return hooks.stream(model, loader, names, **capture)

    changes, rows = fitted_live(flow, loader, names, preprocess)
    layers = _layers(names, settings, loader, about, changes)
    try:
        results = analyse_flow(flow(), layers)
    except hooks.CaptureError as error:
        if not changes:
            raise
        # what a first pass could do, a second one could not
        raise ValueError(f"in the pass after fitting, {error}; {WAY_OUT}") from error
    check_same_rows(results, rows)
    return results


def _layers(
    names: Sequence[str],
    settings: Settings,
    loader: Any,
    about: Mapping[str, Any],
    changes: Mapping[str, Preprocessing] | None = None,
) -> dict[str, LayerAnalysis]:
    ahead = _inputs_ahead(loader)
    return {
        name: LayerAnalysis(
            settings, None, ahead, {**about, "layer": name}, (changes or {}).get(name)
        )
        for name in names
    }


def _inputs_ahead(loader: Any) -> int | None:
    dataset = getattr(loader, "dataset", None)
    try:
        return None if dataset is None else len(dataset)
    except TypeError:  # an iterable data set has no length
        return None


def _describe(x: Any) -> str:
    shape = getattr(x, "shape", None)
    return type(x).__name__ if shape is None else f"{type(x).__name__} {tuple(shape)}"
