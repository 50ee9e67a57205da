"""Products with N:M matrices, compiled: packed positions become columns, and CSR does the rest."""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops
from minprune.kernels.sparse_csr_jit import csr_matmul, csr_matmul_t, sort_columns
from minprune.kernels.sparse_sample_jit import csr_sampled
from minprune.kernels.workspace import empty


@loops
def unpack(positions, keep, group, columns):  # type: ignore[no-untyped-def]
    """columns[r, s] = s // keep * group + the s-th position of row r"""
    bits = 1
    while 1 << bits < group:
        bits *= 2
    mask, per, count = (1 << bits) - 1, 8 // bits, columns.shape[1]
    firsts = np.empty(count, np.uint32)
    for s in range(count):
        firsts[s] = s // keep * group
    for r in range(columns.shape[0]):
        source, target = positions[r], columns[r]
        for k in range(source.size):
            byte, s = np.uint32(source[k]), k * per
            if s + per <= count:
                for j in range(per):
                    target[s + j] = firsts[s + j] + (byte & mask)
                    byte >>= bits
            else:
                for j in range(count - s):
                    target[s + j] = firsts[s + j] + (byte & mask)
                    byte >>= bits


def nm_columns(positions: Array, keep: int, group: int, n: int, out: Array) -> None:
    """out[r, s] = s // keep * group + the s-th position of row r"""
    unpack(positions, keep, group, out)


def as_csr(positions: Array, keep: int, group: int, n: int) -> tuple[Array, Array]:
    """columns and row_start of an N:M matrix"""
    count = n // group * keep + min(keep, n % group)
    columns = empty((len(positions), count), np.uint32)
    nm_columns(positions, keep, group, n, columns)
    flat, row_start = columns.reshape(-1), np.arange(len(positions) + 1, dtype=np.uint32) * count
    flat.flags.writeable = row_start.flags.writeable = False
    return flat, row_start


def nm_matmul(
    values: Array, positions: Array, keep: int, group: int, x: Array, b: Array | None, kind: str,
    out: Array,
) -> None:  # fmt: skip
    """out = act(A @ x + b)"""
    csr_matmul(values, *as_csr(positions, keep, group, len(x)), x, b, kind, out)


def nm_matmul_t(
    values: Array, positions: Array, keep: int, group: int, n: int, g: Array, out: Array
) -> None:
    """out = A^T @ g"""
    columns, row_start = as_csr(positions, keep, group, n)
    order, rows = empty(columns.shape, np.uint32), empty(columns.shape, np.uint32)
    column_start = np.zeros(n + 1, np.uint32)
    sort_columns(columns, row_start, order, rows, column_start)
    for a in (order, rows, column_start):
        a.flags.writeable = False
    csr_matmul_t(values, order, rows, column_start, g, out)


def nm_sampled(positions: Array, keep: int, group: int, g: Array, x: Array, out: Array) -> None:
    """out = (g @ x^T) at the entries kept"""
    csr_sampled(*as_csr(positions, keep, group, len(x)), g, x, out)
