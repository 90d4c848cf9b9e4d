"""What tells one activation from another: its settings, its tensors, and the code of its functions.

A repr shows a frame by its shape and a function by its name, so that two that differ look alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import nn

#: What nn.Module itself keeps beside parameters and buffers; the rest are settings of a class.
MACHINERY = vars(nn.Module()).keys() - {"training"}


def identity_of(activation: str | nn.Module) -> str:
    """Return a name's own letters, or a module's repr with a checksum of all that makes it.

    That is its class, its parameters and buffers, its settings (numbers, words, tensors and lists
    of them) and the code of the functions it holds, with the settings that these close over. Not
    seen are global variables that a function reads, and what other objects hold.

    Parameters
    ----------
    activation : str or Module
        See :func:`isotropic.activation`.

    Returns
    -------
    str
        The same in every process.

    Examples
    --------
    >>> identity_of("tanh")
    'tanh'
    >>> from isotropic.composed import Radial
    >>> one, other = Radial(lambda r: torch.tanh(2 * r)), Radial(lambda r: torch.tanh(3 * r))
    >>> repr(one) == repr(other), identity_of(one) == identity_of(other)
    (True, False)
    """
    if isinstance(activation, str):
        return activation
    checksum = 0
    for part in _module(activation):
        checksum = zlib.crc32(part, checksum)
    return f"{activation!r} (checksum {checksum:08x})"


def _module(module: nn.Module) -> Iterator[bytes]:
    for name, part in module.named_modules():
        yield f"{name}: {_name(type(part))};".encode()
        for key in sorted(vars(part).keys() - MACHINERY):
            yield f"{key}=".encode()
            yield from _value(vars(part)[key])
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        yield f"{name} {tensor.requires_grad}=".encode()
        yield from _value(tensor)


def _value(value: Any) -> Iterator[bytes]:
    """Describe a setting; of what is not known, its class: a repr may hold its address."""
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        yield f"{plain.dtype} {tuple(plain.shape)}".encode()
        yield plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, dict):
        for key, each in value.items():
            yield f"{key!r}: ".encode()
            yield from _value(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _value(each)
            yield b","
    elif isinstance(value, frozenset | set):  # ordered by hashes, which differ between processes
        yield from sorted(b"".join(_value(each)) for each in value)
    elif isinstance(value, CodeType):
        yield value.co_code + repr(value.co_names).encode()
        yield from _value(value.co_consts)
    elif isinstance(value, bool | int | float | str | bytes | type(None) | torch.dtype):
        yield repr(value).encode()
    elif callable(value) and not isinstance(value, nn.Module):
        yield from _function(value)
    else:
        yield _name(type(value)).encode()


def _function(function: Any) -> Iterator[bytes]:
    if isinstance(function, partial):
        yield from _function(function.func)
        yield from _value((function.args, function.keywords))
        return
    yield _name(function).encode()
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType):  # a function of C has none
        yield from _value((code, function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            held = cell.cell_contents
            # Of a function that is closed over its code alone: it may close over this one.
            yield from _value(held.__code__ if isinstance(held, FunctionType) else held)


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"
