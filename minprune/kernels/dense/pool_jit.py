"""Pooling, compiled. Loops run over the batch, which is contiguous, one window place at a time.

A gather per entry would not vectorise; a pass per place with a comparison does, if the entries are
loaded before the comparison.
"""

import numpy as np

from minprune.kernels.compile_jit import loops
from minprune.kernels.registers_jit import greater, lanes_of, load, store


@loops
def max_pool(x, kernel, stride, padding, y, index):  # type: ignore[no-untyped-def]
    """y = max over the window, index = y*KX + x of the first one; NaN wins; padding never does"""
    (ky, kx), (sy, sx), (py, px) = kernel, stride, padding
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
def max_values(x, kernel, stride, padding, y):  # type: ignore[no-untyped-def]
    """y = max over the window; NaN wins; padding never does      the maximum stays in a register"""
    (ky, kx), (sy, sx), (py, px) = kernel, stride, padding
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
def pick(x, index, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """out[c, oy, ox, n] = the entry of the window at index[c, oy, ox, n]      0 in the padding"""
    (ky, kx), (sy, sx), (py, px) = kernel, stride, padding
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
def put(g, index, shape, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """out = fold of g at index, 0 elsewhere      the adjoint of pick: places met twice add up"""
    (ky, kx), (sy, sx), (py, px) = kernel, stride, padding
    out[:] = 0
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
def avg_pool(x, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """out = mean over the window, its padding counted as zeros"""
    (ky, kx), (sy, sx), (py, px) = kernel, stride, padding
    _, h, w, _ = x.shape
    c, oh, ow, _ = out.shape
    zero, size = x.dtype.type(0), x.dtype.type(ky * kx)
    for k in range(c):
        for oy in range(oh):
            for ox in range(ow):
                total = out[k, oy, ox]
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
def avg_pool_grad(g, shape, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """out = fold(g / (KY*KX)) over the whole window      the adjoint of avg_pool"""
    (ky, kx), (sy, sx), (py, px) = kernel, stride, padding
    out[:] = 0
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
