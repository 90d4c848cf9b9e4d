"""Model and loader to blocks: one pass, several layers, bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from hooks.assembling import Assembler
from hooks.batches import Reader, Selector
from hooks.blocks import Block
from hooks.choosing import Layers, targets, unwrap
from hooks.errors import CaptureError
from hooks.jobs import Job
from hooks.rowrules import RowRule

Rules = RowRule | Mapping[str, RowRule] | None


def as_dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """Return a floating torch dtype from itself or its name.

    Parameters
    ----------
    dtype : torch.dtype, str or None

    Returns
    -------
    torch.dtype or None

    Raises
    ------
    CaptureError
        If it is not one that a store can hold.

    Examples
    --------
    >>> as_dtype("bfloat16")
    torch.bfloat16
    """
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    allowed = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    if dtype is not None and found not in allowed:
        raise CaptureError(f"dtype must be float16, bfloat16, float32 or float64, got {dtype!r}")
    return found


def rules_for(names: Sequence[str], rule: Rules) -> dict[str, RowRule]:
    """Return each layer's row rule.

    Parameters
    ----------
    names : sequence of str
    rule : RowRule, mapping of layer name to RowRule, or None
        One for all, or by name; layers that a mapping leaves out take the default.

    Returns
    -------
    dict of str to RowRule

    Raises
    ------
    CaptureError
        If the mapping names a layer that is not captured.

    Examples
    --------
    >>> rules_for(["a", "b"], {"b": RowRule(rows="mean")})["b"].rows
    'mean'
    """
    if rule is None or isinstance(rule, RowRule):
        return dict.fromkeys(names, rule or RowRule())
    unknown = [name for name in rule if name not in names]
    if unknown:
        raise CaptureError(f"rule names {unknown[0]!r}, which is not captured: {list(names)}")
    return {name: rule.get(name, RowRule()) for name in names}


def prepare(
    model: nn.Module,
    loader: Iterable[Any],
    layers: Layers,
    *,
    inputs: Selector | Sequence[str] | None = None,
    labels: bool | Selector = True,
    fields: Mapping[str, Selector] | None = None,
    rule: Rules = None,
    dtype: torch.dtype | str | None = None,
    eval_mode: bool = True,
    early_stop: bool = True,
    progress: bool = False,
) -> Job:
    """Check what `stream` is given and set the capture up, without running anything.

    Parameters
    ----------
    model, loader, layers, inputs, labels, fields, rule, dtype, eval_mode, early_stop, progress
        As `stream` takes them.

    Returns
    -------
    Job

    Raises
    ------
    HooksError
        If the layers, the rules or the dtype are not there.
    """
    wanted = targets(model, layers)
    if not isinstance(loader, Iterable):
        raise CaptureError(
            f"the loader must be iterable, got {type(loader).__name__}: give a DataLoader, or a "
            "list of batches"
        )
    bare = unwrap(model)
    rules = rules_for([target.name for target in wanted], rule)
    reader = Reader(bare, inputs, labels, fields)
    return Job(
        bare, loader, wanted, rules, reader, as_dtype(dtype), eval_mode, early_stop, progress
    )


def stream(
    model: nn.Module,
    loader: Iterable[Any],
    layers: Layers,
    *,
    inputs: Selector | Sequence[str] | None = None,
    labels: bool | Selector = True,
    fields: Mapping[str, Selector] | None = None,
    rule: Rules = None,
    dtype: torch.dtype | str | None = None,
    eval_mode: bool = True,
    early_stop: bool = True,
    progress: bool = False,
) -> Iterator[tuple[str, Block]]:
    """Run a loader through a model and give its layers' activations, block by block.

    Parameters
    ----------
    model : torch.nn.Module
        Any model; it is run without gradients in eval mode and is left as it was found, also while
        a block is out.
    loader : iterable of batches
        (x, y), x alone, a dict, a Hugging Face batch, any nested structure.
    layers : see `select`
    inputs : None, int, str, sequence of str, or callable
        Which part of a batch the model takes. None: the first part of a tuple, the entries of a
        dict that the model's forward names.
    labels : bool, int, str or callable
        True keeps the labels where the batch has one number or text for each input (vectors and
        images are none, and are left out); a selector says which they are; False drops them.
    fields : mapping of str to selector, optional
        Other per-input values to keep in a store.
    rule : RowRule or mapping of layer name to RowRule, optional
        How outputs become rows.
    dtype : torch.dtype or str, optional
        What to convert rows to; by default they stay as the module gives them.
    eval_mode : bool
        False leaves dropout and batch norm in the mode that they are in.
    early_stop : bool
        End each forward, after the first, when the last wanted layer has fired.
    progress : bool
        Show a progress bar.

    Returns
    -------
    iterator of (str, Block)
        Blocks of whole inputs, about 2 048 rows, on the model's device; layers take turns as
        their blocks fill.

    Raises
    ------
    LayerNotFoundError, OutputError, CaptureError
        If a layer is not there, its output cannot be read as rows, the loader is empty, or the
        model cannot take what the loader gives.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    >>> batches = [(torch.randn(5, 4), torch.arange(5)), (torch.randn(3, 4), torch.arange(3))]
    >>> [(name, tuple(block.rows.shape)) for name, block in stream(model, batches, "1")]
    [('1', (8, 3))]
    """
    job = prepare(
        model,
        loader,
        layers,
        inputs=inputs,
        labels=labels,
        fields=fields,
        rule=rule,
        dtype=dtype,
        eval_mode=eval_mode,
        early_stop=early_stop,
        progress=progress,
    )
    return _blocks(job)


def _blocks(job: Job) -> Iterator[tuple[str, Block]]:
    assemblers = {target.name: Assembler(target.name) for target in job.targets}
    for step in job.steps():
        for name, part in step.parts.items():
            for block in assemblers[name].append(*part):
                yield name, block
    for name, assembler in assemblers.items():
        for block in assembler.finish():
            yield name, block
