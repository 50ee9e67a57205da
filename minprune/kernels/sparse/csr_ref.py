"""Products with matrices in CSR in plain NumPy: the definition of csr_jit.

A is (m, n): values[k] is in column columns[k]; row r holds k from row_start[r] to row_start[r + 1].
x is (n, p), g is (m, p). Each function writes its result into `out`.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.dense.rows_ref import act


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
