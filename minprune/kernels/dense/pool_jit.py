"""Pooling, compiled. Loops run over the batch, which is contiguous, one window place at a time.

A gather per entry would not vectorise; a pass per place with a comparison does, if the entries are
loaded before the comparison.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops
from minprune.kernels.registers_jit import greater, lanes_of, load, store

Pair = tuple[int, int]


@loops
def max_windows(x, ky, kx, sy, sx, py, px, y, index):  # type: ignore[no-untyped-def]
    """y = max over the window; the first maximum, or the first NaN, gives the index"""
    _, h, w, _ = x.shape
    c, oh, ow, _ = y.shape
    for k in range(c):
        for oy in range(oh):
            for ox in range(ow):
                best, at = y[k, oy, ox], index[k, oy, ox]
                first = True
                for dy in range(max(0, py - oy * sy), min(ky, h + py - oy * sy)):
                    for dx in range(max(0, px - ox * sx), min(kx, w + px - ox * sx)):
                        row = x[k, oy * sy + dy - py, ox * sx + dx - px]
                        place = np.uint16(dy * kx + dx)
                        if first:
                            for j in range(row.size):
                                best[j] = row[j]
                                at[j] = place
                        else:
                            for j in range(row.size):
                                v, b, a = row[j], best[j], at[j]
                                # not <=: also true for NaN; b == b: not once it is NaN
                                take = (not v <= b) & (b == b)
                                at[j] = place if take else a
                                best[j] = v if take else b
                        first = False


@loops
def largest(x, ky, kx, sy, sx, py, px, y):  # type: ignore[no-untyped-def]
    """y = max over the window, NaN if there is one      the maximum stays in a register"""
    _, h, w, n = x.shape
    c, oh, ow, _ = y.shape
    lanes = lanes_of(x)
    whole = n - n % lanes
    source, target = x.reshape(-1), y.reshape(-1)
    for k in range(c):
        for oy in range(oh):
            top, bottom = max(0, oy * sy - py), min(h, oy * sy - py + ky)
            for ox in range(ow):
                left, right = max(0, ox * sx - px), min(w, ox * sx - px + kx)
                to = ((k * oh + oy) * ow + ox) * n
                for j in range(0, whole, lanes):
                    best = load(source, ((k * h + top) * w + left) * n + j)
                    for iy in range(top, bottom):
                        for ix in range(left, right):
                            best = greater(best, load(source, ((k * h + iy) * w + ix) * n + j))
                    store(target, to + j, best)
                for j in range(whole, n):
                    one = x[k, top, left, j]
                    for iy in range(top, bottom):
                        for ix in range(left, right):
                            v = x[k, iy, ix, j]
                            if not v <= one and one == one:
                                one = v
                    y[k, oy, ox, j] = one


@loops
def pick_places(x, index, ky, kx, sy, sx, py, px, out):  # type: ignore[no-untyped-def]
    """out = the entry of the window at index; 0 in the padding"""
    _, h, w, _ = x.shape
    c, oh, ow, _ = out.shape
    zero = x.dtype.type(0)
    for k in range(c):
        for oy in range(oh):
            for ox in range(ow):
                target, at = out[k, oy, ox], index[k, oy, ox]
                for j in range(target.size):
                    target[j] = zero
                for dy in range(max(0, py - oy * sy), min(ky, h + py - oy * sy)):
                    for dx in range(max(0, px - ox * sx), min(kx, w + px - ox * sx)):
                        row = x[k, oy * sy + dy - py, ox * sx + dx - px]
                        place = np.uint16(dy * kx + dx)
                        for j in range(target.size):
                            v, t = row[j], target[j]
                            target[j] = v if at[j] == place else t


@loops
def put_places(g, index, ky, kx, sy, sx, py, px, out):  # type: ignore[no-untyped-def]
    """out += g at index      out starts at 0"""
    _, h, w, _ = out.shape
    c, oh, ow, _ = g.shape
    zero = g.dtype.type(0)
    for k in range(c):
        for oy in range(oh):
            for ox in range(ow):
                source, at = g[k, oy, ox], index[k, oy, ox]
                for dy in range(max(0, py - oy * sy), min(ky, h + py - oy * sy)):
                    for dx in range(max(0, px - ox * sx), min(kx, w + px - ox * sx)):
                        row = out[k, oy * sy + dy - py, ox * sx + dx - px]
                        place = np.uint16(dy * kx + dx)
                        for j in range(source.size):
                            v = source[j]
                            row[j] += v if at[j] == place else zero


@loops
def mean_windows(x, ky, kx, sy, sx, py, px, y):  # type: ignore[no-untyped-def]
    """y = sum over the window / (ky * kx)"""
    _, h, w, _ = x.shape
    c, oh, ow, _ = y.shape
    zero, size = x.dtype.type(0), x.dtype.type(ky * kx)
    for k in range(c):
        for oy in range(oh):
            for ox in range(ow):
                total = y[k, oy, ox]
                for j in range(total.size):
                    total[j] = zero
                for dy in range(max(0, py - oy * sy), min(ky, h + py - oy * sy)):
                    for dx in range(max(0, px - ox * sx), min(kx, w + px - ox * sx)):
                        row = x[k, oy * sy + dy - py, ox * sx + dx - px]
                        for j in range(total.size):
                            total[j] += row[j]
                for j in range(total.size):
                    total[j] /= size


@loops
def spread_windows(g, ky, kx, sy, sx, py, px, out):  # type: ignore[no-untyped-def]
    """out += g / (ky * kx) over the whole window      out starts at 0"""
    _, h, w, _ = out.shape
    c, oh, ow, _ = g.shape
    size = g.dtype.type(ky * kx)
    for k in range(c):
        for oy in range(oh):
            for ox in range(ow):
                source = g[k, oy, ox]
                for dy in range(max(0, py - oy * sy), min(ky, h + py - oy * sy)):
                    for dx in range(max(0, px - ox * sx), min(kx, w + px - ox * sx)):
                        row = out[k, oy * sy + dy - py, ox * sx + dx - px]
                        for j in range(source.size):
                            row[j] += source[j] / size


def max_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair, y: Array, index: Array) -> None:
    """y = max over the window, index = y*KX + x of the first one; NaN wins; padding never does"""
    max_windows(x, *kernel, *stride, *padding, y, index)


def max_values(x: Array, kernel: Pair, stride: Pair, padding: Pair, y: Array) -> None:
    """y = max over the window; NaN wins; padding never does"""
    largest(x, *kernel, *stride, *padding, y)


def pick(x: Array, index: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """out[c, oy, ox, n] = the entry of the window at index[c, oy, ox, n]      0 in the padding"""
    pick_places(x, index, *kernel, *stride, *padding, out)


def put(
    g: Array, index: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair,
    out: Array,
) -> None:  # fmt: skip
    """out = fold of g at index, 0 elsewhere      the adjoint of pick: places met twice add up"""
    out.fill(0)
    put_places(g, index, *kernel, *stride, *padding, out)


def avg_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """out = mean over the window, its padding counted as zeros"""
    mean_windows(x, *kernel, *stride, *padding, out)


def avg_pool_grad(
    g: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, out: Array
) -> None:
    """out = fold(g / (KY*KX)) over the whole window      the adjoint of avg_pool"""
    out.fill(0)
    spread_windows(g, *kernel, *stride, *padding, out)
