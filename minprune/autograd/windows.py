"""Ops over the windows of an image: y = w * x, the largest and the mean, and their adjoints.

Convolution = matrix product of unfold. <g, w * x> is linear in each of x, w and g: its derivative
in g is `conv2d`, in x `conv_input`, in w `conv_weight`; each rule calls the other two. Max pooling
= pick at a constant argmax (adjoint: put); average pooling (adjoint: spread). Images are
(c, h, w, n), weights (o, i/groups, y, x); sequences (c, l, n) with weights (o, i/groups, x) are
images of height 1. `at`: the stride and padding, and with them what the kernel of that name takes.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.activations import act_grad
from minprune.autograd.linear import row_sum
from minprune.autograd.tape import Links, Op, Parts, Tensor, Value, rows
from minprune.core import Array

Pair = tuple[int, int]
Shape = tuple[int, ...]


def _image(x: Array) -> Array:
    """(c, l, n) -> (c, 1, l, n), a sequence as an image of height 1; images stay"""
    return x if x.ndim == 4 else x[:, None]


def _window(w: Array) -> Array:
    """(o, i/groups, x) -> (o, i/groups, 1, x)"""
    return w if w.ndim == 4 else w[:, :, None]


def _conv2d(x: Array, w: Array, b: Array | None, **at: Any) -> Array:
    """y = act(w * x + b)      x: (i, h, w, n), w: (o, i/groups, ky, kx), b: (o,) or None

    Or sequences, x: (i, l, n), w: (o, i/groups, k), with stride (1, s) and padding (0, p).
    """
    y = kernels.conv2d(_image(x), _window(w), b, **at)
    return y if x.ndim == 4 else y[:, 0]


def _conv2d_rule(
    g: Value, y: Value, inputs: Any, need: Any, *, act: str = "none", **at: Any
) -> Parts:
    x, w, _ = inputs
    g = act_grad(g, y, kind=act)
    return (
        conv_input(g, w, shape=x.shape, **at) if need[0] else None,
        conv_weight(g, x, kernel=w.shape[2:], **at) if need[1] else None,
        row_sum(g) if need[2] else None,
    )


def _patches(x: Array, w: Array, groups: int = 1, **at: Any) -> Array:
    """The columns of each sample and group: (n, groups, i/groups ky kx, oh ow)"""
    cols = unfold(_image(x), kernel=_window(w).shape[2:], **at)
    n = x.shape[-1]
    cols = cols.reshape(groups, -1, cols.shape[1] // n, n)
    return np.ascontiguousarray(cols.transpose(3, 0, 1, 2))


def _conv2d_each(
    g: Array, y: Array, inputs: Any, need: Any, *, act: str = "none", **at: Any
) -> Parts:
    """dW_n = g_n unfold(x_n)^T, db_n = the sum of g_n over its positions"""
    x, w, _ = inputs
    g = _image(act_grad(g, y, kind=act))
    n, groups, dw = x.shape[-1], at.get("groups", 1), None
    if need[1]:
        cols = _patches(x, w, **at)
        rows = g.reshape(groups, len(w) // groups, -1, n).transpose(3, 0, 1, 2)
        dw = np.matmul(rows, cols.transpose(0, 1, 3, 2)).reshape(n, *w.shape)
    return None, dw, g.sum(axis=(1, 2)).T if need[2] else None


def _conv2d_squares(
    gs: Sequence[Array], weights: Array, y: Array, inputs: Any, need: Any, *, act: str = "none",
    **at: Any,
) -> Parts:  # fmt: skip
    """dW = sum_kn weights_kn (g_kn unfold(x_n)^T)^2: one product a sample and group, for all k"""
    x, w, _ = inputs
    k, n, groups, dw, db = len(gs), x.shape[-1], at.get("groups", 1), None, None
    g = np.stack([_image(act_grad(g, y, kind=act)) for g in gs])
    if need[1]:
        cols = _patches(x, w, **at)
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


def _conv_input(g: Array, w: Array, *, shape: Shape, **at: Any) -> Array:
    """z = fold(W^T g)      the gradient in x, of shape `shape`"""
    image = shape if len(shape) == 4 else (shape[0], 1, *shape[1:])
    z = kernels.conv2d_grad_input(_image(g), _window(w), image, **at)
    return z if len(shape) == 4 else z[:, 0]


def _conv_input_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, shape: Shape, **at: Any
) -> Parts:
    g, w = inputs
    dg = conv2d(v, w, None, **at) if need[0] else None
    return dg, conv_weight(g, v, kernel=w.shape[2:], **at) if need[1] else None


def _conv_weight(g: Array, x: Array, *, kernel: Shape, **at: Any) -> Array:
    """z = g unfold(x)^T      the gradient in w"""
    window = kernel if len(kernel) == 2 else (1, *kernel)
    z = kernels.conv2d_grad_weight(_image(g), _image(x), window, **at)  # type: ignore[arg-type]
    return z if len(kernel) == 2 else z[:, :, 0]


def _conv_weight_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, kernel: Shape, **at: Any
) -> Parts:
    g, x = inputs
    dg = conv2d(x, v, None, **at) if need[0] else None
    return dg, conv_input(g, v, shape=x.shape, **at) if need[1] else None


def _adjoint(
    forward: Callable[..., Array], adjoint: Callable[..., Array], tie: Any = None, **how: Any
) -> tuple[Op, Op]:
    """The ops of a linear map and of its adjoint, which takes the `shape` of what it gives."""

    def rule(g: Value, z: Value, inputs: Any, need: Any, **at: Any) -> Parts:
        return (back(g, shape=inputs[0].shape, **at),)

    def back_rule(v: Value, z: Value, inputs: Any, need: Any, *, shape: Shape, **at: Any) -> Parts:
        return (there(v, **at),)

    there, back = Op(forward, rule, tie, **how), Op(adjoint, back_rule, second=how.get("second"))
    return there, back


def _avg_pool_squared(h: Array, z: Array, inputs: Any, need: Any, **at: Any) -> Parts:
    """Each coefficient is 1 / k, k the size of the window: the rule itself, divided by k"""
    return (spread(h / prod(at["kernel"]), shape=inputs[0].shape, **at),)


def _convolved(links: Links, out: Tensor, inputs: Parts, settings: Any) -> None:
    """(x, w, b): convolutions."""
    x, w, b = inputs
    padded = any(settings.get("padding", ()))
    links.mix(out, w, x, settings.get("groups", 1), padded)
    if isinstance(b, Tensor):
        links.same(out, b)


conv2d = Op(_conv2d, _conv2d_rule, _convolved, _conv2d_each, _conv2d_squares, "product")
conv_input = Op(_conv_input, _conv_input_rule)
conv_weight = Op(_conv_weight, _conv_weight_rule)
unfold, fold = _adjoint(kernels.unfold, kernels.fold)
pick, put = _adjoint(kernels.pick, kernels.put, rows, second="copy")
avg_pool, spread = _adjoint(
    kernels.avg_pool, kernels.avg_pool_grad, rows, second="linear", squared=_avg_pool_squared
)


def max_pool(x: Value, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Value:
    """z = the largest entry of each window; padding never wins; among equals the first"""
    if not isinstance(x, Tensor):  # no derivative needs the places
        return kernels.max_values(x, kernel, stride, padding)
    result, index = kernels.max_pool(x.value, kernel, stride, padding)
    at = {"index": index, "kernel": kernel, "stride": stride, "padding": padding}
    return Tensor(result, pick, (x,), at)
