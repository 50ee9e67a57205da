"""The door to products with sparse matrices: checks, allocates, calls the implementation.

A is (m, n). CSR: values (k,), columns (k,), row_start (m + 1,); block CSR: the same of blocks
(size, size), cut at the edges, their values block by block and row by row; N:M: keep of every
group of consecutive columns, values row by row, places packed in bits. Indices are uint32 (packed
places: uint8). x is (n, p), g is (m, p). Entries of a row may come in any order; equal places add
up. All raise ShapeError for shapes that do not fit, ArgumentError for other arguments.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels import sparse_checks as checks
from minprune.kernels.checks import MATRIX, VECTOR, expect, known_act, ready
from minprune.kernels.choice import sparse_impl
from minprune.kernels.workspace import empty

Pair = tuple[int, int]
TURNED = ("rows", "column_start")


def bias(kernel: str, b: Array | None, m: int, x: Array, act: str) -> Array | None:
    """b (m,) or None, checked, and act"""
    known_act(kernel, act)
    if b is not None:
        b = ready(kernel, "b", b, VECTOR, x)
        expect(kernel, "b", b, (m,), "one per row of the matrix")
    return b


def pair_of(kernel: str, g: Array, x: Array, m: int | None = None) -> tuple[Array, Array]:
    """g (m, p) and x (n, p), checked"""
    x = ready(kernel, "x", x, MATRIX)
    g = ready(kernel, "g", g, MATRIX, x)
    rows = len(g) if m is None else m
    expect(kernel, "g", g, (rows, x.shape[1]), "a row for each of the matrix, the columns of x")
    return g, x


def csr_matmul(
    values: Array, columns: Array, row_start: Array, x: Array, b: Array | None = None,
    act: str = "none",
) -> Array:  # fmt: skip
    """out[r, p] = act(sum_k values[k] * x[columns[k], p] + b[r])      k over row r

    x: (n, p), b: (m,) or None -> (m, p). act: see `act`.
    """
    x = ready("csr_matmul", "x", x, MATRIX)
    values = ready("csr_matmul", "values", values, VECTOR, x)
    columns, row_start = checks.csr("csr_matmul", columns, row_start, len(x))
    checks.one_each("csr_matmul", values, columns.size)
    m = row_start.size - 1
    b = bias("csr_matmul", b, m, x, act)
    out = empty((m, x.shape[1]), x.dtype)
    sparse_impl().csr_matmul(values, columns, row_start, x, b, act, out)
    return out


def csr_matvec(values: Array, columns: Array, row_start: Array, x: Array) -> Array:
    """out[r] = sum_k values[k] * x[columns[k]]      k over row r      x: (n,) -> (m,)"""
    x = ready("csr_matvec", "x", x, VECTOR)
    values = ready("csr_matvec", "values", values, VECTOR, x)
    columns, row_start = checks.csr("csr_matvec", columns, row_start, x.size)
    checks.one_each("csr_matvec", values, columns.size)
    out = empty((row_start.size - 1,), x.dtype)
    sparse_impl().csr_matvec(values, columns, row_start, x, out)
    return out


def csr_transpose(columns: Array, row_start: Array, n: int) -> tuple[Array, Array, Array]:
    """positions, rows, column_start: the entries in the order of their columns, then rows

    n: columns of A. Entry k of A^T in CSR is the value positions[k], in column rows[k]. Of blocks
    too: then n counts blocks. All uint32 and read-only.
    """
    checks.extent("csr_transpose", n)
    columns, row_start = checks.csr("csr_transpose", columns, row_start, n)
    positions, rows = (np.empty(columns.shape, np.uint32) for _ in range(2))
    column_start = np.empty(n + 1, np.uint32)
    sparse_impl().csr_transpose(columns, row_start, positions, rows, column_start)
    for a in (positions, rows, column_start):
        a.flags.writeable = False
    return positions, rows, column_start


def csr_matmul_t(
    values: Array, positions: Array, rows: Array, column_start: Array, g: Array
) -> Array:
    """out[c, p] = sum_k values[positions[k]] * g[rows[k], p]      A^T @ g, k over column c

    positions, rows, column_start: of csr_transpose; g: (m, p) -> (n, p). The gradient of x.
    """
    g = ready("csr_matmul_t", "g", g, MATRIX)
    values = ready("csr_matmul_t", "values", values, VECTOR, g, "g")
    rows, column_start = checks.csr("csr_matmul_t", rows, column_start, len(g), TURNED)
    positions = checks.order("csr_matmul_t", positions, rows)
    checks.one_each("csr_matmul_t", values, rows.size)
    out = empty((column_start.size - 1, g.shape[1]), g.dtype)
    sparse_impl().csr_matmul_t(values, positions, rows, column_start, g, out)
    return out


def csr_sampled(columns: Array, row_start: Array, g: Array, x: Array) -> Array:
    """out[k] = sum_p g[row of k, p] * x[columns[k], p]      g @ x^T at the places of A alone

    g: (m, p), x: (n, p) -> (k,). The gradient of the values.
    """
    g, x = pair_of("csr_sampled", g, x)
    columns, row_start = checks.csr("csr_sampled", columns, row_start, len(x))
    checks.lines("csr_sampled", "row_start", row_start, len(g), "rows in g")
    out = empty(columns.shape, x.dtype)
    sparse_impl().csr_sampled(columns, row_start, g, x, out)
    return out


def block_matmul(
    values: Array, columns: Array, row_start: Array, size: int, shape: Pair, x: Array,
    b: Array | None = None, act: str = "none",
) -> Array:  # fmt: skip
    """out = act(A @ x + b)      A in block CSR, shape = (m, n)

    columns, row_start: of blocks; x: (n, p), b: (m,) or None -> (m, p). act: see `act`.
    """
    name = "block_matmul"
    x = ready(name, "x", x, MATRIX)
    values = ready(name, "values", values, VECTOR, x)
    down, across = checks.block_side(name, size, shape)
    expect(name, "x", x, (shape[1], x.shape[1]), "one row per column of the matrix")
    columns, row_start = checks.csr(name, columns, row_start, across)
    checks.lines(name, "row_start", row_start, down, "rows of blocks")
    area = checks.once(checks.block_area, name, (columns, row_start), size, shape)
    checks.one_each(name, values, area)
    b = bias(name, b, shape[0], x, act)
    out = empty((shape[0], x.shape[1]), x.dtype)
    sparse_impl().block_matmul(values, columns, row_start, size, shape, x, b, act, out)
    return out


def block_matmul_t(
    values: Array, positions: Array, rows: Array, column_start: Array, size: int, shape: Pair,
    g: Array,
) -> Array:  # fmt: skip
    """out = A^T @ g      positions, rows, column_start: of csr_transpose of the blocks

    shape: (m, n), of A; g: (m, p) -> (n, p).
    """
    name = "block_matmul_t"
    g = ready(name, "g", g, MATRIX)
    values = ready(name, "values", values, VECTOR, g, "g")
    down, across = checks.block_side(name, size, shape)
    expect(name, "g", g, (shape[0], g.shape[1]), "one row per row of the matrix")
    rows, column_start = checks.csr(name, rows, column_start, down, TURNED)
    checks.lines(name, "column_start", column_start, across, "columns of blocks")
    positions = checks.order(name, positions, rows)
    area = checks.once(checks.block_area, name, (rows, column_start), size, shape[::-1])
    checks.one_each(name, values, area)
    out = empty((shape[1], g.shape[1]), g.dtype)
    sparse_impl().block_matmul_t(values, positions, rows, column_start, size, shape, g, out)
    return out


def block_sampled(columns: Array, row_start: Array, size: int, g: Array, x: Array) -> Array:
    """out[k] = sum_p g[row of k, p] * x[column of k, p]      in the order of the values"""
    name = "block_sampled"
    g, x = pair_of(name, g, x)
    shape = len(g), len(x)
    down, across = checks.block_side(name, size, shape)
    columns, row_start = checks.csr(name, columns, row_start, across)
    checks.lines(name, "row_start", row_start, down, "rows of blocks")
    area = checks.once(checks.block_area, name, (columns, row_start), size, shape)
    out = empty((area,), x.dtype)
    sparse_impl().block_sampled(columns, row_start, size, g, x, out)
    return out


def nm_columns(positions: Array, keep: int, group: int, n: int) -> Array:
    """out[r, s] = s // keep * group + the s-th position of row r      (m, values a row), uint32"""
    positions = checks.packed("nm_columns", positions, keep, group, n)
    count, _ = checks.pattern("nm_columns", keep, group, n)
    out = np.empty((len(positions), count), np.uint32)
    sparse_impl().nm_columns(positions, keep, group, n, out)
    return out


