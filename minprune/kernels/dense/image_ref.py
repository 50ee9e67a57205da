"""Unfold, fold, convolution and pooling in plain NumPy: the definition of conv_jit and pool_jit.

Images are (c, h, w, n); o, i: channels out and in; y, x: kernel; windows() is the one place that
knows about strides, padding and dilation. padding: (y, x), or (top, left, bottom, right).
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from minprune.core import Array
from minprune.kernels.dense.rows_ref import scale_shift

Pair = tuple[int, int]
Sides = tuple[int, ...]


def windows(
    x: Array, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair = (1, 1),
    fill: float = 0.0,
) -> Array:  # fmt: skip
    """v[c, oy, ox, n, y, x] = padded[c, oy*sy + y*dy, ox*sx + x*dx, n]      of the padded copy"""
    (top, left), (bottom, right), (sy, sx), (dy, dx) = padding[:2], padding[-2:], stride, dilation
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    extent = (kernel[0] - 1) * dy + 1, (kernel[1] - 1) * dx + 1
    view = np.lib.stride_tricks.sliding_window_view(padded, extent, (1, 2))
    return view[:, ::sy, ::sx, ..., ::dy, ::dx]


def split(groups: int, *arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The part of each array that belongs to a group, for each group"""
    return zip(*(np.split(a, groups) for a in arrays), strict=True)


def unfold(
    x: Array, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, out: Array
) -> None:
    """cols[(c, y, x), (oy, ox, n)] = padded[c, oy*sy + y*dy, ox*sx + x*dx, n]"""
    view = windows(x, kernel, stride, padding, dilation).transpose(0, 4, 5, 1, 2, 3)
    out[...] = view.reshape(out.shape)


def fold(
    cols: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Sides,
    dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """padded[c, oy*sy + y*dy, ox*sx + x*dx, n] += cols[(c, y, x), (oy, ox, n)]; the rim is cut"""
    padded = np.zeros(
        (
            shape[0], shape[1] + padding[0] + padding[-2], shape[2] + padding[1] + padding[-1],
            shape[3],
        ),
        cols.dtype,
    )  # fmt: skip
    (c, h, w, n), (ky, kx), (sy, sx), (dy, dx) = padded.shape, kernel, stride, dilation
    oh, ow = (h - (ky - 1) * dy - 1) // sy + 1, (w - (kx - 1) * dx - 1) // sx + 1
    parts = cols.reshape(c, ky, kx, oh, ow, n)
    for y, x in product(range(ky), range(kx)):
        top, left = y * dy, x * dx
        padded[:, top : top + sy * oh : sy, left : left + sx * ow : sx] += parts[:, y, x]
    out[...] = padded[:, padding[0] :, padding[1] :][:, : shape[1], : shape[2]]


def conv2d(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Sides, groups: int, kind: str,
    dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """out = act(w @ unfold(x) + b)"""
    for xs, ws, ys in split(groups, x, w, out):
        view = windows(xs, w.shape[2:], stride, padding, dilation)
        cols = view.transpose(0, 4, 5, 1, 2, 3).reshape(ws[0].size, -1)
        ys[...] = (ws.reshape(len(ws), -1) @ cols).reshape(ys.shape)
    scale_shift(out, None, np.zeros(len(w), w.dtype) if b is None else b, kind, out)


def conv2d_grad_input(
    g: Array, w: Array, shape: tuple[int, ...], stride: Pair, padding: Sides, groups: int,
    dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """dx = fold(w^T @ g)      the adjoint of conv2d in x"""
    for gs, ws, dx in split(groups, g, w, out):
        cols = ws.reshape(len(ws), -1).T @ gs.reshape(len(gs), -1)
        fold(cols, dx.shape, w.shape[2:], stride, padding, dilation, dx)


def conv2d_grad_weight(
    g: Array, x: Array, kernel: Pair, stride: Pair, padding: Sides, groups: int, dilation: Pair,
    out: Array,
) -> None:  # fmt: skip
    """dw = g @ unfold(x)^T      the adjoint of conv2d in w"""
    for gs, xs, dw in split(groups, g, x, out):
        view = windows(xs, kernel, stride, padding, dilation)
        cols = view.transpose(0, 4, 5, 1, 2, 3).reshape(dw[0].size, -1)
        dw[...] = (gs.reshape(len(gs), -1) @ cols.T).reshape(dw.shape)


def max_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair, y: Array, index: Array) -> None:
    """y = max over the window, index = y*KX + x of the first one; NaN wins; padding never does"""
    view = windows(x, kernel, stride, padding, fill=-np.inf)
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
    fold(spread.astype(g.dtype), shape, kernel, stride, padding, (1, 1), out)


def avg_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """out = mean over the window, its padding counted as zeros"""
    out[...] = windows(x, kernel, stride, padding).mean((4, 5))


def avg_pool_grad(
    g: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, out: Array
) -> None:
    """out = fold(g / (KY*KX)) over the whole window      the adjoint of avg_pool"""
    size = kernel[0] * kernel[1]
    fold(np.repeat(g[:, None] / size, size, 1), shape, kernel, stride, padding, (1, 1), out)
