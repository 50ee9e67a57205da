"""Unfold, fold and convolution, compiled. The convolutions go through in tiles of output positions.

A tile of cols (i*ky*kx, positions*n) stays in the caches; it is unfolded, multiplied by BLAS
straight into its columns of the result, and bias and activation follow while it is there.
"""

from math import gcd

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops
from minprune.kernels.dense.rows_jit import finish
from minprune.kernels.workspace import empty

Pair = tuple[int, int]
COLUMNS = 512  # of a tile
TILE = 4 * 1024 * 1024  # bytes, at most
SMALL = 1_000_000  # multiply-adds; below, OpenBLAS (AVX-512) skips packing: twice as fast


@loops
def unfold_tile(x, cols, ky, kx, sy, sx, py, px, ow, p0, p1):  # type: ignore[no-untyped-def]
    """cols[(c, y, x), (p - p0, n)] = padded[c, oy*sy + y, ox*sx + x, n]      p = oy*ow + ox"""
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
            iy = oy * sy + r // kx % ky - py
            ix = ox * sx + r % kx - px
            line = (r // (kx * ky) * h + iy) * w
            if iy < 0 or iy >= h:
                row[:] = 0
            elif sx == 1:  # a run in the image, too, but for what hangs over its rim
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
def fold_tile(cols, out, ky, kx, sy, sx, py, px, ow, p0, p1):  # type: ignore[no-untyped-def]
    """padded[c, oy*sy + y, ox*sx + x, n] += cols[(c, y, x), (p - p0, n)]      p = oy*ow + ox"""
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
            iy = oy * sy + r // kx % ky - py
            ix = ox * sx + r % kx - px
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


def tiling(rows: int, o: int, n: int, itemsize: int) -> int:
    """How many output positions make a tile; positions * n is a multiple of 16 where it can be."""
    columns = COLUMNS
    if o * rows * columns <= SMALL:
        columns = SMALL // (o * rows)
    columns = min(columns, TILE // (rows * itemsize))
    step = max(columns // max(n, 1), 1)
    even = 16 // gcd(16, n)  # BLAS works on 16 columns at a time, and is 5 % slower with a rest
    return step - step % even if step > even else step


def unfold(x: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """cols[(c, y, x), (oy, ox, n)] = padded[c, oy*sy + y, ox*sx + x, n]"""
    ow = (x.shape[2] + 2 * padding[1] - kernel[1]) // stride[1] + 1
    count = out.shape[1] // max(x.shape[3], 1)
    unfold_tile(x, out, *kernel, *stride, *padding, ow, 0, count)


def fold(
    cols: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, out: Array
) -> None:
    """padded[c, oy*sy + y, ox*sx + x, n] += cols[(c, y, x), (oy, ox, n)]; the rim is cut off"""
    ow = (out.shape[2] + 2 * padding[1] - kernel[1]) // stride[1] + 1
    count = cols.shape[1] // max(out.shape[3], 1)
    out.fill(0)
    fold_tile(cols, out, *kernel, *stride, *padding, ow, 0, count)


def conv2d(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, groups: int, kind: str,
    out: Array,
) -> None:  # fmt: skip
    """out = act(w @ unfold(x) + b)      tile by tile"""
    o, oh, ow, n = out.shape
    kernel = w.shape[2:]
    rows, og, ig = w[0].size, o // groups, w.shape[1]
    plain = kernel == (1, 1) and stride == (1, 1) and padding == (0, 0)
    step = tiling(rows, og, n, x.itemsize)
    buffer = empty((rows * min(step, oh * ow) * n,), x.dtype)
    for k in range(groups):
        ws = w[k * og : (k + 1) * og].reshape(og, rows)
        xs = x[k * ig : (k + 1) * ig]
        ys = out[k * og : (k + 1) * og].reshape(og, -1)
        bs = None if b is None else b[k * og : (k + 1) * og]
        for p0 in range(0, oh * ow, step):
            p1 = min(p0 + step, oh * ow)
            lo, hi = p0 * n, p1 * n
            if plain:
                cols = xs.reshape(ig, -1)[:, lo:hi]
            else:
                cols = buffer[: rows * (hi - lo)].reshape(rows, hi - lo)
                unfold_tile(xs, cols, *kernel, *stride, *padding, ow, p0, p1)
            np.matmul(ws, cols, out=ys[:, lo:hi])
            finish(ys, bs, kind, lo, hi)


def conv2d_grad_input(
    g: Array, w: Array, shape: tuple[int, ...], stride: Pair, padding: Pair, groups: int, out: Array
) -> None:
    """dx = fold(w^T @ g)      tile by tile"""
    o, oh, ow, n = g.shape
    kernel = w.shape[2:]
    rows, og, ig = w[0].size, o // groups, w.shape[1]
    plain = kernel == (1, 1) and stride == (1, 1) and padding == (0, 0)
    step = tiling(rows, og, n, g.itemsize)
    buffer = empty((rows * min(step, oh * ow) * n,), g.dtype)
    if not plain:
        out.fill(0)
    for k in range(groups):
        ws = w[k * og : (k + 1) * og].reshape(og, rows).T
        gs = g[k * og : (k + 1) * og].reshape(og, -1)
        dx = out[k * ig : (k + 1) * ig]
        if plain:
            np.matmul(ws, gs, out=dx.reshape(ig, -1))
            continue
        for p0 in range(0, oh * ow, step):
            p1 = min(p0 + step, oh * ow)
            lo, hi = p0 * n, p1 * n
            cols = buffer[: rows * (hi - lo)].reshape(rows, hi - lo)
            np.matmul(ws, gs[:, lo:hi], out=cols)
            fold_tile(cols, dx, *kernel, *stride, *padding, ow, p0, p1)


def conv2d_grad_weight(
    g: Array, x: Array, kernel: Pair, stride: Pair, padding: Pair, groups: int, out: Array
) -> None:
    """dw = sum over tiles of g @ unfold(x)^T"""
    o, oh, ow, n = g.shape
    ig = out.shape[1]
    rows, og = out[0].size, o // groups
    plain = kernel == (1, 1) and stride == (1, 1) and padding == (0, 0)
    step = tiling(rows, og, n, g.itemsize)
    buffer = empty((rows * min(step, oh * ow) * n,), g.dtype)
    turned = rows >= og  # dw^T = unfold(x) @ g^T: BLAS is a quarter faster with the long side first
    part = empty((rows, og) if turned else (og, rows), g.dtype)
    total = empty(part.shape, g.dtype)
    for k in range(groups):
        xs = x[k * ig : (k + 1) * ig]
        gs = g[k * og : (k + 1) * og].reshape(og, -1)
        total.fill(0)
        for p0 in range(0, oh * ow, step):
            p1 = min(p0 + step, oh * ow)
            lo, hi = p0 * n, p1 * n
            if plain:
                cols = xs.reshape(ig, -1)[:, lo:hi]
            else:
                cols = buffer[: rows * (hi - lo)].reshape(rows, hi - lo)
                unfold_tile(xs, cols, *kernel, *stride, *padding, ow, p0, p1)
            if turned:
                np.matmul(cols, gs[:, lo:hi].T, out=part)
            else:
                np.matmul(gs[:, lo:hi], cols.T, out=part)
            np.add(total, part, out=total)
        out[k * og : (k + 1) * og].reshape(og, rows)[...] = total.T if turned else total
