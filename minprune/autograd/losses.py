"""L = mean over samples of log sum exp(x) - x[label], or of a SUM over outputs.

The sums: (x - y)^2, and -y log p - (1 - y) log(1 - p), p = sigmoid(x).
"""

from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.activations import softplus
from minprune.autograd.arithmetic import expand, mul, sum_to, total
from minprune.autograd.tape import Op, Parts, Value
from minprune.core import Array


def _softmax_rule(g: Value, q: Value, inputs: Any, need: Any) -> Parts:
    # q (g - sum_k g_k q_k)
    inner = sum_to(mul(g, q), shape=(1, q.shape[1]))
    return (mul(q, g - expand(inner, shape=q.shape)),)


def _cross_entropy_rule(g: Value, loss: Value, inputs: Any, need: Any, *, labels: Array) -> Parts:
    (x,) = inputs
    n = x.shape[1]
    onehot = np.zeros(x.shape, x.dtype)
    onehot[labels, np.arange(n)] = 1
    return (mul(softmax(x) - onehot, g / n),)


def _mse_rule(g: Value, loss: Value, inputs: Any, need: Any, *, y: Array) -> Parts:
    (x,) = inputs
    return (mul(x - y, g * (2.0 / x.shape[1])),)


def binary_cross_entropy(x: Value, *, y: Array) -> Value:
    """sum (log(1 + exp(x)) - x y) / n      x: logits (k, n), y: 0 or 1, in the dtype of x"""
    return total(softplus(x) - mul(x, y)) * (1.0 / y.shape[1])


softmax = Op(kernels.softmax, _softmax_rule, second="apart")
cross_entropy = Op(kernels.cross_entropy, _cross_entropy_rule)
mse = Op(kernels.mse, _mse_rule)
