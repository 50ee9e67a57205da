"""Products and convolutions with sparse matrices in plain NumPy: the definition of *_jit.

A is (m, n). CSR: values[k] is in column columns[k]; row r holds k from row_start[r] to
row_start[r + 1]. Block CSR: the same of blocks of size x size, cut at the edges; values: block by
block, each row by row. x is (n, p), g is (m, p). Each function writes its result into `out`.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.dense.image_ref import (
    Pair,
    Sides,
    conv2d,
    conv2d_grad_input,
    conv2d_grad_weight,
)
from minprune.kernels.dense.rows_ref import act

Places = tuple[Array, Array]  # the row and the column of each value


def rows_of(row_start: Array) -> Array:
    """The row of each entry."""
    counts = (row_start[1:] - row_start[:-1]).astype(np.int64)
    return np.repeat(np.arange(row_start.size - 1), counts)


def product(values: Array, rows: Array, columns: Array, x: Array, out: Array) -> None:
    """out[rows[k]] += values[k] * x[columns[k]]      from zero"""
    out[...] = 0
    np.add.at(out, rows, values.reshape(-1, *[1] * (x.ndim - 1)) * x[columns])


def finish(b: Array | None, kind: str, out: Array) -> None:
    """out = act(out + b)"""
    act(out if b is None else out + b[:, None], kind, out)


def csr_matmul(
    values: Array, columns: Array, row_start: Array, x: Array, b: Array | None, kind: str,
    out: Array,
) -> None:  # fmt: skip
    """out[r, p] = act(sum_k values[k] * x[columns[k], p] + b[r])      k over row r"""
    product(values, rows_of(row_start), columns, x, out)
    finish(b, kind, out)


def csr_matvec(values: Array, columns: Array, row_start: Array, x: Array, out: Array) -> None:
    """out[r] = sum_k values[k] * x[columns[k]]      k over row r"""
    product(values, rows_of(row_start), columns, x, out)


def csr_transpose(
    columns: Array, row_start: Array, n: int, positions: Array, rows: Array, column_start: Array
) -> None:
    """positions: the entries sorted by (column, row)      rows: the row of each"""
    positions[...] = np.argsort(columns, kind="stable")
    rows[...] = rows_of(row_start)[positions]
    column_start[0] = 0
    column_start[1:] = np.cumsum(np.bincount(columns, minlength=n))


def csr_matmul_t(
    values: Array, positions: Array, rows: Array, column_start: Array, g: Array, out: Array
) -> None:
    """out[c, p] = sum_k values[positions[k]] * g[rows[k], p]      k over column c"""
    csr_matmul(values[positions], rows, column_start, g, None, "none", out)


def csr_sampled(columns: Array, row_start: Array, g: Array, x: Array, out: Array) -> None:
    """out[k] = sum_p g[row of k, p] * x[columns[k], p]"""
    out[...] = (g[rows_of(row_start)] * x[columns]).sum(1)


def block_places(rows: Array, columns: Array, size: int, shape: Pair) -> Places:
    """The row and the column of each value of the blocks (rows[k], columns[k]), in their order"""
    m, n = shape
    y, x = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for r, c in zip(rows.astype(np.int64) * size, columns.astype(np.int64) * size, strict=True):
        inside = np.mgrid[r : min(r + size, m), c : min(c + size, n)]
        y.append(inside[0].reshape(-1))
        x.append(inside[1].reshape(-1))
    return np.concatenate(y), np.concatenate(x)


def block_matmul(
    values: Array, columns: Array, row_start: Array, size: int, shape: Pair, x: Array,
    b: Array | None, kind: str, out: Array,
) -> None:  # fmt: skip
    """out = act(A @ x + b)"""
    product(values, *block_places(rows_of(row_start), columns, size, shape), x, out)
    finish(b, kind, out)


def block_matmul_t(
    values: Array, positions: Array, rows: Array, column_start: Array, size: int, shape: Pair,
    g: Array, out: Array,
) -> None:  # fmt: skip
    """out = A^T @ g      positions: the blocks sorted by (column, row); rows: the row of each"""
    order = np.argsort(positions)
    r, c = block_places(rows[order], rows_of(column_start)[order], size, shape)
    product(values, c, r, g, out)


def block_sampled(
    columns: Array, row_start: Array, size: int, stored: int, g: Array, x: Array, out: Array
) -> None:
    """out[k] = sum_p g[row of k, p] * x[column of k, p]"""
    r, c = block_places(rows_of(row_start), columns, size, (len(g), len(x)))
    out[...] = (g[r] * x[c]).sum(1)


def filters(values: Array, columns: Array, row_start: Array, shape: tuple[int, ...]) -> Array:
    """The dense weight (o, i/groups, ky, kx)"""
    w = np.zeros((shape[0], shape[1] * shape[2] * shape[3]), values.dtype)
    np.add.at(w, (rows_of(row_start), columns), values)
    return w.reshape(shape)


def csr_conv2d(
    values: Array, columns: Array, row_start: Array, kernel: Pair, x: Array, b: Array | None,
    stride: Pair, padding: Sides, groups: int, kind: str, dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """out = act(conv2d(x, w) + b)      w: (o, i/groups*ky*kx) in CSR"""
    w = filters(values, columns, row_start, (len(out), len(x) // groups, *kernel))
    conv2d(x, w, b, stride, padding, groups, kind, dilation, out)


def csr_conv2d_grad_input(
    values: Array, columns: Array, row_start: Array, kernel: Pair, g: Array,
    shape: tuple[int, ...], stride: Pair, padding: Sides, groups: int, dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """dx = the adjoint of csr_conv2d in x"""
    w = filters(values, columns, row_start, (len(g), shape[0] // groups, *kernel))
    conv2d_grad_input(g, w, shape, stride, padding, groups, dilation, out)


def csr_conv2d_grad_weight(
    columns: Array, row_start: Array, kernel: Pair, g: Array, x: Array, stride: Pair,
    padding: Sides, groups: int, dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """dvalues = the adjoint of csr_conv2d in the values"""
    dw = np.empty((len(g), len(x) // groups, *kernel), x.dtype)
    conv2d_grad_weight(g, x, kernel, stride, padding, groups, dilation, dw)
    out[...] = dw.reshape(len(g), -1)[rows_of(row_start), columns]
