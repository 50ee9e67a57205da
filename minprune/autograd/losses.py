"""L = mean over samples of log sum exp(x) - x[label], or of the SUM over outputs of (x - y)^2."""

from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.arithmetic import expand, mul, sum_to
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


softmax = Op(kernels.softmax, _softmax_rule, second="apart")
cross_entropy = Op(kernels.cross_entropy, _cross_entropy_rule)
mse = Op(kernels.mse, _mse_rule)
