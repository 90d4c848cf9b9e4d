"""Which modules: names, globs, regular expressions, modules, types and callables."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hooks.errors import LayerNotFoundError, listed
from hooks.structure import Step, parse_leaf

Layers = str | re.Pattern[str] | nn.Module | type | Callable[[str, nn.Module], bool] | Iterable[Any]
_SIDE = re.compile(r"(:in|:out)(.*)$", re.DOTALL)
_INDEX = re.compile(r"(\[\d+\])+$")


@dataclass(frozen=True)
class Target:
    """One tensor of one module: what a captured layer is.

    Parameters
    ----------
    name : str
        As the user spells it: ``"encoder.2"``, ``"encoder.2:in"``, ``"attention[0]"``.
    module_name : str
        The module's own name in the model.
    module : torch.nn.Module
    side : {"out", "in"}
        What the module gives, or what it is given.
    leaf : tuple
        Steps to the tensor in a nested structure; empty for the only one.
    """

    name: str
    module_name: str
    module: nn.Module
    side: str = "out"
    leaf: tuple[Step, ...] = ()


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside `torch.compile`, DataParallel and DistributedDataParallel.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    torch.nn.Module
        The bare module, which holds the same parameters.

    Examples
    --------
    >>> inner = nn.Linear(2, 2)
    >>> unwrap(nn.DataParallel(inner)) is inner
    True
    """
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner: Any = module.module
        else:
            inner = getattr(module, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def module_tree(model: nn.Module) -> dict[str, nn.Module]:
    """Return every module by the name it has in the bare model, reused modules under each name.

    Parameters
    ----------
    model : torch.nn.Module
        May be compiled or wrapped for several devices; the wrappers leave no trace in the names.

    Returns
    -------
    dict of str to torch.nn.Module
        In the model's order; the model itself is ``""``.

    Examples
    --------
    >>> list(module_tree(nn.Sequential(nn.Linear(2, 2), nn.Tanh())))
    ['', '0', '1']
    """
    tree: dict[str, nn.Module] = {}

    def visit(name: str, module: nn.Module, above: tuple[int, ...]) -> None:
        bare = unwrap(module)
        tree[name] = bare
        if id(bare) in above:
            return
        # named_children would skip a child that already appeared under another name
        for child_name, child in bare._modules.items():
            if child is not None:
                path = f"{name}.{child_name}" if name else child_name
                visit(path, child, (*above, id(bare)))

    visit("", model, ())
    return tree


def select(model: nn.Module, layers: Layers) -> list[str]:
    """Return the names of the layers that a choice means.

    Parameters
    ----------
    model : torch.nn.Module
        Any model; it is not run.
    layers : str, re.Pattern, torch.nn.Module, type, callable, or a list of these
        A name (``"encoder.2"``), with ``:in`` for what the module is given and ``[0]`` or
        ``.field`` for one tensor of a nested output; a glob, where ``*`` stays within one part of
        the name and ``**`` crosses dots; a compiled regular expression, which must match the whole
        name; a module of the model; a module type; or ``callable(name, module) -> bool``.

    Returns
    -------
    list of str
        Without repetition; patterns give names in the model's order and a module that the model
        uses under two names under its first one.

    Raises
    ------
    LayerNotFoundError
        If nothing matches; the message offers the nearest names.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    >>> select(model, "*")
    ['0', '1', '2']
    >>> select(model, [nn.Linear, "1:in"])
    ['0', '2', '1:in']
    >>> select(model, "3")
    Traceback (most recent call last):
    hooks.errors.LayerNotFoundError: no layer is called '3'; the model has '0', '1', '2'
    """
    return [target.name for target in targets(model, layers)]


def targets(model: nn.Module, layers: Layers) -> list[Target]:
    """Return what `select` names, resolved to modules.

    Parameters
    ----------
    model : torch.nn.Module
    layers : see `select`

    Returns
    -------
    list of Target

    Raises
    ------
    LayerNotFoundError
        If nothing matches, or a matching module is TorchScript, which cannot be hooked.
    """
    if not isinstance(model, nn.Module):
        raise LayerNotFoundError(
            f"the model must be a torch.nn.Module, got {type(model).__name__}: pass the module"
        )
    tree = module_tree(model)
    several = isinstance(layers, Iterable) and not isinstance(layers, str | nn.Module | type)
    choices = list(layers) if several else [layers]  # type: ignore[arg-type]
    if not choices:
        raise LayerNotFoundError(
            f"layers must name at least one layer, got none; the model has {_names(tree)}"
        )
    found: dict[str, Target] = {}
    for choice in choices:
        for target in _resolve(choice, tree):
            found.setdefault(target.name, target)
    for target in found.values():
        if isinstance(target.module, torch.jit.ScriptModule):
            raise LayerNotFoundError(
                f"layer {target.name!r} is TorchScript ({type(target.module).__name__}), which "
                "runs outside Python and cannot be hooked: capture the model as it was before "
                "torch.jit.script or torch.jit.trace"
            )
    return list(found.values())


def _resolve(choice: Any, tree: dict[str, nn.Module]) -> list[Target]:
    if isinstance(choice, str):
        return _by_text(choice, tree)
    if isinstance(choice, nn.Module):
        bare = unwrap(choice)
        matches = [name for name, module in tree.items() if module is bare][:1]
        wanted = f"the {type(choice).__name__} that was given"
    elif isinstance(choice, re.Pattern):
        matches = [n for n in _first_names(tree) if choice.fullmatch(n)]
        wanted = f"the regular expression {choice.pattern!r}"
    elif isinstance(choice, type):
        matches = [n for n in _first_names(tree) if isinstance(tree[n], choice)]
        wanted = f"the type {choice.__name__}"
    elif callable(choice):
        matches = [n for n in _first_names(tree) if choice(n, tree[n])]
        wanted = "the callable that was given"
    else:
        raise LayerNotFoundError(
            "a layer is a name, a glob, a compiled regular expression, a module, a module type "
            f"or a callable, got {type(choice).__name__}"
        )
    if not matches:
        raise LayerNotFoundError(f"no layer matches {wanted}; the model has {_names(tree)}")
    return [Target(name, name, tree[name]) for name in matches]


def _first_names(tree: dict[str, nn.Module]) -> list[str]:
    seen: set[int] = set()
    names = []
    for name, module in tree.items():
        if name and id(module) not in seen:
            names.append(name)
        seen.add(id(module))
    return names


def _by_text(text: str, tree: dict[str, nn.Module]) -> list[Target]:
    if text in tree:
        return [Target(text, text, tree[text])]
    base, side, leaf_text = text, "out", ""
    if match := _SIDE.search(text):
        base, side, leaf_text = text[: match.start()], match[1][1:], match[2]
    elif match := _INDEX.search(text):
        base, leaf_text = text[: match.start()], match[0]
    if "*" in base or "?" in base:
        glob = _glob(base)
        names = [n for n in _first_names(tree) if glob.fullmatch(n)]
    elif base in tree:
        names = [base]
    else:
        base, field = _split_fields(base, tree)
        names, leaf_text = ([base], field + leaf_text) if base in tree else ([], "")
    leaf = parse_leaf(leaf_text) if leaf_text else ()
    if not names or leaf is None:
        raise LayerNotFoundError(_not_found(text, tree))
    suffix = f":{side}{leaf_text}" if side == "in" else leaf_text
    return [Target(n + suffix, n, tree[n], side, leaf) for n in names]


def _split_fields(text: str, tree: dict[str, nn.Module]) -> tuple[str, str]:
    """Split ``"layer.last_hidden_state"`` where the longest module name ends."""
    close = difflib.get_close_matches(text, tree, n=1, cutoff=0.8)
    cuts = [i for i, letter in enumerate(text) if letter in ".["]
    for cut in reversed(cuts):
        leaf = parse_leaf(text[cut:])
        if text[:cut] in tree and leaf is not None and not close:
            return text[:cut], text[cut:]
    return text, ""


def _glob(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    meaning = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts))


def _not_found(text: str, tree: dict[str, nn.Module]) -> str:
    names = [name for name in tree if name]
    close = difflib.get_close_matches(text, names, n=3, cutoff=0.5)
    if close:
        return f"no layer is called {text!r}; did you mean {' or '.join(map(repr, close))}?"
    return f"no layer is called {text!r}; the model has {_names(tree)}"


def _names(tree: dict[str, nn.Module]) -> str:
    return listed([name for name in tree if name]) or "no submodules (its own output is '')"
