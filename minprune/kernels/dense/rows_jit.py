"""Products, activations, losses over classes and the batch as columns, compiled.

Rows are seen as (c, m). tanh and exp are NumPy's, which has them in SIMD; Numba calls libm per
entry.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import inside, loops
from minprune.kernels.registers_jit import gather_square, lanes_of
from minprune.kernels.workspace import empty

SLOPE = 0.01  # of leaky_relu
NONE, RELU, LEAKY, TANH, SIGMOID = range(5)
CODES = {"none": NONE, "relu": RELU, "leaky_relu": LEAKY, "tanh": TANH, "sigmoid": SIGMOID}
NOTHING = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}  # an absent array


@inside
def bent(v, code, slope, zero):  # type: ignore[no-untyped-def]
    """act(v)      none, relu, leaky relu; NaN stays"""
    if code == RELU:
        return zero if v <= zero else v
    return slope * v if code == LEAKY and v <= zero else v


@loops
def bias_act(out, b, code, lo, hi):  # type: ignore[no-untyped-def]
    """out[r, lo:hi] = act(out[r, lo:hi] + b[r])      none, relu, leaky relu; b may be empty"""
    slope, zero = out.dtype.type(SLOPE), out.dtype.type(0)
    for r in range(out.shape[0]):
        row = out[r, lo:hi]
        shift = b[r] if b.size else zero
        for j in range(row.size):
            row[j] = bent(row[j] + shift, code, slope, zero)


@loops
def affine_rows(x, scale, shift, code, out):  # type: ignore[no-untyped-def]
    """out[r] = act(x[r] * scale[r] + shift[r])      none, relu, leaky relu"""
    slope, zero = out.dtype.type(SLOPE), out.dtype.type(0)
    for r in range(x.shape[0]):
        source, target = x[r], out[r]
        a, c = scale[r], shift[r]
        for j in range(source.size):
            target[j] = bent(source[j] * a + c, code, slope, zero)


@loops
def gate(g, y, code, out):  # type: ignore[no-untyped-def]
    """out = g * act'(.)      written in the output y"""
    slope, zero, one = g.dtype.type(SLOPE), g.dtype.type(0), g.dtype.type(1)
    for j in range(g.size):
        if code == RELU:
            out[j] = g[j] if y[j] > zero else zero
        elif code == LEAKY:
            out[j] = g[j] if y[j] > zero else slope * g[j]
        elif code == TANH:
            out[j] = g[j] * (one - y[j] * y[j])
        elif code == SIGMOID:
            out[j] = g[j] * (y[j] * (one - y[j]))


@loops
def erf_each(x, out):  # type: ignore[no-untyped-def]
    """out[j] = erf(x[j])"""
    for j in range(x.size):
        out[j] = math.erf(x[j])


@loops
def tops(x):  # type: ignore[no-untyped-def]
    """top[n] = max_k x[k, n]; NaN stays"""
    top = x[0].copy()
    for k in range(1, x.shape[0]):
        for j in range(top.size):
            if x[k, j] > top[j] or x[k, j] != x[k, j]:
                top[j] = x[k, j]
    return top


@loops
def softmax(x, out):  # type: ignore[no-untyped-def]
    """out[k, n] = exp(x[k, n] - top[n]) / sum_k      NaN and infinities propagate"""
    top, total = tops(x), np.zeros_like(x[0])
    for k in range(x.shape[0]):
        for j in range(top.size):
            out[k, j] = np.exp(x[k, j] - top[j])
            total[j] += out[k, j]
    for k in range(x.shape[0]):
        for j in range(top.size):
            out[k, j] /= total[j]


@loops
def cross_entropy(x, labels, out):  # type: ignore[no-untyped-def]
    """out = mean_n (log sum_k exp(x[k, n] - top[n]) + top[n] - x[labels[n], n])"""
    top, total = tops(x), np.zeros_like(x[0])
    for k in range(x.shape[0]):
        for j in range(top.size):
            total[j] += np.exp(x[k, j] - top[j])
    mean = 0.0
    for j in range(top.size):
        mean += np.log(total[j]) + (top[j] - x[labels[j], j])
    out[()] = mean / top.size


