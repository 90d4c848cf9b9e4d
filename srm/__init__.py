"""Spotlight resonance: a probe turned through every privileged plane."""

from importlib.util import find_spec
from pathlib import Path

import lazy_loader

for _name in ("hooks", "ppp"):
    _spec = find_spec(_name)
    _found = Path(_spec.origin).parent if _spec is not None and _spec.origin else None
    if _found != Path(__file__).parents[1] / _name:
        raise ImportError(
            f"{_name!r} must be the package that comes with privileged-planes, but Python finds "
            f"{_spec.origin if _spec else None} first: rename or move that file"
        )

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "companion": ["Sweeping"],
        "curve": ["SRMResult"],
        "membership": ["standing"],
        "plot": ["plot_curve", "plot_sweeps"],
        "sweeping": ["sweep"],
    },
)
