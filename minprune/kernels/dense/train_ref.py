"""Losses and optimizer steps in plain NumPy: the definition of train_jit.py."""

import numpy as np

from minprune.core import Array


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


def sgd_step(
    w: Array, g: Array, v: Array | None, mask: Array | None,
    lr: float, momentum: float, nesterov: bool, weight_decay: float,
) -> None:  # fmt: skip
    """g += wd * w      v = momentum * v + g      w -= lr * (g + momentum * v if nesterov else v)"""
    g = g + weight_decay * w
    if v is not None:
        v[...] = momentum * v + g
        g = g + momentum * v if nesterov else v
    w[...] = w - lr * g
    zero_masked(mask, w, v)


def adam_step(
    w: Array, g: Array, m: Array, s: Array, mask: Array | None, lr: float, beta1: float,
    beta2: float, eps: float, weight_decay: float, decoupled: bool, step: int,
) -> None:  # fmt: skip
    """m = b1 m + (1-b1) g    s = b2 s + (1-b2) g^2    w -= lr m/(1-b1^t) / (sqrt(s/(1-b2^t)) + eps)

    Weight decay: w *= 1 - lr*wd first when decoupled (AdamW), else g += wd * w.
    """
    if decoupled:
        w[...] = w * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * w
    m[...] = beta1 * m + (1 - beta1) * g
    s[...] = beta2 * s + (1 - beta2) * (g * g)
    root = np.sqrt(s) / (1 - beta2**step) ** 0.5 + eps
    w[...] = w - lr / (1 - beta1**step) * (m / root)
    zero_masked(mask, w, m, s)


def zero_masked(mask: Array | None, *arrays: Array | None) -> None:
    """a = 0.0 where mask is False, whatever was there"""
    for a in arrays:
        if mask is not None and a is not None:
            a[~mask] = 0.0