@loops
def gather_last(x, index, out):  # type: ignore[no-untyped-def]
    """out[..., j] = x[index[j], ...]      squares as wide as a register, then the edges"""
    n, lanes = index.size, lanes_of(x)
    if n == 0:
        return
    features = out.size // n
    down, across = n - n % lanes, features - features % lanes
    source, target = x.reshape(-1), out.reshape(-1)
    for j in range(0, down, lanes):
        for f in range(0, across, lanes):
            gather_square(source, index, j, features, f, target, f * n + j, n)
    for j in range(n):
        row = source[index[j] * features :]
        for f in range(across if j < down else 0, features):
            target[f * n + j] = row[f]


def sigmoid(x: Array, out: Array) -> None:
    """out = min(exp(x), 1) / (1 + exp(-|x|))      in place: fresh arrays would cost more"""
    below = empty(x.shape, x.dtype)
    np.negative(np.abs(x, out=below), out=below)
    np.add(np.exp(below, out=below), 1, out=below)
    np.exp(np.minimum(x, 0, out=out), out=out)
    np.divide(out, below, out=out)


CURVED: dict[str, Callable[[Array, Array], Any]] = {  # those that are no loop of ours
    "tanh": lambda x, out: np.tanh(x, out=out),
    "sigmoid": sigmoid,
}
LINEAR = CODES | dict.fromkeys(CURVED, NONE)  # what a loop applies; a curved one follows


def finish(y: Array, b: Array | None, kind: str, lo: int, hi: int) -> None:
    """y[:, lo:hi] = act(y[:, lo:hi] + b)      in place"""
    code = LINEAR[kind]
    if b is not None or code != NONE:
        bias_act(y, NOTHING[y.dtype] if b is None else b, code, lo, hi)
    if kind in CURVED:
        CURVED[kind](y[:, lo:hi], y[:, lo:hi])


def affine(w: Array, x: Array, b: Array | None, kind: str, out: Array) -> None:
    """out = act(w @ x + b)"""
    np.matmul(w, x, out=out)
    finish(out, b, kind, 0, out.shape[1])


def matmul(a: Array, b: Array, ta: bool, tb: bool, out: Array) -> None:
    """out = a @ b, each transposed where asked"""
    np.matmul(a.T if ta else a, b.T if tb else b, out=out)


def act(x: Array, kind: str, out: Array) -> None:
    """out = x | max(x, 0) | max(x, 0) + 0.01 min(x, 0) | tanh(x) | 1 / (1 + exp(-x)); NaN stays"""
    if kind in CURVED:
        CURVED[kind](x, out)
    elif CODES[kind] == NONE:
        out[...] = x
    else:
        zero = np.zeros(1, x.dtype)
        affine_rows(x.reshape(1, -1), zero + 1, zero, CODES[kind], out.reshape(1, -1))


def act_grad(g: Array, y: Array, kind: str, out: Array) -> None:
    """out = g * act'(x), written in the output y = act(x)"""
    if CODES[kind] == NONE:
        out[...] = g
    else:
        gate(g.reshape(-1), y.reshape(-1), CODES[kind], out.reshape(-1))


def erf(x: Array, out: Array) -> None:
    """out = erf(x)"""
    erf_each(x.reshape(-1), out.reshape(-1))


def rows(x: Array) -> Array:
    """x (c, ...) as (c, m)"""
    return x.reshape(x.shape[0], x[0].size if x.shape[0] else 0)


def scale_shift(x: Array, scale: Array | None, shift: Array, kind: str, out: Array) -> None:
    """out[c, ...] = act(x[c, ...] * scale[c] + shift[c])"""
    scale = np.ones(len(x), x.dtype) if scale is None else scale
    affine_rows(rows(x), scale, shift, LINEAR[kind], rows(out))
    if kind in CURVED:
        CURVED[kind](out, out)
