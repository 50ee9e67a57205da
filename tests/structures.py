"""Nets of every structure that ties units, and removal by hand: for what is done to units."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from randomnets import filled, models

import minprune as mp
from minprune.core import Array
from minprune.errors import ShapeError, UnreachableError
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.net import Net, build
from minprune.nets.ties import Group

Piece = tuple[str, int, int]  # (parameter, axis, index)
LARGE = 1e-10  # what two float64 outputs of order 1 may differ by (the law of compaction)
conv, dense = mp.Conv2d, mp.Dense

NETS: dict[str, Net] = {
    "chain": build((3,), [("a", dense(3, 4)), ("r", mp.ReLU()), ("fc", dense(4, 2))]),
    "sigmoid": build((3,), [
        ("a", dense(3, 4)), ("r", mp.Sigmoid()), ("b", dense(4, 3, False)), ("t", mp.Sigmoid()),
        ("fc", dense(3, 2)),
    ]),
    "batchnorm": build((2, 4, 4), [
        ("a", conv(2, 4, 3, bias=False)), ("a_bn", mp.BatchNorm(4)), ("r", mp.ReLU()),
        ("p", mp.GlobalAvgPool()), ("fc", dense(4, 2)),
    ]),
    "padded": build((1, 4, 4), [
        ("a", conv(1, 3, 3, padding=1)), ("r", mp.Sigmoid()), ("b", conv(3, 4, 3, padding=1)),
        ("t", mp.ReLU()), ("p", mp.GlobalAvgPool()), ("fc", dense(4, 2)),
    ]),
    "residual": build((2, 3, 3), [
        ("a", conv(2, 4, 1)), ("r", mp.ReLU()), ("b", conv(4, 3, 3, padding=1)),
        ("t", mp.ReLU()), ("c", conv(3, 4, 1, bias=False)), ("c_bn", mp.BatchNorm(4)),
        ("sum", mp.Add(), ("c_bn", "r")), ("u", mp.ReLU()), ("f", mp.Flatten()),
        ("fc", dense(36, 2)),
    ]),
    "branch": build((3,), [
        ("a", dense(3, 4)), ("r", mp.ReLU()), ("b", dense(4, 4)), ("t", mp.Sigmoid()),
        ("sum", mp.Add(), ("t", "r")), ("fc", dense(4, 2)),
    ]),
    "concat": build((2,), [
        ("a", dense(2, 2)), ("b", dense(2, 3), "input"), ("cat", mp.Concat(), ("a", "b", "a")),
        ("r", mp.ReLU()), ("fc", dense(7, 2)),
    ]),
    "shared": build((2,), [
        ("a", dense(2, 3)), ("r", mp.Tanh()), ("b", dense(3, 2), "r"), ("c", dense(3, 2), "r"),
        ("sum", mp.Add(), ("b", "c")), ("fc", dense(2, 2)),
    ]),
    "flatten": build((1, 3, 3), [
        ("a", conv(1, 3, 2)), ("r", mp.ReLU()), ("f", mp.Flatten()), ("fc", dense(12, 2)),
    ]),
    "grouped": build((2, 3, 3), [
        ("a", conv(2, 4, 2)), ("r", mp.ReLU()), ("b", conv(4, 6, 1, groups=2)), ("t", mp.ReLU()),
        ("p", mp.GlobalAvgPool()), ("fc", dense(6, 2)),
    ]),
    "depthwise": build((2, 4, 4), [
        ("a", conv(2, 3, 2)), ("r", mp.ReLU()), ("b", conv(3, 6, 3, padding=1, groups=3)),
        ("t", mp.ReLU()), ("c", conv(6, 3, 1)), ("p", mp.GlobalAvgPool()), ("fc", dense(3, 2)),
    ]),
    # the rows of c go with those of a and of b: one weight, two groups
    "halves": build((2,), [
        ("c", dense(2, 5)), ("a", dense(2, 2), "input"), ("b", dense(2, 3), "input"),
        ("cat", mp.Concat(), ("a", "b")), ("sum", mp.Add(), ("c", "cat")), ("r", mp.ReLU()),
        ("fc", dense(5, 2)),
    ]),
    # the first rows of c go with the input, which cannot shrink
    "half_tied": build((2,), [
        ("c", dense(2, 5)), ("a", dense(2, 3), "input"), ("cat", mp.Concat(), ("input", "a")),
        ("sum", mp.Add(), ("c", "cat")), ("r", mp.ReLU()), ("fc", dense(5, 2)),
    ]),
    "unread": build((2,), [("a", dense(2, 4)), ("side", dense(4, 3)), ("fc", dense(4, 2), "a")]),
}  # fmt: skip
ZOO: dict[str, Callable[[], Model]] = {
    "mlp": lambda: mp.zoo.mlp(((7,), 3), (6, 5), dtype=np.float64),
    "lenet_300_100": lambda: mp.zoo.lenet_300_100(((1, 4, 4), 3), dtype=np.float64),
    "lenet_5": lambda: mp.zoo.lenet_5(((1, 16, 16), 3), dtype=np.float64),
    "cnn_small": lambda: mp.zoo.cnn_small(((1, 8, 8), 3), dtype=np.float64),
    "conv_4": lambda: mp.zoo.conv_4(((1, 4, 4), 3), dtype=np.float64),
    "resnet_small": lambda: mp.zoo.resnet_small(((1, 8, 8), 3), width=8, dtype=np.float64),
    "monk": lambda: mp.zoo.monk(),
}


def structured() -> st.SearchStrategy[Model]:
    """The nets above with drawn numbers, and random nets; all have units that may be removed."""
    named = st.builds(filled, st.sampled_from(sorted(NETS)).map(NETS.get), st.integers(0, 99))
    free = models(most=8).filter(lambda m: any(g.free and g.size > 1 for g in mp.ties(m)))
    return named | named | free


def thinned(
    model: Model,
    share: float,
    seed: int = 0,
    minimum: int = 1,
    unit: bool = True,
    scope: str = "global",
    **how: Any,
) -> Model:
    """The model pruned by random scores to that sparsity, or the largest that can be reached."""
    scores = mp.score(model, None, "random", unit=unit, seed=seed, **how)
    try:
        return mp.prune(model, scores, sparsity=share, minimum=minimum, scope=scope)
    except UnreachableError as e:
        return mp.prune(model, scores, sparsity=float(str(e).split()[-1]), minimum=minimum)


def apart(a: Model, b: Model, seed: int = 0) -> float:
    """The largest difference of their outputs on five inputs, to the scale of the outputs"""
    x = np.random.default_rng(seed).standard_normal((5, *a.net.input_shape))
    want = a(x)
    return float(np.abs(want - b(x)).max() / (1 + np.abs(want).max()))


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
