"""y = f(x), elementwise: the one table of activations, and the op that reads it.

A row gives f(x), f'(x, y) and f''(x, y), y = f(x), in plain NumPy. The layers, their names in files
and in `mp.`, the derivative rules of any order up to the second, and the diagonals of the Hessian
read it: a new activation is one row. At a kink the derivative is PyTorch's, stated in the row.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minprune import kernels
from minprune.arguments import choice
from minprune.autograd.arithmetic import mul
from minprune.autograd.tape import Op, Parts, Value, rows, value
from minprune.core import Array
from minprune.errors import ArgumentError


class Row(NamedTuple):
    """layer: the name of its class; says: y = f(x); linear: piecewise, so that f'' = 0

    fused: the kernels know it by its key and f' needs y alone, so it runs inside the kernel of the
    layer before it, which does not keep x. bend: df'/dy of a fused row, f'' = f' bend(y).
    """

    layer: str
    says: str
    f: Callable[[Array], Any]
    df: Callable[[Array, Array], Any]
    ddf: Callable[[Array, Array], Any]
    linear: bool = False
    fused: bool = False
    bend: Callable[[Value], Value] | None = None


def _bounded(x: Array) -> Any:
    """x, but for huge entries, whose square overflows: beyond 1000 each f' and f'' is its limit"""
    return np.clip(x, -1000, 1000)


def _zero(x: Array, y: Array) -> Any:
    return np.zeros_like(y)


def _sigmoid(x: Array) -> Any:
    e = np.exp(-np.abs(x))  # never overflows
    return np.where(x < 0, e, 1) / (1 + e)


def _normal(x: Array) -> tuple[Array, Array]:
    """The distribution function and the density of the standard normal"""
    return 0.5 * (1 + kernels.erf(x * math.sqrt(0.5))), np.exp(-0.5 * x * x) / math.sqrt(
        2 * math.pi
    )


def _tanh_gate(x: Array) -> tuple[Array, Array, Array]:
    """t = tanh u, u' and u'' of u = sqrt(2 / pi) (x + 0.044715 x^3)"""
    c, k = math.sqrt(2 / math.pi), 0.044715
    return np.tanh(c * (x + k * x * x * x)), c * (1 + 3 * k * x * x), c * 6 * k * x


def _silu_grad(x: Array, y: Array) -> Any:
    x = _bounded(x)
    s = _sigmoid(x)
    return s * (1 + x * (1 - s))


def _silu_bend(x: Array, y: Array) -> Any:
    x = _bounded(x)
    s = _sigmoid(x)
    return s * (1 - s) * (2 + x * (1 - 2 * s))


def _gelu_grad(x: Array, y: Array) -> Any:
    x = _bounded(x)
    below, density = _normal(x)
    return below + x * density


def _gelu_bend(x: Array, y: Array) -> Any:
    x = _bounded(x)
    return _normal(x)[1] * (2 - x * x)


