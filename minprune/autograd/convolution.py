"""y = w * x and its two adjoints: convolution = matrix product of unfold, closed under derivatives.

<g, w * x> is linear in each of x, w and g. Its derivative in g is `convolve`, in x `conv_input`,
in w `conv_weight`; each rule below calls the other two. Activations are
(c, h, w, n), weights (o, i/groups, y, x).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.activations import act_grad
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


def _patches(x: Array, w: Array, *, stride: Pair, padding: Pair, groups: int) -> Array:
    """The columns of each sample and group: (n, groups, i/groups ky kx, oh ow)"""
    cols = kernels.unfold(x, w.shape[2:], stride, padding)
    n = x.shape[3]
    return np.ascontiguousarray(
        cols.reshape(groups, -1, cols.shape[1] // n, n).transpose(3, 0, 1, 2)
    )


def _conv2d_each(
    g: Array,
    y: Array,
    inputs: Any,
    need: Any,
    *,
    stride: Pair = ONE,
    padding: Pair = ZERO,
    groups: int = 1,
    act: str = "none",
) -> tuple[None, Any, Any]:
    """dW_n = g_n unfold(x_n)^T, db_n = the sum of g_n over its positions"""
    x, w, _ = inputs
    g = act_grad(g, y, kind=act)
    n, dw = x.shape[3], None
    if need[1]:
        cols = _patches(x, w, stride=stride, padding=padding, groups=groups)
        rows = g.reshape(groups, len(w) // groups, -1, n).transpose(3, 0, 1, 2)
        dw = np.matmul(rows, cols.transpose(0, 1, 3, 2)).reshape(n, *w.shape)
    return None, dw, g.sum(axis=(1, 2)).T if need[2] else None


def _conv2d_squares(
    gs: Sequence[Array],
    weights: Array,
    y: Array,
    inputs: Any,
    need: Any,
    *,
    stride: Pair = ONE,
    padding: Pair = ZERO,
    groups: int = 1,
    act: str = "none",
) -> tuple[None, Any, Any]:
    """dW = sum_kn weights_kn (g_kn unfold(x_n)^T)^2: one product a sample and group, for all k"""
    x, w, _ = inputs
    k, n, dw, db = len(gs), x.shape[3], None, None
    g = np.stack([act_grad(g, y, kind=act) for g in gs])
    if need[1]:
        cols = _patches(x, w, stride=stride, padding=padding, groups=groups)
        rows = g.reshape(k, groups, len(w) // groups, -1, n).transpose(4, 1, 0, 2, 3)
        rows = np.ascontiguousarray(rows).reshape(n, groups, k * len(w) // groups, -1)
        dw = np.zeros((groups, w.size // groups), y.dtype)
        for sample, c in enumerate(np.ascontiguousarray(weights.T)):
            for group in range(groups):
                one = rows[sample, group] @ cols[sample, group].T
                np.square(one, out=one)
                dw[group] += c @ one.reshape(k, -1)
        dw = dw.reshape(w.shape)
    if need[2]:
        db = (np.square(g.sum(axis=(2, 3))) * weights[:, None]).sum(axis=(0, 2))
    return None, dw, db


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


conv2d = Op(_conv2d, _conv2d_rule, convolved, _conv2d_each, _conv2d_squares, "product")
conv_input = Op(_conv_input, _conv_input_rule)
conv_weight = Op(_conv_weight, _conv_weight_rule)
unfold = Op(_unfold, _unfold_rule)
fold = Op(_fold, _fold_rule)
