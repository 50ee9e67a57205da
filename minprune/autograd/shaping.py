"""z has the entries of x, or their sums, in another shape: reshape, expand, sum_to and others."""

from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.tape import Op, Value, value
from minprune.autograd.tie import reshaped, stacked
from minprune.core import Array

Shape = tuple[int, ...]


def _reshape(x: Array, *, shape: Shape) -> Array:
    """z = the entries of x, in C order, as `shape`"""
    return x.reshape(shape)


def _reshape_rule(g: Value, z: Value, inputs: Any, need: Any, *, shape: Shape) -> tuple[Value]:
    return (reshape(g, shape=inputs[0].shape),)


def _expand(x: Array, *, shape: Shape) -> Array:
    """z = x repeated to `shape` by the broadcasting rules      adjoint: sum_to"""
    return np.broadcast_to(x, shape)


def _expand_rule(g: Value, z: Value, inputs: Any, need: Any, *, shape: Shape) -> tuple[Value]:
    return (sum_to(g, shape=np.shape(inputs[0])),)


def _sum_to(x: Array, *, shape: Shape) -> Array:
    """z = x summed over the axes that broadcasting from `shape` would add or stretch"""
    x = np.asarray(x)
    if x.shape == shape:
        return x
    lead = x.ndim - len(shape)
    stretched = tuple(
        i for i in range(x.ndim) if i < lead or (shape[i - lead] == 1 and x.shape[i] != 1)
    )
    return np.asarray(x.sum(axis=stretched)).reshape(shape)


def _sum_to_rule(g: Value, z: Value, inputs: Any, need: Any, *, shape: Shape) -> tuple[Value]:
    return (expand(reshape(g, shape=shape), shape=np.shape(inputs[0])),)


def _transpose(x: Array, *, axes: Shape) -> Array:
    """z = x with its axes in the order `axes`"""
    return x.transpose(axes)


def _transpose_rule(g: Value, z: Value, inputs: Any, need: Any, *, axes: Shape) -> tuple[Value]:
    return (transpose(g, axes=tuple(int(i) for i in np.argsort(axes))),)


def _part(x: Array, *, start: int, stop: int) -> Array:
    """z = x[start:stop] on the first axis      adjoint: place"""
    return x[start:stop]


def _part_rule(
    g: Value, z: Value, inputs: Any, need: Any, *, start: int, stop: int
) -> tuple[Value]:
    return (place(g, start=start, rows=inputs[0].shape[0]),)


def _place(x: Array, *, start: int, rows: int) -> Array:
    """z = zeros of `rows` rows, with x from row `start` on"""
    z = kernels.empty((rows, *x.shape[1:]), x.dtype)
    z[...] = 0
    z[start : start + x.shape[0]] = x
    return z


def _place_rule(g: Value, z: Value, inputs: Any, need: Any, *, start: int, rows: int) -> Any:
    return (part(g, start=start, stop=start + inputs[0].shape[0]),)


def _concat(*xs: Array) -> Array:
    """z = the xs one after another on the first axis (channels, features)"""
    rows = sum(x.shape[0] for x in xs)
    z = kernels.empty((rows, *xs[0].shape[1:]), xs[0].dtype)
    return np.concatenate(xs, axis=0, out=z)


def _concat_rule(g: Value, z: Value, inputs: Any, need: Any) -> list[Value]:
    stops = np.cumsum([x.shape[0] for x in inputs])
    return [
        part(g, start=int(stop) - x.shape[0], stop=int(stop)) if n else None
        for x, stop, n in zip(inputs, stops, need, strict=True)
    ]


reshape = Op(_reshape, _reshape_rule, reshaped, second="copy")
expand = Op(_expand, _expand_rule, second="copy")
sum_to = Op(_sum_to, _sum_to_rule, second="copy")
transpose = Op(_transpose, _transpose_rule)
part = Op(_part, _part_rule, second="copy")
place = Op(_place, _place_rule, second="copy")
concat = Op(_concat, _concat_rule, stacked, second="copy")


def total(x: Value) -> Value:
    """z = the sum of all entries of x, a scalar"""
    return sum_to(x, shape=())


def column(s: Value, x: Value) -> Value:
    """s: (c,) -> (c, 1, ...), to meet x: (c, ...) by broadcasting"""
    return reshape(s, shape=(-1, *(1,) * (value(x).ndim - 1)))
