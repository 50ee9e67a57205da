"""Nets of every structure that ties units, and removal by hand: for what is done to units."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

import minprune as mp
from minprune import (
    Add,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    ReLU,
    Sigmoid,
    Tanh,
    build,
)
from minprune.core import Array
from minprune.errors import ShapeError
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.nets.ties import Group
from minprune.verify.ours.compaction import LARGE, apart, removable, thinned
from minprune.verify.ours.nets import filled, models

__all__ = ["LARGE", "apart", "thinned"]
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

# every structure that ties units
NETS: dict[str, Net] = {
    "joined": build((3,), [
        ("a", Dense(3, 1)), ("r", Sigmoid()), ("b", Dense(3, 2, False), "input"),
        ("cat", Concat(), ("r", "b")), ("c", Dense(3, 6, False)), ("t", ReLU()),
        ("fc", Dense(6, 2)),
    ]),
    "chain": build((3,), [("a", Dense(3, 4)), ("r", ReLU()), ("fc", Dense(4, 2))]),
    "sigmoid": build((3,), [
        ("a", Dense(3, 4)), ("r", Sigmoid()), ("b", Dense(4, 3, False)), ("t", Sigmoid()),
        ("fc", Dense(3, 2)),
    ]),
    "batchnorm": build((2, 4, 4), [
        ("a", Conv2d(2, 4, 3, bias=False)), ("a_bn", BatchNorm(4)), ("r", ReLU()),
        ("p", GlobalAvgPool()), ("fc", Dense(4, 2)),
    ]),
    "padded": build((1, 4, 4), [
        ("a", Conv2d(1, 3, 3, padding=1)), ("r", Sigmoid()), ("b", Conv2d(3, 4, 3, padding=1)),
        ("t", ReLU()), ("p", GlobalAvgPool()), ("fc", Dense(4, 2)),
    ]),
    "residual": build((2, 3, 3), [
        ("a", Conv2d(2, 4, 1)), ("r", ReLU()), ("b", Conv2d(4, 3, 3, padding=1)),
        ("t", ReLU()), ("c", Conv2d(3, 4, 1, bias=False)), ("c_bn", BatchNorm(4)),
        ("sum", Add(), ("c_bn", "r")), ("u", ReLU()), ("f", Flatten()),
        ("fc", Dense(36, 2)),
    ]),
    "branch": build((3,), [
        ("a", Dense(3, 4)), ("r", ReLU()), ("b", Dense(4, 4)), ("t", Sigmoid()),
        ("sum", Add(), ("t", "r")), ("fc", Dense(4, 2)),
    ]),
    "concat": build((2,), [
        ("a", Dense(2, 2)), ("b", Dense(2, 3), "input"), ("cat", Concat(), ("a", "b", "a")),
        ("r", ReLU()), ("fc", Dense(7, 2)),
    ]),
    "shared": build((2,), [
        ("a", Dense(2, 3)), ("r", Tanh()), ("b", Dense(3, 2), "r"), ("c", Dense(3, 2), "r"),
        ("sum", Add(), ("b", "c")), ("fc", Dense(2, 2)),
    ]),
    "flatten": build((1, 3, 3), [
        ("a", Conv2d(1, 3, 2)), ("r", ReLU()), ("f", Flatten()), ("fc", Dense(12, 2)),
    ]),
    "grouped": build((2, 3, 3), [
        ("a", Conv2d(2, 4, 2)), ("r", ReLU()), ("b", Conv2d(4, 6, 1, groups=2)), ("t", ReLU()),
        ("p", GlobalAvgPool()), ("fc", Dense(6, 2)),
    ]),
    "depthwise": build((2, 4, 4), [
        ("a", Conv2d(2, 3, 2)), ("r", ReLU()), ("b", Conv2d(3, 6, 3, padding=1, groups=3)),
        ("t", ReLU()), ("c", Conv2d(6, 3, 1)), ("p", GlobalAvgPool()), ("fc", Dense(3, 2)),
    ]),
    # the rows of c go with those of a and of b: one weight, two groups
    "halves": build((2,), [
        ("c", Dense(2, 5)), ("a", Dense(2, 2), "input"), ("b", Dense(2, 3), "input"),
        ("cat", Concat(), ("a", "b")), ("sum", Add(), ("c", "cat")), ("r", ReLU()),
        ("fc", Dense(5, 2)),
    ]),
    # the first rows of c go with the input, which cannot shrink
    "half_tied": build((2,), [
        ("c", Dense(2, 5)), ("a", Dense(2, 3), "input"), ("cat", Concat(), ("input", "a")),
        ("sum", Add(), ("c", "cat")), ("r", ReLU()), ("fc", Dense(5, 2)),
    ]),
    "unread": build((2,), [("a", Dense(2, 4)), ("side", Dense(4, 3)), ("fc", Dense(4, 2), "a")]),
}  # fmt: skip


def structured() -> st.SearchStrategy[Model]:
    """NETS with drawn numbers, and random nets; all have units that may be removed."""
    named = st.builds(filled, st.sampled_from(sorted(NETS)).map(NETS.get), st.integers(0, 99))
    return named | named | models(most=8).filter(removable)


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
    buffers = {n: left(n, a, n.rpartition(".")[0] + ".weight") for n, a in model.buffers.items()}
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
