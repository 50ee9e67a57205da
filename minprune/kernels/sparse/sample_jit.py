"""Products of rows with rows at given places only, compiled: the gradient of live values.

For each four live values of a row: the row of g is loaded once, four sums stay in registers.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops, shared
from minprune.kernels.registers_jit import at, fma, lanes_of, load, splat, total
from minprune.kernels.sparse.scratch_jit import (
    TILE,
    on_lines,
    pack,
    put_line,
    scratch_of,
    share,
    shares,
)


@loops
def dots(g, base, g_pitch, x, start, x_pitch, index, step, lo, hi, lines, length, out, to):  # type: ignore[no-untyped-def]
    """out[to + k - lo] += sum over lines, j < length of g * x      for k in lo .. hi - 1

    g[base + y * g_pitch + j], x[start + index[k] * step + y * x_pitch + j]. Four k at a time, so
    that g is loaded once for four. length: whole registers.
    """
    n = lanes_of(x)
    zero = splat(x.dtype.type(0))
    k, to = np.int64(lo), np.int64(to)
    while k + 4 <= hi:
        a = b = c = d = zero
        ia, ib = start + at(index, k) * step, start + at(index, k + 1) * step
        ic, id_ = start + at(index, k + 2) * step, start + at(index, k + 3) * step
        for y in range(lines):
            row, line = base + y * g_pitch, y * x_pitch
            for j in range(0, length, n):
                v = load(g, row + j)
                a = fma(v, load(x, ia + line + j), a)
                b = fma(v, load(x, ib + line + j), b)
                c = fma(v, load(x, ic + line + j), c)
                d = fma(v, load(x, id_ + line + j), d)
        out[to] += total(a)
        out[to + 1] += total(b)
        out[to + 2] += total(c)
        out[to + 3] += total(d)
        to += 4
        k += 4
    while k < hi:
        a = zero
        i = start + at(index, k) * step
        for y in range(lines):
            for j in range(0, length, n):
                v = load(x, i + y * x_pitch + j)
                a = fma(load(g, base + y * g_pitch + j), v, a)
        out[to] += total(a)
        to += 1
        k += 1


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
        scratch = scratch_of((len(x) + 1) * (TILE // x.itemsize), x.dtype)
        sample_rows(columns, row_start, g, x, scratch, out, first, last)

    share(part, len(g), shares(columns.size * x.shape[1], len(g)))
