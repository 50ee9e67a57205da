"""Unfold, fold and convolution, compiled. Convolutions are computed in tiles of output positions.

A tile of cols (i*ky*kx, positions*n) stays in the caches; it is unfolded, multiplied by BLAS
straight into its columns of the result; bias and activation follow while it is in the cache.
"""

from math import gcd

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops
from minprune.kernels.dense.rows_jit import finish
from minprune.kernels.workspace import empty

Pair = tuple[int, int]
Sides = tuple[int, ...]
PLAIN = (1, 1), (1, 1), (0, 0)  # kernel, stride and padding that read x as it is
COLUMNS = 512  # of a tile
TILE = 4 * 1024 * 1024  # bytes, at most
SMALL = 1_000_000  # multiply-adds; below, OpenBLAS (AVX-512) skips packing: twice as fast


@loops
def unfold_tile(x, cols, ky, kx, sy, sx, py, px, dy, dx, ow, p0, p1):  # type: ignore[no-untyped-def]
    """cols[(c, y, x), (p - p0, n)] = padded[c, oy*sy + y*dy, ox*sx + x*dx, n]   p = oy*ow + ox"""
    _, h, w, n = x.shape
    flat = x.reshape(-1)
    p = p0
    while p < p1:  # one run of positions on one output line at a time
        oy, ox = p // ow, p % ow
        run = min(ow - ox, p1 - p)
        start, stop = (p - p0) * n, (p - p0 + run) * n
        p += run
        for r in range(cols.shape[0]):
            row = cols[r, start:stop]
            iy = oy * sy + r // kx % ky * dy - py
            ix = ox * sx + r % kx * dx - px
            line = (r // (kx * ky) * h + iy) * w
            if iy < 0 or iy >= h:
                row[:] = 0
            elif sx == 1:  # a run in the image, too, cut at its edges
                left = min(max(-ix, 0), run)
                right = max(min(run, w - ix), left)
                if left > 0:
                    row[: left * n] = 0
                if right < run:
                    row[right * n :] = 0
                source, target = flat[(line + ix + left) * n :], row[left * n : right * n]
                for j in range(target.size):
                    target[j] = source[j]
            else:
                for q in range(run):
                    target = row[q * n : (q + 1) * n]
                    if ix < 0 or ix >= w:
                        target[:] = 0
                    else:
                        source = flat[(line + ix) * n :]
                        for j in range(target.size):
                            target[j] = source[j]
                    ix += sx


@loops
def fold_tile(cols, out, ky, kx, sy, sx, py, px, dy, dx, ow, p0, p1):  # type: ignore[no-untyped-def]
    """padded[c, oy*sy + y*dy, ox*sx + x*dx, n] += cols[(c, y, x), (p - p0, n)]   p = oy*ow + ox"""
    _, h, w, n = out.shape
    flat = out.reshape(-1)
    p = p0
    while p < p1:
        oy, ox = p // ow, p % ow
        run = min(ow - ox, p1 - p)
        start, stop = (p - p0) * n, (p - p0 + run) * n
        p += run
        for r in range(cols.shape[0]):
            row = cols[r, start:stop]
            iy = oy * sy + r // kx % ky * dy - py
            ix = ox * sx + r % kx * dx - px
            line = (r // (kx * ky) * h + iy) * w
            if iy < 0 or iy >= h:
                continue
            if sx == 1:
                left = min(max(-ix, 0), run)
                right = max(min(run, w - ix), left)
                source, target = row[left * n : right * n], flat[(line + ix + left) * n :]
                for j in range(source.size):
                    target[j] += source[j]
            else:
                for q in range(run):
                    if ix >= 0 and ix < w:
                        source, target = row[q * n : (q + 1) * n], flat[(line + ix) * n :]
                        for j in range(source.size):
                            target[j] += source[j]
                    ix += sx


def tiling(rows: int, o: int, size: int, n: int, dtype: np.dtype[np.floating]) -> tuple[int, Array]:
    """How many of `size` output positions make a tile, and a buffer for the columns of one

    positions * n is a multiple of 16 where it can be.
    """
    columns = COLUMNS
    if o * rows * columns <= SMALL:
        columns = SMALL // (o * rows)
    columns = min(columns, TILE // (rows * dtype.itemsize))
    step = max(columns // max(n, 1), 1)
    even = 16 // gcd(16, n)  # BLAS works on 16 columns at a time, and is 5 % slower with a rest
    step = step - step % even if step > even else step
    return step, empty((rows * min(step, size) * n,), dtype)


def columns_of(
    x: Array, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, ow: int, p0: int, p1: int,
    buffer: Array,
) -> Array:  # fmt: skip
    """The columns of positions p0 .. p1 - 1: in the buffer, or part of x where they are that"""
    n = x.shape[3]
    if (kernel, stride, padding) == PLAIN:
        return x.reshape(len(x), -1)[:, p0 * n : p1 * n]
    rows = len(x) * kernel[0] * kernel[1]
    cols = buffer[: rows * (p1 - p0) * n].reshape(rows, -1)
    unfold_tile(x, cols, *kernel, *stride, *padding[:2], *dilation, ow, p0, p1)
    return cols


def wide(size: int, kernel: int, stride: int, padding: Sides, dilation: int) -> int:
    """ow      of a line of so many entries"""
    return (size + padding[1] + padding[-1] - (kernel - 1) * dilation - 1) // stride + 1


def unfold(
    x: Array, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, out: Array
) -> None:
    """cols[(c, y, x), (oy, ox, n)] = padded[c, oy*sy + y*dy, ox*sx + x*dx, n]"""
    ow = wide(x.shape[2], kernel[1], stride[1], padding, dilation[1])
    count = out.shape[1] // max(x.shape[3], 1)
    unfold_tile(x, out, *kernel, *stride, *padding[:2], *dilation, ow, 0, count)


def fold(
    cols: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Sides,
    dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """padded[c, oy*sy + y*dy, ox*sx + x*dx, n] += cols[(c, y, x), (oy, ox, n)]; the rim is cut"""
    ow = wide(out.shape[2], kernel[1], stride[1], padding, dilation[1])
    count = cols.shape[1] // max(out.shape[3], 1)
    out.fill(0)
    fold_tile(cols, out, *kernel, *stride, *padding[:2], *dilation, ow, 0, count)


def conv2d(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Sides, groups: int, kind: str,
    dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """out = act(w @ unfold(x) + b)      tile by tile"""
    o, oh, ow, n = out.shape
    og, ig, size = o // groups, w.shape[1], oh * ow
    step, buffer = tiling(w[0].size, og, size, n, x.dtype)
    for k in range(groups):
        group = slice(k * og, (k + 1) * og)
        ws, ys, xs = w[group].reshape(og, -1), out[group].reshape(og, -1), x[k * ig : (k + 1) * ig]
        bs = None if b is None else b[group]
        for p0 in range(0, size, step):
            p1 = min(p0 + step, size)
            cols = columns_of(xs, w.shape[2:], stride, padding, dilation, ow, p0, p1, buffer)
            np.matmul(ws, cols, out=ys[:, p0 * n : p1 * n])
            finish(ys, bs, kind, p0 * n, p1 * n)


def conv2d_grad_input(
    g: Array, w: Array, shape: tuple[int, ...], stride: Pair, padding: Sides, groups: int,
    dilation: Pair, out: Array,
) -> None:  # fmt: skip
    """dx = fold(w^T @ g)      tile by tile"""
    o, oh, ow, n = g.shape
    kernel, og, ig, size = w.shape[2:], o // groups, w.shape[1], oh * ow
    step, buffer = tiling(w[0].size, og, size, n, g.dtype)
    plain = (kernel, stride, padding) == PLAIN
    if not plain:
        out.fill(0)
    for k in range(groups):
        group = slice(k * og, (k + 1) * og)
        ws, gs = w[group].reshape(og, -1).T, g[group].reshape(og, -1)
        dx = out[k * ig : (k + 1) * ig]
        if plain:
            np.matmul(ws, gs, out=dx.reshape(ig, -1))
            continue
        for p0 in range(0, size, step):
            p1 = min(p0 + step, size)
            cols = buffer[: len(ws) * (p1 - p0) * n].reshape(len(ws), -1)
            np.matmul(ws, gs[:, p0 * n : p1 * n], out=cols)
            fold_tile(cols, dx, *kernel, *stride, *padding[:2], *dilation, ow, p0, p1)


def conv2d_grad_weight(
    g: Array, x: Array, kernel: Pair, stride: Pair, padding: Sides, groups: int, dilation: Pair,
    out: Array,
) -> None:  # fmt: skip
    """dw = sum over tiles of g @ unfold(x)^T"""
    o, oh, ow, n = g.shape
    og, ig, rows, size = o // groups, out.shape[1], out[0].size, oh * ow
    step, buffer = tiling(rows, og, size, n, g.dtype)
    turned = rows >= og  # dw^T = unfold(x) @ g^T: BLAS is a quarter faster with the long side first
    part = empty((rows, og) if turned else (og, rows), g.dtype)
    total = empty(part.shape, g.dtype)
    for k in range(groups):
        group = slice(k * og, (k + 1) * og)
        gs, xs = g[group].reshape(og, -1), x[k * ig : (k + 1) * ig]
        total.fill(0)
        for p0 in range(0, size, step):
            p1 = min(p0 + step, size)
            cols = columns_of(xs, kernel, stride, padding, dilation, ow, p0, p1, buffer)
            these = gs[:, p0 * n : p1 * n]
            np.matmul(*((cols, these.T) if turned else (these, cols.T)), out=part)
            np.add(total, part, out=total)
        out[group].reshape(og, rows)[...] = total.T if turned else total
