"""KL(N(theta, alpha theta^2) || p), p(log|w|) constant: two approximations, of log alpha alone.

KL = -1/2 log alpha + E log|e| + c, e ~ N(1, alpha); c = (Euler's gamma + log 2) / 2, so that it
falls to 0 as alpha grows. Both are ops: arrays in, arrays out. They write into arrays that the
step lends: of a large net, half of their time would be new pages.
"""

from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd import Op, Value, add, div, exp, mul, sub
from minprune.core import Array

K1, K2, K3 = 0.63576, 1.87320, 1.48695
C1, C2, C3 = 1.16145124, -1.50204118, 0.58629921
C0 = 0.65547  # the largest deviation from the integral, for log alpha in [-8, 0], is least


def _sparse_kl(a: Array) -> Array:
    """k = K1 (1 - sigmoid(K2 + K3 a)) + log(1 + e^-a) / 2      a: log alpha

    Molchanov, Ashukha & Vetrov (2017), equation 14: within 0.0094 for a from -8 to 8.
    """
    a = np.asarray(a)
    k, s = (kernels.empty(a.shape, a.dtype) for _ in range(2))
    np.negative(np.absolute(a, out=k), out=k)
    np.log1p(np.exp(k, out=k), out=k)  # log(1 + e^-a) = log(1 + e^-|a|) - min(a, 0)
    np.subtract(k, np.minimum(a, 0, out=s), out=k)
    np.multiply(k, 0.5, out=k)
    np.add(np.multiply(a, K3, out=s), K2, out=s)
    np.add(np.exp(np.minimum(s, 80, out=s), out=s), 1, out=s)
    return np.add(k, np.divide(K1, s, out=s), out=k)


def _sparse_kl_rule(g: Value, k: Value, inputs: Any, need: Any) -> Any:
    """da = -g (K1 K3 s (1 - s) + sigmoid(-a) / 2)      s = sigmoid(K2 + K3 a)"""
    (a,) = inputs
    s = div(1.0, add(exp(sub(mul(a, -K3), K2)), 1.0))
    slope = sub(mul(mul(s, sub(s, 1.0)), K1 * K3), div(0.5, add(exp(a), 1.0)))
    return (mul(g, slope),)


def _gaussian_kl(a: Array) -> Array:
    """k = C0 - a / 2 - C1 alpha - C2 alpha^2 - C3 alpha^3      a: log alpha, at most 0

    Kingma, Salimans & Welling (2015), equation 12, which leaves C0 open: within
    0.0201 for a from -8 to 0.
    """
    a = np.asarray(a)
    alpha = np.exp(a)
    return np.asarray(C0 - 0.5 * a - alpha * (C1 + alpha * (C2 + alpha * C3)), a.dtype)


def _gaussian_kl_rule(g: Value, k: Value, inputs: Any, need: Any) -> Any:
    alpha = exp(inputs[0])
    bend = add(mul(alpha, 3 * C3), 2 * C2)
    slope = add(mul(add(mul(bend, alpha), C1), alpha), 0.5)
    return (mul(mul(g, slope), -1.0),)


sparse_kl = Op(_sparse_kl, _sparse_kl_rule)
gaussian_kl = Op(_gaussian_kl, _gaussian_kl_rule)
