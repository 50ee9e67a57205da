"""program(model)(x) = model(x), masked weights being 0: a model in evaluation mode as plain steps.

Masks are applied, sparse layers are dense, BatchNorm and activations go into the step before where
nothing else reads it, dropout is gone. A layer says by a rule, `lowers`, which steps it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.deploy.steps import (
    Activate,
    Concatenate,
    Convolve,
    Largest,
    Linear,
    Mean,
    Normalise,
    Scale,
    Step,
    Sum,
    View,
)
from minprune.errors import ArgumentError
from minprune.nets.activation_layers import LAYERS, Activation
from minprune.nets.convolution import Conv1d, Conv2d
from minprune.nets.dense import Dense, Flatten
from minprune.nets.dropout import Dropout
from minprune.nets.joining import Add, Concat
from minprune.nets.layer import Layer, Shape
from minprune.nets.model import Model, checked_input, is_model, not_finite
from minprune.nets.net import INPUT, Node
from minprune.nets.normalisation import EPS, BatchNorm, GroupNorm, LayerNorm
from minprune.nets.pooling import AvgPool, GlobalAvgPool, MaxPool
from minprune.sparse.convert import densify

Rule = Callable[[Any, "Site"], int]
RULES: dict[type[Layer], Rule] = {}


@dataclass(frozen=True, eq=False)
class Program:
    """Steps over numbered values: 0 is the input, step k, from 1, makes value k

    model: what was lowered; output: the number of its output.
    """

    model: Model
    steps: tuple[Step, ...]
    output: int

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of each value, without the batch axis: (features,) or (c, h, w)."""
        return (image(self.model.net.input_shape), *(s.out for s in self.steps))

    @property
    def last_use(self) -> tuple[int, ...]:
        """The last step that reads each value; the output is read after all steps."""
        uses = [0] * len(self.shapes)
        for k, step in enumerate(self.steps, 1):
            for r in step.reads:
                uses[r] = k
        uses[self.output] = len(self.steps) + 1
        return tuple(uses)

    def values(self, x: Array) -> list[Array]:
        """All values, by their numbers      x: as the model takes it"""
        x = checked_input(self.model.net, x).astype(self.model.dtype, copy=False)
        found = [x.reshape(len(x), *self.shapes[0])]
        for step in self.steps:
            found.append(step.apply(*(found[r] for r in step.reads)))
        return found

    def __call__(self, x: Array) -> Array:
        """The outputs      x: (n, ...) -> (n, outputs)"""
        return self.values(x)[self.output]


@dataclass(frozen=True, eq=False)
class Site:
    """Where a layer is lowered: its name, arrays by kind, what it reads, the shape that it makes

    steps: those before it, to which `add` adds.
    """

    name: str
    p: Arrays
    reads: tuple[int, ...]
    out: Shape
    shape: Shape  # of the first value that it reads, as the net has it
    steps: list[Step]

    def add(self, kind: type[Step], **own: Any) -> int:
        """The number of the value that a new step makes; own: its fields besides the common ones"""
        common = {"name": self.name, "reads": self.reads, "out": self.out}
        self.steps.append(kind(**common | own))
        return len(self.steps)


