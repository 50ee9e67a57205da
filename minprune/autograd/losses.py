"""L = mean over samples of log sum exp(x) - x[label], or of the SUM over outputs of (x - y)^2."""

from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.arithmetic import expand, mul, sum_to
from minprune.autograd.tape import Op, Value
from minprune.core import Array


def _softmax(x: Array) -> Array:
    """q = exp(x) / sum exp(x)      over the first axis: (classes, n)"""
    return kernels.softmax(x)


def _softmax_rule(g: Value, q: Value, inputs: Any, need: Any) -> tuple[Value]:
    # q (g - sum_k g_k q_k)
    inner = sum_to(mul(g, q), shape=(1, q.shape[1]))
    return (mul(q, g - expand(inner, shape=q.shape)),)


def _cross_entropy(x: Array, *, labels: Array) -> Array:
    """L = mean_n (log sum_k exp(x_kn) - x_{label_n, n})      x: (classes, n) -> scalar"""
    return np.asarray(kernels.cross_entropy(x, labels), x.dtype)


def _cross_entropy_rule(g: Value, loss: Value, inputs: Any, need: Any, *, labels: Array) -> Any:
    (x,) = inputs
    n = x.shape[1]
    onehot = np.zeros(x.shape, x.dtype)
    onehot[labels, np.arange(n)] = 1
    return (mul(softmax(x) - onehot, g / n),)


def _mse(x: Array, *, y: Array) -> Array:
    """L = mean_n sum_k (x_kn - y_kn)^2      x, y: (outputs, n) -> scalar"""
    return np.asarray(kernels.mse(x, y), x.dtype)


def _mse_rule(g: Value, loss: Value, inputs: Any, need: Any, *, y: Array) -> tuple[Value]:
    (x,) = inputs
    return (mul(x - y, g * (2.0 / x.shape[1])),)


softmax = Op(_softmax, _softmax_rule, second="apart")
cross_entropy = Op(_cross_entropy, _cross_entropy_rule)
mse = Op(_mse, _mse_rule)
