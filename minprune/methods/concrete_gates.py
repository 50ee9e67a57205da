"""z = clip(s (zeta - gamma) + gamma, 0, 1), s ~ a concrete variable: gates that can be exactly 0.

Louizos, Welling & Kingma (2018), Learning Sparse Neural Networks through L0 Regularization. The
equations, on arrays and Tensors: what is drawn in training, how often it is not 0, and the gate of
the test. The method that trains them is in hard_concrete.py.
"""

from math import log
from typing import Any

import numpy as np

from minprune.autograd import Op, Value, mul, sigmoid, sub, value
from minprune.autograd.in_pieces import in_pieces
from minprune.core import Array

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1  # the temperature, and where s is stretched to
EDGE = log(-GAMMA / ZETA)  # the log alpha up to which the gate of the test is 0
SHIFT = BETA * EDGE  # z > 0 where logit(u) + log alpha > SHIFT


@in_pieces
def _gate(log_alpha: Array, *, u: Array, out: Array) -> None:
    """z = clip(s (zeta - gamma) + gamma, 0, 1), s = sigmoid((logit(u) + log_alpha) / beta)"""
    with np.errstate(over="ignore"):  # 1 / inf = 0
        e = np.exp((np.log((1 - u) / u) - log_alpha) * (1 / BETA))
    np.clip((ZETA - GAMMA) / (e + 1) + GAMMA, 0, 1, out=out)


def _gate_rule(g: Value, z: Value, inputs: Any, need: Any, *, u: Array) -> Any:
    return (mul(g, slope(z)),)


@in_pieces
def _slope(z: Array, *, out: Array) -> None:
    """d = dz/dlog_alpha = (z - gamma) (zeta - z) / (beta (zeta - gamma)) where 0 < z < 1, else 0"""
    inside = (z > 0) & (z < 1)
    np.multiply((z - GAMMA) * (1 / (BETA * (ZETA - GAMMA))) * (ZETA - z), inside, out=out)


def _slope_rule(g: Value, d: Value, inputs: Any, need: Any) -> Any:
    (z,) = inputs
    at = value(z)
    free = ((at > 0) & (at < 1)).astype(at.dtype) / at.dtype.type(BETA * (ZETA - GAMMA))
    return (mul(mul(g, free), sub(GAMMA + ZETA, mul(z, 2.0))),)


@in_pieces
def _kept_chance(log_alpha: Array, *, out: Array) -> None:
    """p = P(z > 0) = sigmoid(log_alpha - beta log(-gamma / zeta)), the expected L0 of each gate"""
    with np.errstate(over="ignore"):  # 1 / inf = 0
        np.reciprocal(np.exp(SHIFT - log_alpha) + 1, out=out)


def _kept_chance_rule(g: Value, p: Value, inputs: Any, need: Any) -> Any:
    return (mul(g, mul(p, sub(1.0, p))),)


gate, slope = Op(_gate, _gate_rule), Op(_slope, _slope_rule)
kept_chance = Op(_kept_chance, _kept_chance_rule)


def gate_at_test(log_alpha: Array) -> Array:
    """z = clip(sigmoid(log_alpha) (zeta - gamma) + gamma, 0, 1)      no noise, no temperature

    0 where log_alpha <= log(-gamma / zeta), about -2.398, and 1 from its negative on.
    """
    stretched: Array = np.asarray(sigmoid(log_alpha)) * (ZETA - GAMMA) + GAMMA
    return np.clip(stretched, 0, 1)


def drawn(rng: np.random.Generator, log_alpha: Array) -> Array:
    """u ~ U(0, 1) of its shape and dtype, above 0"""
    u = rng.random(log_alpha.shape, log_alpha.dtype.type)
    return np.maximum(u, np.finfo(u.dtype).epsneg / 2, out=u)


def _taken(z: Array, *, index: Array, rest: float) -> Array:
    """y = z[index], and `rest` where index is len(z)"""
    return np.append(z, z.dtype.type(rest))[index]


def _summed(g: Array, *, index: Array, n: int) -> Array:
    """z[u] = sum of g where index is u, for u below n"""
    return np.bincount(index, g, n + 1)[:n].astype(g.dtype)


def _taken_rule(g: Value, y: Value, inputs: Any, need: Any, *, index: Array, rest: float) -> Any:
    return (summed(g, index=index, n=len(value(inputs[0]))),)


def _summed_rule(g: Value, z: Value, inputs: Any, need: Any, *, index: Array, n: int) -> Any:
    return (taken(g, index=index, rest=0.0),)


taken, summed = Op(_taken, _taken_rule), Op(_summed, _summed_rule)