def lowers(*kinds: type[Layer]) -> Callable[[Rule], Rule]:
    """Register the rule (layer, site) -> number of a value for exactly these classes of layers."""

    def keep(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return keep


def program(model: Model, owner: str = "program") -> Program:
    """The steps of a model in evaluation mode; owner: the call that needs them

    Raises ArgumentError for a layer without a rule, and for weights that are not finite.
    """
    is_model(model, owner)
    for name, a in (model.params | model.buffers).items():
        if bad := not_finite(a):
            raise ArgumentError(
                f"{owner}: {name} must be finite, but has {bad} of {a.size} entries that are not; "
                f"train the model again with a smaller lr"
            )
    dense = densify(model)
    net, steps = dense.net, list[Step]()
    arrays = {k: np.where(dense.masks[k], a, 0) if k in dense.masks else a
              for k, a in (dense.params | dense.buffers).items()}  # fmt: skip
    numbers = {INPUT: 0}
    for node in _needed(net.nodes):
        rule = RULES.get(type(node.layer))
        if rule is None:
            raise ArgumentError(
                f"{owner}: {node.name}: {type(node.layer).__name__} must have a rule that lowers "
                f"it, and has none; register one with minprune.deploy.lowers"
            )
        own: Any = node.layer.own(node.name, arrays)
        reads = tuple(numbers[i] for i in node.inputs)
        out, shape = image(net.shapes[node.name]), net.shapes[node.inputs[0]]
        site = Site(node.name, own, reads, out, shape, steps)
        numbers[node.name] = rule(node.layer, site)
    found = _fused(steps, numbers[net.nodes[-1].name])
    return Program(model, tuple(_cast(s, model.dtype) for s in found[0]), found[1])


def float32(made: Program) -> Program:
    """The program with its weights rounded to float32"""
    return replace(made, steps=tuple(_cast(s, np.dtype(np.float32)) for s in made.steps))


def image(shape: Shape) -> Shape:
    """(c, length) -> (c, 1, length); others stay"""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _needed(nodes: tuple[Node, ...]) -> list[Node]:
    """The nodes that reach the output, in order"""
    wanted, found = {nodes[-1].name}, list[Node]()
    for node in reversed(nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]


def _fused(steps: list[Step], output: int) -> tuple[list[Step], int]:
    """Each step inside the one before it, where that takes it and nothing else reads it"""
    readers = Counter(r for s in steps for r in s.reads) + Counter([output])
    made, number = list[Step](), {0: 0}
    for k, step in enumerate(steps, 1):
        reads = tuple(number[r] for r in step.reads)
        alone = len(reads) == 1 and reads[0] and readers[step.reads[0]] == 1
        taken = made[reads[0] - 1].taking(step) if alone else None
        if taken is not None:
            made[reads[0] - 1] = taken
            number[k] = reads[0]
        else:
            made.append(replace(step, reads=reads))
            number[k] = len(made)
    return made, number[output]


def _cast(step: Step, dtype: np.dtype[Any]) -> Step:
    """The step with its arrays, folded in float64, in the dtype of the model"""
    own: Any = {f.name: getattr(step, f.name) for f in fields(step)}
    for name, a in own.items():
        if isinstance(a, np.ndarray):
            own[name] = np.ascontiguousarray(a, dtype)
    return replace(step, **own)


def _wide(a: Array) -> Array:
    return a.astype(np.float64)


def _mixing(site: Site) -> Arrays:
    """Weight and bias, 0 where there is none"""
    weight = _wide(site.p["weight"])
    bias = site.p.get("bias")
    return {"weight": weight, "bias": np.zeros(len(weight)) if bias is None else _wide(bias)}


@lowers(Dense)
def _dense(layer: Dense, site: Site) -> int:
    return site.add(Linear, **_mixing(site))


@lowers(Conv1d, Conv2d)
def _convolution(layer: Any, site: Site) -> int:
    at, own = layer.image, _mixing(site)
    weight = own["weight"]
    own["weight"] = weight.reshape(*weight.shape[:2], *at["kernel"])
    padding = at["padding"] if len(at["padding"]) == 4 else at["padding"] * 2
    return site.add(Convolve, stride=at["stride"], padding=padding, dilation=at["dilation"],
                    groups=layer.groups, **own)  # fmt: skip


@lowers(BatchNorm)
def _batch_norm(layer: BatchNorm, site: Site) -> int:
    p = {k: _wide(a) for k, a in site.p.items()}
    scale = p["weight"] / np.sqrt(p["running_var"] + EPS)
    return site.add(Scale, scale=scale, shift=p["bias"] - scale * p["running_mean"])


@lowers(GroupNorm, LayerNorm)
def _group_norm(layer: Any, site: Site) -> int:
    gamma, beta = _wide(site.p["weight"]), _wide(site.p["bias"])
    return site.add(Normalise, gamma=gamma, beta=beta, groups=layer.groups, eps=EPS)


@lowers(*LAYERS.values())
def _activation(layer: Activation, site: Site) -> int:
    return site.add(Activate, act=layer.kind)


def _pool(kind: type[Step], layer: Any, site: Site) -> int:
    own = {k: getattr(layer, k) for k in ("kernel", "stride", "padding")}
    if len(site.shape) == 2:  # of sequences the second counts
        own = {k: (idle, own[k][-1]) for k, idle in zip(own, (1, 1, 0), strict=True)}
    return site.add(kind, **own)


@lowers(MaxPool)
def _max_pool(layer: MaxPool, site: Site) -> int:
    return _pool(Largest, layer, site)


@lowers(AvgPool)
def _avg_pool(layer: AvgPool, site: Site) -> int:
    return _pool(Mean, layer, site)


@lowers(GlobalAvgPool)
def _global_avg_pool(layer: GlobalAvgPool, site: Site) -> int:
    c, *sides = image(site.shape)
    mean = site.add(Mean, out=(c, 1, 1), kernel=tuple(sides), stride=tuple(sides))
    return site.add(View, reads=(mean,))


@lowers(Flatten)
def _flatten(layer: Flatten, site: Site) -> int:
    return site.add(View) if len(site.shape) > 1 else site.reads[0]


@lowers(Dropout)
def _dropout(layer: Dropout, site: Site) -> int:
    return site.reads[0]


@lowers(Add)
def _add(layer: Add, site: Site) -> int:
    return site.add(Sum)


@lowers(Concat)
def _concat(layer: Concat, site: Site) -> int:
    return site.add(Concatenate)
