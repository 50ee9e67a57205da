"""A layer with some of its inputs and outputs left: the same kind, smaller."""

from dataclasses import replace

import numpy as np

from minprune.errors import ArgumentError
from minprune.nets.layer import Layer
from minprune.nets.weighted import BatchNorm, Conv2d, Dense


def resized(layer: Layer, shape: tuple[int, ...], bias: bool) -> Layer:
    """The layer for a weight of this shape      shape: (o, i), (o, i/groups, y, x) or (channels,)

    Raises ArgumentError for a layer that has weights but no such rule.
    """
    if isinstance(layer, Dense):
        return replace(layer, inputs=shape[1], outputs=shape[0], bias=bias)
    if isinstance(layer, BatchNorm):
        return replace(layer, channels=shape[0])
    if isinstance(layer, Conv2d):
        groups = layer.groups
        if groups > 1 and layer.inputs == groups:  # depthwise: whole groups go
            groups = groups * shape[0] // layer.outputs
        return replace(layer, inputs=shape[1] * groups, outputs=shape[0], groups=groups, bias=bias)
    raise ArgumentError(
        f"{type(layer).__name__} has {int(np.prod(shape))} weights and no rule for becoming "
        f"smaller; compact nets of Dense, Conv2d and BatchNorm"
    )
