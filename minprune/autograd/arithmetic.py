"""z = x + y, x - y, x y, x / y, x^p, e^x, ln x, |x|, min(max(x, low), high), with broadcasting.

And what broadcasting is made of: the same entries, or their sums, in another shape. Tensor's
operators are the ops of the first part.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.tape import OPERATORS, Links, Op, Parts, Tensor, Value, rows, value
from minprune.core import Array

Shape = tuple[int, ...]


def _elementwise(name: str, ufunc: Any, says: str) -> Callable[..., Array]:
    """The forward function of that name, in an array of the workspace where one is lent"""

    def forward(*xs: Array) -> Array:
        shape, dtype = np.broadcast_shapes(*map(np.shape, xs)), np.result_type(*xs)
        return ufunc(*xs, out=kernels.empty(shape, dtype))  # type: ignore[no-any-return]

    forward.__name__, forward.__doc__ = name, says
    return forward


def _unary(name: str, ufunc: Any, says: str, dx: Callable[..., Value]) -> Op:
    """z = ufunc(x); dx(g, x, z): g dz/dx"""

    def rule(g: Value, z: Value, inputs: Any, need: Any) -> Parts:
        return (dx(g, *inputs, z),)

    return Op(_elementwise(name, ufunc, says), rule, rows, second="apart")


def _binary(
    name: str, ufunc: Any, says: str, dx: Callable[..., Value], dy: Callable[..., Value], **how: Any
) -> Op:
    """z = ufunc(x, y), with broadcasting; dx(g, x, y, z): g dz/dx, dy: g dz/dy"""

    def rule(g: Value, z: Value, inputs: Any, need: Any) -> Parts:
        x, y = inputs
        left = sum_to(dx(g, x, y, z), shape=np.shape(x)) if need[0] else None
        return left, sum_to(dy(g, x, y, z), shape=np.shape(y)) if need[1] else None

    return Op(_elementwise(name, ufunc, says), rule, rows, **how)


def _power(x: Array, *, p: float) -> Array:
    """z = x^p      p: a constant"""
    return np.asarray(x**p)


def _power_rule(g: Value, z: Value, inputs: Any, need: Any, *, p: float) -> Parts:
    (x,) = inputs
    if p == 0:
        return (None,)
    return (g * (p * power(x, p=p - 1)) if p != 1 else g,)


def _clip(x: Array, *, low: float, high: float) -> Array:
    """z = min(max(x, low), high)      derivative 1 from low to high, both included; 0 outside"""
    return np.clip(x, low, high)


def _clip_rule(g: Value, z: Value, inputs: Any, need: Any, *, low: float, high: float) -> Parts:
    x = value(inputs[0])
    return (mul(g, ((x >= low) & (x <= high)).astype(x.dtype)),)


def _reshape(x: Array, *, shape: Shape) -> Array:
    """z = the entries of x, in C order, as `shape`"""
    return x.reshape(shape)


def _reshape_rule(g: Value, z: Value, inputs: Any, need: Any, *, shape: Shape) -> Parts:
    return (reshape(g, shape=inputs[0].shape),)


def _expand(x: Array, *, shape: Shape) -> Array:
    """z = x repeated to `shape` by the broadcasting rules      adjoint: sum_to"""
    return np.broadcast_to(x, shape)


def _expand_rule(g: Value, z: Value, inputs: Any, need: Any, *, shape: Shape) -> Parts:
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


def _sum_to_rule(g: Value, z: Value, inputs: Any, need: Any, *, shape: Shape) -> Parts:
    return (expand(reshape(g, shape=shape), shape=np.shape(inputs[0])),)


def _transpose(x: Array, *, axes: Shape) -> Array:
    """z = x with its axes in the order `axes`"""
    return x.transpose(axes)


def _transpose_rule(g: Value, z: Value, inputs: Any, need: Any, *, axes: Shape) -> Parts:
    return (transpose(g, axes=tuple(int(i) for i in np.argsort(axes))),)


def _part(x: Array, *, start: int, stop: int) -> Array:
    """z = x[start:stop] on the first axis      adjoint: place"""
    return x[start:stop]


def _part_rule(g: Value, z: Value, inputs: Any, need: Any, *, start: int, stop: int) -> Parts:
    return (place(g, start=start, rows=inputs[0].shape[0]),)


def _place(x: Array, *, start: int, rows: int) -> Array:
    """z = zeros of `rows` rows, with x from row `start` on"""
    z = kernels.empty((rows, *x.shape[1:]), x.dtype)
    z[...] = 0
    z[start : start + x.shape[0]] = x
    return z


def _place_rule(g: Value, z: Value, inputs: Any, need: Any, *, start: int, rows: int) -> Parts:
    return (part(g, start=start, stop=start + inputs[0].shape[0]),)


def _concat(*xs: Array) -> Array:
    """z = the xs one after another on the first axis (channels, features)"""
    rows = sum(x.shape[0] for x in xs)
    z = kernels.empty((rows, *xs[0].shape[1:]), xs[0].dtype)
    return np.concatenate(xs, axis=0, out=z)


def _concat_rule(g: Value, z: Value, inputs: Any, need: Any) -> Parts:
    stops = np.cumsum([x.shape[0] for x in inputs])
    return [
        part(g, start=int(stop) - x.shape[0], stop=int(stop)) if n else None
        for x, stop, n in zip(inputs, stops, need, strict=True)
    ]


def _reshaped(links: Links, out: Tensor, inputs: Parts, settings: Any) -> None:
    """(c, h, w, n) -> (c h w, n), or another shape of as many rows."""
    (x,) = inputs
    links.spread(out, x, out.shape[0] // x.shape[0])


def _stacked(links: Links, out: Tensor, inputs: Parts, settings: Any) -> None:
    """One after another: concatenation."""
    links.stack(out, *inputs)


add = _binary("add", np.add, "z = x + y", lambda g, *_: g, lambda g, *_: g, second="copy")
sub = _binary(
    "sub", np.subtract, "z = x - y", lambda g, *_: g, lambda g, *_: -g,
    second="linear", squared=add.rule,
)  # fmt: skip
mul: Op = _binary(
    "mul", np.multiply, "z = x y", lambda g, x, y, z: mul(g, y), lambda g, x, y, z: mul(g, x),
    second="product",
)  # fmt: skip
div: Op = _binary(
    "div", np.divide, "z = x / y", lambda g, x, y, z: div(g, y),
    lambda g, x, y, z: -mul(g, div(z, y)), second="apart",
)  # fmt: skip
power = Op(_power, _power_rule, rows, second="apart")
exp = _unary("exp", np.exp, "z = e^x", lambda g, x, z: g * z)
log = _unary("log", np.log, "z = ln x", lambda g, x, z: g / x)
absolute = _unary(
    "absolute", np.absolute, "z = |x|      derivative at 0: 0",
    lambda g, x, z: g * np.sign(value(x)),
)  # fmt: skip
clip = Op(_clip, _clip_rule, rows, second="apart")
reshape = Op(_reshape, _reshape_rule, _reshaped, second="copy")
expand = Op(_expand, _expand_rule, second="copy")
sum_to = Op(_sum_to, _sum_to_rule, second="copy")
transpose = Op(_transpose, _transpose_rule)
part = Op(_part, _part_rule, second="copy")
place = Op(_place, _place_rule, second="copy")
concat = Op(_concat, _concat_rule, _stacked, second="copy")

OPERATORS.update({"+": add, "-": sub, "*": mul, "/": div, "**": power, "abs": absolute})


def sqrt(x: Value) -> Value:
    """z = x^(1/2)"""
    return power(x, p=0.5)


def total(x: Value) -> Value:
    """z = the sum of all entries of x, a scalar"""
    return sum_to(x, shape=())


def column(s: Value, x: Value) -> Value:
    """s: (c,) -> (c, 1, ...), to meet x: (c, ...) by broadcasting"""
    return reshape(s, shape=(-1, *(1,) * (value(x).ndim - 1)))
