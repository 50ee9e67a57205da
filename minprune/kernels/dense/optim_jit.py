"""Optimizer steps, compiled: one pass over the memory, the mask applied in it."""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops

DENSE = np.empty(0, np.bool_)  # no mask


@loops
def sgd_loop(w, g, mask, lr, weight_decay):  # type: ignore[no-untyped-def]
    """w -= lr * (g + wd * w)"""
    lr, wd, zero = w.dtype.type(lr), w.dtype.type(weight_decay), w.dtype.type(0)
    masked = mask.size > 0
    for j in range(w.size):
        keep = mask[j] if masked else True
        w[j] = w[j] - lr * (g[j] + wd * w[j]) if keep else zero


@loops
def momentum_loop(w, g, v, mask, lr, momentum, nesterov, weight_decay):  # type: ignore[no-untyped-def]
    """g += wd * w      v = momentum * v + g      w -= lr * (g + momentum * v if nesterov else v)"""
    lr, wd, mu = w.dtype.type(lr), w.dtype.type(weight_decay), w.dtype.type(momentum)
    zero, masked = w.dtype.type(0), mask.size > 0
    for j in range(w.size):
        d = g[j] + wd * w[j]
        u = mu * v[j] + d
        keep = mask[j] if masked else True
        w[j] = w[j] - lr * (d + mu * u if nesterov else u) if keep else zero
        v[j] = u if keep else zero


@loops
def adam_loop(w, g, m, s, mask, b1, b2, shrink, wd, size, root, eps):  # type: ignore[no-untyped-def]
    """m = b1 m + (1-b1) g    s = b2 s + (1-b2) g^2    w -= size * m / (sqrt(s) / root + eps)"""
    t = w.dtype.type
    a1, a2, b1, b2, shrink, wd = t(1 - b1), t(1 - b2), t(b1), t(b2), t(shrink), t(wd)
    size, root, eps, zero, masked = t(size), t(root), t(eps), t(0), mask.size > 0
    for j in range(w.size):
        p = w[j] * shrink
        d = g[j] + wd * w[j]
        a = b1 * m[j] + a1 * d
        b = b2 * s[j] + a2 * (d * d)
        keep = mask[j] if masked else True
        m[j] = a if keep else zero
        s[j] = b if keep else zero
        w[j] = p - size * (a / (np.sqrt(b) / root + eps)) if keep else zero


def sgd_step(
    w: Array, g: Array, v: Array | None, mask: Array | None,
    lr: float, momentum: float, nesterov: bool, weight_decay: float,
) -> None:  # fmt: skip
    """g += wd * w      v = momentum * v + g      w -= lr * (g + momentum * v if nesterov else v)"""
    w, g, mask = w.reshape(-1), g.reshape(-1), DENSE if mask is None else mask.reshape(-1)
    lr, decay = float(lr), float(weight_decay)
    if v is None:
        sgd_loop(w, g, mask, lr, decay)
    else:
        momentum_loop(w, g, v.reshape(-1), mask, lr, float(momentum), bool(nesterov), decay)


def adam_step(
    w: Array, g: Array, m: Array, s: Array, mask: Array | None, lr: float, beta1: float,
    beta2: float, eps: float, weight_decay: float, decoupled: bool, step: int,
) -> None:  # fmt: skip
    """m = b1 m + (1-b1) g    s = b2 s + (1-b2) g^2    w -= lr m/(1-b1^t) / (sqrt(s/(1-b2^t)) + eps)

    Weight decay: w *= 1 - lr*wd first when decoupled (AdamW), else g += wd * w.
    """
    shrink, wd = (1.0 - lr * weight_decay, 0.0) if decoupled else (1.0, float(weight_decay))
    size, root = lr / (1.0 - beta1**step), (1.0 - beta2**step) ** 0.5
    w, g, m, s = w.reshape(-1), g.reshape(-1), m.reshape(-1), s.reshape(-1)
    mask = DENSE if mask is None else mask.reshape(-1)
    adam_loop(w, g, m, s, mask, float(beta1), float(beta2), shrink, wd, size, root, float(eps))
