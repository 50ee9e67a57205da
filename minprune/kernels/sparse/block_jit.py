"""Products with block CSR, compiled: four rows by four registers, each loaded once for four.

Long because edges of blocks, rows and batches all have their own few lines.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops
from minprune.kernels.dense.rows_jit import NOTHING, finish
from minprune.kernels.registers_jit import at, fma, lanes_of, least, load, splat, store
from minprune.kernels.sparse.csr_jit import FLOOR, FLOORED
from minprune.kernels.sparse.tiles_jit import TILE, dots, on_lines, pack, put_line, scratch_of
from minprune.kernels.workspace import empty

Pair = tuple[int, int]


@loops
def load4(x, i):  # type: ignore[no-untyped-def]
    """Four registers of x from i on"""
    n = lanes_of(x)
    return load(x, i), load(x, i + n), load(x, i + 2 * n), load(x, i + 3 * n)


@loops
def fma4(v, x, sums):  # type: ignore[no-untyped-def]
    """sums + v * x      four registers"""
    a, b, c, d = sums
    return fma(v, x[0], a), fma(v, x[1], b), fma(v, x[2], c), fma(v, x[3], d)


@loops
def store4(out, to, sums, floor):  # type: ignore[no-untyped-def]
    """out[to:] = max(sums, floor)      four registers"""
    n = lanes_of(out)
    store(out, to, least(sums[0], floor))
    store(out, to + n, least(sums[1], floor))
    store(out, to + 2 * n, least(sums[2], floor))
    store(out, to + 3 * n, least(sums[3], floor))


@loops
def start4(b, r, zero):  # type: ignore[no-untyped-def]
    """b[r] in all lanes of four registers; 0 if b is empty"""
    s = splat(b[r] if b.size else zero)
    return s, s, s, s


@loops
def four_rows(values, s, i, h, index, lo, hi, size, n, tile, b, r, floor, out, to, step):  # type: ignore[no-untyped-def]
    """Rows i .. i + 3 of a row of blocks of height h, whose values begin at s"""
    zero, width = tile.dtype.type(0), 4 * lanes_of(tile)
    p, q = start4(b, r, zero), start4(b, r + 1, zero)
    u, v = start4(b, r + 2, zero), start4(b, r + 3, zero)
    for k in range(lo, hi):
        first = np.int64(at(index, k)) * size
        w = min(size, n - first)
        row = s + i * w
        for j in range(w):
            x = load4(tile, (first + j) * width)
            p = fma4(splat(at(values, row + j)), x, p)
            q = fma4(splat(at(values, row + w + j)), x, q)
            u = fma4(splat(at(values, row + 2 * w + j)), x, u)
            v = fma4(splat(at(values, row + 3 * w + j)), x, v)
        s += h * w
    store4(out, to, p, floor)
    store4(out, to + step, q, floor)
    store4(out, to + 2 * step, u, floor)
    store4(out, to + 3 * step, v, floor)


@loops
def one_row(values, s, i, h, index, lo, hi, size, n, tile, b, r, floor, out, to):  # type: ignore[no-untyped-def]
    """As four_rows, for row i alone"""
    width = 4 * lanes_of(tile)
    p = start4(b, r, tile.dtype.type(0))
    for k in range(lo, hi):
        first = np.int64(at(index, k)) * size
        w = min(size, n - first)
        row = s + i * w
        for j in range(w):
            p = fma4(splat(at(values, row + j)), load4(tile, (first + j) * width), p)
        s += h * w
    store4(out, to, p, floor)


@loops
def area(index, lo, hi, size, n):  # type: ignore[no-untyped-def]
    """The sum of the widths of blocks lo .. hi - 1"""
    total = 0
    for k in range(lo, hi):
        total += min(size, n - np.int64(at(index, k)) * size)
    return total


@loops
def block_rows(values, index, row_start, size, x, b, floor, out, m, scratch):  # type: ignore[no-untyped-def]
    """out = max(A @ x + b, floor)      tile by tile; out: (m, p), flat"""
    (n, p), full = x.shape, 4 * lanes_of(x)
    tile = on_lines(scratch)
    rest = np.empty(4 * full, out.dtype)
    for t in range(0, p, full):
        pack(x, t, full, tile)
        count = min(full, p - t)
        y, step = (out, p) if count == full else (rest, full)
        s = 0
        for block in range(row_start.size - 1):
            lo, hi = np.int64(at(row_start, block)), np.int64(at(row_start, block + 1))
            h = min(size, m - block * size)
            i = 0
            while i < h:
                r = block * size + i
                to = r * p + t if count == full else 0
                if i + 4 <= h:
                    four_rows(
                        values, s, i, h, index, lo, hi, size, n, tile, b, r, floor, y, to, step
                    )
                    rows = 4
                else:
                    one_row(values, s, i, h, index, lo, hi, size, n, tile, b, r, floor, y, to)
                    rows = 1
                if count < full:
                    for q in range(rows):
                        to = (r + q) * p + t
                        put_line(out[to : to + count], rest[q * full : q * full + count])
                i += rows
            s += h * area(index, lo, hi, size, n)


@loops
def block_dots(values, index, row_start, size, x, out):  # type: ignore[no-untyped-def]
    """out = A @ x      x: (n,), out: (m,)"""
    s = 0
    for block in range(row_start.size - 1):
        rows = out[block * size : (block + 1) * size]
        rows[:] = 0
        a = b = c = d = x.dtype.type(0)
        for k in range(row_start[block], row_start[block + 1]):
            first = np.int64(at(index, k)) * size
            w = min(size, x.size - first)
            if size == 4 and w == 4 and rows.size == 4:  # the usual block, its sums in registers
                for j in range(4):
                    v = at(x, first + j)
                    a += at(values, s + j) * v
                    b += at(values, s + 4 + j) * v
                    c += at(values, s + 8 + j) * v
                    d += at(values, s + 12 + j) * v
                s += 16
                continue
            for i in range(rows.size):
                part = x.dtype.type(0)
                for j in range(w):
                    part += at(values, s + j) * at(x, first + j)
                rows[i] += part
                s += w
        if size == 4 and rows.size == 4:
            for i, part in enumerate((a, b, c, d)):
                rows[i] += part


@loops
def turn_blocks(values, positions, rows, column_start, size, m, n, out):  # type: ignore[no-untyped-def]
    """out: the values of A^T, block by block, each block transposed"""
    starts = np.zeros(positions.size + 1, np.int64)
    for c in range(column_start.size - 1):
        w = min(size, n - c * size)
        for k in range(column_start[c], column_start[c + 1]):
            starts[positions[k] + 1] = w * min(size, m - np.int64(rows[k]) * size)
    for k in range(positions.size):
        starts[k + 1] += starts[k]
    to = 0
    for c in range(column_start.size - 1):
        w = min(size, n - c * size)
        for k in range(column_start[c], column_start[c + 1]):
            s, h = starts[positions[k]], min(size, m - np.int64(rows[k]) * size)
            for j in range(w):
                for i in range(h):
                    out[to] = at(values, s + i * w + j)
                    to += 1


@loops
def sample_blocks(index, row_start, size, g, x, scratch, out):  # type: ignore[no-untyped-def]
    """out = (g @ x^T) at the entries of the blocks      tile by tile"""
    (n, p), m = x.shape, g.shape[0]
    full = 4 * lanes_of(x)
    line = on_lines(scratch)
    tile = line[full:]
    most = 0  # columns in a row of blocks; above n where a block stands there twice
    for block in range(row_start.size - 1):
        most = max(most, area(index, row_start[block], row_start[block + 1], size, n))
    columns, part = np.empty(most, np.uint32), np.empty(most, out.dtype)
    out[:] = 0
    for t in range(0, p, full):
        pack(x, t, full, tile)
        s = 0
        for block in range(row_start.size - 1):
            count = 0
            for k in range(row_start[block], row_start[block + 1]):
                first = np.int64(index[k]) * size
                for c in range(first, min(first + size, n)):
                    columns[count] = c
                    count += 1
            h = min(size, m - block * size)
            for i in range(h):
                put_line(line[:full], g[block * size + i, t : t + full])
                part[:] = 0
                dots(line, 0, 0, tile, 0, 0, columns, full, 0, count, 1, full, part, 0)
                c, to = 0, s
                while c < count:
                    w = min(size, n - np.int64(columns[c]))
                    for j in range(w):
                        out[to + i * w + j] += part[c + j]
                    to += h * w
                    c += w
            s += h * count


def block_matmul(
    values: Array, columns: Array, row_start: Array, size: int, shape: Pair, x: Array,
    b: Array | None, kind: str, out: Array,
) -> None:  # fmt: skip
    """out = act(A @ x + b)"""
    m, p = out.shape
    if p == 1:
        block_dots(values, columns, row_start, size, x.reshape(-1), out.reshape(-1))
        finish(out, b, kind, 0, 1)
        return
    floor = FLOOR[x.dtype][kind == "relu"]
    shift = NOTHING[x.dtype] if b is None else b
    scratch = scratch_of(len(x) * (TILE // x.itemsize), x.dtype)
    block_rows(values, columns, row_start, size, x, shift, floor, out.reshape(-1), m, scratch)
    if kind not in FLOORED:
        finish(out, None, kind, 0, p)


def block_matmul_t(
    values: Array, positions: Array, rows: Array, column_start: Array, size: int, shape: Pair,
    g: Array, out: Array,
) -> None:  # fmt: skip
    """out = A^T @ g"""
    m, n = shape
    turned = empty(values.shape, values.dtype)
    turn_blocks(values, positions, rows, column_start, size, m, n, turned)
    block_matmul(turned, rows, column_start, size, (n, m), g, None, "none", out)


def block_sampled(
    columns: Array, row_start: Array, size: int, stored: int, g: Array, x: Array, out: Array
) -> None:
    """out = (g @ x^T) at the entries of the blocks"""
    scratch = scratch_of((len(x) + 1) * (TILE // x.itemsize), x.dtype)
    sample_blocks(columns, row_start, size, g, x, scratch, out)
