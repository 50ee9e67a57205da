"""Products with block CSR in plain NumPy: the definition of block_jit.

CSR of blocks of size x size, cut at the edges; values: block by block, each row by row.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.sparse.csr_ref import finish, product, rows_of

Pair = tuple[int, int]
Places = tuple[Array, Array]  # the row and the column of each value


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
