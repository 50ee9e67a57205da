"""y = act(A x + b) and its two adjoints, A sparse: closed under derivatives, as dense ops are.

<g, A x> is linear in the values of A, in x and in g. Its derivative in g is `product`, in x
`product_t`, in the values `sampled`: g x^T at the stored places alone. at: the products of A's
format, and its indices.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from minprune import kernels
from minprune.autograd import Op, Value
from minprune.autograd.activations import act_grad
from minprune.autograd.linear import row_sum
from minprune.core import Array

Shape = tuple[int, ...]


def outer(g: Array, x: Array) -> Array:
    """g x^T"""
    return kernels.matmul(g, x, False, True)


class Products(NamedTuple):
    """The products with a sparse matrix A; the first argument holds its index arrays"""

    matmul: Callable[..., Array]  # indices, values, x, b, act: act(A x + b)
    matmul_t: Callable[..., Array]  # indices, values, g, shape of x: A^T g
    sampled: Callable[..., Array]  # indices, g, x: g x^T at the stored places
    full: Callable[..., Array] = outer  # g, x: g x^T at all places


Matrix = tuple[Products, tuple[Array, ...]]  # the products with A, and its index arrays


def turned(columns: Array, row_start: Array, n: int) -> tuple[Array, Array, Array]:
    """csr_transpose, computed once for indices that cannot change"""
    found: tuple[Array, Array, Array] = kernels.kept(kernels.csr_transpose, (columns, row_start), n)
    return found


def _product(values: Array, x: Array, b: Array | None, *, at: Matrix, act: str = "none") -> Array:
    """y = act(A x + b)"""
    return at[0].matmul(at[1], values, x, b, act)


def _product_rule(
    g: Value, y: Value, inputs: Any, need: Any, *, at: Matrix, act: str = "none"
) -> tuple[Value, Value, Value]:
    values, x, _ = inputs
    g = act_grad(g, y, kind=act)
    return (
        sampled(g, x, at=at) if need[0] else None,
        product_t(values, g, at=at, shape=x.shape) if need[1] else None,
        row_sum(g) if need[2] else None,
    )


def _product_t(values: Array, g: Array, *, at: Matrix, shape: Shape) -> Array:
    """z = A^T g"""
    return at[0].matmul_t(at[1], values, g, shape)


def _product_t_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, at: Matrix, shape: Shape
) -> tuple[Value, Value]:
    values, g = inputs
    return (
        sampled(g, v, at=at) if need[0] else None,
        product(values, v, None, at=at) if need[1] else None,
    )


def _sampled(g: Array, x: Array, *, at: Matrix) -> Array:
    """z = g x^T at the stored places"""
    return at[0].sampled(at[1], g, x)


def _sampled_rule(u: Value, z: Value, inputs: Any, need: Any, *, at: Matrix) -> tuple[Value, Value]:
    g, x = inputs
    return (
        product(u, x, None, at=at) if need[0] else None,
        product_t(u, g, at=at, shape=x.shape) if need[1] else None,
    )


product = Op(_product, _product_rule)
product_t = Op(_product_t, _product_t_rule)
sampled = Op(_sampled, _sampled_rule)
