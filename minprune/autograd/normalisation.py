"""xhat = (x - mean) / sqrt(var + eps), of rows or groups of rows, and y = act(x scale + shift).

With G(g) = inv (g - mean(g) - xhat mean(g xhat)), the derivative of xhat is G: linear in g, its own
adjoint, and built from ops, so that it can be differentiated again.
Source: Ioffe & Szegedy (2015), Batch Normalization; Wu & He (2018), Group Normalization.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.activations import act_grad
from minprune.autograd.arithmetic import column, mul, power, reshape, sub, sum_to
from minprune.autograd.linear import row_dot, row_sum
from minprune.autograd.tape import Links, Op, Parts, Tensor, Value, value
from minprune.core import Array


def _per_row(x: Value) -> int:
    return int(np.prod(value(x).shape[1:]))


def _normalise_rule(
    g: Value, xhat: Value, inputs: Any, need: Any, *, mean: Array, inv: Array
) -> Parts:
    return (normalise_grad(g, xhat, _inverse_std(inputs[0], mean=mean, inv=inv)),)


def _inv(x: Array, *, mean: Array, inv: Array) -> Array:
    """inv = 1 / sqrt(var(x) + eps), already at hand"""
    return inv


def _inv_rule(g: Value, result: Value, inputs: Any, need: Any, *, mean: Array, inv: Array) -> Parts:
    # d inv / dx = -inv^3 (x - mean) / m = -inv^2 xhat / m
    (x,) = inputs
    xhat = _normal(x, mean=mean, inv=inv)
    return (mul(xhat, column(g * result * result * (-1.0 / _per_row(x)), x)),)


def _normalise_grad_rule(v: Value, z: Value, inputs: Any, need: Any) -> Parts:
    g, xhat, inv = inputs
    m = _per_row(g)
    dg = normalise_grad(v, xhat, inv) if need[0] else None
    dxhat = dinv = None
    if need[1]:  # of -inv xhat mean(g xhat), in xhat
        a, b = row_dot(g, xhat) / m, row_dot(v, xhat) / m
        dxhat = -(mul(v, column(a * inv, v)) + mul(g, column(b * inv, g)))
    if need[2]:
        dinv = row_dot(v, normalise_grad(g, xhat, inv)) / inv
    return dg, dxhat, dinv


def _scale_shift_rule(g: Value, y: Value, inputs: Any, need: Any, *, act: str = "none") -> Parts:
    x, scale, _ = inputs
    g = act_grad(g, y, kind=act)
    return (
        mul(g, column(scale, g)) if need[0] else None,
        row_dot(g, x) if need[1] else None,
        row_sum(g) if need[2] else None,
    )


def _scale_shift_each(g: Array, y: Array, inputs: Any, need: Any, *, act: str = "none") -> Parts:
    """dscale_n = sum over positions of g_n x_n, dshift_n = sum over positions of g_n"""
    x, scale, _ = inputs
    g = act_grad(g, y, kind=act)
    g, x = (a.reshape(len(scale), -1, a.shape[-1]) for a in (g, x))
    dscale = (g * x).sum(axis=1).T if need[1] else None
    return None, dscale, g.sum(axis=1).T if need[2] else None


def _scale_shift_squares(
    gs: Sequence[Array], weights: Array, y: Array, inputs: Any, need: Any, *, act: str = "none"
) -> Parts:
    """sum_kn weights_kn each(g_k)_n^2"""
    each = [_scale_shift_each(g, y, inputs, need, act=act) for g in gs]
    return tuple(
        np.einsum("kn,knc->c", weights, np.square(np.stack(found))) if needed else None
        for needed, *found in zip(need, *each, strict=True)
    )


def _normalise_groups(x: Array, *, groups: int, eps: float) -> Array:
    """xhat = (x - mean) / sqrt(var + eps)      mean, var: of each group of rows and sample"""
    z = x.reshape(groups, -1, x.shape[-1])
    d = z - z.mean(axis=1, keepdims=True)
    inv = 1 / np.sqrt(np.square(d).mean(axis=1, keepdims=True) + eps)
    return np.asarray(d * inv).reshape(x.shape)


def _normalise_groups_rule(
    g: Value, xhat: Value, inputs: Any, need: Any, *, groups: int, eps: float
) -> Parts:
    """dx = inv (g - mean(g) - xhat mean(g xhat)), inv = 1 / sqrt(var + eps), in ops"""
    (x,) = inputs
    g, xhat, z = (reshape(a, shape=(groups, -1, x.shape[-1])) for a in (g, xhat, x))

    def mean(a: Value) -> Value:
        return sum_to(a, shape=(groups, 1, x.shape[-1])) * (1 / a.shape[1])

    d = sub(z, mean(z))
    inv = power(mean(mul(d, d)) + eps, p=-0.5)
    dz = mul(inv, sub(sub(g, mean(g)), mul(xhat, mean(mul(g, xhat)))))
    return (reshape(dz, shape=x.shape),)


def _scaled(links: Links, out: Tensor, inputs: Parts, settings: Any) -> None:
    """(x, scale, shift): normalisation with known statistics."""
    x, scale, shift = inputs
    if isinstance(scale, Tensor):
        links.scale(out, x, scale)
    else:  # a constant of the layer
        links.same(out, x)
    if isinstance(shift, Tensor):
        links.same(out, shift)


def _bound(links: Links, out: Tensor, inputs: Parts, settings: Any) -> None:
    """(x): normalisation by the statistics of groups of rows."""
    (x,) = inputs
    links.bind(out, x, settings["groups"])


_normal = Op(kernels.normalise, _normalise_rule)
_inverse_std = Op(_inv, _inv_rule)
normalise_grad = Op(kernels.normalise_grad, _normalise_grad_rule)
scale_shift = Op(
    kernels.scale_shift,
    _scale_shift_rule,
    _scaled,
    _scale_shift_each,
    _scale_shift_squares,
    "product",
)
normalise_groups = Op(_normalise_groups, _normalise_groups_rule, _bound, second="apart")


def normalise(x: Value, *, eps: float) -> tuple[Value, Array, Array]:
    """xhat, and the (mean, biased variance) of each row of x as plain arrays."""
    mean, var = kernels.moments(value(x))
    inv = 1 / np.sqrt(var + var.dtype.type(eps))
    return _normal(x, mean=mean, inv=inv), mean, var
