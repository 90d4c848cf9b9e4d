"""Find what stands between two convolutions, and refuse what rotations do not pass."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from isotropic.composed import Mixture
from isotropic.intrinsic import RadialActivation

_PASS = (
    nn.Identity,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.ZeroPad2d,
    nn.CircularPad2d,
    nn.ReflectionPad2d,
    nn.ReplicationPad2d,
    nn.Flatten,
)
_REASONS: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    (
        (nn.MaxPool2d, nn.AdaptiveMaxPool2d),
        "it takes the largest value of each channel by itself: use average pooling",
    ),
    (
        (nn.Dropout, nn.Dropout2d),
        "dropping single channels or elements is not the same in a rotated basis",
    ),
    (
        (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm),
        "it scales channels by themselves, or along a direction of its own",
    ),
    (
        (nn.ReLU, nn.Tanh, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Sigmoid),
        "it acts on each channel by itself: use isotropic.RadialActivation(axis=1)",
    ),
)


@dataclass(frozen=True)
class Link:
    """A convolution, the next affine layer, and what is between.

    Attributes
    ----------
    conv : Conv2d
        Its output channels turn.
    between : tuple of Module
        All of them commute with the turn.
    after : Conv2d or Linear
        Its input turns back.

    Examples
    --------
    >>> Link(nn.Conv2d(1, 2, 3), (), nn.Conv2d(2, 1, 1)).activation is None
    True
    """

    conv: nn.Conv2d
    between: tuple[nn.Module, ...]
    after: nn.Conv2d | nn.Linear

    @property
    def activation(self) -> RadialActivation | None:
        """The radial activation between, if there is exactly one that may hold omega."""
        radial = [m for m in self.between if isinstance(m, RadialActivation)]
        return radial[0] if len(radial) == 1 else None


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = type(m).__module__.startswith("isotropic.")
        return ours or super().is_leaf_module(m, module_qualified_name)


def find_link(model: nn.Module, layer: str) -> Link:
    """Find a convolution by name and follow its output to the next affine layer.

    Parameters
    ----------
    model : Module
        Any module whose forward torch.fx can trace.
    layer : str
        Name of a Conv2d in it.

    Returns
    -------
    Link
        The two layers and what is between.

    Raises
    ------
    TypeError, ValueError
        With the reason why the construction does not hold there.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), RadialActivation(axis=1), nn.Conv2d(4, 2, 3))
    >>> len(find_link(net, "0").between)
    1
    """
    modules = dict(model.named_modules())
    conv = modules.get(layer)
    if not isinstance(conv, nn.Conv2d):
        names = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
        raise ValueError(f"layer must name a Conv2d, one of {names}, got {layer!r}")
    _require_whole(conv, layer)
    try:
        nodes = list(_Tracer().trace(model).nodes)
    except (fx.proxy.TraceError, TypeError) as problem:
        raise TypeError(
            f"the forward of {type(model).__name__} cannot be traced ({problem}): what stands "
            "between its layers is not known"
        ) from problem
    calls = [node for node in nodes if node.op == "call_module" and node.target == layer]
    if len(calls) != 1:
        raise ValueError(
            f"{layer!r} must be used once in the forward, it is used {len(calls)} times"
        )
    between: list[nn.Module] = []
    node = calls[0]
    while True:
        node = _only_user(node, layer)
        if node.op == "call_module":
            module = modules[str(node.target)]
            if isinstance(module, nn.Conv2d | nn.Linear):
                _require_after(module, conv, str(node.target))
                return Link(conv, tuple(between), module)
            _require_passing(module, str(node.target))
            between.append(module)
        else:
            _require_passing_call(node, layer)


def _require_whole(conv: nn.Conv2d, name: str) -> None:
    if conv.groups != 1:
        raise ValueError(
            f"{name!r} has {conv.groups} groups: its channels mix within groups only, so that no "
            "rotation of all channels passes"
        )


def _require_after(after: nn.Conv2d | nn.Linear, conv: nn.Conv2d, name: str) -> None:
    if isinstance(after, nn.Conv2d):
        _require_whole(after, name)
    elif after.in_features % conv.out_channels:
        raise ValueError(
            f"{name!r} takes {after.in_features} features, not a multiple of the "
            f"{conv.out_channels} channels"
        )


def _only_user(node: fx.Node, layer: str) -> fx.Node:
    users = list(node.users)
    if len(users) != 1:
        raise ValueError(
            f"what {layer!r} feeds is used in {len(users)} places (a residual sum or branch): all "
            "of them would have to turn at once"
        )
    if users[0].op == "output":
        raise ValueError(f"no affine layer follows {layer!r}, whose channels are the output")
    return users[0]


def _require_passing(module: nn.Module, name: str) -> None:
    if isinstance(module, RadialActivation) or getattr(module, "group", None) == "O(n)":
        _require_channels(module, name)
        return
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
        raise ValueError(f"{name!r} must flatten from axis 1 to the end")
    if isinstance(module, _PASS):
        return
    if isinstance(module, nn.ConstantPad2d) and module.value == 0:
        return
    for kinds, reason in _REASONS:
        if isinstance(module, kinds):
            raise ValueError(f"{type(module).__name__} between the layers ({name!r}): {reason}")
    raise ValueError(
        f"{type(module).__name__} between the layers ({name!r}) is not known to commute with "
        "rotations of the channels"
    )


def _require_channels(module: nn.Module, name: str) -> None:
    """Refuse norms along another axis than that of the channels."""
    if isinstance(module, Mixture):
        _require_channels(module.first, name)
        _require_channels(module.second, name)
        return
    settings: dict[str, Any] = getattr(module, "settings", {})
    axis = getattr(module, "axis", getattr(module, "dim", settings.get("dim")))
    if axis is None:
        raise ValueError(
            f"{name!r} does not say along which axis it takes norms, by an attribute axis or dim; "
            "channels are axis 1"
        )
    if axis not in (1, -3):
        raise ValueError(
            f"{name!r} takes norms along axis {axis}, channels are axis 1: rotations of the "
            "channels do not pass it"
        )


_SUMS: tuple[Callable[..., Any], ...] = (operator.add, operator.iadd, torch.add)


def _require_passing_call(node: fx.Node, layer: str) -> None:
    if node.op == "call_function" and node.target is torch.flatten and node.args[1:] == (1,):
        return
    if node.op == "call_method" and node.target == "flatten" and node.args[1:] == (1,):
        return
    if node.target in _SUMS or node.target == "add":
        raise ValueError(
            f"a residual sum follows {layer!r}: every layer that feeds it would have to turn at "
            "once"
        )
    raise ValueError(
        f"{node.target} follows {layer!r} and is not known to commute with rotations of the "
        "channels"
    )
