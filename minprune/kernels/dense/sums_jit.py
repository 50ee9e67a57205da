"""Row sums, squared distances and normalisation, compiled.

Rows are seen as (c, m). Sums run in blocks whose partial sums are added in float64: exact enough,
and still vectorised.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops, sums
from minprune.kernels.dense.rows_jit import rows

BLOCK = 1024  # terms added in the dtype of the input before the sum moves to float64


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
def sum_of(x):  # type: ignore[no-untyped-def]
    """sum_j x[j]"""
    total = 0.0
    for start in range(0, x.size, BLOCK):
        u = x[start : start + BLOCK]
        part = x.dtype.type(0)
        for j in range(u.size):
            part += u[j]
        total += part
    return total


@sums
def row_sums(x, out):  # type: ignore[no-untyped-def]
    """out[r] = sum_j x[r, j]"""
    for r in range(x.shape[0]):
        out[r] = sum_of(x[r])


@sums
def row_moments(x, mean, var):  # type: ignore[no-untyped-def]
    """mean[r] = mean_j x[r, j]      var[r] = mean_j (x[r, j] - mean[r])**2"""
    m = x.shape[1]
    for r in range(x.shape[0]):
        mean[r] = centre = x.dtype.type(sum_of(x[r]) / m)
        total = 0.0
        for start in range(0, m, BLOCK):
            u = x[r, start : start + BLOCK]
            part = x.dtype.type(0)
            for j in range(u.size):
                d = u[j] - centre
                part += d * d
            total += part
        var[r] = total / m


@sums
def squared_distance(x, y):  # type: ignore[no-untyped-def]
    """sum_j (x[j] - y[j])**2"""
    total = 0.0
    for start in range(0, x.size, BLOCK):
        u, v = x[start : start + BLOCK], y[start : start + BLOCK]
        part = x.dtype.type(0)
        for j in range(u.size):
            d = u[j] - v[j]
            part += d * d
        total += part
    return total


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


def mse(x: Array, y: Array, out: Array) -> None:
    """out = sum (x - y)**2 / n      n: the last axis"""
    out[...] = squared_distance(x.reshape(-1), y.reshape(-1)) / x.shape[-1]
