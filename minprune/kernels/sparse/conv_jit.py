"""Direct sparse convolution, compiled: no unfold, a live weight is a product with a shifted image.

The copied image is in image_jit. The gradient of the input: the loop of the forward pass over a
copy of g, once for each phase of the input. Of the live weights: for each, the product of g with
its window of the copied image.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops, shared
from minprune.kernels.dense.rows_jit import NOTHING, finish
from minprune.kernels.registers_jit import at, lanes_of
from minprune.kernels.sparse import image_jit
from minprune.kernels.sparse.csr_jit import FLOOR, FLOORED
from minprune.kernels.sparse.image_jit import all_positions, offsets, pack_image
from minprune.kernels.sparse.tiles_jit import dots, on_lines, put_line, scratch_of, share, shares

Pair = tuple[int, int]
Sides = tuple[int, ...]
SLAB = 512 * 1024  # bytes of the image that are worked on at a time: they stay in the cache


@loops
def turn(values, columns, row_start, window, i_group, o_group, sy, sx, plane, lines, find):  # type: ignore[no-untyped-def]
    """The weights of one phase, by input channel: values, offsets into the copy of g, row starts

    window: (ky, kx, dy, dx); find: (phase y, phase x, u); lines: (top, left, wq) of the copy;
    plane: its entries a channel.
    """
    a, b, u = find
    ky, kx, dy, dx = window
    taps = ky * kx
    top, left, wq = lines
    groups = (row_start.size - 1) // o_group
    start = np.zeros(groups * i_group + 1, np.uint32)
    for fill in range(2):
        if fill:
            for r in range(1, start.size):
                start[r] += start[r - 1]
            turned = np.empty(start[-1], values.dtype)
            where = np.empty(start[-1], np.uint32)
            free = start[:-1].copy()
        for o in range(row_start.size - 1):
            for k in range(row_start[o], row_start[o + 1]):
                c = np.int64(columns[k])
                x, y, c = c % kx * dx, c // kx % ky * dy, c // taps
                if y % sy != a or x % sx != b:
                    continue
                r = o // o_group * i_group + c
                if fill:
                    to = free[r]
                    turned[to] = values[k]
                    where[to] = o * plane + ((top - y // sy) * wq + left - x // sx) * u
                    free[r] += 1
                else:
                    start[r + 1] += 1
    return turned, where, start


@shared
def conv_dots(where, row_start, g, x, out, geometry, u, scratch, r0, r1):  # type: ignore[no-untyped-def]
    """out[k] = sum over positions and samples of g[r] * the window of weight k      r0 <= r < r1"""
    sy, sx, py, px, hq, wq, groups = geometry
    o, oh, ow, n = g.shape
    lanes = lanes_of(x)
    image = on_lines(scratch)
    line = wq * u
    whole = u == lanes  # else the gaps between the lines are multiplied by zeros
    plane, per = x.shape[0] // groups * sy * sx * hq * wq * u, o // groups
    # So many lines at a time that what they meet of the image stays in the cache.
    slab = min(oh, max(1, SLAB // (x.shape[0] * sy * sx * line * x.itemsize))) if whole else oh
    length = ow * u if whole else -(-oh * line // lanes) * lanes
    part = np.zeros((slab if whole else 1) * length, g.dtype)
    out[at(row_start, r0) : at(row_start, r1)] = 0
    for block in range(-(-n // u)):
        first = block * u
        pack_image(x, first, u, sy, sx, py, px, hq, wq, scratch)
        there = min(u, n - first)
        for y0 in range(0, oh, slab):
            lines = min(slab, oh - y0)
            for r in range(r0, r1):
                for y in range(lines):
                    for k in range(ow):
                        to = y * length + k * u if whole else y * line + k * u
                        source = g[r, y0 + y, k, first : first + there]
                        put_line(part[to : to + u], source)
                lo, hi = row_start[r], row_start[r + 1]
                start = r // per * plane + y0 * line
                count = lines if whole else 1
                dots(
                    part, 0, length, image, start, line, where, 1, lo, hi, count, length, out, lo
                )  # fmt: skip


def layout(
    columns: Array,
    kernel: Pair,
    x: Array,
    stride: Pair,
    padding: Sides,
    groups: int,
    dilation: Pair,
) -> tuple[int, int, int, Array, int]:
    """Samples in a block, sides of the copied image, where each weight reads it, its entries"""
    u, (hq, wq) = image_jit.blocking(x.shape[3], x.dtype), image_jit.sides(x.shape, stride, padding)
    where = np.empty(columns.shape, np.uint32)
    offsets(columns, len(x) // groups, *kernel, *stride, *dilation, hq, wq, u, where)
    return u, hq, wq, where, image_jit.room(len(x), stride[0] * stride[1], hq, wq, u, x.itemsize)


def csr_conv2d(
    values: Array, columns: Array, row_start: Array, kernel: Pair, x: Array, b: Array | None,
    stride: Pair, padding: Sides, groups: int, kind: str, dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """out = act(conv2d(x, w) + b)      w: (o, i/groups*ky*kx) in CSR"""
    (c, _, _, n), (o, oh, ow, _) = x.shape, out.shape
    phases = stride[0] * stride[1]
    u, hq, wq, where, size = layout(columns, kernel, x, stride, padding, groups, dilation)
    floor = FLOOR[x.dtype][kind == "relu"]
    shift = NOTHING[x.dtype] if b is None else b
    scratch = scratch_of(size, x.dtype)
    plane = phases * hq * wq * u
    walk = 0, wq * u, c // groups * plane if groups > 1 else 0, o // groups
    grid = 0, 1, oh, 0, 1, ow
    for first in range(0, n, u):
        pack_image(x, first, u, *stride, *padding[:2], hq, wq, scratch)
        all_positions(
            values, where, row_start, scratch, walk, u, shift, floor, out, grid, first
        )  # fmt: skip
    if kind not in FLOORED:
        finish(out.reshape(o, -1), None, kind, 0, out[0].size)


def csr_conv2d_grad_input(
    values: Array, columns: Array, row_start: Array, kernel: Pair, g: Array,
    shape: tuple[int, ...], stride: Pair, padding: Sides, groups: int, dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """dx = the adjoint of csr_conv2d in x      one phase of x after the other"""
    (sy, sx), (py, px) = stride, padding[:2]
    (o, _, _, n), (i, h, w, _) = g.shape, shape
    u = image_jit.blocking(n, g.dtype)
    top, left = ((kernel[k] - 1) * dilation[k] // stride[k] for k in (0, 1))
    hq, wq = image_jit.sides(shape, stride, padding)
    hq, wq = hq + top, wq + left
    scratch = scratch_of(image_jit.room(o, 1, hq, wq, u, g.itemsize), g.dtype)
    floor, none = FLOOR[g.dtype][0], NOTHING[g.dtype]
    turned = [
        turn(
            values, columns, row_start, (*kernel, *dilation), i // groups, o // groups, sy, sx,
            hq * wq * u, (top, left, wq), (phase // sx, phase % sx, u),
        )
        for phase in range(sy * sx)
    ]  # fmt: skip
    for _, _, start in turned:
        start.flags.writeable = False  # one type for Numba, here and in the forward pass
    for first in range(0, n, u):
        pack_image(g, first, u, 1, 1, top, left, hq, wq, scratch)
        for phase, (weights, where, start) in enumerate(turned):
            a, b = phase // sx, phase % sx
            t0, s0 = max(-(-(py - a) // sy), 0), max(-(-(px - b) // sx), 0)
            y0, x0 = t0 * sy + a - py, s0 * sx + b - px
            if y0 < h and x0 < w:
                grid = y0, sy, -(-(h - y0) // sy), x0, sx, -(-(w - x0) // sx)
                walk = (t0 * wq + s0) * u, wq * u, 0, i
                all_positions(
                    weights, where, start, scratch, walk, u, none, floor, out, grid, first
                )  # fmt: skip


def csr_conv2d_grad_weight(
    columns: Array, row_start: Array, kernel: Pair, g: Array, x: Array, stride: Pair,
    padding: Sides, groups: int, dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """dvalues = the adjoint of csr_conv2d in the values"""
    u, hq, wq, where, size = layout(columns, kernel, x, stride, padding, groups, dilation)
    geometry = *stride, *padding[:2], hq, wq, groups

    def part(r0: int, r1: int) -> None:
        scratch = scratch_of(size, x.dtype)
        conv_dots(where, row_start, g, x, out, geometry, u, scratch, r0, r1)

    share(part, len(g), shares(columns.size * g[0].size, len(g)))
