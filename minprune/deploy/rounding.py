"""How far rounding may move a net's outputs, in any order of summation, to first order

    worst case      sum over layers, channels, positions of |dy/dz| k u / (1 - k u) size
    random walk     the same sum, of curved activations alone, without 1 - k u
                    + 6 sqrt(sum over others, channels (sum over positions |dy/dz| sqrt k u size)^2)

The smaller of the two. z: the output of a layer; k: how many roundings it takes, each relative to
at most `size`; u: the unit; dy/dz: from the tape, a kink being passed already where z is within
NEAR u times the largest size of it: two evaluations may be on either side. The walk takes roundings
for independent with mean 0, those of different channels at least, and holds but for 3 outputs in
10^8; a loop that adds above 10^4 nearly equal numbers one by one is not like that.
Source: Higham & Mary (2019), A New Approach to Probabilistic Rounding Error Analysis.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minprune import autograd as ag
from minprune.autograd import Tensor
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.nets.activation_layers import LAYERS, Activation
from minprune.nets.convolution import Conv1d, Conv2d
from minprune.nets.dense import Dense, Flatten
from minprune.nets.dropout import Dropout
from minprune.nets.joining import Add, Concat
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.model import Model, batch_last, run
from minprune.nets.net import INPUT
from minprune.nets.normalisation import EPS, BatchNorm, GroupNorm, LayerNorm
from minprune.nets.pooling import AvgPool, GlobalAvgPool, MaxPool

FOLDED = 6  # roundings of each weight where BatchNorm is folded into it
ELEMENTARY = 16  # units of 1 + |x| by which a library's tanh, exp or erf may be off
SURE = 6.0  # standard deviations
NEAR = 2.0**12  # roundings
Sized = tuple[float, Array]  # how many roundings, and what each is relative to


def rounding(model: Model, x: Array, outputs: list[int], unit: float = 0.0) -> Array:
    """How far each of these outputs may be off      x: (n, ...) -> (n, len(outputs))

    unit: the largest relative error of one rounding, where that is above that of the dtype.
    Raises ArgumentError for a layer that is not ours, or sparse: pass mp.densify(model).
    """
    sized: dict[str, Sized] = {}
    first = Tensor(batch_last(x, model.dtype))
    values, arrays = dict[str, Any]({INPUT: first}), model.params | model.buffers
    unit = max(float(np.finfo(model.dtype).eps) / 2, unit)
    largest = {INPUT: float(np.abs(first.value).max(initial=0))}  # size that a value was made of

    def seen(name: str, out: Any) -> None:
        node, values[name] = model.net.node(name), out
        size = SIZES.get(type(node.layer))
        if size is None:
            raise ArgumentError(
                f"{name}: the rounding of {type(node.layer).__name__} is not known; compare "
                f"outputs by a tolerance of your own"
            )
        p = node.layer.own(name, arrays)
        terms, of = size(node.layer, p, [ag.value(values[i]) for i in node.inputs])
        if terms:
            sized[name] = terms, np.asarray(of, float)
        before = 0 if terms else max(largest[i] for i in node.inputs)
        largest[name] = max(before, float(np.abs(of).max(initial=0)))

    def kinked(name: str, layer: Layer, xs: list[Any]) -> Any:
        """y of a piecewise linear activation, whose slope near a kink is the largest around it"""
        if not isinstance(layer, Activation) or not layer.row.linear:
            return None
        z, f = ag.value(xs[0]), layer.row.f
        near = z.dtype.type(NEAR * unit * largest[model.net.node(name).inputs[0]])
        slopes = [layer.row.df(a, f(a)) for a in (z - near, z, z + near)]
        return f(z) + (xs[0] - z) * np.max(slopes, axis=0)

    end = run(model.net, arrays, first, watch=seen, instead=kinked)
    off = np.zeros((len(outputs), len(x)))
    for k, output in enumerate(outputs):
        g = np.zeros(end.shape, model.dtype)
        g[output] = 1
        slopes = ag.grad(end, [values[name] for name in sized], g)
        most, walk, fixed = np.zeros((3, len(x)))
        for (name, (terms, of)), slope in zip(sized.items(), slopes, strict=True):
            moved = (np.abs(ag.value(slope)) * of).reshape(len(of), -1, len(x)).sum(axis=1) * unit
            most += moved.sum(axis=0) * terms / (1 - terms * unit)
            if model.net.node(name).layer.bent():  # what a library's function is off is no accident
                fixed += moved.sum(axis=0) * terms
            else:
                walk += (moved**2).sum(axis=0) * terms
        off[k] = np.minimum(most, fixed + SURE * np.sqrt(walk))
    return off.T


def _absolute(layer: Layer, p: Any, xs: list[Array]) -> Array:
    """The layer's output of absolute values: sum |w| |x| + |b|"""
    sizes = {k: np.abs(a) for k, a in p.items()}
    return np.asarray(layer.apply(sizes, [np.abs(x) for x in xs], ForwardContext()))


