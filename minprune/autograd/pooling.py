"""Max pooling = pick at a constant argmax (adjoint: put); average pooling (adjoint: spread)."""

from typing import Any

from minprune import kernels
from minprune.autograd.tape import Op, Tensor, Value
from minprune.autograd.tie import rows
from minprune.core import Array

Pair = tuple[int, int]
Shape = tuple[int, int, int, int]


def _pick(x: Array, *, index: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """z[c, y, x, n] = the entry of that window at offset index[c, y, x, n]"""
    return kernels.pick(x, index, kernel, stride, padding)


def _pick_rule(g: Value, z: Value, inputs: Any, need: Any, **at: Any) -> tuple[Value]:
    return (put(g, shape=inputs[0].shape, **at),)


def _put(
    g: Array, *, shape: Shape, index: Array, kernel: Pair, stride: Pair, padding: Pair
) -> Array:
    """z = zeros of `shape`, with each g added where its window's index points"""
    return kernels.put(g, index, shape, kernel, stride, padding)


def _put_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, shape: Shape, **at: Any
) -> tuple[Value]:
    return (pick(v, **at),)


def _avg_pool(x: Array, *, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """z = the mean over each window, padding counted"""
    return kernels.avg_pool(x, kernel, stride, padding)


def _avg_pool_rule(g: Value, z: Value, inputs: Any, need: Any, **at: Any) -> tuple[Value]:
    return (spread(g, shape=inputs[0].shape, **at),)


def _avg_pool_squared(
    h: Array, z: Array, inputs: Any, need: Any, *, kernel: Pair, **at: Any
) -> tuple[Value]:
    """Each coefficient is 1 / k, k the size of the window: the rule itself, divided by k"""
    return _avg_pool_rule(h / (kernel[0] * kernel[1]), z, inputs, need, kernel=kernel, **at)


def _spread(g: Array, *, shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """z = each g shared equally among the entries of its window: the adjoint of avg_pool"""
    return kernels.avg_pool_grad(g, shape, kernel, stride, padding)


def _spread_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, shape: Shape, **at: Any
) -> tuple[Value]:
    return (avg_pool(v, **at),)


pick = Op(_pick, _pick_rule, rows, second="copy")
put = Op(_put, _put_rule, second="copy")
avg_pool = Op(_avg_pool, _avg_pool_rule, rows, second="linear", squared=_avg_pool_squared)
spread = Op(_spread, _spread_rule, second="linear")


def max_pool(x: Value, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Value:
    """z = the largest entry of each window; padding never wins; among equals the first"""
    if not isinstance(x, Tensor):  # nobody will ask where it was
        return kernels.max_values(x, kernel, stride, padding)
    result, index = kernels.max_pool(x.value, kernel, stride, padding)
    at = {"index": index, "kernel": kernel, "stride": stride, "padding": padding}
    return pick.record(result, (x,), at)
