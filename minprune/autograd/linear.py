"""y = W x + b and its family: matmul is closed under differentiation, row_sum is for the bias."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd.activations import act_grad
from minprune.autograd.arithmetic import column, expand, mul
from minprune.autograd.tape import Links, Op, Parts, Tensor, Value
from minprune.core import Array


def _matmul_rule(
    g: Value, z: Value, inputs: Any, need: Any, *, ta: bool = False, tb: bool = False
) -> Parts:
    a, b = inputs
    da = db = None
    if need[0]:  # dA = g B^T
        da = matmul(b, g, ta=tb, tb=True) if ta else matmul(g, b, tb=not tb)
    if need[1]:  # dB = A^T g
        db = matmul(g, a, ta=True, tb=ta) if tb else matmul(a, g, ta=not ta)
    return da, db


def _affine_rule(g: Value, y: Value, inputs: Any, need: Any, *, act: str = "none") -> Parts:
    w, x, _ = inputs
    g = act_grad(g, y, kind=act)
    return (
        matmul(g, x, tb=True) if need[0] else None,
        matmul(w, g, ta=True) if need[1] else None,
        row_sum(g) if need[2] else None,
    )


def _affine_each(g: Array, y: Array, inputs: Any, need: Any, *, act: str = "none") -> Parts:
    """dW_n = g_n x_n^T, db_n = g_n"""
    _, x, _ = inputs
    g = np.ascontiguousarray(act_grad(g, y, kind=act).T)  # batch-first, as the products are to be
    dw = g[:, :, None] * np.ascontiguousarray(x.T)[:, None] if need[0] else None
    return dw, None, g if need[2] else None


def _affine_squares(
    gs: Sequence[Array], weights: Array, y: Array, inputs: Any, need: Any, *, act: str = "none"
) -> Parts:
    """dW = S (x^2)^T, db = S 1      S = sum_k weights_k g_k^2, since (g x)^2 = g^2 x^2"""
    _, x, _ = inputs
    s = np.zeros(y.shape, y.dtype)
    for g, c in zip(gs, weights, strict=True):
        s += np.square(act_grad(g, y, kind=act)) * c
    return s @ np.square(x).T if need[0] else None, None, s.sum(axis=1) if need[2] else None


def _row_sum_rule(g: Value, s: Value, inputs: Any, need: Any) -> Parts:
    return (expand(column(g, inputs[0]), shape=inputs[0].shape),)


def _row_dot_rule(g: Value, s: Value, inputs: Any, need: Any) -> Parts:
    a, b = inputs
    g = column(g, a)
    return mul(b, g) if need[0] else None, mul(a, g) if need[1] else None


def _mixed(links: Links, out: Tensor, inputs: Parts, settings: Any) -> None:
    """(w, x, b): dense layers."""
    w, x, b = inputs
    links.mix(out, w, x, 1, False)
    if isinstance(b, Tensor):
        links.same(out, b)


matmul = Op(kernels.matmul, _matmul_rule)
affine = Op(
    kernels.affine, _affine_rule, _mixed, _affine_each, _affine_squares, "product", samples=1
)
row_sum = Op(kernels.row_sum, _row_sum_rule)
row_dot = Op(kernels.row_dot, _row_dot_rule)
