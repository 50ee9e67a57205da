"""Products, activations, row reductions and normalisation, compiled.

Rows are seen as (c, m). Sums run in blocks whose partial sums are added in float64: exact enough,
and still vectorised. tanh and exp are NumPy's, which has them in SIMD; Numba calls libm per entry.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops, sums
from minprune.kernels.workspace import empty

SLOPE = 0.01  # of leaky_relu
NONE, RELU, LEAKY, TANH, SIGMOID = range(5)
CODES = {"none": NONE, "relu": RELU, "leaky_relu": LEAKY, "tanh": TANH, "sigmoid": SIGMOID}
BLOCK = 1024  # terms added in the dtype of the input before the sum moves to float64
NOTHING = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}  # an absent array


@loops
def bias_act(out, b, code, lo, hi):  # type: ignore[no-untyped-def]
    """out[r, lo:hi] = act(out[r, lo:hi] + b[r])      none, relu, leaky relu; b may be empty"""
    slope, zero = out.dtype.type(SLOPE), out.dtype.type(0)
    for r in range(out.shape[0]):
        row = out[r, lo:hi]
        shift = b[r] if b.size else zero
        if code == RELU:
            for j in range(row.size):
                v = row[j] + shift
                row[j] = zero if v <= zero else v
        elif code == LEAKY:
            for j in range(row.size):
                v = row[j] + shift
                row[j] = slope * v if v <= zero else v
        elif code == NONE:
            for j in range(row.size):
                row[j] += shift


@loops
def affine_rows(x, scale, shift, code, out):  # type: ignore[no-untyped-def]
    """out[r] = act(x[r] * scale[r] + shift[r])      none, relu, leaky relu"""
    slope, zero = out.dtype.type(SLOPE), out.dtype.type(0)
    for r in range(x.shape[0]):
        source, target = x[r], out[r]
        a, c = scale[r], shift[r]
        if code == RELU:
            for j in range(source.size):
                v = source[j] * a + c
                target[j] = zero if v <= zero else v
        elif code == LEAKY:
            for j in range(source.size):
                v = source[j] * a + c
                target[j] = slope * v if v <= zero else v
        elif code == NONE:
            for j in range(source.size):
                target[j] = source[j] * a + c


@loops
def gate(g, y, code, out):  # type: ignore[no-untyped-def]
    """out = g * act'(.)      written in the output y"""
    slope, zero, one = g.dtype.type(SLOPE), g.dtype.type(0), g.dtype.type(1)
    if code == RELU:
        for j in range(g.size):
            out[j] = g[j] if y[j] > zero else zero
    elif code == LEAKY:
        for j in range(g.size):
            out[j] = g[j] if y[j] > zero else slope * g[j]
    elif code == TANH:
        for j in range(g.size):
            out[j] = g[j] * (one - y[j] * y[j])
    elif code == SIGMOID:
        for j in range(g.size):
            out[j] = g[j] * (y[j] * (one - y[j]))


@loops
def erf_each(x, out):  # type: ignore[no-untyped-def]
    """out[j] = erf(x[j])"""
    for j in range(x.size):
        out[j] = math.erf(x[j])


@sums
def row_dots(a, b, out):  # type: ignore[no-untyped-def]
    """out[r] = sum_j a[r, j] * b[r, j]"""
    m = a.shape[1]
    for r in range(a.shape[0]):
        total = 0.0
        for start in range(0, m, BLOCK):
            u, v = a[r, start : start + BLOCK], b[r, start : start + BLOCK]
            part = out.dtype.type(0)
            for j in range(u.size):
                part += u[j] * v[j]
            total += part
        out[r] = total


@sums
def row_sums(x, out):  # type: ignore[no-untyped-def]
    """out[r] = sum_j x[r, j]"""
    m = x.shape[1]
    for r in range(x.shape[0]):
        total = 0.0
        for start in range(0, m, BLOCK):
            u = x[r, start : start + BLOCK]
            part = out.dtype.type(0)
            for j in range(u.size):
                part += u[j]
            total += part
        out[r] = total


