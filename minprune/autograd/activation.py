"""y = act(x): none, relu, leaky_relu, tanh, sigmoid, with act' written in the output y.

relu: 1 where y > 0, leaky_relu: 0.01 elsewhere, tanh: 1 - y^2, sigmoid: y (1 - y). At 0 the
derivative of relu is 0 and of leaky_relu 0.01. The gates of the first two are constants.
"""

from typing import Any

from minprune import kernels
from minprune.autograd.elementwise import mul
from minprune.autograd.tape import Op, Value
from minprune.autograd.tie import rows
from minprune.core import Array


def _act(x: Array, *, kind: str) -> Array:
    """y = act(x)"""
    return kernels.act(x, kind)


def _act_rule(g: Value, y: Value, inputs: Any, need: Any, *, kind: str) -> tuple[Value]:
    return (act_grad(g, y, kind=kind),)


def _act_grad(g: Array, y: Array, *, kind: str) -> Array:
    """z = g act'      act' in terms of the output y"""
    return kernels.act_grad(g, y, kind)


def _act_grad_rule(v: Value, z: Value, inputs: Any, need: Any, *, kind: str) -> tuple[Value, Value]:
    g, y = inputs
    dy = None  # relu, leaky_relu: the gate is a constant
    if need[1] and kind == "tanh":
        dy = mul(v, g) * (-2.0 * y)
    elif need[1] and kind == "sigmoid":
        dy = mul(v, g) * (1.0 - 2.0 * y)
    return act_grad(v, y, kind=kind) if need[0] else None, dy


act = Op(_act, _act_rule, rows)
_grad = Op(_act_grad, _act_grad_rule)


def act_grad(g: Value, y: Value, *, kind: str) -> Value:
    """z = g act'(y); g itself for kind "none\""""
    return g if kind == "none" else _grad(g, y, kind=kind)
