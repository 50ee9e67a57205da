"""Layers of another size: some of their inputs and outputs left, or a bias more."""

from dataclasses import replace

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.nets.layer import Layer
from minprune.nets.net import Node
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


def add_to_bias(nodes: list[Node], params: Arrays, masks: Arrays, name: str, amount: Array) -> None:
    """bias += amount, in place      amount: (outputs,)

    A bias that takes something up is live. Where the layer has none it is created, masked where
    nothing else makes the unit, so that a silenced unit stays one.
    """
    weight, key = f"{name}.weight", f"{name}.bias"
    if key not in params:
        at = [n.name for n in nodes].index(name)
        layer = resized(nodes[at].layer, params[weight].shape, True)
        nodes[at] = nodes[at]._replace(layer=layer)
        params[key] = np.zeros(len(amount), params[weight].dtype)
        if weight in masks:
            masks[key] = np.asarray(masks[weight].reshape(len(amount), -1).any(axis=1))
    params[key] = (params[key] + amount).astype(params[key].dtype)
    if key in masks:
        masks[key] = masks[key] | (amount != 0)