@sums
def row_moments(x, mean, var):  # type: ignore[no-untyped-def]
    """mean[r] = mean_j x[r, j]      var[r] = mean_j (x[r, j] - mean[r])**2"""
    m = x.shape[1]
    for r in range(x.shape[0]):
        total = 0.0
        for start in range(0, m, BLOCK):
            u = x[r, start : start + BLOCK]
            part = x.dtype.type(0)
            for j in range(u.size):
                part += u[j]
            total += part
        mean[r] = centre = x.dtype.type(total / m)
        total = 0.0
        for start in range(0, m, BLOCK):
            u = x[r, start : start + BLOCK]
            part = x.dtype.type(0)
            for j in range(u.size):
                d = u[j] - centre
                part += d * d
            total += part
        var[r] = total / m


@loops
def normalise_rows(x, mean, inv, out):  # type: ignore[no-untyped-def]
    """out[r] = (x[r] - mean[r]) * inv[r]"""
    for r in range(x.shape[0]):
        source, target = x[r], out[r]
        centre, k = mean[r], inv[r]
        for j in range(source.size):
            target[j] = (source[j] - centre) * k


@loops
def normalise_grad_rows(g, xhat, inv, mean_g, mean_gx, out):  # type: ignore[no-untyped-def]
    """out[r] = inv[r] * (g[r] - mean_g[r] - xhat[r] * mean_gx[r])"""
    for r in range(g.shape[0]):
        a, b, target = g[r], xhat[r], out[r]
        k, mg, mgx = inv[r], mean_g[r], mean_gx[r]
        for j in range(a.size):
            target[j] = k * (a[j] - mg - b[j] * mgx)


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


def linear(kind: str) -> int:
    """The code of what a loop applies: none where the activation is curved, and follows."""
    return NONE if kind in CURVED else CODES[kind]


def finish(y: Array, b: Array | None, kind: str, lo: int, hi: int) -> None:
    """y[:, lo:hi] = act(y[:, lo:hi] + b)      in place"""
    code = linear(kind)
    if b is not None or code != NONE:
        bias_act(y, NOTHING[y.dtype] if b is None else b, code, lo, hi)
    if kind in CURVED:
        CURVED[kind](y[:, lo:hi], y[:, lo:hi])


def affine(w: Array, x: Array, b: Array | None, kind: str, out: Array) -> None:
    """out = act(w @ x + b)"""
    np.matmul(w, x, out=out)
    finish(out, b, kind, 0, out.shape[1])


def matmul(a: Array, b: Array, transpose_a: bool, transpose_b: bool, out: Array) -> None:
    """out = a @ b, each transposed where asked"""
    np.matmul(a.T if transpose_a else a, b.T if transpose_b else b, out=out)


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
    affine_rows(rows(x), scale, shift, linear(kind), rows(out))
    if kind in CURVED:
        CURVED[kind](out, out)


def row_sum(x: Array, out: Array) -> None:
    """out[c] = sum x[c, ...]"""
    row_sums(rows(x), out)


def row_dot(a: Array, b: Array, out: Array) -> None:
    """out[c] = sum a[c, ...] * b[c, ...]"""
    row_dots(rows(a), rows(b), out)


def moments(x: Array, mean: Array, var: Array) -> None:
    """mean[c] = mean x[c, ...]      var[c] = mean (x[c, ...] - mean[c])**2"""
    row_moments(rows(x), mean, var)


def normalise(x: Array, mean: Array, inv: Array, out: Array) -> None:
    """out[c, ...] = (x[c, ...] - mean[c]) * inv[c]"""
    normalise_rows(rows(x), mean, inv, rows(out))


def normalise_grad(g: Array, xhat: Array, inv: Array, out: Array) -> None:
    """out = inv * (g - mean(g) - xhat * mean(g * xhat))      means over all but the first axis"""
    g, xhat = rows(g), rows(xhat)
    mean_g, mean_gx = np.empty_like(inv), np.empty_like(inv)
    row_sums(g, mean_g)
    row_dots(g, xhat, mean_gx)
    m = g.shape[1]
    normalise_grad_rows(g, xhat, inv, mean_g / m, mean_gx / m, rows(out))
