"""What each layer computes, written as loops: the definitions of test_layers.py.

A definition takes (layer, parameters and buffers, *inputs); batches are the last axis, N samples.
The keywords make the wrong variants.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import minprune as mp
from minprune.core import Array, Arrays
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense
from minprune.nets.layer import Layer, Shape

N = 3
Definition = Callable[..., Array]


def cells(shape: Shape) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, shape))


def dense(layer: Dense, p: Arrays, x: Array, turned: bool = False) -> Array:
    w, b = p["weight"], p.get("bias", np.zeros(layer.outputs))
    w = w.reshape(layer.inputs, layer.outputs).T if turned else w
    y = np.empty((layer.outputs, N))
    for o, n in cells(y.shape):
        y[o, n] = sum(w[o, i] * x[i, n] for i in range(layer.inputs)) + b[o]
    return y


def slot(x: Array, c: int, i: int, j: int, n: int, outside: float) -> float:
    inside = 0 <= i < x.shape[1] and 0 <= j < x.shape[2]
    return float(x[c, i, j, n]) if inside else outside


def first_zeros(layer: Any) -> Any:
    """The padding at the first edges: of "same", half of (k - 1) d, rounded down"""
    if layer.padding != "same":
        return layer.padding
    return [(k - 1) * d // 2 for k, d in zip(layer.kernel, layer.dilation, strict=True)]


def conv(layer: Conv2d, p: Arrays, x: Array, flip: bool = False, first: bool = False) -> Array:
    """y[o, i, j] = sum_cyx w[o, c, y, x] padded[g c + ..., i s + y d, j s + x d] + b[o]"""
    (ky, kx), (sy, sx), (dy, dx) = layer.kernel, layer.stride, layer.dilation
    py, px = first_zeros(layer)
    w, b = p["weight"], p.get("bias", np.zeros(layer.outputs))
    per, share = layer.outputs // layer.groups, layer.inputs // layer.groups
    y = np.empty((*layer.out_shape(x.shape[:3]), N))
    for o, i, j, n in cells(y.shape):
        start = 0 if first else o // per * share
        y[o, i, j, n] = b[o] + sum(
            w[o, c, ky - 1 - u if flip else u, kx - 1 - v if flip else v]
            * slot(x, start + c, i * sy + u * dy - py, j * sx + v * dx - px, n, 0)
            for c, u, v in cells((share, ky, kx))
        )
    return y


def conv1d(layer: mp.Conv1d, p: Arrays, x: Array, flip: bool = False, first: bool = False) -> Array:
    """y[o, j] = sum_cu w[o, c, u] padded[g c + ..., j s + u d] + b[o]"""
    (k,), (s,), (d,), (pad,) = layer.kernel, layer.stride, layer.dilation, first_zeros(layer)
    w, b = p["weight"], p.get("bias", np.zeros(layer.outputs))
    per, share = layer.outputs // layer.groups, layer.inputs // layer.groups
    y = np.empty((*layer.out_shape(x.shape[:2]), N))
    for o, j, n in cells(y.shape):
        start = 0 if first else o // per * share
        y[o, j, n] = b[o] + sum(
            w[o, c, k - 1 - u if flip else u]
            * slot(x[:, None], start + c, 0, j * s + u * d - pad, n, 0)
            for c, u in cells((share, k))
        )
    return y


def as_sequence(definition: Definition) -> Definition:
    """A sequence is an image of height 1, and windows have the second of their sides"""

    def wide(layer: Any, p: Arrays, x: Array) -> Array:
        at = ((1, layer.kernel[1]), (1, layer.stride[1]), (0, layer.padding[1]))
        y: Array = definition(type(layer)(*at), p, x[:, None])
        return y[:, 0]

    return wide


def pooled(outside: float, reduce: Callable[[list[float]], float]) -> Definition:
    def definition(layer: Any, p: Arrays, x: Array) -> Array:
        (ky, kx), (sy, sx), (py, px) = layer.kernel, layer.stride, layer.padding
        y = np.empty((*layer.out_shape(x.shape[:3]), N))
        for c, i, j, n in cells(y.shape):
            window = [
                slot(x, c, i * sy + u - py, j * sx + v - px, n, outside) for u, v in cells((ky, kx))
            ]
            y[c, i, j, n] = reduce(window)
        return y

    return definition


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def mean_inside(values: list[float]) -> float:
    return mean([v for v in values if not math.isnan(v)])


def global_mean(layer: Layer, p: Arrays, x: Array, total: bool = False) -> Array:
    y = np.empty((len(x), N))
    for c, n in cells(y.shape):
        values = x[c, :, :, n].ravel().tolist()
        y[c, n] = sum(values) if total else mean(values)
    return y


def each(f: Callable[[float], float]) -> Definition:
    return lambda layer, p, x: np.array([f(v) for v in x.ravel().tolist()]).reshape(x.shape)


def channels(
    layer: Layer, p: Arrays, x: Array, train: bool, spare: int = 0, size: bool = False
) -> Array:
    """gamma (x - m) / sqrt(v + eps) + beta, m and v of the batch or the running ones

    size: |gamma| (|x| + |m|) / sqrt(v + eps) + |beta|, what the terms add up to.
    """
    y = np.empty(x.shape)
    for c in range(len(x)):
        values = x[c].ravel().tolist()
        m = mean(values) if train else p["running_mean"][c]
        spread = sum((v - m) ** 2 for v in values) / (len(values) - spare)
        v = spread if train else p["running_var"][c]
        gamma, beta = p["weight"][c] / math.sqrt(v + 1e-5), p["bias"][c]
        y[c] = gamma * (x[c] - m) + beta
        if size:
            y[c] = abs(gamma) * (abs(x[c]) + abs(m)) + abs(beta)
    return y


def grouped(
    layer: Any, p: Arrays, x: Array, spare: int = 0, over: str = "group", size: bool = False
) -> Array:
    """gamma (x - m) / sqrt(v + eps) + beta, m and v of a group of channels of each sample

    over: "batch" takes all samples together. size: as in `channels`.
    """
    y, per = np.empty(x.shape), len(x) // layer.groups
    for c, n in cells((len(x), N)):
        group = x[c // per * per : (c // per + 1) * per]
        values = (group if over == "batch" else group[..., n]).ravel().tolist()
        m = mean(values)
        v = sum((a - m) ** 2 for a in values) / (len(values) - spare)
        gamma, beta = p["weight"][c] / math.sqrt(v + 1e-5), p["bias"][c]
        y[c, ..., n] = gamma * (x[c, ..., n] - m) + beta
        if size:
            y[c, ..., n] = abs(gamma) * (abs(x[c, ..., n]) + abs(m)) + abs(beta)
    return y


def dropped(layer: mp.Dropout, p: Arrays, x: Array, scaled: bool = True) -> Array:
    kept = np.random.default_rng(5).random(x.shape, np.float32) >= layer.rate
    return np.where(kept, x / (1 - layer.rate) if scaled else x, 0)


def stacked(layer: Layer, p: Arrays, *xs: Array, order: int = 1) -> Array:
    rows = [row for x in xs[::order] for row in x]
    return np.array(rows)
