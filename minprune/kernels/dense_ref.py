"""Every dense kernel in plain NumPy: the definition that the compiled twins are judged by.

Activations are (c, h, w, n), or (c, ...) where only the first axis matters; o, i: channels out and
in; y, x: kernel; windows() is the one place that knows about strides and padding. Each function
writes its result into `out`. Any float dtype works, also longdouble, which the tests use as exact.
Losses and optimizer steps are in train_ref.py, sweeps in obs_ref.py.
"""

import math
from itertools import product

import numpy as np

from minprune.core import Array
from minprune.kernels.obs_ref import obs_sweep as obs_sweep
from minprune.kernels.train_ref import adam_step as adam_step
from minprune.kernels.train_ref import cross_entropy as cross_entropy
from minprune.kernels.train_ref import mse as mse
from minprune.kernels.train_ref import sgd_step as sgd_step
from minprune.kernels.train_ref import softmax as softmax

Pair = tuple[int, int]
SLOPE = 0.01  # of leaky_relu


def windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, fill: float = 0.0) -> Array:
    """v[c, oy, ox, n, y, x] = padded[c, oy*sy + y, ox*sx + x, n]      a view of the padded copy"""
    (py, px), (sy, sx) = padding, stride
    padded = np.pad(x, ((0, 0), (py, py), (px, px), (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, (1, 2))
    return view[:, ::sy, ::sx]


def unfold(x: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """cols[(c, y, x), (oy, ox, n)] = padded[c, oy*sy + y, ox*sx + x, n]"""
    view = windows(x, kernel, stride, padding).transpose(0, 4, 5, 1, 2, 3)
    out[...] = view.reshape(out.shape)


def fold(cols: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """padded[c, oy*sy + y, ox*sx + x, n] += cols[(c, y, x), (oy, ox, n)]; the rim is cut off"""
    (c, h, w, n), (ky, kx), (sy, sx), (py, px) = out.shape, kernel, stride, padding
    oh, ow = (h + 2 * py - ky) // sy + 1, (w + 2 * px - kx) // sx + 1
    parts = cols.reshape(c, ky, kx, oh, ow, n)
    padded = np.zeros((c, h + 2 * py, w + 2 * px, n), cols.dtype)
    for y, x in product(range(ky), range(kx)):
        padded[:, y : y + sy * oh : sy, x : x + sx * ow : sx] += parts[:, y, x]
    out[...] = padded[:, py : py + h, px : px + w]


def conv2d(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, groups: int, kind: str,
    out: Array,
) -> None:  # fmt: skip
    """out[o, oy, ox, n] = act(sum_iyx w[o, i, y, x] * padded[i, oy*sy + y, ox*sx + x, n] + b[o])"""
    for xs, ws, ys in zip(
        np.split(x, groups), np.split(w, groups), np.split(out, groups), strict=True
    ):
        view = windows(xs, w.shape[2:], stride, padding)
        cols = view.transpose(0, 4, 5, 1, 2, 3).reshape(ws[0].size, -1)
        ys[...] = (ws.reshape(len(ws), -1) @ cols).reshape(ys.shape)
    scale_shift(out, None, np.zeros(len(w), w.dtype) if b is None else b, kind, out)


def conv2d_grad_input(
    g: Array, w: Array, stride: Pair, padding: Pair, groups: int, out: Array
) -> None:
    """dx = fold(w^T @ g)      the adjoint of conv2d in x"""
    for gs, ws, dx in zip(
        np.split(g, groups), np.split(w, groups), np.split(out, groups), strict=True
    ):
        cols = ws.reshape(len(ws), -1).T @ gs.reshape(len(gs), -1)
        fold(cols, w.shape[2:], stride, padding, dx)


def conv2d_grad_weight(
    g: Array, x: Array, stride: Pair, padding: Pair, groups: int, out: Array
) -> None:
    """dw = g @ unfold(x)^T      the adjoint of conv2d in w"""
    for gs, xs, dw in zip(
        np.split(g, groups), np.split(x, groups), np.split(out, groups), strict=True
    ):
        view = windows(xs, out.shape[2:], stride, padding)
        cols = view.transpose(0, 4, 5, 1, 2, 3).reshape(dw[0].size, -1)
        dw[...] = (gs.reshape(len(gs), -1) @ cols.T).reshape(dw.shape)


def affine(w: Array, x: Array, b: Array | None, kind: str, out: Array) -> None:
    """out[o, n] = act(sum_i w[o, i] * x[i, n] + b[o])"""
    y = w @ x if b is None else w @ x + b[:, None]
    act(y, kind, out)


def matmul(a: Array, b: Array, out: Array) -> None:
    """out[m, p] = sum_n a[m, n] * b[n, p]"""
    out[...] = a @ b


def act(x: Array, kind: str, out: Array) -> None:
    """out = x | max(x, 0) | max(x, 0) + 0.01 min(x, 0) | tanh(x) | 1 / (1 + exp(-x)); NaN stays"""
    if kind == "none":
        out[...] = x
    elif kind == "relu":
        out[...] = np.where(x <= 0, 0, x)
    elif kind == "leaky_relu":
        out[...] = np.where(x <= 0, x.dtype.type(SLOPE) * x, x)
    elif kind == "tanh":
        out[...] = np.tanh(x)
    else:
        e = np.exp(-np.abs(x))  # never overflows
        out[...] = np.where(x < 0, e, 1) / (1 + e)


def act_grad(g: Array, y: Array, kind: str, out: Array) -> None:
    """out = g * act'(x), written in the output y = act(x)"""
    if kind == "none":
        out[...] = g
    elif kind == "relu":
        out[...] = np.where(y > 0, g, 0)
    elif kind == "leaky_relu":
        out[...] = np.where(y > 0, g, y.dtype.type(SLOPE) * g)
    elif kind == "tanh":
        out[...] = g * (1 - y * y)
    else:
        out[...] = g * (y * (1 - y))


def erf(x: Array, out: Array) -> None:
    """out = 2/sqrt(pi) * integral of exp(-t**2) from 0 to x      entry by entry"""
    out.reshape(-1)[...] = [math.erf(v) for v in x.reshape(-1)]


def column(v: Array, x: Array) -> Array:
    """v as (c, 1, 1, ...), to meet x (c, ...)"""
    return v.reshape(-1, *[1] * (x.ndim - 1))


def scale_shift(x: Array, scale: Array | None, shift: Array, kind: str, out: Array) -> None:
    """out[c, ...] = act(x[c, ...] * scale[c] + shift[c])"""
    y = x if scale is None else x * column(scale, x)
    act(y + column(shift, x), kind, out)


def row_sum(x: Array, out: Array) -> None:
    """out[c] = sum x[c, ...]"""
    out[...] = x.reshape(len(x), -1).sum(1)


def row_dot(a: Array, b: Array, out: Array) -> None:
    """out[c] = sum a[c, ...] * b[c, ...]"""
    row_sum(a * b, out)


def moments(x: Array, mean: Array, var: Array) -> None:
    """mean[c] = mean x[c, ...]      var[c] = mean (x[c, ...] - mean[c])**2"""
    rows = x.reshape(len(x), -1)
    mean[...] = rows.mean(1)
    var[...] = ((rows - mean[:, None]) ** 2).mean(1)


def normalise(x: Array, mean: Array, inv: Array, out: Array) -> None:
    """out[c, ...] = (x[c, ...] - mean[c]) * inv[c]"""
    out[...] = (x - column(mean, x)) * column(inv, x)


def normalise_grad(g: Array, xhat: Array, inv: Array, out: Array) -> None:
    """out = inv * (g - mean(g) - xhat * mean(g * xhat))      means over all but the first axis"""
    axes = tuple(range(1, g.ndim))
    mean_g, mean_gx = g.mean(axes, keepdims=True), (g * xhat).mean(axes, keepdims=True)
    out[...] = column(inv, g) * (g - mean_g - xhat * mean_gx)


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


def put(g: Array, index: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """out = fold of g at index, 0 elsewhere      the adjoint of pick: places met twice add up"""
    offset = np.arange(kernel[0] * kernel[1])[:, None, None, None]
    spread = np.where(index[:, None] == offset, g[:, None], 0)
    fold(spread.astype(g.dtype), kernel, stride, padding, out)


def avg_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """out = mean over the window, its padding counted as zeros"""
    out[...] = windows(x, kernel, stride, padding).mean((4, 5))


def avg_pool_grad(g: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """out = fold(g / (KY*KX)) over the whole window      the adjoint of avg_pool"""
    size = kernel[0] * kernel[1]
    fold(np.repeat(g[:, None] / size, size, 1), kernel, stride, padding, out)


def smallest(scores: Array, k: int, out: Array) -> None:
    """out[j] = True at the k first of the order (score, then the HIGHER index first)"""
    order = np.lexsort((-np.arange(scores.size), scores))
    out[...] = False
    out[order[:k]] = True


def gather_last(x: Array, index: Array, out: Array) -> None:
    """out[..., j] = x[index[j], ...]"""
    out[...] = np.moveaxis(x[index], 0, -1)
