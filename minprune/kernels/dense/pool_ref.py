"""Pooling in plain NumPy: the definition of pool_jit."""

import numpy as np

from minprune.core import Array
from minprune.kernels.dense.conv_ref import Pair, fold, windows


def max_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair, y: Array, index: Array) -> None:
    """y = max over the window, index = y*KX + x of the first one; NaN wins; padding never does"""
    view = windows(x, kernel, stride, padding, -np.inf)
    view = view.reshape(*y.shape, -1)
    inside = windows(np.ones((1, *x.shape[1:3], 1)), kernel, stride, padding)
    inside = np.broadcast_to(inside.reshape(1, *y.shape[1:3], 1, -1) > 0, view.shape)
    at = view.argmax(-1)[..., None]
    at = np.where(np.take_along_axis(inside, at, -1), at, inside.argmax(-1)[..., None])
    index[...] = at[..., 0]
    y[...] = np.take_along_axis(view, at, -1)[..., 0]


def max_values(x: Array, kernel: Pair, stride: Pair, padding: Pair, y: Array) -> None:
    """y = max over the window; NaN wins; padding never does"""
    max_pool(x, kernel, stride, padding, y, np.empty(y.shape, np.intp))


def pick(x: Array, index: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """out[c, oy, ox, n] = the entry of the window at index[c, oy, ox, n]      0 in the padding"""
    view = windows(x, kernel, stride, padding).reshape(*index.shape, -1)
    out[...] = np.take_along_axis(view, index[..., None].astype(np.intp), -1)[..., 0]


def put(
    g: Array, index: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair,
    out: Array,
) -> None:  # fmt: skip
    """out = fold of g at index, 0 elsewhere      the adjoint of pick: places met twice add up"""
    offset = np.arange(kernel[0] * kernel[1])[:, None, None, None]
    spread = np.where(index[:, None] == offset, g[:, None], 0)
    fold(spread.astype(g.dtype), shape, kernel, stride, padding, out)


def avg_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """out = mean over the window, its padding counted as zeros"""
    out[...] = windows(x, kernel, stride, padding).mean((4, 5))


def avg_pool_grad(
    g: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, out: Array
) -> None:
    """out = fold(g / (KY*KX)) over the whole window      the adjoint of avg_pool"""
    size = kernel[0] * kernel[1]
    fold(np.repeat(g[:, None] / size, size, 1), shape, kernel, stride, padding, out)
