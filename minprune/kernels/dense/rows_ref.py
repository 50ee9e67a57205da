"""Products, activations, losses, row sums in plain NumPy: the definition of rows_jit, sums_jit.

x (c, ...): only the first axis matters. Each function writes its result into `out`. Any float dtype
works, also longdouble, which the tests take for exact: here and in all twins.
"""

import math
from collections.abc import Callable

import numpy as np

from minprune.core import Array

SLOPE = 0.01  # of leaky_relu


def affine(w: Array, x: Array, b: Array | None, kind: str, out: Array) -> None:
    """out[o, n] = act(sum_i w[o, i] * x[i, n] + b[o])"""
    y = w @ x if b is None else w @ x + b[:, None]
    act(y, kind, out)


def matmul(a: Array, b: Array, ta: bool, tb: bool, out: Array) -> None:
    """out[m, p] = sum_n a[m, n] * b[n, p]      ta, tb: a, b given transposed"""
    out[...] = (a.T if ta else a) @ (b.T if tb else b)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), which never overflows"""
    e = np.exp(-np.abs(x))
    y: Array = np.where(x < 0, e, 1) / (1 + e)
    return y


ACT: dict[str, Callable[[Array], Array]] = {  # act(x); NaN stays
    "none": lambda x: x,
    "relu": lambda x: np.where(x <= 0, 0, x),
    "leaky_relu": lambda x: np.where(x <= 0, x.dtype.type(SLOPE) * x, x),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
}
ACT_GRAD: dict[str, Callable[[Array, Array], Array]] = {  # g * act'(x), by y = act(x)
    "none": lambda g, y: g,
    "relu": lambda g, y: np.where(y > 0, g, 0),
    "leaky_relu": lambda g, y: np.where(y > 0, g, y.dtype.type(SLOPE) * g),
    "tanh": lambda g, y: g * (1 - y * y),
    "sigmoid": lambda g, y: g * (y * (1 - y)),
}


def act(x: Array, kind: str, out: Array) -> None:
    """out = x | max(x, 0) | max(x, 0) + 0.01 min(x, 0) | tanh(x) | 1 / (1 + exp(-x)); NaN stays"""
    out[...] = ACT[kind](x)


def act_grad(g: Array, y: Array, kind: str, out: Array) -> None:
    """out = g * act'(x), written in the output y = act(x)"""
    out[...] = ACT_GRAD[kind](g, y)


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


def softmax(x: Array, out: Array) -> None:
    """out[k, n] = exp(x[k, n]) / sum_k exp(x[k, n])"""
    e = np.exp(x - x.max(0))
    out[...] = e / e.sum(0)


def cross_entropy(x: Array, labels: Array, out: Array) -> None:
    """out = mean_n (log sum_k exp(x[k, n]) - x[labels[n], n])"""
    top = x.max(0)
    lse = np.log(np.exp(x - top).sum(0))
    out[...] = (lse + (top - x[labels, np.arange(x.shape[1])])).mean()


def mse(x: Array, y: Array, out: Array) -> None:
    """out = sum (x - y)**2 / n      n: the last axis"""
    out[...] = ((x - y) ** 2).sum() / x.shape[-1]


def gather_last(x: Array, index: Array, out: Array) -> None:
    """out[..., j] = x[index[j], ...]"""
    out[...] = np.moveaxis(x[index], 0, -1)
