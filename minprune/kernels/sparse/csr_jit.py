"""Products with a matrix in CSR, compiled: tiles of four registers of x, one at a time.

For each live value of a row: four products into four sums that stay in registers. The tiles of x
are copied first, one behind the other, each row of a tile on whole cache lines: a register that
lies across two lines takes twice as long to load. at, load and store see an array as flat.
"""

from typing import Any

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops, shared
from minprune.kernels.dense.rows_jit import NOTHING, finish
from minprune.kernels.registers_jit import as_written, at, fma, lanes_of, least, load, splat, store
from minprune.kernels.sparse import tiles_jit
from minprune.kernels.sparse.tiles_jit import LINE, TILE, dots, on_lines, pack, put_line
from minprune.kernels.workspace import empty

FLOOR: dict[Any, tuple[Any, Any]] = {  # without relu, with it
    np.dtype(t): (t(-np.inf), t(0)) for t in (np.float32, np.float64)
}
FLOORED = "none", "relu"  # what a floor applies; `finish` applies the others
REUSE = 8  # live values to a row of x from which a copy of x pays


@loops
def row_of_tile(values, index, lo, hi, x, base, pitch, shift, floor, out, to, step):  # type: ignore[no-untyped-def]
    """out = max(sum_k values[k] * x[base + index[k] * pitch :] + shift, floor)      4 registers

    They are written to `to`, `to + step`, ...
    """
    n = lanes_of(x)
    a = b = c = d = splat(shift)
    for k in range(lo, hi):
        as_written()
        v = splat(at(values, k))
        i = base + at(index, k) * pitch
        a = fma(v, load(x, i), a)
        b = fma(v, load(x, i + n), b)
        c = fma(v, load(x, i + 2 * n), c)
        d = fma(v, load(x, i + 3 * n), d)
    store(out, to, least(a, floor))
    store(out, to + step, least(b, floor))
    store(out, to + 2 * step, least(c, floor))
    store(out, to + 3 * step, least(d, floor))


@loops
def row_of_one(values, index, lo, hi, x, base, pitch, shift, floor, out, to):  # type: ignore[no-untyped-def]
    """As row_of_tile, for one register."""
    a = splat(shift)
    for k in range(lo, hi):
        as_written()
        a = fma(splat(at(values, k)), load(x, base + at(index, k) * pitch), a)
    store(out, to, least(a, floor))


