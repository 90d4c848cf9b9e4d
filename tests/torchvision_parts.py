"""The functions of torchvision that a face detector needs, for a torch it does not load beside.

`facenet_pytorch` imports torchvision when it is imported itself. torchvision's compiled part fits
one torch alone, so beside another one (`make test-models` pins it) the import fails. What the
detector really calls is little: suppression of overlapping boxes, and an image made a tensor. It is
written here in plain torch from its definition and lent to `facenet_pytorch` while that is
imported; nothing of it is left in `sys.modules`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import numpy as np
import torch


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """The indices of the boxes that stay, best first: each best box removes what it overlaps."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    left = scores.argsort(descending=True, stable=True)
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[left, :2])
        high = torch.minimum(boxes[best, 2:], boxes[left, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        left = left[shared <= iou_threshold * (area[best] + area[left] - shared)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.int64)


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """As `nms`, within each group (here: image) alone."""
    if not len(boxes):
        return torch.zeros(0, dtype=torch.int64)
    # groups are moved so far apart that no two boxes of different groups overlap
    apart = idxs.to(boxes) * (boxes.max() - boxes.min() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """An image (H, W, C) as a tensor (C, H, W); bytes become fractions of 255."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    return tensor.float() / 255 if image.dtype == np.uint8 else tensor


def _modules() -> dict[str, ModuleType]:
    names = ("", ".transforms", ".transforms.functional", ".ops", ".ops.boxes")
    made = {f"torchvision{name}": ModuleType(f"torchvision{name}") for name in names}
    for name, module in made.items():
        above, _, last = name.rpartition(".")
        if above:
            setattr(made[above], last, module)
    vars(made["torchvision.transforms.functional"])["to_tensor"] = to_tensor
    vars(made["torchvision.ops.boxes"]).update(nms=nms, batched_nms=batched_nms)
    return made


def import_beside(name: str) -> ModuleType:
    """Import a package that imports torchvision, lending it these functions meanwhile."""
    before = {key: sys.modules[key] for key in sys.modules if key.split(".")[0] == "torchvision"}
    lent = _modules()
    for key in before:
        del sys.modules[key]
    sys.modules.update(lent)
    try:
        return importlib.import_module(name)
    finally:
        for key in lent:
            del sys.modules[key]
        sys.modules.update(before)
