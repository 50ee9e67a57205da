"""Nets of every structure that ties units, and removal by hand: for what is done to units."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

import numpy as np

import minprune as mp
from minprune.core import Array
from minprune.errors import ShapeError
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.ties import Group
from minprune.verify.ours.compaction import LARGE, apart, structured, thinned
from minprune.verify.ours.nets import NETS

__all__ = ["LARGE", "NETS", "apart", "structured", "thinned"]
Piece = tuple[str, int, int]  # (parameter, axis, index)
ZOO: dict[str, Callable[[], Model]] = {
    "mlp": lambda: mp.zoo.mlp(((7,), 3), (6, 5), dtype=np.float64),
    "lenet_300_100": lambda: mp.zoo.lenet_300_100(((1, 4, 4), 3), dtype=np.float64),
    "lenet_5": lambda: mp.zoo.lenet_5(((1, 16, 16), 3), dtype=np.float64),
    "cnn_small": lambda: mp.zoo.cnn_small(((1, 8, 8), 3), dtype=np.float64),
    "conv_4": lambda: mp.zoo.conv_4(((1, 4, 4), 3), dtype=np.float64),
    "resnet_small": lambda: mp.zoo.resnet_small(((1, 8, 8), 3), width=8, dtype=np.float64),
    "monk": lambda: mp.zoo.monk(),
}


def pieces(group: Group, unit: int) -> set[Piece]:
    """All that one unit of a group owns."""
    return {(m.param, m.axis, int(k)) for m in group.members for k in m.index[unit]}


def without(model: Model, gone: Collection[Piece]) -> Model:
    """The model with these pieces deleted, one axis at a time; raises where it does not fit."""

    def left(name: str, a: Array, source: str) -> Array:
        for axis in range(min(a.ndim, 2)):
            lost = [k for p, ax, k in gone if (p, ax) == (source, axis)]
            a = np.delete(a, lost, axis)
        return a

    params = {n: left(n, a, n) for n, a in model.params.items()}
    buffers = {n: left(n, a, n.split(".")[0] + ".weight") for n, a in model.buffers.items()}
    masks = {n: left(n, m, n) for n, m in model.masks.items()}
    nodes = [
        n._replace(layer=fitted(n.layer, params[f"{n.name}.weight"]))
        if f"{n.name}.weight" in params else n
        for n in model.net.nodes
    ]  # fmt: skip
    return Model(replace(model.net, nodes=tuple(nodes)), params, buffers, masks)


def fitted(layer: Layer, w: Array) -> Layer:
    """The layer for this weight; raises ShapeError where none fits."""
    if isinstance(layer, mp.Dense):
        return replace(layer, inputs=w.shape[1], outputs=w.shape[0])
    if isinstance(layer, mp.BatchNorm):
        return replace(layer, channels=w.shape[0])
    assert isinstance(layer, mp.Conv2d)
    groups, each = layer.groups, layer.outputs // layer.groups
    if groups > 1 and layer.inputs == groups:  # depthwise: one group less for `each` outputs less
        if w.shape[0] % each:
            raise ShapeError("part of a depthwise group")
        groups = w.shape[0] // each
    return replace(layer, inputs=w.shape[1] * groups, outputs=w.shape[0], groups=groups)


def silent(model: Model, gone: Iterable[Piece]) -> Model:
    """The model with these pieces set to 0."""
    params = {n: w.copy() for n, w in model.params.items()}
    for name, axis, k in gone:
        params[name][(slice(None),) * axis + (k,)] = 0
    return replace(model, params=params)
