"""z = x + y, x - y, x y, x / y, x^p, e^x, ln x, |x|, min(max(x, low), high); Tensor's operators."""

from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.shaping import sum_to
from minprune.autograd.tape import OPERATORS, Op, Value, value
from minprune.autograd.tie import rows
from minprune.core import Array


def _out(ufunc: Any, *xs: Array) -> Array:
    """ufunc(*xs), in an array of the workspace where one is lent."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in xs))
    dtype = np.result_type(*xs)
    return ufunc(*xs, out=kernels.empty(shape, dtype))  # type: ignore[no-any-return]


def _like(x: Value, g: Value) -> Value:
    return sum_to(g, shape=np.shape(x))


def _add(x: Array, y: Array) -> Array:
    """z = x + y"""
    return _out(np.add, x, y)


def _add_rule(g: Value, z: Value, inputs: Any, need: Any) -> tuple[Value, Value]:
    x, y = inputs
    return _like(x, g) if need[0] else None, _like(y, g) if need[1] else None


def _sub(x: Array, y: Array) -> Array:
    """z = x - y"""
    return _out(np.subtract, x, y)


def _sub_rule(g: Value, z: Value, inputs: Any, need: Any) -> tuple[Value, Value]:
    x, y = inputs
    return _like(x, g) if need[0] else None, _like(y, -g) if need[1] else None


def _mul(x: Array, y: Array) -> Array:
    """z = x y"""
    return _out(np.multiply, x, y)


def _mul_rule(g: Value, z: Value, inputs: Any, need: Any) -> tuple[Value, Value]:
    x, y = inputs
    return _like(x, mul(g, y)) if need[0] else None, _like(y, mul(g, x)) if need[1] else None


def _div(x: Array, y: Array) -> Array:
    """z = x / y"""
    return _out(np.divide, x, y)


def _div_rule(g: Value, z: Value, inputs: Any, need: Any) -> tuple[Value, Value]:
    x, y = inputs
    return (
        _like(x, div(g, y)) if need[0] else None,
        _like(y, -mul(g, div(z, y))) if need[1] else None,
    )


def _power(x: Array, *, p: float) -> Array:
    """z = x^p      p: a constant"""
    return np.asarray(x**p)


def _power_rule(g: Value, z: Value, inputs: Any, need: Any, *, p: float) -> tuple[Value]:
    (x,) = inputs
    if p == 0:
        return (None,)
    return (g * (p * power(x, p=p - 1)) if p != 1 else g,)


def _exp(x: Array) -> Array:
    """z = e^x"""
    return _out(np.exp, x)


def _exp_rule(g: Value, z: Value, inputs: Any, need: Any) -> tuple[Value]:
    return (g * z,)


def _log(x: Array) -> Array:
    """z = ln x"""
    return _out(np.log, x)


def _log_rule(g: Value, z: Value, inputs: Any, need: Any) -> tuple[Value]:
    return (g / inputs[0],)


def _absolute(x: Array) -> Array:
    """z = |x|      derivative at 0: 0"""
    return _out(np.absolute, x)


def _absolute_rule(g: Value, z: Value, inputs: Any, need: Any) -> tuple[Value]:
    (x,) = inputs
    return (g * np.sign(value(x)),)


def _clip(x: Array, *, low: float, high: float) -> Array:
    """z = min(max(x, low), high)      derivative 1 from low to high, both included; 0 outside"""
    return np.clip(x, low, high)


def _clip_rule(
    g: Value, z: Value, inputs: Any, need: Any, *, low: float, high: float
) -> tuple[Value]:
    x = value(inputs[0])
    return (mul(g, ((x >= low) & (x <= high)).astype(x.dtype)),)


add = Op(_add, _add_rule, rows, second="copy")
sub = Op(_sub, _sub_rule, rows, second="linear", squared=_add_rule)
mul = Op(_mul, _mul_rule, rows, second="product")
div = Op(_div, _div_rule, rows, second="apart")
power = Op(_power, _power_rule, rows, second="apart")
exp = Op(_exp, _exp_rule, rows, second="apart")
log = Op(_log, _log_rule, rows, second="apart")
absolute = Op(_absolute, _absolute_rule, rows, second="apart")
clip = Op(_clip, _clip_rule, rows, second="apart")


OPERATORS.update({"+": add, "-": sub, "*": mul, "/": div, "**": power, "abs": absolute})


def sqrt(x: Value) -> Value:
    """z = x^(1/2)"""
    return power(x, p=0.5)