@shared
def csr_part(values, index, row_start, x, b, floor, out, scratch, first, last, t0, t1):  # type: ignore[no-untyped-def]
    """out[first:last, t0:t1] = max(A @ x + b, floor)      out: flat; t0: where a tile begins"""
    (n, p), lanes = x.shape, lanes_of(x)
    full = 4 * lanes
    # A copy pays where each row of x is used often enough, or lies across cache lines.
    lines = x.ctypes.data % LINE == 0 and p % lanes == 0
    direct = lines and (p == full or index.size < REUSE * n)
    flat = x.reshape(-1)
    tile = on_lines(scratch)
    rest = np.empty(full, out.dtype)
    for t in range(t0, t1, full):
        count = min(full, t1 - t)
        wide = count > 2 * lanes
        width = full if wide else -(-count // lanes) * lanes
        whole = count == full
        source, base, pitch = (flat, t, p) if direct and whole else (tile, 0, width)
        y = out if whole else rest  # chosen here: inside, each choice would count references
        if not (direct and whole):
            pack(x, t, width, tile)
        for r in range(first, last):
            lo, hi = at(row_start, r), at(row_start, r + 1)
            shift = b[r] if b.size else x.dtype.type(0)
            to = r * p + t if whole else 0
            if wide:
                row_of_tile(
                    values, index, lo, hi, source, base, pitch, shift, floor, y, to, lanes
                )  # fmt: skip
            else:
                for s in range(0, width, lanes):
                    row_of_one(values, index, lo, hi, source, s, pitch, shift, floor, rest, s)
            if not whole:
                put_line(out[r * p + t : r * p + t + count], rest[:count])


@loops
def csr_matvec(values, columns, row_start, x, out):  # type: ignore[no-untyped-def]
    """out[r] = sum_k values[k] * x[columns[k]]      four sums: one would wait"""
    for r in range(out.size):
        k, hi = np.int64(at(row_start, r)), np.int64(at(row_start, r + 1))
        a = b = c = d = x.dtype.type(0)
        while k + 4 <= hi:
            a += at(values, k) * at(x, at(columns, k))
            b += at(values, k + 1) * at(x, at(columns, k + 1))
            c += at(values, k + 2) * at(x, at(columns, k + 2))
            d += at(values, k + 3) * at(x, at(columns, k + 3))
            k += 4
        while k < hi:
            a += at(values, k) * at(x, at(columns, k))
            k += 1
        out[r] = (a + b) + (c + d)


@loops
def csr_transpose(columns, row_start, n, positions, rows, column_start):  # type: ignore[no-untyped-def]
    """positions: the entries sorted by (column, row), by counting      rows: the row of each"""
    column_start[:] = 0
    for k in range(columns.size):
        column_start[columns[k] + 1] += 1
    for c in range(1, column_start.size):
        column_start[c] += column_start[c - 1]
    free = column_start[:-1].copy()
    for r in range(row_start.size - 1):
        for k in range(row_start[r], row_start[r + 1]):
            c = columns[k]
            positions[free[c]] = k
            rows[free[c]] = r
            free[c] += 1


@loops
def take(values, positions, out):  # type: ignore[no-untyped-def]
    """out[k] = values[positions[k]]"""
    for k in range(out.size):
        out[k] = at(values, at(positions, k))


def csr_matmul(
    values: Array, columns: Array, row_start: Array, x: Array, b: Array | None, kind: str,
    out: Array,
) -> None:  # fmt: skip
    """out[r, p] = act(sum_k values[k] * x[columns[k], p] + b[r])      k over row r"""
    (n, p), m = x.shape, len(out)
    if p == 1:
        csr_matvec(values, columns, row_start, x.reshape(-1), out.reshape(-1))
        finish(out, b, kind, 0, 1)
        return
    floor = FLOOR[x.dtype][kind == "relu"]
    width = TILE // x.itemsize
    shift = NOTHING[x.dtype] if b is None else b
    tiles, flat = -(-p // width), out.reshape(-1)

    def part(r0: int, r1: int, t0: int, t1: int) -> None:
        scratch = tiles_jit.scratch_of(n * width, x.dtype)
        csr_part(values, columns, row_start, x, shift, floor, flat, scratch, r0, r1, t0, t1)

    parts = tiles_jit.shares(values.size * p, max(m, tiles))
    if parts == 1:
        part(0, m, 0, p)
    elif tiles < parts:
        tiles_jit.share(lambda lo, hi: part(lo, hi, 0, p), m, parts)
    else:
        tiles_jit.share(lambda lo, hi: part(0, m, lo * width, min(hi * width, p)), tiles, parts)
    if kind not in FLOORED:
        finish(out, None, kind, 0, p)


def csr_matmul_t(
    values: Array, positions: Array, rows: Array, column_start: Array, g: Array, out: Array
) -> None:
    """out = A^T @ g      the values are put in the order of the columns, then as csr_matmul"""
    turned = empty(values.shape, values.dtype)
    take(values, positions, turned)
    csr_matmul(turned, rows, column_start, g, None, "none", out)


@shared
def sample_rows(index, row_start, g, x, scratch, out, first, last):  # type: ignore[no-untyped-def]
    """out[k] = sum_j g[row, j] * x[index[k], j]      rows first .. last - 1, four registers wide"""
    p, lanes = x.shape[1], lanes_of(x)
    width = min(4 * lanes, -(-max(p, 1) // lanes) * lanes)
    line = on_lines(scratch)
    tile = line[4 * lanes :]
    out[at(row_start, first) : at(row_start, last)] = 0
    for t in range(0, p, width):
        pack(x, t, width, tile)
        for r in range(first, last):
            put_line(line[:width], g[r, t : t + width])
            lo, hi = at(row_start, r), at(row_start, r + 1)
            dots(line, 0, 0, tile, 0, 0, index, width, lo, hi, 1, width, out, lo)


def csr_sampled(columns: Array, row_start: Array, g: Array, x: Array, out: Array) -> None:
    """out[k] = sum_p g[row, p] * x[columns[k], p]"""

    def part(first: int, last: int) -> None:
        scratch = tiles_jit.scratch_of((len(x) + 1) * (TILE // x.itemsize), x.dtype)
        sample_rows(columns, row_start, g, x, scratch, out, first, last)

    tiles_jit.share(part, len(g), tiles_jit.shares(columns.size * x.shape[1], len(g)))
