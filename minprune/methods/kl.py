"""KL(N(theta, alpha theta^2) || p), p(log|w|) constant: two approximations, of log alpha alone.

KL = -1/2 log alpha + E log|e| + c, e ~ N(1, alpha); c = (Euler's gamma + log 2) / 2, so that it
falls to 0 as alpha grows. Both are ops: arrays in, arrays out.
"""

from typing import Any

import numpy as np

from minprune.autograd import Op, Value, add, exp, mul, sigmoid, sub
from minprune.autograd.in_pieces import in_pieces
from minprune.core import Array

K1, K2, K3 = 0.63576, 1.87320, 1.48695
C1, C2, C3 = 1.16145124, -1.50204118, 0.58629921
C0 = 0.65547  # the largest deviation from the integral, for log alpha in [-8, 0], is least


@in_pieces
def _sparse_kl(a: Array, *, out: Array) -> None:
    """k = K1 (1 - sigmoid(K2 + K3 a)) + log(1 + e^-a) / 2      a: log alpha

    Molchanov, Ashukha & Vetrov (2017), equation 14: within 0.0094 for a from -8 to 8.
    """
    far = np.abs(a)
    np.log1p(np.exp(np.negative(far, out=out), out=out), out=out)
    out += np.multiply(np.subtract(far, a, out=far), 0.5, out=far)  # log(1 + e^-a)
    out *= 0.5
    with np.errstate(over="ignore"):  # K1 / inf = 0
        e = np.exp(np.add(np.multiply(a, K3, out=far), K2, out=far), out=far)
    out += np.divide(K1, np.add(e, 1, out=e), out=e)


@in_pieces
def _sparse_slope(a: Array, *, out: Array) -> None:
    """dk/da = -K1 K3 s (1 - s) - sigmoid(-a) / 2      s = sigmoid(K2 + K3 a)"""
    with np.errstate(over="ignore"):  # 1 / inf = 0
        np.exp(np.subtract(np.multiply(a, -K3, out=out), K2, out=out), out=out)
        e = np.exp(a)
    s = np.reciprocal(np.add(out, 1, out=out), out=out)
    np.multiply(s, K1 * K3 * (s - 1), out=out)
    out -= np.divide(0.5, np.add(e, 1, out=e), out=e)


def _sparse_slope_rule(g: Value, d: Value, inputs: Any, need: Any) -> Any:
    """d2k/da2 = -K1 K3^2 s (1 - s) (1 - 2 s) + sigmoid(a) sigmoid(-a) / 2"""
    (a,) = inputs
    s, t = sigmoid(add(mul(a, K3), K2)), sigmoid(a)
    bend = mul(mul(mul(s, sub(s, 1.0)), sub(1.0, mul(s, 2.0))), K1 * K3 * K3)
    return (mul(g, add(bend, mul(mul(t, sub(1.0, t)), 0.5))),)


@in_pieces
def _gaussian_kl(a: Array, *, out: Array) -> None:
    """k = C0 - a / 2 - C1 alpha - C2 alpha^2 - C3 alpha^3      a: log alpha, at most 0

    Kingma, Salimans & Welling (2015), equation 12, which leaves C0 open: within
    0.0201 for a from -8 to 0.
    """
    alpha = np.exp(a)
    np.subtract(C0 - 0.5 * a, alpha * (C1 + alpha * (C2 + alpha * C3)), out=out)


@in_pieces
def _gaussian_slope(a: Array, *, out: Array) -> None:
    """dk/da = -1/2 - C1 alpha - 2 C2 alpha^2 - 3 C3 alpha^3"""
    alpha = np.exp(a)
    np.subtract(-0.5, alpha * (C1 + alpha * (2 * C2 + alpha * (3 * C3))), out=out)


def _gaussian_slope_rule(g: Value, d: Value, inputs: Any, need: Any) -> Any:
    """d2k/da2 = -C1 alpha - 4 C2 alpha^2 - 9 C3 alpha^3"""
    alpha = exp(inputs[0])
    bend = add(mul(add(mul(alpha, 9 * C3), 4 * C2), alpha), C1)
    return (mul(mul(g, mul(bend, alpha)), -1.0),)


sparse_slope = Op(_sparse_slope, _sparse_slope_rule)
gaussian_slope = Op(_gaussian_slope, _gaussian_slope_rule)
sparse_kl = Op(_sparse_kl, lambda g, k, inputs, need: (mul(g, sparse_slope(inputs[0])),))
gaussian_kl = Op(_gaussian_kl, lambda g, k, inputs, need: (mul(g, gaussian_slope(inputs[0])),))
