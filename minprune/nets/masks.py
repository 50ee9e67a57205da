"""The check of masks that every Model makes; what masks do is in masking/."""

from collections.abc import Mapping

from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError


def check_masks(masks: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ArgumentError or ShapeError unless each mask is bool and has its parameter's shape."""
    for name, mask in masks.items():
        if name not in shapes:
            raise ArgumentError(f"{name}: no such parameter; there are {', '.join(shapes)}")
        if mask.dtype != bool:
            raise ArgumentError(f"{name}: the mask must be bool, not {mask.dtype}; use mask != 0")
        if mask.shape != shapes[name]:
            raise ShapeError(
                f"{name}: the mask must have the weight's shape {shapes[name]}, not {mask.shape}; "
                f"score and mask the same parameters you apply the mask to"
            )
