"""Noise of a table's entries, compiled: looked up, scaled and added in one pass."""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops

BLOCK = 4096  # entries looked up at a time: the second loop, over the cache, is vectorised


@loops
def added(mean, variance, words, table, eps, out):  # type: ignore[no-untyped-def]
    """out[j] = mean[j] + sqrt(variance[j] + eps) table[words[j]]"""
    eps = mean.dtype.type(eps)
    for lo in range(0, out.size, BLOCK):
        part = slice(lo, lo + BLOCK)
        e, m, v, w = out[part], mean[part], variance[part], words[part]
        for j in range(e.size):
            e[j] = table[w[j]]
        for j in range(e.size):
            e[j] = m[j] + np.sqrt(v[j] + eps) * e[j]


@loops
def through(g, variance, words, table, eps, out):  # type: ignore[no-untyped-def]
    """out[j] = g[j] table[words[j]] / (2 sqrt(variance[j] + eps))"""
    eps, two = g.dtype.type(eps), g.dtype.type(2)
    for lo in range(0, out.size, BLOCK):
        part = slice(lo, lo + BLOCK)
        d, h, v, w = out[part], g[part], variance[part], words[part]
        for j in range(d.size):
            d[j] = table[w[j]]
        for j in range(d.size):
            d[j] = h[j] * (d[j] / (two * np.sqrt(v[j] + eps)))


def flat(*arrays: Array) -> list[Array]:
    """Each as one row"""
    return [a.reshape(-1) for a in arrays]


def noisy(mean: Array, variance: Array, words: Array, table: Array, eps: float, out: Array) -> None:
    """out = mean + sqrt(variance + eps) table[words]"""
    added(*flat(mean, variance, words, table), float(eps), out.reshape(-1))


def noisy_grad(
    g: Array, variance: Array, words: Array, table: Array, eps: float, out: Array
) -> None:
    """out = g table[words] / (2 sqrt(variance + eps))"""
    through(*flat(g, variance, words, table), float(eps), out.reshape(-1))
