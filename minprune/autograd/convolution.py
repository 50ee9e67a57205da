"""y = w * x and its two adjoints: convolution = matrix product of unfold, closed under derivatives.

<g, w * x> is linear in each of x, w and g. Its derivative in g is `convolve`, in x `conv_input`,
in w `conv_weight`; each rule below calls the other two. Activations are
(c, h, w, n), weights (o, i/groups, y, x).
"""

from typing import Any

from minprune import kernels
from minprune.autograd.activation import act_grad
from minprune.autograd.linear import row_sum
from minprune.autograd.tape import Op, Value
from minprune.autograd.tie import convolved
from minprune.core import Array

Pair = tuple[int, int]
Image = tuple[int, int, int, int]
ONE, ZERO = (1, 1), (0, 0)


def _conv2d(
    x: Array,
    w: Array,
    b: Array | None,
    *,
    stride: Pair = ONE,
    padding: Pair = ZERO,
    groups: int = 1,
    act: str = "none",
) -> Array:
    """y = act(w * x + b)      x: (i, h, w, n), w: (o, i/groups, ky, kx), b: (o,) or None"""
    return kernels.conv2d(x, w, b, stride, padding, groups, act)


def _conv2d_rule(
    g: Value,
    y: Value,
    inputs: Any,
    need: Any,
    *,
    stride: Pair = ONE,
    padding: Pair = ZERO,
    groups: int = 1,
    act: str = "none",
) -> tuple[Value, Value, Value]:
    x, w, _ = inputs
    at = {"stride": stride, "padding": padding, "groups": groups}
    g = act_grad(g, y, kind=act)
    return (
        conv_input(g, w, shape=x.shape, **at) if need[0] else None,
        conv_weight(g, x, kernel=w.shape[2:], **at) if need[1] else None,
        row_sum(g) if need[2] else None,
    )


def _conv_input(
    g: Array, w: Array, *, shape: Image, stride: Pair, padding: Pair, groups: int
) -> Array:
    """z = fold(W^T g)      the gradient in x, of shape `shape`"""
    return kernels.conv2d_grad_input(g, w, shape, stride, padding, groups)


def _conv_input_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, shape: Image, **at: Any
) -> tuple[Value, Value]:
    g, w = inputs
    return (
        conv2d(v, w, None, **at) if need[0] else None,
        conv_weight(g, v, kernel=w.shape[2:], **at) if need[1] else None,
    )


def _conv_weight(
    g: Array, x: Array, *, kernel: Pair, stride: Pair, padding: Pair, groups: int
) -> Array:
    """z = g unfold(x)^T      the gradient in w"""
    return kernels.conv2d_grad_weight(g, x, kernel, stride, padding, groups)


def _conv_weight_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, kernel: Pair, **at: Any
) -> tuple[Value, Value]:
    g, x = inputs
    return (
        conv2d(x, v, None, **at) if need[0] else None,
        conv_input(g, v, shape=x.shape, **at) if need[1] else None,
    )


def _unfold(x: Array, *, kernel: Pair, stride: Pair = ONE, padding: Pair = ZERO) -> Array:
    """z = the patches of x as columns      (c, h, w, n) -> (c ky kx, oh ow n)"""
    return kernels.unfold(x, kernel, stride, padding)


def _unfold_rule(g: Value, z: Value, inputs: Any, need: Any, **at: Any) -> tuple[Value]:
    return (fold(g, shape=inputs[0].shape, **at),)


def _fold(
    x: Array, *, shape: Image, kernel: Pair, stride: Pair = ONE, padding: Pair = ZERO
) -> Array:
    """z = the columns added back at their places: the adjoint of unfold"""
    return kernels.fold(x, shape, kernel, stride, padding)


def _fold_rule(
    g: Value, z: Value, inputs: Any, need: Any, *, shape: Image, **at: Any
) -> tuple[Value]:
    return (unfold(g, **at),)


conv2d = Op(_conv2d, _conv2d_rule, convolved)
conv_input = Op(_conv_input, _conv_input_rule)
conv_weight = Op(_conv_weight, _conv_weight_rule)
unfold = Op(_unfold, _unfold_rule)
fold = Op(_fold, _fold_rule)
