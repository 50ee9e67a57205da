"""Optimizer steps in plain NumPy: the definition of optim_jit."""

import numpy as np

from minprune.core import Array


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