def _mixed(layer: Layer, p: Any, xs: list[Array]) -> Sized:
    return math.prod(p["weight"].shape[1:]) + 1 + FOLDED, _absolute(layer, p, xs)


def _exact(layer: Layer, p: Any, xs: list[Array]) -> Sized:
    return 0, xs[0]


def _added(layer: Layer, p: Any, xs: list[Array]) -> Sized:
    return len(xs) - 1, _absolute(layer, p, xs)


def _pooled(layer: Any, p: Any, xs: list[Array]) -> Sized:
    sides = getattr(layer, "kernel", xs[0].shape[1:-1])
    return math.prod(sides) + 1, _absolute(layer, p, xs)


def _column(a: Array, x: Array) -> Array:
    return a.reshape(-1, *(1,) * (x.ndim - 1))


def _scaled(layer: Any, p: Any, xs: list[Array]) -> Sized:
    """|gamma| (|x| + |mean|) / sqrt(var + 1e-5) + |beta|"""
    (x,), scale = xs, np.abs(p["weight"] * layer.inverse(p))
    total = np.abs(x) + _column(np.abs(p["running_mean"]), x)
    return 2 + FOLDED, _column(scale, x) * total + _column(np.abs(p["bias"]), x)


def _normalised(layer: Any, p: Any, xs: list[Array]) -> Sized:
    """|gamma| ((|x| + E|x|) / s + |x - mean| E x^2 / s^3) + |beta|, s^2 = var + 1e-5, by groups

    The second part: the variance as a difference of E x^2 and mean^2, over twice the variance.
    """
    (x,) = xs
    rows = x.reshape(layer.groups, -1, x.shape[-1]).astype(float)
    mean = rows.mean(axis=1, keepdims=True)
    s = np.sqrt(rows.var(axis=1, keepdims=True) + EPS)
    total = (np.abs(rows) + np.abs(rows).mean(axis=1, keepdims=True)) / s
    total += np.abs(rows - mean) * (rows**2).mean(axis=1, keepdims=True) / s**3
    of = _column(np.abs(p["weight"]), x) * total.reshape(x.shape) + _column(np.abs(p["bias"]), x)
    return rows.shape[1] + FOLDED, of


def _bent(layer: Any, p: Any, xs: list[Array]) -> Sized:
    """Of a piecewise linear one only a slope that is not 0 or 1 rounds, which is in 1 + |x| too"""
    return ELEMENTARY, 1 + np.abs(xs[0])


SIZES: dict[type[Layer], Callable[[Any, Any, list[Array]], Sized]] = {
    Dense: _mixed, Conv1d: _mixed, Conv2d: _mixed, Flatten: _exact, Concat: _exact,
    Dropout: _exact, MaxPool: _exact, Add: _added, AvgPool: _pooled, GlobalAvgPool: _pooled,
    BatchNorm: _scaled, GroupNorm: _normalised, LayerNorm: _normalised,
}  # fmt: skip
SIZES |= dict.fromkeys(LAYERS.values(), _bent)
SIZES |= {LAYERS["ReLU"]: _exact, LAYERS["ReLU6"]: _exact}
