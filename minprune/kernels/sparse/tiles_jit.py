"""Tiles in the scratch memory of a thread, their dot products, and threads that share the work.

A tile: some columns of a matrix copied one row behind the other, on whole cache lines: a register
that lies across two cache lines takes twice as long to load. A part of the output belongs to one
call, so the bits are the same on any number of threads. They are Python threads, and the loops
release the GIL: prange would compile everything a second time.
"""

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import inside, loops
from minprune.kernels.registers_jit import BYTES, at, fma, lanes_of, load, splat, total

LINE = BYTES  # of a cache line
TILE = 4 * BYTES  # bytes of a row of a tile
WORTH = 4_000_000  # multiply-adds to a thread: about 0.1 ms
KEEP = 16 * 1024 * 1024  # bytes of scratch that stay
_kept = threading.local()  # one scratch per dtype: fresh memory would cost page faults


def scratch_of(size: int, dtype: Any) -> Array:
    """At least `size` uninitialised entries after a cache line begins, until the next call"""
    size += BYTES // dtype.itemsize
    found: Array | None = getattr(_kept, dtype.char, None)
    if found is None or found.size < size:
        found = np.empty(size, dtype)
        if found.nbytes <= KEEP:
            setattr(_kept, dtype.char, found)
    return found


def shares(madds: int, most: int) -> int:
    """How many threads a product of so many multiply-adds is worth: at most Numba's own number"""
    if numba.config.NUMBA_NUM_THREADS == 1 or madds < 2 * WORTH:
        return 1
    count: int = min(numba.get_num_threads(), madds // WORTH, most)
    return max(1, count)


@cache
def pool(process: int) -> Any:
    """The threads of this process besides the calling one: a fork has none of its parent's"""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(max(1, numba.config.NUMBA_NUM_THREADS - 1))


def share(work: Callable[[int, int], None], count: int, parts: int) -> None:
    """work(lo, hi) for each part of 0 .. count - 1, the first of them in this thread"""
    if parts == 1:
        work(0, count)
        return
    cuts = [count * k // parts for k in range(parts + 1)]
    threads = pool(os.getpid())
    others = [threads.submit(work, *cuts[k : k + 2]) for k in range(1, parts)]
    work(*cuts[:2])
    for other in others:
        other.result()


@loops
def on_lines(scratch):  # type: ignore[no-untyped-def]
    """scratch from its first cache line on"""
    return scratch[-scratch.ctypes.data % LINE // scratch.itemsize :]


@inside
def put_line(target, source):  # type: ignore[no-untyped-def]
    """target[j] = source[j], 0 beyond its end      LLVM copies faster than registers of 64 bytes"""
    for j in range(source.size):
        target[j] = source[j]
    for j in range(source.size, target.size):
        target[j] = 0


@loops
def pack(x, t, width, tile):  # type: ignore[no-untyped-def]
    """tile[k, j] = x[k, t + j], 0 beyond the last column      tile: rows of `width`, flat"""
    for k in range(x.shape[0]):
        put_line(tile[k * width : (k + 1) * width], x[k, t : t + width])


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
