"""A store in words: what `ppp-store info` prints."""

from __future__ import annotations

import json

from hooks.store import ActivationStore
from hooks.storelayer import StoreLayer


def describe(store: ActivationStore) -> str:
    """Return what a store holds, as lines of text.

    Parameters
    ----------
    store : ActivationStore

    Returns
    -------
    str
    """
    size = sum(path.stat().st_size for path in store.files)
    lines = [
        f"store      {store.path}",
        f"state      {'complete' if store.complete else 'incomplete: committed rows only'}",
        f"files      {len(store.files)}, {size / 1e6:.1f} MB",
        f"inputs     {len(store.samples)}",
    ]
    if store.fields:
        lines.append(f"fields     {', '.join(store.fields)}")
    if store.snapshots:
        lines.append(f"snapshots  {len(store.snapshots)}")
        lines += [
            f"  {key}  {' '.join(f'{k}={v}' for k, v in attrs.items())}".rstrip()
            for key, attrs in store.snapshots.items()
        ]
    lines.append("layers")
    lines += [_line(store[layer, snapshot]) for snapshot, layer in store.keys]
    if store.provenance:
        lines.append(f"provenance {json.dumps(store.provenance, indent=2)}")
    return "\n".join(lines)


def _line(layer: StoreLayer) -> str:
    rows, width = layer.shape
    at = "" if layer.snapshot is None else f" at {layer.snapshot}"
    kind = str(layer.dtype).removeprefix("torch.")
    position = f", position ({', '.join(layer.columns)})" if layer.columns else ""
    return (
        f"  {layer.layer!r}{at}: {rows} × {width} {kind}, {len(layer.block_offsets) - 1} blocks, "
        f"{layer.spec.module_type}{position}"
    )