def _gelu_tanh_grad(x: Array, y: Array) -> Any:
    x = _bounded(x)
    t, du, _ = _tanh_gate(x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du


def _gelu_tanh_bend(x: Array, y: Array) -> Any:
    x = _bounded(x)
    t, du, ddu = _tanh_gate(x)
    return (1 - t * t) * (du + 0.5 * x * (ddu - 2 * t * du * du))


def _softplus_bend(x: Array, y: Array) -> Any:
    s = _sigmoid(x)
    return s * (1 - s)


def _inside(x: Array) -> Any:
    """Where Hardswish is a parabola; PyTorch counts both ends."""
    return np.abs(x) <= 3


ACTIVATIONS: dict[str, Row] = {
    "none": Row(
        "", "y = x", lambda x: x, lambda x, y: np.ones_like(y), _zero, linear=True, fused=True
    ),
    "relu": Row(
        "ReLU", "y = max(x, 0)      y' = 0 at 0",
        lambda x: np.maximum(x, 0), lambda x, y: (y > 0).astype(y.dtype), _zero,
        linear=True, fused=True,
    ),
    "leaky_relu": Row(
        "LeakyReLU", "y = x where x > 0, 0.01 x elsewhere      y' = 0.01 at 0",
        lambda x: np.where(x > 0, x, 0.01 * x), lambda x, y: np.where(y > 0, 1, y.dtype.type(0.01)),
        _zero, linear=True, fused=True,
    ),
    "tanh": Row(
        "Tanh", "y = tanh x",
        np.tanh, lambda x, y: 1 - y * y, lambda x, y: -2 * y * (1 - y * y),
        fused=True, bend=lambda y: -2.0 * y,
    ),
    "sigmoid": Row(
        "Sigmoid", "y = 1 / (1 + e^-x)",
        _sigmoid, lambda x, y: y * (1 - y), lambda x, y: y * (1 - y) * (1 - 2 * y),
        fused=True, bend=lambda y: 1.0 - 2.0 * y,
    ),
    "elu": Row(
        "ELU", "y = x where x > 0, e^x - 1 elsewhere      y'' = 0 at 0",
        lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0)),
        lambda x, y: np.exp(np.minimum(x, 0)), lambda x, y: np.exp(np.minimum(x, 0)) * (x < 0),
    ),
    "silu": Row(
        "SiLU", "y = x sigmoid(x)", lambda x: x * _sigmoid(x), _silu_grad, _silu_bend,
    ),
    "gelu": Row(
        "", "y = x P(x), P(x) = (1 + erf(x / sqrt 2)) / 2",
        lambda x: x * _normal(_bounded(x))[0], _gelu_grad, _gelu_bend,
    ),
    "gelu_tanh": Row(
        "", "y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2",
        lambda x: 0.5 * x * (1 + _tanh_gate(_bounded(x))[0]), _gelu_tanh_grad, _gelu_tanh_bend,
    ),
    "softplus": Row(
        "Softplus", "y = ln(1 + e^x)",
        lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
        lambda x, y: _sigmoid(x), _softplus_bend,
    ),
    "relu6": Row(
        "ReLU6", "y = min(max(x, 0), 6)      y' = 0 at 0 and at 6",
        lambda x: np.clip(x, 0, 6), lambda x, y: ((x > 0) & (x < 6)).astype(y.dtype), _zero,
        linear=True,
    ),
    "hardswish": Row(
        "Hardswish", "y = x min(max(x + 3, 0), 6) / 6      y' = -1/2 at -3, 3/2 at 3",
        lambda x: x * (np.clip(x + 3, 0, 6) / 6),
        lambda x, y: np.where(_inside(x), x / 3 + 0.5, x > 3).astype(y.dtype),
        lambda x, y: (np.abs(x) < 3) / y.dtype.type(3),
    ),
}  # fmt: skip


def _act(x: Array, *, kind: str) -> Array:
    """y = f(x)      kind: a key of ACTIVATIONS"""
    row = ACTIVATIONS[choice("act", "kind", kind, list(ACTIVATIONS))]
    return kernels.act(x, kind) if row.fused else row.f(x)


def _act_rule(g: Value, y: Value, inputs: Any, need: Any, *, kind: str) -> Parts:
    if ACTIVATIONS[kind].fused:
        return (act_grad(g, y, kind=kind),)
    return (_slope(g, inputs[0], y=value(y), kind=kind, order=1),)


def _act_grad(g: Array, y: Array, *, kind: str) -> Array:
    """z = g f'      f' in terms of the output y, for a fused row; g itself for kind "none\""""
    return g if kind == "none" else kernels.act_grad(g, y, kind)


def _act_grad_rule(v: Value, z: Value, inputs: Any, need: Any, *, kind: str) -> Parts:
    g, y = inputs
    bend = ACTIVATIONS[kind].bend  # None: f' is a constant
    dy = mul(v, g) * bend(y) if need[1] and bend else None
    return act_grad(v, y, kind=kind) if need[0] else None, dy


def _act_slope(g: Array, x: Array, *, y: Array, kind: str, order: int) -> Array:
    """z = g f'(x), or g f''(x) of order 2"""
    row = ACTIVATIONS[kind]
    z: Array = g * (row.df, row.ddf)[order - 1](x, y)
    return z


def _act_slope_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, y: Array, kind: str, order: int
) -> Parts:
    (g, x), dx = inputs, None
    if need[1] and not ACTIVATIONS[kind].linear:
        if order == 2:
            raise ArgumentError(
                f"the table of activations has no third derivative of {kind}; "
                f"use tanh or sigmoid, or build the function from other ops"
            )
        dx = _slope(mul(v, g), x, y=y, kind=kind, order=2)
    return _slope(v, x, y=y, kind=kind, order=order) if need[0] else None, dx


act = Op(_act, _act_rule, rows, second="activation")
act_grad = Op(_act_grad, _act_grad_rule, second="apart")
_slope = Op(_act_slope, _act_slope_rule, second="apart")


sigmoid, softplus = partial(act, kind="sigmoid"), partial(act, kind="softplus")
