"""The door to losses and optimizer steps. Outputs of a net are (k, n), batch last.

All raise ShapeError for shapes that do not fit, ArgumentError for other arguments.
"""

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.kernels.checks import ANY, MATRIX, ROWS, expect, flag, integers, ready, some
from minprune.kernels.choice import impl
from minprune.kernels.workspace import empty


def softmax(x: Array) -> Array:
    """out[k, n] = exp(x[k, n]) / sum_k exp(x[k, n])      x: (k, n); shifted by the maximum first"""
    x = ready("softmax", "x", x, MATRIX)
    some("softmax", "x", x)
    out = empty(x.shape, x.dtype)
    impl().softmax(x, out)
    return out


def cross_entropy(x: Array, labels: Array) -> Array:
    """out = mean_n (log sum_k exp(x[k, n]) - x[labels[n], n])

    x: (k, n), labels: (n,) integers in 0..k-1 -> a 0-d array. Shifted by the maximum first.
    """
    x = ready("cross_entropy", "x", x, MATRIX)
    some("cross_entropy", "x", x)
    labels = integers("cross_entropy", "labels", labels, x.shape[0])
    expect("cross_entropy", "labels", labels, x.shape[1:], "one per column of x")
    out = empty((), x.dtype)
    impl().cross_entropy(x, labels, out)
    return out


def mse(x: Array, y: Array) -> Array:
    """out = sum (x - y)**2 / n      a mean over samples of the SUM over outputs

    x, y: (k, n) or (..., n) -> a 0-d array.
    """
    x = ready("mse", "x", x, ROWS)
    y = ready("mse", "y", y, ROWS, x)
    some("mse", "x", x)
    expect("mse", "y", y, x.shape, "the shape of x")
    out = empty((), x.dtype)
    impl().mse(x, y, out)
    return out


def sgd_step(
    w: Array,
    g: Array,
    v: Array | None,
    mask: Array | None,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """g += wd * w    v = momentum * v + g    w -= lr * (g + momentum * v if nesterov else v)

    w, g, v, mask: one shape; w and v change in place, g does not. v is None when momentum is 0.
    mask (bool, None = dense): where it is False, w and v become 0.0. As torch.optim.SGD; v starts
    at zeros. Raises ArgumentError for w or v that cannot be written in place.
    """
    writable("sgd_step", "w", w)
    g = ready("sgd_step", "g", g, ANY, w, "w")
    expect("sgd_step", "g", g, w.shape, "the shape of w")
    if (v is None) != (momentum == 0):
        raise ArgumentError(
            f"sgd_step: momentum is {momentum} and v is {'None' if v is None else 'an array'}; "
            f"give v exactly when momentum is not 0"
        )
    if v is not None:
        writable("sgd_step", "v", v, w)
        v = v.reshape(-1)
    if mask is not None:
        mask = flag("sgd_step", "mask", mask, w.shape).reshape(-1)
    impl().sgd_step(
        w.reshape(-1), g.reshape(-1), v, mask, lr, momentum, nesterov, weight_decay
    )  # fmt: skip


def adam_step(
    w: Array,
    g: Array,
    m: Array,
    s: Array,
    mask: Array | None,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    step: int = 1,
) -> None:
    """m = b1 m + (1-b1) g    s = b2 s + (1-b2) g^2    w -= lr m/(1-b1^t) / (sqrt(s/(1-b2^t)) + eps)

    t: step, counted from 1. Weight decay: w *= 1 - lr*wd first when decoupled (AdamW), else
    g += wd * w. w, g, m, s, mask: one shape; w, m and s change in place. mask (bool, None = dense):
    where it is False, w, m and s become 0.0. As torch.optim.Adam and AdamW.
    Raises ArgumentError for arrays that cannot be written in place, or a step below 1.
    """
    writable("adam_step", "w", w)
    g = ready("adam_step", "g", g, ANY, w, "w")
    expect("adam_step", "g", g, w.shape, "the shape of w")
    writable("adam_step", "m", m, w)
    writable("adam_step", "s", s, w)
    if step < 1:
        raise ArgumentError(f"adam_step: step is {step}, expected at least 1; count steps from 1")
    if mask is not None:
        mask = flag("adam_step", "mask", mask, w.shape).reshape(-1)
    impl().adam_step(
        w.reshape(-1), g.reshape(-1), m.reshape(-1), s.reshape(-1), mask,
        lr, beta1, beta2, eps, weight_decay, decoupled, step,
    )  # fmt: skip


def writable(kernel: str, name: str, x: Array, w: Array | None = None) -> None:
    """x can be changed in place, and has the dtype and shape of w."""
    if isinstance(x, np.ndarray) and not x.flags.carray:
        raise ArgumentError(
            f"{kernel}: {name} is read-only or not contiguous, and changes in place; "
            f"pass {name}.copy() and keep that"
        )
    ready(kernel, name, x, ANY, w, "w")
    if w is not None:
        expect(kernel, name, x, w.shape, "the shape of w")