def nm_matmul(
    values: Array, positions: Array, keep: int, group: int, x: Array, b: Array | None = None,
    act: str = "none",
) -> Array:  # fmt: skip
    """out = act(A @ x + b)      A keeps `keep` of every `group` columns; x: (n, p) -> (m, p)"""
    x = ready("nm_matmul", "x", x, MATRIX)
    values = ready("nm_matmul", "values", values, VECTOR, x)
    positions = checks.packed("nm_matmul", positions, keep, group, len(x))
    m = len(positions)
    checks.one_each("nm_matmul", values, m * checks.pattern("nm_matmul", keep, group, len(x))[0])
    b = bias("nm_matmul", b, m, x, act)
    out = empty((m, x.shape[1]), x.dtype)
    sparse_impl().nm_matmul(values, positions, keep, group, x, b, act, out)
    return out


def nm_matmul_t(values: Array, positions: Array, keep: int, group: int, n: int, g: Array) -> Array:
    """out = A^T @ g      n: columns of A; g: (m, p) -> (n, p)"""
    g = ready("nm_matmul_t", "g", g, MATRIX)
    values = ready("nm_matmul_t", "values", values, VECTOR, g, "g")
    positions = checks.packed("nm_matmul_t", positions, keep, group, n)
    m = len(positions)
    expect("nm_matmul_t", "g", g, (m, g.shape[1]), "one row per row of the matrix")
    checks.one_each("nm_matmul_t", values, m * checks.pattern("nm_matmul_t", keep, group, n)[0])
    out = empty((n, g.shape[1]), g.dtype)
    sparse_impl().nm_matmul_t(values, positions, keep, group, n, g, out)
    return out


def nm_sampled(positions: Array, keep: int, group: int, g: Array, x: Array) -> Array:
    """out[k] = sum_p g[row of k, p] * x[column of k, p]      in the order of the values"""
    g, x = pair_of("nm_sampled", g, x, len(positions) if isinstance(positions, np.ndarray) else 0)
    positions = checks.packed("nm_sampled", positions, keep, group, len(x))
    count, _ = checks.pattern("nm_sampled", keep, group, len(x))
    out = empty((len(positions) * count,), x.dtype)
    sparse_impl().nm_sampled(positions, keep, group, g, x, out)
    return out
