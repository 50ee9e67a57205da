"""The padded image of direct sparse convolution, copied so that a weight is one offset into it.

The image is copied once, so that every weight (c, y, x) is one offset into it, whatever the
stride: samples in blocks of u (a register, or all where there are fewer), rows and columns of each
phase (position mod stride) together. Then output positions side by side lie side by side in the
copy, and the loop is that of CSR: a tile of four registers of positions, an offset for a column.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops, shared
from minprune.kernels.registers_jit import BYTES, at, lanes_of, load, store
from minprune.kernels.sparse.csr_jit import row_of_one, row_of_tile
from minprune.kernels.sparse.tiles_jit import on_lines, put_line, share, shares

Pair = tuple[int, int]
Walk = tuple[int, int, int, int]
Grid = tuple[int, int, int, int, int, int]


@loops
def room(channels, phases, hq, wq, u, itemsize):  # type: ignore[no-untyped-def]
    """How many entries the copy has, with a line and a tile beyond the end that are read as zeros

    A line: the gradient of the last weight of a kernel walks over whole lines from its own place.
    """
    return (channels * phases * hq + 1) * wq * u + 4 * BYTES // itemsize


@loops
def pack_image(x, first, u, sy, sx, py, px, hq, wq, scratch):  # type: ignore[no-untyped-def]
    """image[c, a, b, y, x, :u] = padded[c, y*sy + a, x*sx + b, first : first + u]      0 outside

    The image is the scratch from its first cache line on.
    """
    channels, h, w, n = x.shape
    there = min(u, n - first)
    register = there == u and u * x.itemsize == BYTES
    image = on_lines(scratch)[: room(channels, sy * sx, hq, wq, u, x.itemsize)]
    covered = hq * sy == h and wq * sx == w and there == u  # else something is outside of x
    image[channels * h * w * u if covered else 0 :] = 0
    flat = x.reshape(-1)
    for c in range(channels):
        for phase in range(sy * sx):
            a, b = phase // sx, phase % sx
            for y in range(hq):
                iy = y * sy + a - py
                if iy < 0 or iy >= h:
                    continue
                to = (((c * sy * sx + phase) * hq + y) * wq) * u
                if sx == 1 and u == n:  # a line of x lies in one piece
                    put_line(image[to + px * u : to + (px + w) * u], x[c, iy].reshape(-1))
                    continue
                for k in range(wq):
                    ix = k * sx + b - px
                    if ix < 0 or ix >= w:
                        continue
                    start = ((c * h + iy) * w + ix) * n + first
                    if register:
                        store(image, to + k * u, load(flat, start))
                        continue
                    put_line(image[to + k * u : to + k * u + there], flat[start : start + there])


@loops
def offsets(columns, channels, ky, kx, sy, sx, dy, dx, hq, wq, u, out):  # type: ignore[no-untyped-def]
    """out[k] = where in the image the window of the weight columns[k] = (c, y, x) begins"""
    table = np.empty(channels * ky * kx, np.uint32)
    to = 0
    for c in range(channels):
        for y in range(0, ky * dy, dy):
            for x in range(0, kx * dx, dx):
                plane = (c * sy + y % sy) * sx + x % sx
                table[to] = (plane * hq * wq + y // sy * wq + x // sx) * u
                to += 1
    for k in range(columns.size):
        out[k] = at(table, at(columns, k))


@loops
def scatter(source, at_, step, out, r, y, x, dx, first, count):  # type: ignore[no-untyped-def]
    """out[r, y, x + k*dx, first:] = source[at_ + k*step :]      k below count"""
    if dx == 1 and step == out.shape[3]:
        target = out[r, y, x : x + count].reshape(-1)
        for j in range(target.size):
            target[j] = source[at_ + j]
        return
    for k in range(count):
        target = out[r, y, x + k * dx, first : first + step]
        for j in range(target.size):
            target[j] = source[at_ + k * step + j]


@shared
def positions(values, where, row_start, scratch, walk, u, b, floor, out, grid, r0, r1, first):  # type: ignore[no-untyped-def]
    """out[r, y0 + t*dy, x0 + s*dx, first :] = max(sum_k values[k] * image[...] + b, floor)

    The image entry is base + r // per * jump + where[k] + t*line + s*u; walk: (base, line, jump,
    per), grid: (y0, dy, t's, x0, dx, s's). Rows r0 .. r1 - 1.
    """
    base, line, jump, per = walk
    y0, dy, ts, x0, dx, ss = grid
    image = on_lines(scratch)
    lanes = lanes_of(image)
    n = out.shape[3]
    flat = out.reshape(-1)
    zero = image.dtype.type(0)
    if u == lanes:  # a register to a position
        rest = np.empty(4 * lanes, out.dtype)
        for t in range(ts):
            y = y0 + t * dy
            for s in range(0, ss, 4):
                count, x = min(4, ss - s), x0 + s * dx
                whole = count == 4 and first + lanes <= n
                z, step = (flat, dx * n) if whole else (rest, lanes)
                corner = base + t * line + s * u
                for r in range(r0, r1):
                    lo, hi = at(row_start, r), at(row_start, r + 1)
                    i = corner + (r // per * jump if jump else 0)
                    shift = at(b, r) if b.size else zero
                    to = ((r * out.shape[1] + y) * out.shape[2] + x) * n + first
                    to = to if whole else 0
                    if count > 2:
                        row_of_tile(
                            values, where, lo, hi, image, i, 1, shift, floor, z, to, step
                        )  # fmt: skip
                    else:
                        for k in range(0, count * lanes, lanes):
                            row_of_one(
                                values, where, lo, hi, image, i + k, 1, shift, floor, rest, k
                            )
                    if not whole:
                        scatter(rest, 0, u, out, r, y, x, dx, first, count)
        return
    length = (ts - 1) * line + ss * u  # a few samples: the whole plane is one row, gaps and all
    rest = np.empty(length + 4 * lanes, out.dtype)
    for r in range(r0, r1):
        lo, hi = at(row_start, r), at(row_start, r + 1)
        i = base + r // per * jump
        shift = at(b, r) if b.size else zero
        k = 0
        while k + 2 * lanes < length:
            row_of_tile(values, where, lo, hi, image, i + k, 1, shift, floor, rest, k, lanes)
            k += 4 * lanes
        while k < length:
            row_of_one(values, where, lo, hi, image, i + k, 1, shift, floor, rest, k)
            k += lanes
        for t in range(ts):
            scatter(rest, t * line, u, out, r, y0 + t * dy, x0, dx, first, ss)


def all_positions(
    values: Array, where: Array, row_start: Array, scratch: Array, walk: Walk, u: int, b: Array,
    floor: float, out: Array, grid: Grid, first: int,
) -> None:  # fmt: skip
    """positions for all rows, shared out among the threads where there is enough to do"""

    def part(lo: int, hi: int) -> None:
        positions(values, where, row_start, scratch, walk, u, b, floor, out, grid, lo, hi, first)

    share(part, len(out), shares(values.size * grid[2] * grid[5] * u, len(out)))


def blocking(n: int, dtype: np.dtype[np.floating]) -> int:
    """How many samples make a block: a register, or all if they are fewer"""
    return min(n, BYTES // dtype.itemsize)


def sides(shape: tuple[int, ...], stride: Pair, padding: tuple[int, ...]) -> Pair:
    """(hq, wq) of the copy of an image: its padded sides, in strides"""
    hq, wq = (-(-(shape[k + 1] + padding[k] + padding[k - 2]) // stride[k]) for k in (0, 1))
    return hq, wq
