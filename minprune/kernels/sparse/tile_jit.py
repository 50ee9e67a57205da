"""Tiles: some columns of a matrix copied one row behind the other, on whole cache lines.

A register that lies across two cache lines takes twice as long to load.
"""

from minprune.kernels.compile_jit import inside, loops
from minprune.kernels.registers_jit import BYTES

TILE = 4 * BYTES  # bytes of a row of a tile


@loops
def on_lines(scratch):  # type: ignore[no-untyped-def]
    """scratch from its first cache line on"""
    return scratch[-scratch.ctypes.data % BYTES // scratch.itemsize :]


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
