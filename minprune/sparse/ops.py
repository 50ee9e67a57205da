"""y = act(A x + b) and its two adjoints, A sparse: closed under derivatives, as dense ops are.

<g, A x> is linear in the values of A, in x and in g. Its derivative in g is `product`, in x
`product_t`, in the values `sampled`: g x^T at the stored places alone. `at` says where those are.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from minprune import kernels
from minprune.autograd import Op, Value
from minprune.autograd.activations import act_grad
from minprune.autograd.linear import row_sum
from minprune.core import Array
from minprune.sparse.packed import kept

Pair = tuple[int, int]
Shape = tuple[int, ...]


class Places(Protocol):
    """Where the values of a sparse matrix stand, and the three products of its format."""

    def matmul(self, values: Array, x: Array, b: Array | None, act: str) -> Array:
        """act(A x + b)"""

    def matmul_t(self, values: Array, g: Array, shape: Shape) -> Array:
        """A^T g, of the shape of x"""

    def sampled(self, g: Array, x: Array) -> Array:
        """g x^T at the stored places"""


@dataclass(eq=False, slots=True)
class CSRPlaces:
    """columns (k,), row_start (m + 1,), of a matrix with n columns"""

    columns: Array
    row_start: Array
    n: int

    def matmul(self, values: Array, x: Array, b: Array | None, act: str) -> Array:
        return kernels.csr_matmul(values, self.columns, self.row_start, x, b, act)

    def matmul_t(self, values: Array, g: Array, shape: Shape) -> Array:
        return kernels.csr_matmul_t(values, *turned(self.columns, self.row_start, self.n), g)

    def sampled(self, g: Array, x: Array) -> Array:
        return kernels.csr_sampled(self.columns, self.row_start, g, x)


@dataclass(eq=False, slots=True)
class BlockPlaces:
    """columns, row_start of blocks of size x size, of a matrix of `shape`"""

    columns: Array
    row_start: Array
    size: int
    stored: int
    shape: Pair

    def matmul(self, values: Array, x: Array, b: Array | None, act: str) -> Array:
        at = self.columns, self.row_start, self.size, self.shape
        return kernels.block_matmul(values, *at, x, b, act)

    def matmul_t(self, values: Array, g: Array, shape: Shape) -> Array:
        order = turned(self.columns, self.row_start, -(-self.shape[1] // self.size))
        return kernels.block_matmul_t(values, *order, self.size, self.shape, g)

    def sampled(self, g: Array, x: Array) -> Array:
        return kernels.block_sampled(self.columns, self.row_start, self.size, self.stored, g, x)


@dataclass(eq=False, slots=True)
class ConvPlaces:
    """columns, row_start of a weight (o, i/groups ky kx), which slides over images"""

    columns: Array
    row_start: Array
    kernel: Pair
    stride: Pair
    padding: Pair
    groups: int

    def matmul(self, values: Array, x: Array, b: Array | None, act: str) -> Array:
        return kernels.csr_conv2d(
            values, self.columns, self.row_start, self.kernel, x, b, self.stride, self.padding,
            self.groups, act,
        )  # fmt: skip

    def matmul_t(self, values: Array, g: Array, shape: Shape) -> Array:
        return kernels.csr_conv2d_grad_input(
            values, self.columns, self.row_start, self.kernel, g, shape, self.stride, self.padding,
            self.groups,
        )  # fmt: skip

    def sampled(self, g: Array, x: Array) -> Array:
        return kernels.csr_conv2d_grad_weight(
            self.columns, self.row_start, self.kernel, g, x, self.stride, self.padding, self.groups
        )


def turned(columns: Array, row_start: Array, n: int) -> tuple[Array, Array, Array]:
    """csr_transpose, computed once for indices that cannot change"""
    found: tuple[Array, Array, Array] = kept(kernels.csr_transpose, (columns, row_start), n)
    return found


def _product(values: Array, x: Array, b: Array | None, *, at: Places, act: str = "none") -> Array:
    """y = act(A x + b)"""
    return at.matmul(values, x, b, act)


def _product_rule(
    g: Value, y: Value, inputs: Any, need: Any, *, at: Places, act: str = "none"
) -> tuple[Value, Value, Value]:
    values, x, _ = inputs
    g = act_grad(g, y, kind=act)
    return (
        sampled(g, x, at=at) if need[0] else None,
        product_t(values, g, at=at, shape=x.shape) if need[1] else None,
        row_sum(g) if need[2] else None,
    )


def _product_t(values: Array, g: Array, *, at: Places, shape: Shape) -> Array:
    """z = A^T g"""
    return at.matmul_t(values, g, shape)


def _product_t_rule(
    v: Value, z: Value, inputs: Any, need: Any, *, at: Places, shape: Shape
) -> tuple[Value, Value]:
    values, g = inputs
    return (
        sampled(g, v, at=at) if need[0] else None,
        product(values, v, None, at=at) if need[1] else None,
    )


def _sampled(g: Array, x: Array, *, at: Places) -> Array:
    """z = g x^T at the stored places"""
    return at.sampled(g, x)


def _sampled_rule(u: Value, z: Value, inputs: Any, need: Any, *, at: Places) -> tuple[Value, Value]:
    g, x = inputs
    return (
        product(u, x, None, at=at) if need[0] else None,
        product_t(u, g, at=at, shape=x.shape) if need[1] else None,
    )


product = Op(_product, _product_rule)
product_t = Op(_product_t, _product_t_rule)
sampled = Op(_sampled, _sampled_rule)
